// SPDX-License-Identifier: Apache-2.0
//
// Commands on the connection itself.
#include "server/clock.h"
#include "server/commands/client_text.h"
#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

// What ACL LOG keeps of a user's name that somebody tried.
constexpr std::size_t kNameShown = 256;

std::string upper_case(std::string_view text) {
  std::string upper(text);
  for (char& ch : upper) ch = ch >= 'a' && ch <= 'z' ? static_cast<char>(ch - 32) : ch;
  return upper;
}

void reply_hello(Context& c) {
  c.out.map(7);
  c.out.bulk("server"), c.out.bulk("redis");
  c.out.bulk("version"), c.out.bulk(kRedisVersion);
  c.out.bulk("proto"), c.out.integer(c.session->resp);
  c.out.bulk("id"), c.out.integer(static_cast<std::int64_t>(c.session->id));
  c.out.bulk("mode"), c.out.bulk("standalone");
  c.out.bulk("role"), c.out.bulk("master");
  c.out.bulk("modules"), c.out.array(0);
}

// Becomes this user, or the error is replied.
bool authenticate(Context& c, std::string_view name, std::string_view password) {
  const User* user = c.server.users().authenticate(name, password);
  if (user == nullptr) {
    AclLog::Entry entry;
    entry.reason = "auth";
    entry.where = c.session->multi ? kInMulti : kAtTop;
    entry.object = upper_case(c.command->name);
    entry.user = name.substr(0, kNameShown);
    entry.unix_ms = c.now_ms();
    const User* now = c.server.users().find(c.caller.user);
    entry.client = client_text(*c.session, now != nullptr ? now->name() : "");
    c.server.log().warning("auth_failed", "a user or a password was refused",
                           {{"user", entry.user}, {"client", c.session->peer}});
    c.server.acl_log().add(std::move(entry));
    c.error("WRONGPASS invalid username-password pair or user is disabled.");
    return false;
  }
  c.session->user = user->number();
  c.session->authenticated = true;
  c.server.users().mark(*c.session, true);
  c.worker.limit_words(*c.session);
  return true;
}

}  // namespace

bool valid_client_name(std::string_view name) {
  for (const char ch : name) {
    if (ch < '!' || ch > '~') return false;
  }
  return true;
}

void ping_command(Context& c) {
  if (c.words.size() > 2) return c.wrong_arity();
  if (c.session != nullptr && c.session->resp == 2 && c.session->subscriptions() > 0) {
    c.out.array(2);
    c.out.bulk("pong");
    return c.out.bulk(c.words.size() > 1 ? c.word(1) : std::string_view{});
  }
  if (c.words.size() > 1) return c.out.bulk(c.word(1));
  c.out.simple("PONG");
}

void echo_command(Context& c) { c.out.bulk(c.word(1)); }

void select_command(Context& c) {
  std::int64_t db = 0;
  if (!c.integer(1, db)) return;
  if (db < 0 || db >= tier::kDatabases) return c.error("ERR DB index is out of range");
  c.caller.db = static_cast<std::uint8_t>(db);
  c.out.ok();
}

void auth_command(Context& c) {
  if (c.words.size() > 3) return c.syntax_error();
  const bool named = c.words.size() == 3;
  if (!named && c.server.users().default_user().needs_no_password()) {
    return c.error(
        "ERR AUTH <password> called without any password configured for the default user. Are you "
        "sure your configuration is correct?");
  }
  if (authenticate(c, named ? c.word(1) : "default", c.word(named ? 2 : 1))) c.out.ok();
}

void hello_command(Context& c) {
  std::int64_t version = c.session->resp;
  std::size_t i = 1;
  if (c.words.size() > 1) {
    if (!c.integer(i++, version, "ERR Protocol version is not an integer or out of range")) return;
    if (version < 2 || version > 3) return c.error("NOPROTO unsupported protocol version");
  }
  std::string_view name, user, password;
  bool named = false;
  for (; i < c.words.size(); ++i) {
    const std::size_t more = c.words.size() - 1 - i;
    if (c.is(i, "AUTH") && more >= 2) {
      user = c.word(i + 1);
      password = c.word(i + 2);
      i += 2;
    } else if (c.is(i, "SETNAME") && more >= 1) {
      name = c.word(++i);
      named = true;
      if (!valid_client_name(name)) {
        return c.error("ERR Client names cannot contain spaces, newlines or special characters.");
      }
    } else {
      return c.error("ERR Syntax error in HELLO option '" + std::string(c.word(i)) + "'");
    }
  }
  if (user.data() != nullptr && !authenticate(c, user, password)) return;
  if (c.server.users().password_needed() && !c.session->authenticated) {
    return c.error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        "AUTH <user> <pass> option can be used to authenticate the client and select the RESP "
        "protocol version at the same time");
  }
  if (named) c.session->extras().name = name;
  c.session->resp = static_cast<std::uint8_t>(version);
  c.out = wire::ReplyWriter(c.out.buffer(), c.session->resp);
  reply_hello(c);
}

void quit_command(Context& c) {
  c.session->close_after_reply = true;
  c.out.ok();
}

void reset_command(Context& c) {
  Session& session = *c.session;
  discard_quietly(c);
  stop_monitor(c);
  if (session.known_extras() != nullptr) {
    SessionExtras& extras = session.extras();
    unsubscribe_quietly(c);
    if (extras.tracking.on) c.server.tracking().stop(session.id);
    extras.tracking = {};
    extras.name.clear();
  }
  session.tracking = session.no_touch = session.no_evict = false;
  session.db = 0;
  session.resp = 2;
  session.reply_mode = ReplyMode::kOn;
  session.authenticated = c.server.users().admit(session);
  c.worker.limit_words(session);
  c.out = wire::ReplyWriter(c.out.buffer(), 2);
  c.out.simple("RESET");
}

void time_command(Context& c) {
  const std::uint64_t now = unix_us();
  c.out.array(2);
  c.out.bulk(std::to_string(now / 1'000'000));
  c.out.bulk(std::to_string(now % 1'000'000));
}

}  // namespace ullage::server
