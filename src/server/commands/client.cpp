// SPDX-License-Identifier: Apache-2.0
//
// CLIENT: who is connected, and what each one is.
#include <algorithm>
#include <vector>

#include "server/clock.h"
#include "server/commands/client_text.h"
#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/numbers.h"
#include "server/server.h"
#include "server/worker.h"
#include "wire/request_parser.h"

namespace ullage::server {
namespace {

constexpr const char* kBadName =
    "ERR Client names cannot contain spaces, newlines or special characters.";

// All clients, oldest first. Every thread stands still.
std::vector<std::pair<Worker*, Session*>> all_clients(Context& c) {
  std::vector<std::pair<Worker*, Session*>> all;
  for (const auto& worker : c.server.workers()) {
    for (auto& [id, session] : worker->sessions()) {
      if (!session->dead) all.emplace_back(worker.get(), session.get());
    }
  }
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.second->id < b.second->id; });
  return all;
}

std::string_view user_name(Context& c, const Session& session) {
  const User* user = c.server.users().find(session.user);
  return user != nullptr ? std::string_view(user->name()) : std::string_view();
}

const char* type_of(const Session& session) {
  return session.subscriptions() > 0 ? "pubsub" : "normal";
}

bool known_type(std::string_view type) {
  for (const char* known : {"normal", "slave", "replica", "pubsub", "master"}) {
    if (equals_ignoring_case(type, known)) return true;
  }
  return false;
}

struct KillFilter {
  std::string addr, laddr, type;
  std::uint64_t id = 0;
  const User* user = nullptr;
  bool skip_me = true;

  bool fits(const Session& session, const Session* me) const {
    if (!addr.empty() && session.peer != addr) return false;
    if (!laddr.empty() && session.local != laddr) return false;
    if (!type.empty() && type != type_of(session)) return false;
    if (id != 0 && session.id != id) return false;
    if (user != nullptr && session.user != user->number()) return false;
    return !(skip_me && &session == me);
  }
};

bool parse_kill(Context& c, KillFilter& filter) {
  for (std::size_t i = 2; i < c.words.size(); i += 2) {
    if (i + 1 >= c.words.size()) {
      c.syntax_error();
      return false;
    }
    const std::string_view value = c.word(i + 1);
    if (c.is(i, "id")) {
      std::int64_t id = 0;
      if (!wire::parse_integer(value, id) || id < 1) {
        c.error("ERR client-id should be greater than 0");
        return false;
      }
      filter.id = static_cast<std::uint64_t>(id);
    } else if (c.is(i, "type")) {
      if (!known_type(value)) {
        c.error("ERR Unknown client type '" + std::string(value) + "'");
        return false;
      }
      filter.type = lower_case(value);
    } else if (c.is(i, "addr")) {
      filter.addr = value;
    } else if (c.is(i, "laddr")) {
      filter.laddr = value;
    } else if (c.is(i, "user")) {
      filter.user = c.server.users().find(value);
      if (filter.user == nullptr) {
        c.error("ERR No such user '" + std::string(value) + "'");
        return false;
      }
    } else if (c.is(i, "skipme") && (c.is(i + 1, "yes") || c.is(i + 1, "no"))) {
      filter.skip_me = c.is(i + 1, "yes");
    } else {
      c.syntax_error();
      return false;
    }
  }
  return true;
}

// "yes" or "no" in word i, or the error is replied.
bool on_off(Context& c, std::size_t i, const char* on, const char* off, bool& value) {
  if (!c.is(i, on) && !c.is(i, off)) {
    c.syntax_error();
    return false;
  }
  value = c.is(i, on);
  return true;
}

}  // namespace

void client_id_command(Context& c) { c.out.integer(static_cast<std::int64_t>(c.session->id)); }

void client_info_command(Context& c) {
  c.out.verbatim(client_text(*c.session, user_name(c, *c.session)) + "\n");
}

void client_list_command(Context& c) {
  std::string type;
  std::vector<std::uint64_t> ids;
  if (c.words.size() == 4 && c.is(2, "type")) {
    if (!known_type(c.word(3))) {
      return c.error("ERR Unknown client type '" + std::string(c.word(3)) + "'");
    }
    type = lower_case(c.word(3));
  } else if (c.words.size() > 3 && c.is(2, "id")) {
    for (std::size_t i = 3; i < c.words.size(); ++i) {
      std::int64_t id = 0;
      if (!c.integer(i, id, "ERR Invalid client ID")) return;
      ids.push_back(static_cast<std::uint64_t>(id));
    }
  } else if (c.words.size() != 2) {
    return c.syntax_error();
  }
  std::string text;
  for (const auto& [worker, session] : all_clients(c)) {
    if (!type.empty() && type != type_of(*session)) continue;
    if (!ids.empty() && std::find(ids.begin(), ids.end(), session->id) == ids.end()) continue;
    text += client_text(*session, user_name(c, *session)) + "\n";
  }
  c.out.verbatim(text);
}

void client_getname_command(Context& c) {
  const SessionExtras* extras = c.session->known_extras();
  if (extras == nullptr || extras->name.empty()) return c.out.null();
  c.out.bulk(extras->name);
}

void client_setname_command(Context& c) {
  if (!valid_client_name(c.word(2))) return c.error(kBadName);
  c.session->extras().name = c.word(2);
  c.out.ok();
}

void client_setinfo_command(Context& c) {
  const bool name = c.is(2, "lib-name");
  if (!name && !c.is(2, "lib-ver")) {
    return c.error("ERR Unrecognized option '" + std::string(c.word(2)) + "'");
  }
  if (!valid_client_name(c.word(3))) {
    return c.error(std::string("ERR ") + (name ? "lib-name" : "lib-ver") +
                   " cannot contain spaces, newlines or special characters.");
  }
  (name ? c.session->extras().lib_name : c.session->extras().lib_version) = c.word(3);
  c.out.ok();
}

void client_kill_command(Context& c) {
  KillFilter filter;
  const bool old_form = c.words.size() == 3;
  if (old_form) {
    filter.addr = c.word(2);
    filter.skip_me = false;
  } else if (!parse_kill(c, filter)) {
    return;
  }
  std::int64_t killed = 0;
  bool myself = false;
  for (const auto& [worker, session] : all_clients(c)) {
    if (!filter.fits(*session, c.session)) continue;
    ++killed;
    if (session == c.session) {
      myself = true;
    } else {
      worker->kill(*session);
      worker->wake();
    }
  }
  if (old_form && killed == 0) return c.error("ERR No such client");
  if (old_form) {
    c.out.ok();
  } else {
    c.out.integer(killed);
  }
  if (myself) c.session->close_after_reply = true;
}

void client_no_evict_command(Context& c) {
  if (on_off(c, 2, "on", "off", c.session->no_evict)) c.out.ok();
}

void client_no_touch_command(Context& c) {
  if (on_off(c, 2, "on", "off", c.session->no_touch)) c.out.ok();
}

void client_reply_command(Context& c) {
  if (c.is(2, "on")) {
    c.session->reply_mode = ReplyMode::kOn;
    c.out.ok();
  } else if (c.is(2, "off")) {
    c.session->reply_mode = ReplyMode::kOff;
  } else if (c.is(2, "skip")) {
    if (c.session->reply_mode != ReplyMode::kOff) c.session->reply_mode = ReplyMode::kSkipNext;
  } else {
    c.syntax_error();
  }
}

void client_pause_command(Context& c) {
  bool all = true;
  if (c.words.size() > 4) return c.wrong_arity();
  if (c.words.size() == 4) {
    all = c.is(3, "all");
    if (!all && !c.is(3, "write")) return c.error("ERR CLIENT PAUSE mode must be WRITE or ALL");
  }
  std::int64_t ms = 0;
  if (!c.integer(2, ms, "ERR timeout is not an integer or out of range")) return;
  if (ms < 0) return c.error("ERR timeout is negative");
  // A pause under way is not made shorter, and one of everything stays one.
  const std::uint64_t now = steady_ms(), until = now + static_cast<std::uint64_t>(ms);
  const std::uint64_t before = c.server.paused_until_ms.load(std::memory_order_relaxed);
  const bool under_way = before > now;
  c.server.paused_all.store(all || (under_way && c.server.paused_all.load()));
  c.server.paused_until_ms.store(std::max(until, before), std::memory_order_relaxed);
  c.out.ok();
}

void client_unpause_command(Context& c) {
  c.server.paused_until_ms.store(0, std::memory_order_relaxed);
  c.server.paused_all.store(false);
  c.out.ok();
  for (const auto& worker : c.server.workers()) worker->resume_soon();
}

void client_unblock_command(Context& c) {
  std::int64_t id = 0;
  if (c.words.size() > 4) return c.wrong_arity();
  if (c.words.size() == 4 && !c.is(3, "timeout") && !c.is(3, "error")) {
    return c.error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
  }
  if (c.integer(2, id)) c.out.integer(0);  // no command of ours blocks
}

void client_help_command(Context& c) {
  static constexpr const char* kLines[] = {
      "CACHING (YES|NO)",
      "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
      "GETNAME",
      "    Return the name of the current connection.",
      "ID",
      "    Return the ID of the current connection.",
      "INFO",
      "    Return information about the current client connection.",
      "KILL <ip:port> | <option> <value> [<option> <value> [...]]",
      "    Close connections: by address, or ADDR, LADDR, TYPE, USER, SKIPME, ID.",
      "LIST [TYPE (NORMAL|PUBSUB)] [ID <id> ...]",
      "    Return information about client connections.",
      "PAUSE <timeout> [WRITE|ALL], UNPAUSE",
      "    Suspend all, or just write, clients for <timeout> milliseconds; end that.",
      "REPLY (ON|OFF|SKIP)",
      "    Control the replies sent to the current connection.",
      "SETNAME <name>",
      "    Assign the name <name> to the current connection.",
      "SETINFO (LIB-NAME|LIB-VER) <value>",
      "    Say which library the connection comes from.",
      "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> ...] [OPTIN] [OPTOUT] [NOLOOP]",
      "    Control server assisted client side caching. See also TRACKINGINFO, GETREDIR.",
      "NO-EVICT (ON|OFF), NO-TOUCH (ON|OFF)",
      "    Kept with the connection; reads under NO-TOUCH do not count as use.",
  };
  c.help(kLines);
}

}  // namespace ullage::server
