// SPDX-License-Identifier: Apache-2.0
#include "server/acl/door.h"

#include <algorithm>

#include "server/clock.h"
#include "server/commands/client_text.h"
#include "server/context.h"
#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

constexpr std::string_view kNoAuthentication = "NOAUTH Authentication required.";

const char* reason_of(Refusal why) {
  switch (why) {
    case Refusal::kChannel:
      return "channel";
    case Refusal::kKey:
    case Refusal::kReach:
      return "key";
    default:
      return "command";
  }
}

std::string text_of(const Context& c, Refusal why) {
  const std::string command(c.command->name);
  switch (why) {
    case Refusal::kKey:
      return "NOPERM this user has no permissions to access one of the keys used as arguments";
    case Refusal::kChannel:
      return "NOPERM this user has no permissions to access one of the channels used as arguments";
    case Refusal::kReach:
      return "NOPERM '" + command +
             "' reaches beyond the keys of this user: it needs allkeys, or +" + command;
    default:
      return "NOPERM this user has no permissions to run the '" + command + "' command";
  }
}

const char* in_exec_text(Refusal why) {
  switch (why) {
    case Refusal::kChannel:
      return "no permission to access one of the channels used as arguments to the command";
    case Refusal::kKey:
    case Refusal::kReach:
      return "no permission to touch the specified keys";
    default:
      return "no permission to execute the command or subcommand";
  }
}

const User* user_of(const Context& c) {
  const Users& users = c.server.users();
  if (users.password_needed() && !c.caller.authenticated) return nullptr;
  return users.find(c.caller.user);
}

void note(const Context& c, const User& user, const Verdict& verdict, const char* where) {
  AclLog::Entry entry;
  entry.reason = reason_of(verdict.why);
  entry.where = where;
  const bool named = verdict.why == Refusal::kKey || verdict.why == Refusal::kChannel;
  entry.object = named ? std::string(c.words[verdict.word]) : std::string(c.command->name);
  entry.user = user.name();
  entry.unix_ms = c.now_ms();
  if (c.session != nullptr) entry.client = client_text(*c.session, user.name());
  c.server.acl_log().add(std::move(entry));
}

Verdict verdict_of(Context& c, const char* where, bool& stranger) {
  const User* user = user_of(c);
  stranger = user == nullptr;
  if (stranger) return {Refusal::kCommand, 0};
  const Verdict verdict = user->check(*c.command, c.words);
  if (verdict.why != Refusal::kNone) note(c, *user, verdict, where);
  return verdict;
}

}  // namespace

bool refused_at_door(Context& c, const char* where) {
  if (c.command->flags & kNoAuth) return false;
  bool stranger = false;
  const Verdict verdict = verdict_of(c, where, stranger);
  if (verdict.why == Refusal::kNone) return false;
  c.error(stranger ? std::string(kNoAuthentication) : text_of(c, verdict.why));
  return true;
}

bool refused_in_exec(Context& c) {
  if (c.command->flags & kNoAuth) return false;
  bool stranger = false;
  const Verdict verdict = verdict_of(c, kInMulti, stranger);
  if (verdict.why == Refusal::kNone) return false;
  c.error(
      "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC "
      "call. This command is no longer allowed for the following reason: " +
      std::string(in_exec_text(verdict.why)));
  return true;
}

bool may_see(const Context& c, std::string_view key) {
  if (!c.caller.guarded) return true;
  const User* user = user_of(c);
  return user != nullptr && user->may_see(key, c.command);
}

bool may_hear(Server& server, const Session& session, std::string_view channel,
              std::string_view message) {
  if (!session.guarded || !channel.starts_with("__key")) return true;
  const User* user = server.users().find(session.user);
  if (user == nullptr) return false;
  if (user->sees_all_keys()) return true;
  const std::size_t end = channel.find("__:");
  if (end == std::string_view::npos) return true;
  if (channel.starts_with("__keyspace@")) return user->may_see(channel.substr(end + 3));
  return !channel.starts_with("__keyevent@") || user->may_see(message);
}

bool may_monitor(Server& server, const Session& session) {
  static const Command& monitor = *find_internal("monitor");
  static constexpr std::string_view kWords[] = {"monitor"};
  const User* user = server.users().find(session.user);
  return user != nullptr && user->check(monitor, kWords).why == Refusal::kNone;
}

bool sift_keys(Server& server, const Session& session, std::vector<std::string>& keys) {
  if (!session.guarded || keys.empty()) return true;
  const User* user = server.users().find(session.user);
  std::erase_if(keys,
                [user](const std::string& key) { return user == nullptr || !user->may_see(key); });
  return !keys.empty();
}

void settle_clients(Server& server, const Session* myself) {
  const Users& users = server.users();
  for (const auto& worker : server.workers()) {
    for (auto& [id, session] : worker->sessions()) {
      users.mark(*session, session->authenticated);
      const User* user = users.find(session->user);
      bool stays = user != nullptr;
      if (stays && session->subscriptions() > 0 && !user->unbounded()) {
        const SessionExtras& extras = *session->known_extras();
        for (const auto& name : extras.channels) stays = stays && user->may_use_channel(name);
        for (const auto& name : extras.patterns) stays = stays && user->may_use_channel(name, true);
      }
      if (stays) continue;
      if (session.get() == myself) {
        session->close_after_reply = true;
      } else {
        worker->kill(*session);
        worker->wake();
      }
    }
  }
}

void AclLog::add(Entry entry) {
  constexpr std::uint64_t kSameMs = 60'000;  // the same again within a minute is counted
  const std::lock_guard lock(mutex_);
  const auto same = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& known) {
    return known.unix_ms + kSameMs >= entry.unix_ms && known.user == entry.user &&
           known.object == entry.object && std::string_view(known.reason) == entry.reason &&
           std::string_view(known.where) == entry.where;
  });
  if (same != entries_.end()) {
    entry.count += same->count;
    entries_.erase(same);
  }
  entries_.push_front(std::move(entry));
  if (entries_.size() > kEntriesMax) entries_.pop_back();
}

std::vector<AclLog::Entry> AclLog::newest(std::size_t count) const {
  const std::lock_guard lock(mutex_);
  count = std::min(count, entries_.size());
  return {entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(count)};
}

void AclLog::clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
}

}  // namespace ullage::server
