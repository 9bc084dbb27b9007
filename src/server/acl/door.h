// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one question that every door asks before a command runs: may this caller? RESP, a transaction
// when it is queued and again when it runs, what another thread or HTTP posts. And what is asked
// where keys are told without being named: KEYS, SCAN, keyspace events, invalidations.
//
// A caller with `guarded` unset may do everything: nothing is asked, callers test that first.

#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/acl/users.h"
#include "server/session.h"

namespace ullage::server {

struct Context;
class Server;

// True: it may not, and the error is replied (and noted in ACL LOG).
bool refused_at_door(Context& context, const char* where);
inline constexpr const char* kAtTop = "toplevel";
inline constexpr const char* kInMulti = "multi";

// The same for a command in EXEC, whose error says so.
bool refused_in_exec(Context& context);

// May this key, that the client did not name, be told to it?
bool may_see(const Context& context, std::string_view key);
// A message of pub/sub: of a keyspace event whose key its listener may not see?
bool may_hear(Server& server, const Session& session, std::string_view channel,
              std::string_view message);
// Leaves the keys that this client may see. False: none is left of some.
// May a client that monitors go on? Its user may be another by now.
bool may_monitor(Server& server, const Session& session);
bool sift_keys(Server& server, const Session& session, std::vector<std::string>& keys);

// After users have changed, everything standing still: who each client is, and whether it may
// go on: its user is gone, or hears what it may not hear any more. `myself` ends after its reply.
void settle_clients(Server& server, const Session* myself);

// Who an HTTP request speaks for: "Basic ..." (a name and a password) or "Bearer ..." (a password
// of the default user, or "name:password"); empty: a client that has not said who it is. Nothing:
// 401. Threads: any that is no worker.
std::optional<Caller> caller_of(Server& server, std::string_view authorization);

// What was refused lately: ACL LOG. Threads: any.
class AclLog {
 public:
  struct Entry {
    std::uint64_t count = 1;
    const char* reason;  // "command", "key", "channel", "auth"
    const char* where;   // "toplevel", "multi"
    std::string object, user, client;
    std::uint64_t unix_ms = 0;
  };
  // Bounds what somebody who guesses can make it hold.
  static constexpr std::size_t kEntriesMax = 128;

  void add(Entry entry);
  std::vector<Entry> newest(std::size_t count) const;
  void clear();

 private:
  mutable std::mutex mutex_;
  std::deque<Entry> entries_;  // newest first
};

}  // namespace ullage::server
