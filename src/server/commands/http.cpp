// SPDX-License-Identifier: Apache-2.0
//
// What the HTTP door asks of the thread that owns a key: reads with the time that is left, and
// writes under a condition, each in one step. No client of RESP finds
// these; http.NAME takes the rights of NAME.
#include <algorithm>

#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/http/etag.h"
#include "server/kinds.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

// Value and the time it ends (Unix ms; 0: never), or null.
void reply_found(Context& c, const std::optional<tier::Found>& found) {
  if (!found) return c.out.null();
  if (found->kind != tier::kText) return c.wrong_type();
  c.out.array(2);
  c.out.integer(static_cast<std::int64_t>(found->expires_ms));
  c.out.bulk(found->value);
}

std::optional<tier::Found> read(Context& c, std::size_t word) {
  const tier::Key key = c.key(word);
  const auto found = c.shard(key).get(key);
  if (!found) c.notify(kNotifyKeyMiss, "keymiss", key);
  return found;
}

// Whether what is there (if anything) fits the condition in words `first` to `last`: "any",
// "absent", "present", "match TAG...", "other TAG...".
bool fits(const Context& c, const std::optional<tier::Found>& now, std::size_t first,
          std::size_t last) {
  const std::string_view condition = c.word(first);
  if (condition == "any") return true;
  if (condition == "absent") return !now;
  if (condition == "present") return now.has_value();
  TagList list;
  for (std::size_t i = first + 1; i < last; ++i) list.tags.emplace_back(c.word(i));
  const bool text = now && now->kind == tier::kText;
  const bool match = text && matches(list, etag_of(now->value), condition == "other");
  return condition == "match" ? match : !match;
}

}  // namespace

// http.get KEY
void http_get_command(Context& c) { reply_found(c, read(c, 1)); }

// http.mget BYTES_MAX KEY...: values beyond the bytes are told by their length alone, other kinds
// than text by their name.
void http_mget_command(Context& c) {
  std::int64_t left = 0;
  if (!c.integer(1, left)) return;
  c.out.array(c.words.size() - 2);
  for (std::size_t i = 2; i < c.words.size(); ++i) {
    const auto found = read(c, i);
    if (found && found->kind != tier::kText) {
      c.out.simple(type_name(found->kind));
      continue;
    }
    const auto size = static_cast<std::int64_t>(found ? found->value.size() : 0);
    if (size > left) {
      c.out.integer(size);
      continue;
    }
    left -= size;
    reply_found(c, found);
  }
}

// http.set KEY TTL_MS CONDITION [TAG...] VALUE: 1, it is new; 0, it took another's place; -1, the
// condition did not hold. TTL_MS: 0, none; -1, the time that is left stays.
void http_set_command(Context& c) {
  std::int64_t ttl_ms = 0;
  if (!c.integer(2, ttl_ms)) return;
  const tier::Key key = c.key(1);
  tier::Shard& shard = c.shard(key);
  const auto now = shard.peek(key);
  const std::size_t value = c.words.size() - 1;
  if (!fits(c, now, 3, value)) return c.out.integer(-1);
  const bool fresh = !now;
  tier::SetOptions options{.keep_expiry = ttl_ms < 0};
  if (ttl_ms > 0) {
    options.expires_ms =
        std::min(c.now_ms() + static_cast<std::uint64_t>(ttl_ms), tier::kExpiryMsMax);
  }
  if (!c.wrote(shard.set(key, c.word(value), options))) return;
  c.changed(key, kNotifyString, "set");
  if (ttl_ms > 0) c.notify(kNotifyGeneric, "expire", key);
  c.out.integer(fresh ? 1 : 0);
}

// http.del KEY CONDITION [TAG...]: 1, it is gone; 0, it was not there; -1, the condition did not
// hold.
void http_del_command(Context& c) {
  const tier::Key key = c.key(1);
  tier::Shard& shard = c.shard(key);
  if (c.word(2) != "any" && !fits(c, shard.peek(key), 2, c.words.size())) return c.out.integer(-1);
  if (!shard.erase(key)) return c.out.integer(0);
  c.changed(key, kNotifyGeneric, "del");
  c.out.integer(1);
}

// http.ullage.mrc, of the thread it runs on: requests sampled, then size in percent and hit ratio
// in millionths, of each point.
void http_mrc_command(Context& c) {
  const tier::HitCurve curve = c.worker.shard().hit_curve();
  c.out.array(1 + curve.points.size() * 2);
  c.out.integer(static_cast<std::int64_t>(curve.sampled));
  for (const tier::HitCurve::Point& point : curve.points) {
    c.out.integer(point.size_percent);
    c.out.integer(static_cast<std::int64_t>(point.hit_ratio * 1e6));
  }
}

}  // namespace ullage::server
