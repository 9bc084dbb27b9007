// SPDX-License-Identifier: Apache-2.0
//
// COMMAND: what there is, made from commands.def.
#include <algorithm>
#include <vector>

#include "server/acl/categories.h"
#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/glob.h"
#include "server/keys_of.h"
#include "server/numbers.h"

namespace ullage::server {
namespace {

constexpr std::pair<std::uint32_t, const char*> kFlagNames[] = {
    {kWrite, "write"},
    {kReadonly, "readonly"},
    {kDenyOom, "denyoom"},
    {kAdmin, "admin"},
    {kPubsub, "pubsub"},
    {kNoScript, "noscript"},
    {kLoading, "loading"},
    {kStale, "stale"},
    {kSkipSlowlog, "skip_slowlog"},
    {kFast, "fast"},
    {kNoAuth, "no_auth"},
    {kMayReplicate, "may_replicate"},
    {kNoAsyncLoading, "no_async_loading"},
    {kNoMulti, "no_multi"},
    {kAllowBusy, "allow_busy"},
};

std::vector<const char*> flags_of(const Command& command) {
  std::vector<const char*> names;
  for (const auto& [flag, name] : kFlagNames) {
    if (command.flags & flag) names.push_back(name);
  }
  return names;
}

std::vector<std::string> category_names_of(const Command& command) {
  std::vector<std::string> names;
  const Categories categories = categories_of(command);
  for (std::size_t i = 0; i < category_names().size(); ++i) {
    if (categories >> i & 1) names.push_back(std::string("@") + category_names()[i]);
  }
  return names;
}

struct KeySpec {
  std::vector<std::string> flags;
  int begin, last, step;
};

std::vector<KeySpec> key_specs(const Command& command) {
  std::vector<KeySpec> specs;
  if (command.first_key <= 0) return specs;
  std::string_view rest = command.key_flags;
  int begin = command.first_key;
  for (;;) {
    const std::size_t bar = rest.find('|');
    const bool final = bar == std::string_view::npos;
    KeySpec spec{{}, begin, 0, command.key_step};
    std::string_view words = rest.substr(0, bar);
    while (!words.empty()) {
      const std::size_t space = words.find(' ');
      spec.flags.emplace_back(words.substr(0, space));
      words.remove_prefix(space == std::string_view::npos ? words.size() : space + 1);
    }
    if (final) spec.last = command.last_key < 0 ? command.last_key : command.last_key - begin;
    specs.push_back(std::move(spec));
    if (final) return specs;
    rest.remove_prefix(bar + 1);
    ++begin;
  }
}

void reply_spec(Context& c, const KeySpec& spec) {
  c.out.map(3);
  c.out.bulk("flags");
  c.out.set(spec.flags.size());
  for (const std::string& flag : spec.flags) c.out.simple(flag);
  c.out.bulk("begin_search");
  c.out.map(2);
  c.out.bulk("type"), c.out.bulk("index");
  c.out.bulk("spec"), c.out.map(1), c.out.bulk("index"), c.out.integer(spec.begin);
  c.out.bulk("find_keys");
  c.out.map(2);
  c.out.bulk("type"), c.out.bulk("range");
  c.out.bulk("spec"), c.out.map(3);
  c.out.bulk("lastkey"), c.out.integer(spec.last);
  c.out.bulk("keystep"), c.out.integer(spec.step);
  c.out.bulk("limit"), c.out.integer(0);
}

std::vector<const Command*> subcommands_of(const Command& command) {
  std::vector<const Command*> found;
  if (!(command.flags & kContainer)) return found;
  const std::string prefix = std::string(command.name) + "|";
  for (const Command& other : commands()) {
    if (std::string_view(other.name).starts_with(prefix)) found.push_back(&other);
  }
  return found;
}

void reply_info(Context& c, const Command& command) {
  c.out.array(10);
  c.out.bulk(command.name);
  c.out.integer(command.arity);
  const auto flags = flags_of(command);
  const auto categories = category_names_of(command);
  c.out.set(flags.size());
  for (const char* flag : flags) c.out.simple(flag);
  c.out.integer(command.first_key);
  c.out.integer(command.last_key);
  c.out.integer(command.key_step);
  c.out.set(categories.size());
  for (const std::string& category : categories) c.out.simple(category);
  c.out.set(0);  // tips
  const auto specs = key_specs(command);
  c.out.set(specs.size());
  for (const KeySpec& spec : specs) reply_spec(c, spec);
  const auto subcommands = subcommands_of(command);
  c.out.set(subcommands.size());
  for (const Command* sub : subcommands) reply_info(c, *sub);
}

std::vector<const Command*> top_commands() {
  std::vector<const Command*> all;
  for (const Command& command : commands()) {
    if (!is_subcommand(command) && !(command.flags & kInternal)) all.push_back(&command);
  }
  return all;
}

// "get", "client|list"; null: there is none.
const Command* find_full_name(std::string_view name) {
  const std::size_t bar = name.find('|');
  const Command* command = find_command(name.substr(0, bar));
  if (command == nullptr || bar == std::string_view::npos) return command;
  return find_subcommand(*command, name.substr(bar + 1));
}

void reply_docs(Context& c, const Command& command) {
  c.out.bulk(command.name);
  const auto subcommands = subcommands_of(command);
  c.out.map(subcommands.empty() ? 3 : 4);
  c.out.bulk("summary"), c.out.bulk(command.summary);
  c.out.bulk("since"), c.out.bulk(command.since);
  c.out.bulk("group"), c.out.bulk(command.group);
  if (subcommands.empty()) return;
  c.out.bulk("subcommands");
  c.out.map(subcommands.size());
  for (const Command* sub : subcommands) reply_docs(c, *sub);
}

// The command that words[2..] make; null: the error is replied.
const Command* named(Context& c, std::vector<std::size_t>& keys) {
  const auto words = c.words.subspan(2);
  const Command* command = find_command(words[0]);
  if (command != nullptr && (command->flags & kContainer) && words.size() > 1) {
    if (const Command* sub = find_subcommand(*command, words[1])) command = sub;
  }
  if (command == nullptr) {
    c.error("ERR Invalid command specified");
    return nullptr;
  }
  if (command->first_key == 0) {
    c.error("ERR The command has no key arguments");
    return nullptr;
  }
  if (!arity_fits(*command, words.size())) {
    c.error("ERR Invalid number of arguments specified for command");
    return nullptr;
  }
  for_each_key(*command, words, [&](std::size_t i) { keys.push_back(i + 2); });
  return command;
}

}  // namespace

void command_command(Context& c) {
  const auto all = top_commands();
  c.out.array(all.size());
  for (const Command* command : all) reply_info(c, *command);
}

void command_count_command(Context& c) {
  c.out.integer(static_cast<std::int64_t>(top_commands().size()));
}

void command_info_command(Context& c) {
  if (c.words.size() == 2) return command_command(c);
  c.out.array(c.words.size() - 2);
  for (std::size_t i = 2; i < c.words.size(); ++i) {
    const Command* command = find_full_name(c.word(i));
    if (command != nullptr) {
      reply_info(c, *command);
    } else {
      c.out.null();
    }
  }
}

void command_docs_command(Context& c) {
  std::vector<const Command*> told;
  if (c.words.size() == 2) told = top_commands();
  for (std::size_t i = 2; i < c.words.size(); ++i) {
    if (const Command* command = find_full_name(c.word(i))) told.push_back(command);
  }
  c.out.map(told.size());
  for (const Command* command : told) reply_docs(c, *command);
}

void command_list_command(Context& c) {
  std::vector<const char*> names;
  if (c.words.size() != 2 && c.words.size() != 5) return c.syntax_error();
  const bool filtered = c.words.size() == 5;
  if (filtered && !c.is(2, "filterby")) return c.syntax_error();
  for (const Command& command : commands()) {
    if (command.flags & kInternal) continue;
    if (filtered) {
      if (c.is(3, "pattern")) {
        if (!glob_match(c.word(4), command.name, true)) continue;
      } else if (c.is(3, "aclcat")) {
        if (!(categories_of(command) & category_named(c.word(4)))) continue;
      } else if (!c.is(3, "module")) {
        return c.syntax_error();
      } else {
        continue;
      }
    } else if (is_subcommand(command)) {
      continue;
    }
    names.push_back(command.name);
  }
  c.out.set(names.size());
  for (const char* name : names) c.out.bulk(name);
}

void command_getkeys_command(Context& c) {
  std::vector<std::size_t> keys;
  if (named(c, keys) == nullptr) return;
  c.out.array(keys.size());
  for (const std::size_t key : keys) c.out.bulk(c.word(key));
}

void command_getkeysandflags_command(Context& c) {
  std::vector<std::size_t> keys;
  const Command* command = named(c, keys);
  if (command == nullptr) return;
  auto specs = key_specs(*command);
  if (std::string_view(command->name) == "set") {  // what it does depends on its options
    bool get = false;
    for (std::size_t i = 5; i < c.words.size(); ++i) get |= c.is(i, "get");
    specs[0].flags = get ? std::vector<std::string>{"RW", "access", "update"}
                         : std::vector<std::string>{"OW", "update"};
  }
  c.out.array(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const KeySpec& spec = specs[std::min(i, specs.size() - 1)];
    c.out.array(2);
    c.out.bulk(c.word(keys[i]));
    c.out.set(spec.flags.size());
    for (const std::string& flag : spec.flags) c.out.simple(flag);
  }
}

void command_help_command(Context& c) {
  static constexpr const char* kLines[] = {
      "(no subcommand)",
      "    Return details about all Redis commands.",
      "COUNT",
      "    Return the total number of commands in this Redis server.",
      "LIST",
      "    Return a list of all commands in this Redis server.",
      "INFO [<command-name> ...]",
      "    Return details about multiple Redis commands.",
      "    If no command names are given, documentation details for all",
      "    commands are returned.",
      "DOCS [<command-name> ...]",
      "    Return documentation details about multiple Redis commands.",
      "    If no command names are given, documentation details for all",
      "    commands are returned.",
      "GETKEYS <full-command>",
      "    Return the keys from a full Redis command.",
      "GETKEYSANDFLAGS <full-command>",
      "    Return the keys and the access flags from a full Redis command.",
  };
  c.help(kLines);
}

}  // namespace ullage::server
