// SPDX-License-Identifier: Apache-2.0
#include "server/commands/client_text.h"

#include "server/clock.h"

namespace ullage::server {
namespace {

std::string flags_of(const Session& session) {
  std::string flags;
  const SessionExtras* extras = session.known_extras();
  if (session.monitors) flags += 'O';
  if (session.subscriptions() > 0) flags += 'P';
  if (session.multi) flags += 'x';
  if (extras != nullptr && extras->tracking.on) {
    flags += 't';
    if (extras->tracking.broken_redirect) flags += 'R';
    if (extras->tracking.broadcast) flags += 'B';
  }
  if (session.close_after_reply) flags += 'c';
  if (session.no_evict) flags += 'e';
  if (session.no_touch) flags += 'T';
  return flags.empty() ? "N" : flags;
}

}  // namespace

std::string client_text(const Session& session, std::string_view user) {
  const SessionExtras* extras = session.known_extras();
  // Not its thread's last look at the clock, nor the asker's: the one may be behind the other.
  const std::uint64_t now_ms = steady_ms();
  std::string text;
  const auto field = [&text](const char* name, const auto& value) {
    if (!text.empty()) text += ' ';
    text += name;
    text += '=';
    if constexpr (std::is_arithmetic_v<std::remove_cvref_t<decltype(value)>>) {
      text += std::to_string(value);
    } else {
      text += value;
    }
  };
  const std::string none;
  const std::uint64_t memory = sizeof(Session) + session.in.capacity() +
                               session.out.memory_bytes() +
                               (extras != nullptr ? extras->queued_bytes : 0);
  std::int64_t redirect = -1;
  if (extras != nullptr && extras->tracking.on) {
    redirect = static_cast<std::int64_t>(extras->tracking.redirect);
  }
  field("id", session.id);
  field("addr", session.peer);
  field("laddr", session.local);
  field("fd", session.fd);
  field("name", extras != nullptr ? extras->name : none);
  field("age", (now_ms - session.created_ms) / 1000);
  field("idle", (now_ms - session.active_ms) / 1000);
  field("flags", flags_of(session));
  field("db", static_cast<unsigned>(session.db));
  field("sub", extras != nullptr ? extras->channels.size() : 0);
  field("psub", extras != nullptr ? extras->patterns.size() : 0);
  field("ssub", 0);
  field("multi", session.multi ? static_cast<std::int64_t>(extras ? extras->queued.size() : 0)
                               : std::int64_t{-1});
  field("qbuf", session.in.size());
  field("qbuf-free", session.in.capacity() - session.in.size());
  field("argv-mem", 0);
  field("multi-mem", extras != nullptr ? extras->queued_bytes : 0);
  field("rbs", 0);
  field("rbp", 0);
  field("obl", 0);
  field("oll", session.out.chunks());
  field("omem", session.out.memory_bytes());
  field("tot-mem", memory);
  field("events", session.want_write ? "rw" : "r");
  field("cmd", session.last_command != nullptr ? session.last_command->name : "NULL");
  field("user", user);
  field("redir", redirect);
  field("resp", static_cast<unsigned>(session.resp));
  field("lib-name", extras != nullptr ? extras->lib_name : none);
  field("lib-ver", extras != nullptr ? extras->lib_version : none);
  return text;
}

}  // namespace ullage::server
