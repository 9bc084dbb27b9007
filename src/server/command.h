// SPDX-License-Identifier: Apache-2.0
#pragma once

// Command: what the server knows of one command. The list is commands.def; dispatch, COMMAND,
// COMMAND DOCS, INFO commandstats and the metrics are made from it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ullage::server {

struct Context;
using Handler = void (*)(Context&);

// As COMMAND tells them, and its categories.
enum CommandFlags : std::uint32_t {
  kWrite = 1u << 0,
  kReadonly = 1u << 1,
  kDenyOom = 1u << 2,
  kAdmin = 1u << 3,
  kPubsub = 1u << 4,
  kNoScript = 1u << 5,
  kLoading = 1u << 6,
  kStale = 1u << 7,
  kSkipSlowlog = 1u << 8,
  kFast = 1u << 9,
  kNoAuth = 1u << 10,
  kMayReplicate = 1u << 11,
  kNoAsyncLoading = 1u << 12,
  kNoMulti = 1u << 13,
  kAllowBusy = 1u << 14,
  kInKeyspace = 1u << 15,
  kInString = 1u << 16,
  kInBitmap = 1u << 17,
  kInConnection = 1u << 18,
  kInTransaction = 1u << 19,
  kInScripting = 1u << 20,
  kDangerous = 1u << 21,
  kOwn = 1u << 22,        // Ullage's, not Redis's
  kContainer = 1u << 23,  // has subcommands, "client|list"
  kInternal = 1u << 24,   // for the other doors (errand.h): no client finds it
  // For users who may not touch all keys (acl/rights.h): without a key in its entry a command says
  // one of the first two, or is refused to them.
  kKeyless = 1u << 31,  // tells, and changes, neither keys nor values of anybody
  kSifted = 1u << 30,   // leaves out by itself what its user may not see
  // Words behind its name are channels.
  kHearsChannels = 1u << 29,
  kHearsPatterns = 1u << 28,
  kTellsChannel = 1u << 27,  // the first one
};

// Which threads a command needs (server with one thread: always its own).
enum class Route : std::uint8_t {
  kHere,     // the connection's thread
  kKey,      // the thread that owns the first key
  kKeys,     // the owners of all keys: forwarded if it is one thread, else they stand still
  kParts,    // as kKeys, but several owners each run the part with their keys (gather.h)
  kAll,      // every thread stands still
  kCursor,   // the thread that has the keys which the cursor (the first word) is at
  kTotals,   // as kOrdered: what all threads count may be read while they run
  kOrdered,  // the connection's thread, after all that was asked before; it sees to the rest
};

struct Command {
  const char* name;  // "get", "client|list"
  int arity;         // words with the command's own; negative: at least
  std::uint32_t flags;
  std::int8_t first_key, last_key, key_step;  // 0: none; last: negative counts from the end
  Route route;
  Handler run;
  const char* key_flags;  // "RO access"; two key specs are parted by '|'
  const char* group;
  const char* since;
  const char* summary;
};

// Commands and subcommands, in the order of commands.def.
std::span<const Command> commands();
inline std::size_t command_index(const Command* command) {
  return static_cast<std::size_t>(command - commands().data());
}

// By its whole name, whoever may run it; null: there is none.
const Command* find_internal(std::string_view name);
// The command whose rights one takes: "get" of the internal "http.get", else itself.
const Command& public_form(const Command& command);
// By name in any case, without subcommands; null: there is none.
const Command* find_command(std::string_view name);
// "client" and "LIST"; null: there is none.
const Command* find_subcommand(const Command& container, std::string_view name);
// Of words as they came: the subcommand, if the command has them. `unknown` says why it is null.
bool is_subcommand(const Command& command);
bool arity_fits(const Command& command, std::size_t words);

}  // namespace ullage::server
