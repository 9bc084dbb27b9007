// SPDX-License-Identifier: Apache-2.0
#include "server/acl/rights.h"

#include <algorithm>

#include "server/acl/categories.h"
#include "server/glob.h"
#include "server/keys_of.h"
#include "server/numbers.h"

namespace ullage::server {
namespace {

// "RW access update" as bits: what is read of a value, and what is written.
std::uint8_t access_of(std::string_view flags) {
  const auto has = [flags](std::string_view word) {
    return flags.find(word) != std::string_view::npos;
  };
  std::uint8_t access = has("access") ? kReadsKey : 0;
  if (has("insert") || has("update") || has("delete")) access |= kWritesKey;
  return access;
}

// Was this command allowed by its own name, or its container's, and not as one of many?
bool is_named(const Command& command, const std::vector<std::string>& rules) {
  const std::string_view name = command.name;
  const std::string_view container = name.substr(0, name.find('|'));
  bool named = false;
  for (const std::string_view rule : rules) {
    const std::string_view said = rule.substr(1);
    if (said == name || said == container) named = rule[0] == '+';
    if (rule.starts_with("-@") && (categories_of(command) & category_named(said.substr(1)))) {
      named = false;
    }
  }
  return named;
}

}  // namespace

std::uint8_t access_of(const Command& command, std::span<const std::string_view> words,
                       std::size_t word) {
  // The specs are of the first key, the second, ...; the last one is of all that follow.
  std::string_view flags = command.key_flags;
  const int step = std::max<int>(command.key_step, 1);
  int nth = (static_cast<int>(word) - command.first_key) / step;
  for (std::size_t bar = flags.find('|'); bar != std::string_view::npos && nth > 0; --nth) {
    flags.remove_prefix(bar + 1);
    bar = flags.find('|');
  }
  flags = flags.substr(0, flags.find('|'));
  std::uint8_t access = access_of(flags);
  if (flags.find("variable_flags") == std::string_view::npos) return access;
  // What it does depends on its options.
  const auto has = [&](std::size_t from, std::string_view option) {
    return std::any_of(words.begin() + static_cast<std::ptrdiff_t>(std::min(from, words.size())),
                       words.end(), [option](auto w) { return equals_ignoring_case(w, option); });
  };
  const std::string_view name = command.name;
  if (name == "set" && !has(3, "get")) return kWritesKey;
  if (name == "bitfield" && !has(2, "set") && !has(2, "incrby")) return kReadsKey;
  return access;
}

bool Rights::may_touch(std::string_view key, std::uint8_t access) const {
  if (all_keys_) return true;
  return std::any_of(keys_.begin(), keys_.end(), [&](const KeyPattern& pattern) {
    return (pattern.access & access) == access && glob_match(pattern.text, key);
  });
}

bool Rights::may_use_channel(std::string_view channel, bool pattern) const {
  if (all_channels_) return true;
  return std::any_of(channels_.begin(), channels_.end(), [&](const std::string& known) {
    return pattern ? known == channel : glob_match(known, channel);
  });
}

bool Rights::allows(const Command& command, std::span<const std::string_view> words) const {
  const std::size_t index = command_index(&public_form(command));
  if (allowed_.test(index)) return true;
  const auto first = first_words_.find(index);
  if (first == first_words_.end() || words.size() < 2) return false;
  return std::any_of(first->second.begin(), first->second.end(),
                     [&](const std::string& word) { return equals_ignoring_case(word, words[1]); });
}

Verdict Rights::check(const Command& command, std::span<const std::string_view> words) const {
  if (command.flags & kNoAuth) return {};  // how one becomes somebody else
  if (!allows(command, words)) return {Refusal::kCommand, 0};
  Verdict verdict;
  if (!all_keys_ && command.first_key > 0) {
    for_each_key(command, words, [&](std::size_t i) {
      if (verdict.why != Refusal::kNone) return;
      if (!may_touch(words[i], access_of(command, words, i))) verdict = {Refusal::kKey, i};
    });
  } else if (!all_keys_ && !(command.flags & (kKeyless | kSifted)) && !is_named(command, rules_)) {
    verdict = {Refusal::kReach, 0};
  }
  if (verdict.why != Refusal::kNone || all_channels_) return verdict;
  const bool pattern = (command.flags & kHearsPatterns) != 0;
  if (pattern || (command.flags & (kHearsChannels | kTellsChannel))) {
    const std::size_t end = (command.flags & kTellsChannel) ? 2 : words.size();
    for (std::size_t i = 1; i < std::min(end, words.size()); ++i) {
      if (!may_use_channel(words[i], pattern)) return {Refusal::kChannel, i};
    }
  }
  return verdict;
}

std::string Rights::keys_text() const {
  if (all_keys_) return "~*";
  std::string text;
  for (const KeyPattern& pattern : keys_) {
    if (!text.empty()) text += ' ';
    if (pattern.access == kReadsKey) text += "%R";
    if (pattern.access == kWritesKey) text += "%W";
    text += '~' + pattern.text;
  }
  return text;
}

std::string Rights::channels_text() const {
  if (all_channels_) return "&*";
  std::string text;
  for (const std::string& channel : channels_) text += (text.empty() ? "&" : " &") + channel;
  return text;
}

std::string Rights::commands_text() const {
  std::string text = all_commands_ ? "+@all" : "-@all";
  for (const std::string& rule : rules_) text += ' ' + rule;
  return text;
}

std::string Rights::text() const {
  std::string text = keys_text();
  if (!text.empty()) text += ' ';
  if (!all_channels_) text += "resetchannels ";
  const std::string channels = channels_text();
  if (!channels.empty()) text += channels + ' ';
  return text + commands_text();
}

}  // namespace ullage::server
