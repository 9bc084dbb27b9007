// SPDX-License-Identifier: Apache-2.0
#pragma once

// Context: what one command runs in. Lives while it runs.
//
//   void strlen_command(Context& c) {
//     const auto found = c.shard(c.key(1)).get(c.key(1));
//     c.out.integer(found ? found->value.size() : 0);
//   }

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "server/command.h"
#include "server/config.h"
#include "server/notify.h"
#include "server/session.h"
#include "tier/shard.h"
#include "wire/reply_writer.h"

namespace ullage::server {

class Server;
class Worker;
struct Surveyed;

inline constexpr std::string_view kOutOfMemory =
    "OOM command not allowed when used memory > 'maxmemory'.";

struct Context {
  Server& server;
  Worker& worker;  // the thread that runs it
  Caller& caller;
  Session* session;  // null: the client belongs to another thread
  std::span<const std::string_view> words;
  const Command* command;
  wire::ReplyWriter out;
  std::uint64_t first_hash;  // of the first key, when `hashed`
  bool hashed;
  bool failed = false;                 // an error was replied
  bool part = false;                   // of a command of several threads (gather.h)
  bool queued = false;                 // in EXEC
  const Surveyed* surveyed = nullptr;  // of a keyspace command: what the cold tier has
  // Of its keys, from the first on, those that it needs no more: they may be evicted (running.h).
  std::size_t keys_done = 0;
  // Where its large words lie, if what they become may take that memory over.
  tier::Offer* offer = nullptr;
  // Whether a large value may be replied as what it is: then it is `shared`, behind what was
  // written to `out`, and a line end behind it.
  bool may_share = false;
  // A command that has changed nothing may be run again where other threads have what it lacks.
  bool may_ask_others = false, asks_others = false;
  SharedText shared = nullptr;

  std::string_view word(std::size_t i) const { return words[i]; }
  bool is(std::size_t i, std::string_view name) const;  // in any case
  // The word as a key of the client's database; the first key's hash is made once.
  tier::Key key(std::size_t i);
  tier::Key key_in(unsigned db, std::string_view text) { return {db, text}; }
  tier::Shard& shard(const tier::Key& key);  // of a thread that stands still, if not ours
  std::uint64_t now_ms() const;
  const Config& config() const;

  // Error replies, with Redis's texts. Each is counted.
  void error(std::string_view text);  // "ERR ..."
  void syntax_error() { error("ERR syntax error"); }
  void not_an_integer() { error("ERR value is not an integer or out of range"); }
  void out_of_memory();
  void wrong_type() { error("WRONGTYPE Operation against a key holding the wrong kind of value"); }
  // Whether there is no value, or one that is text; else the error is replied.
  bool is_text(const std::optional<tier::Found>& found) {
    if (!found || found->kind == tier::kText) [[likely]]
      return true;
    wrong_type();
    return false;
  }
  void wrong_arity();
  void unknown_subcommand();
  void wrong_subcommand_words();
  // Of a write: true if it went well, else the error is replied.
  bool wrote(tier::Status status);
  // What was found ends soon, and whoever asks is the one to fetch it anew: to them it is not
  // there.
  bool to_be_refreshed(const tier::Key& key, const tier::Found& found);
  // A whole number, or the error is replied.
  bool integer(std::size_t i, std::int64_t& value, const char* message = nullptr);
  // The lines of a HELP subcommand, with Redis's frame around them.
  void help(std::span<const char* const> lines);

  // After a write: tells watchers of keyspace events, and clients that track the key.
  void changed(const tier::Key& key, NotifyClass type, std::string_view event);
  void notify(NotifyClass type, std::string_view event, const tier::Key& key);
  void invalidate(const tier::Key& key);
};

}  // namespace ullage::server
