// SPDX-License-Identifier: Apache-2.0
//
// Rules, as they are said: "+get", "-@dangerous", "%R~orders:*", "&news.*".
#include <algorithm>

#include "server/acl/categories.h"
#include "server/acl/rights.h"
#include "server/numbers.h"

namespace ullage::server {
namespace {

bool has_space(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0'; });
}

// "get", "client|list"; null: there is none.
const Command* command_called(std::string_view name) {
  const std::size_t bar = name.find('|');
  const Command* command = find_command(name.substr(0, bar));
  if (command == nullptr || bar == std::string_view::npos) return command;
  return find_subcommand(*command, name.substr(bar + 1));
}

bool is_one_of(std::string_view rule, std::string_view one, std::string_view other) {
  return equals_ignoring_case(rule, one) || equals_ignoring_case(rule, other);
}

}  // namespace

const char* to_text(RuleStatus status) {
  switch (status) {
    case RuleStatus::kOk:
      return "";
    case RuleStatus::kSyntax:
      return "Syntax error";
    case RuleStatus::kUnknownCommand:
      return "Unknown command or category name in ACL";
    case RuleStatus::kFirstWordOfSubcommand:
      return "Allowing first-arg of a subcommand is not supported";
    case RuleStatus::kKeysAfterAll:
      return "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does "
             "not have any effect. Try 'resetkeys' to start with an empty list of patterns";
    case RuleStatus::kChannelsAfterAll:
      return "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and "
             "does not have any effect. Try 'resetchannels' to start with an empty list of "
             "channels";
    case RuleStatus::kNoSuchPassword:
      return "The password you are trying to remove from the user does not exist";
    case RuleStatus::kBadHash:
      return "The password hash must be exactly 64 characters and contain only lowercase "
             "hexadecimal characters";
    case RuleStatus::kTooMany:
      return "A user may have 4096 patterns, channels and rules, and 64 passwords and selectors";
  }
  return "";
}

RuleStatus Rights::apply(std::string_view rule) {
  if (rule.empty()) return RuleStatus::kSyntax;
  if (is_one_of(rule, "allkeys", "~*")) {
    keys_.clear();
    all_keys_ = true;
    return RuleStatus::kOk;
  }
  if (equals_ignoring_case(rule, "resetkeys")) {
    keys_.clear();
    all_keys_ = false;
    return RuleStatus::kOk;
  }
  if (is_one_of(rule, "allchannels", "&*")) {
    channels_.clear();
    all_channels_ = true;
    return RuleStatus::kOk;
  }
  if (equals_ignoring_case(rule, "resetchannels")) {
    channels_.clear();
    all_channels_ = false;
    return RuleStatus::kOk;
  }
  if (is_one_of(rule, "allcommands", "+@all")) return set_all_commands(true), RuleStatus::kOk;
  if (is_one_of(rule, "nocommands", "-@all")) return set_all_commands(false), RuleStatus::kOk;
  if (entries() >= kRightsEntriesMax) return RuleStatus::kTooMany;
  const bool category = rule.size() > 1 && rule[1] == '@';
  switch (rule[0]) {
    case '~':
    case '%':
      return add_keys(rule);
    case '&':
      return add_channel(rule.substr(1));
    case '+':
    case '-':
      return category ? change_category(rule.substr(2), rule[0] == '+')
                      : change_command(rule.substr(1), rule[0] == '+');
    default:
      return RuleStatus::kSyntax;
  }
}

RuleStatus Rights::add_keys(std::string_view rule) {
  if (all_keys_) return RuleStatus::kKeysAfterAll;
  std::uint8_t access = 0;
  if (rule[0] == '~') {
    access = kReadsKey | kWritesKey;
    rule.remove_prefix(1);
  } else {
    std::size_t i = 1;
    for (; i < rule.size() && rule[i] != '~'; ++i) {
      const char c = rule[i];
      if ((c == 'R' || c == 'r') && !(access & kReadsKey)) {
        access |= kReadsKey;
      } else if ((c == 'W' || c == 'w') && !(access & kWritesKey)) {
        access |= kWritesKey;
      } else {
        return RuleStatus::kSyntax;
      }
    }
    if (access == 0 || i == rule.size()) return RuleStatus::kSyntax;
    rule.remove_prefix(i + 1);
  }
  if (has_space(rule)) return RuleStatus::kSyntax;
  for (KeyPattern& known : keys_) {
    if (known.text != rule) continue;
    known.access |= access;
    return RuleStatus::kOk;
  }
  keys_.push_back({access, std::string(rule)});
  return RuleStatus::kOk;
}

RuleStatus Rights::add_channel(std::string_view pattern) {
  if (all_channels_) return RuleStatus::kChannelsAfterAll;
  if (has_space(pattern)) return RuleStatus::kSyntax;
  if (std::find(channels_.begin(), channels_.end(), pattern) == channels_.end()) {
    channels_.emplace_back(pattern);
  }
  return RuleStatus::kOk;
}

void Rights::set_all_commands(bool allow) {
  all_commands_ = allow;
  allow ? allowed_.set() : allowed_.reset();
  first_words_.clear();
  rules_.clear();
}

// With a command go its subcommands.
void Rights::set_command(const Command& command, bool allow) {
  const std::size_t index = command_index(&command);
  allowed_.set(index, allow);
  first_words_.erase(index);
  if (!(command.flags & kContainer)) return;
  const std::string prefix = std::string(command.name) + "|";
  for (const Command& sub : commands()) {
    if (!std::string_view(sub.name).starts_with(prefix)) continue;
    allowed_.set(command_index(&sub), allow);
  }
}

// What was said of the same before, or of a part of it, means nothing from now on.
void Rights::note_rule(std::string_view name, bool allow) {
  const std::string part = std::string(name) + "|";
  std::erase_if(rules_, [&](const std::string& rule) {
    const std::string_view said = std::string_view(rule).substr(1);
    return said == name || said.starts_with(part);
  });
  rules_.push_back((allow ? "+" : "-") + std::string(name));
}

RuleStatus Rights::change_command(std::string_view written, bool allow) {
  const std::string name = lower_case(written);
  if (const Command* command = command_called(name); command != nullptr) {
    set_command(*command, allow);
    note_rule(name, allow);
    return RuleStatus::kOk;
  }
  const std::size_t bar = name.rfind('|');
  if (!allow || bar == std::string::npos) return RuleStatus::kUnknownCommand;
  return allow_first_word(std::string_view(name).substr(0, bar),
                          std::string_view(name).substr(bar + 1));
}

RuleStatus Rights::allow_first_word(std::string_view name, std::string_view word) {
  const Command* command = command_called(name);
  if (command == nullptr) return RuleStatus::kUnknownCommand;
  if (is_subcommand(*command)) return RuleStatus::kFirstWordOfSubcommand;
  if (command->flags & kContainer) return RuleStatus::kUnknownCommand;
  if (word.empty() || has_space(word)) return RuleStatus::kSyntax;
  std::vector<std::string>& words = first_words_[command_index(command)];
  const std::string rule = "+" + std::string(name) + "|" + std::string(word);
  if (std::find(words.begin(), words.end(), word) == words.end()) {
    words.emplace_back(word);
    rules_.push_back(rule);
  }
  return RuleStatus::kOk;
}

RuleStatus Rights::change_category(std::string_view written, bool allow) {
  const std::string name = lower_case(written);
  const Categories category = category_named(name);
  if (category == 0) return RuleStatus::kUnknownCommand;
  for (const Command& command : commands()) {
    if (!(categories_of(command) & category)) continue;
    const std::size_t index = command_index(&command);
    allowed_.set(index, allow);
    first_words_.erase(index);
  }
  note_rule("@" + name, allow);
  return RuleStatus::kOk;
}

}  // namespace ullage::server
