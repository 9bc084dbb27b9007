// SPDX-License-Identifier: Apache-2.0
//
// When entries end.
#include <limits>

#include "server/commands/expiry_options.h"
#include "server/commands/handlers.h"
#include "server/context.h"

namespace ullage::server {
namespace {

struct Conditions {
  bool nx = false, xx = false, gt = false, lt = false;
};

bool parse_conditions(Context& c, Conditions& when) {
  for (std::size_t i = 3; i < c.words.size(); ++i) {
    if (c.is(i, "nx")) {
      when.nx = true;
    } else if (c.is(i, "xx")) {
      when.xx = true;
    } else if (c.is(i, "gt")) {
      when.gt = true;
    } else if (c.is(i, "lt")) {
      when.lt = true;
    } else {
      c.error("ERR Unsupported option " + std::string(c.word(i)));
      return false;
    }
  }
  if (when.nx && (when.xx || when.gt || when.lt)) {
    c.error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return false;
  }
  if (when.gt && when.lt) {
    c.error("ERR GT and LT options at the same time are not compatible");
    return false;
  }
  return true;
}

// No expiry counts as never.
bool hold(const Conditions& when, std::uint64_t old_ms, std::int64_t new_ms) {
  const bool none = old_ms == tier::kNoExpiry;
  const auto old = static_cast<std::int64_t>(old_ms);
  if (when.nx && !none) return false;
  if (when.xx && none) return false;
  if (when.gt && (none || new_ms <= old)) return false;
  return !(when.lt && !none && new_ms >= old);
}

void expire(Context& c, bool milliseconds, bool absolute) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  Conditions when;
  std::int64_t at = 0;
  if (!parse_conditions(c, when) || !c.integer(2, at)) return;
  const auto now = static_cast<std::int64_t>(c.now_ms());
  bool fits = milliseconds || (at <= kMost / 1000 && at >= kLeast / 1000);
  if (fits && !milliseconds) at *= 1000;
  if (fits && !absolute) fits = !__builtin_add_overflow(jittered(c, at), now, &at);
  if (!fits) {
    return c.error("ERR invalid expire time in '" + std::string(c.command->name) + "' command");
  }
  const tier::Key key = c.key(1);
  tier::Shard& shard = c.shard(key);
  const auto found = shard.peek(key);
  if (!found || !hold(when, found->expires_ms, at)) return c.out.integer(0);
  if (at <= now) {
    shard.erase(key);
    c.changed(key, kNotifyGeneric, "del");
  } else {
    (void)shard.set_expiry(key, static_cast<std::uint64_t>(at));
    c.changed(key, kNotifyGeneric, "expire");
  }
  c.out.integer(1);
}

// -2: not there; -1: never.
void time_left(Context& c, bool milliseconds, bool absolute) {
  const tier::Key key = c.key(1);
  const auto found = c.shard(key).peek(key);
  if (!found) return c.out.integer(-2);
  if (found->expires_ms == tier::kNoExpiry) return c.out.integer(-1);
  auto left = static_cast<std::int64_t>(found->expires_ms);
  if (!absolute) left -= static_cast<std::int64_t>(c.now_ms());
  if (left < 0) left = 0;
  c.out.integer(milliseconds ? left : (left + 500) / 1000);
}

}  // namespace

void expire_command(Context& c) { expire(c, false, false); }
void pexpire_command(Context& c) { expire(c, true, false); }
void expireat_command(Context& c) { expire(c, false, true); }
void pexpireat_command(Context& c) { expire(c, true, true); }
void ttl_command(Context& c) { time_left(c, false, false); }
void pttl_command(Context& c) { time_left(c, true, false); }
void expiretime_command(Context& c) { time_left(c, false, true); }
void pexpiretime_command(Context& c) { time_left(c, true, true); }

void persist_command(Context& c) {
  const tier::Key key = c.key(1);
  tier::Shard& shard = c.shard(key);
  const auto found = shard.peek(key);
  if (!found || found->expires_ms == tier::kNoExpiry) return c.out.integer(0);
  (void)shard.set_expiry(key, tier::kNoExpiry);
  c.changed(key, kNotifyGeneric, "persist");
  c.out.integer(1);
}

}  // namespace ullage::server
