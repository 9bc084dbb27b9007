// SPDX-License-Identifier: Apache-2.0
//
// MULTI: commands are kept and run together; WATCH: only if these keys have not changed.
#include <optional>

#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/keys_of.h"
#include "server/server.h"
#include "server/standstill.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

void end_multi(Context& c) {
  Session& session = *c.session;
  if (session.multi) c.worker.stats().in_multi.sub();
  session.multi = session.multi_failed = session.multi_writes = false;
  if (session.known_extras() != nullptr) {
    session.extras().queued.clear();
    session.extras().queued_bytes = 0;
  }
}

bool is_here(Context& c, const tier::Key& key) { return &c.shard(key) == &c.worker.shard(); }

// Do these commands concern other threads?
bool needs_others(Context& c, const std::vector<std::vector<std::string>>& queued) {
  if (c.server.workers().size() == 1) return false;
  for (const auto& words : queued) {
    const Command* command = find_command(words[0]);
    if ((command->flags & kContainer) && words.size() > 1) {
      command = find_subcommand(*command, words[1]);
    }
    if (command->route == Route::kAll || command->route == Route::kCursor) return true;
    if (command->route == Route::kTotals) return true;  // of one moment
    bool elsewhere = false;
    const std::vector<std::string_view> views(words.begin(), words.end());
    for_each_key(*command, views, [&](std::size_t i) {
      elsewhere |= !is_here(c, {c.caller.db, views[i]});
    });
    if (elsewhere) return true;
    // Another database is another key, on the same shard; anything else may follow SELECT.
  }
  for (const Watched& watched : c.session->extras().watched) {
    if (!is_here(c, {watched.db, watched.key})) return true;
  }
  return false;
}

bool watched_changed(Context& c) {
  for (const Watched& watched : c.session->extras().watched) {
    const tier::Key key(watched.db, watched.key);
    tier::Shard& shard = c.shard(key);
    const bool here = shard.contains(key);  // notices that its time has come
    if (shard.version(key) != watched.version || here != watched.existed) return true;
  }
  return false;
}

}  // namespace

void Worker::forget_watches(Session& session) {
  if (session.known_extras() == nullptr || session.known_extras()->watched.empty()) return;
  bool elsewhere = false;
  const auto& workers = server_.workers();
  const auto owner = [&](const Watched& watched) -> Worker& {
    const tier::Key key(watched.db, watched.key);
    return *workers[key.shard(static_cast<unsigned>(workers.size()))];
  };
  for (const Watched& watched : session.extras().watched) elsewhere |= &owner(watched) != this;
  std::optional<Standstill> still;
  if (elsewhere) still.emplace(server_, this);
  for (const Watched& watched : session.extras().watched) {
    owner(watched).shard().unwatch({watched.db, watched.key});
  }
  session.extras().watched.clear();
  stats_.watching.sub();
}

void multi_command(Context& c) {
  if (c.session->multi) return c.error("ERR MULTI calls can not be nested");
  c.session->multi = true;
  c.worker.stats().in_multi.add();
  c.out.ok();
}

void discard_quietly(Context& c) {
  end_multi(c);
  c.worker.forget_watches(*c.session);
}

void discard_command(Context& c) {
  if (!c.session->multi) return c.error("ERR DISCARD without MULTI");
  discard_quietly(c);
  c.out.ok();
}

void exec_command(Context& c) {
  Session& session = *c.session;
  if (!session.multi) return c.error("ERR EXEC without MULTI");
  std::vector<std::vector<std::string>> queued;
  queued.swap(session.extras().queued);
  const bool failed = session.multi_failed;
  std::optional<Standstill> still;
  if (!failed && needs_others(c, queued)) still.emplace(c.server, &c.worker);
  const bool changed = !failed && watched_changed(c);
  // What runs below runs outside of MULTI: a MULTI in it would have been refused.
  end_multi(c);
  c.worker.forget_watches(session);
  if (failed) {
    return c.error("EXECABORT Transaction discarded because of previous errors.");
  }
  if (changed) return c.out.null_array();
  c.out.array(queued.size());
  std::vector<std::string_view> words;
  for (const auto& command : queued) {
    words.assign(command.begin(), command.end());
    c.worker.run_queued(c, words);
  }
}

void watch_command(Context& c) {
  if (c.session->multi) return c.error("ERR WATCH inside MULTI is not allowed");
  bool elsewhere = false;
  for (std::size_t i = 1; i < c.words.size(); ++i) elsewhere |= !is_here(c, c.key(i));
  std::optional<Standstill> still;
  if (elsewhere) still.emplace(c.server, &c.worker);
  auto& watched = c.session->extras().watched;
  if (watched.empty()) c.worker.stats().watching.add();
  for (std::size_t i = 1; i < c.words.size(); ++i) {
    bool known = false;
    for (const Watched& w : watched) known |= w.db == c.caller.db && w.key == c.word(i);
    if (known) continue;
    const tier::Key key = c.key(i);
    const bool here = c.shard(key).contains(key);  // one that has expired already is none
    watched.push_back({std::string(c.word(i)), c.caller.db, c.shard(key).watch(key), here});
  }
  c.out.ok();
}

void unwatch_command(Context& c) {
  c.worker.forget_watches(*c.session);
  c.out.ok();
}

}  // namespace ullage::server
