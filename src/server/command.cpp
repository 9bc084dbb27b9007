// SPDX-License-Identifier: Apache-2.0
#include "server/command.h"

#include <array>
#include <string>

#include "server/commands/handlers.h"
#include "server/numbers.h"

namespace ullage::server {
namespace {

constexpr std::array kCommands = {
#define ULLAGE_COMMAND(name, function, arity, flags, first, last, step, route, key_flags, group, \
                       since, summary)                                                           \
  Command{name,      arity, flags, first,  last, step, Route::route, function##_command,         \
          key_flags, group, since, summary},
#include "server/commands.def"
#undef ULLAGE_COMMAND
};

// Names by hash, in a table twice as large as needed: one look for most.
constexpr std::size_t kPlaces = 512;
static_assert(kCommands.size() * 2 <= kPlaces);

std::size_t hash(std::string_view name) {
  std::uint32_t h = 2166136261U;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c | 0x20)) * 16777619U;
  return (h ^ h >> 15) % kPlaces;
}

struct Table {
  Table() {
    for (const Command& command : kCommands) {
      std::size_t at = hash(command.name);
      while (places[at] != nullptr) at = (at + 1) % kPlaces;
      places[at] = &command;
    }
  }
  const Command* find(std::string_view name) const {
    for (std::size_t at = hash(name); places[at] != nullptr; at = (at + 1) % kPlaces) {
      if (equals_ignoring_case(places[at]->name, name)) return places[at];
    }
    return nullptr;
  }
  std::array<const Command*, kPlaces> places{};
};

const Table& table() {
  static const Table names;
  return names;
}

}  // namespace

std::span<const Command> commands() { return kCommands; }

const Command* find_command(std::string_view name) {
  const Command* command = table().find(name);
  // "client|list" in one word is no command.
  const bool hidden =
      command != nullptr && (is_subcommand(*command) || (command->flags & kInternal));
  return hidden ? nullptr : command;
}

const Command* find_internal(std::string_view name) { return table().find(name); }

const Command& public_form(const Command& command) {
  if (!(command.flags & kInternal)) return command;
  const std::string_view name = command.name;
  return *find_command(name.substr(name.find('.') + 1));
}

const Command* find_subcommand(const Command& container, std::string_view name) {
  constexpr std::size_t kLongest = 32;
  if (name.size() > kLongest) return nullptr;
  return table().find(std::string(container.name) + "|" + std::string(name));
}

bool is_subcommand(const Command& command) {
  return std::string_view(command.name).find('|') != std::string_view::npos;
}

bool arity_fits(const Command& command, std::size_t words) {
  const auto count = static_cast<std::ptrdiff_t>(words);
  return command.arity >= 0 ? count == command.arity : count >= -command.arity;
}

}  // namespace ullage::server
