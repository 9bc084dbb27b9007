// SPDX-License-Identifier: Apache-2.0
//
// What the HTTP door asks of the thread that owns a key: reads with the time that is left, and
// writes under a condition, each in one step. No client of RESP finds these; http.NAME takes the
// rights of NAME.
#include <algorithm>

#include "document/print.h"
#include "server/commands/expiry_options.h"
#include "server/commands/handlers.h"
#include "server/commands/json_support.h"
#include "server/context.h"
#include "server/http/etag.h"
#include "server/kinds.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

// Around a value in a reply, at most.
constexpr std::size_t kFrameBytes = 128;

// An entry as HTTP has it: bytes as they are, or a document as its JSON, which is printed anew.
class Shown {
 public:
  explicit Shown(const tier::Found& found) : expires_ms_(found.expires_ms), bytes_(found.value) {
    if (found.kind != kJson) return;
    document_ = true;
    document::print(printed_, document::Value(found.value.data()));
    bytes_ = printed_;
  }
  Shown(const Shown&) = delete;
  Shown& operator=(const Shown&) = delete;

  std::string_view bytes() const { return bytes_; }
  // The time it ends (Unix ms; 0: never), its bytes, and its kind if it is no text.
  void reply(Context& c) const {
    c.out.array(document_ ? 3 : 2);
    c.out.integer(static_cast<std::int64_t>(expires_ms_));
    c.out.bulk(bytes_);
    if (document_) c.out.simple(type_name(kJson));
  }

 private:
  std::uint64_t expires_ms_;
  std::string printed_;
  std::string_view bytes_;
  bool document_ = false;
};

// Whether there is memory for a large value in the reply, and for a document's text beside it;
// entries may go for them: then `found` is another view. False: an error takes the place of all
// behind `before`.
bool room_for(Context& c, const tier::Key& key, std::optional<tier::Found>& found,
              std::optional<Loan>& printing, std::size_t before) {
  if (!found || found->value.size() <= kFreeBufferBytes) [[likely]]
    return true;
  const std::size_t bytes = found->value.size();
  if (found->kind == kJson) printing.emplace(c, 2 * bytes, Loan::How::kMakeRoom);
  const bool lent =
      (!printing || printing->granted()) && c.worker.lend_reply(c.out.buffer(), bytes);
  found = c.shard(key).peek(key);
  if (lent && found) {
    // What is around it does not double it.
    c.out.buffer().reserve(c.out.buffer().size() + found->value.size() + kFrameBytes);
    return true;
  }
  c.out.buffer().truncate(before);
  c.out_of_memory();
  return false;
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
  const bool match = now && matches(list, etag_of(Shown(*now).bytes()), condition == "other");
  return condition == "match" ? match : !match;
}

}  // namespace

// http.get KEY
void http_get_command(Context& c) {
  auto found = read(c, 1);
  if (found && found->kind == tier::kText && c.to_be_refreshed(c.key(1), *found)) {
    return c.out.null();
  }
  std::optional<Loan> printing;
  if (!room_for(c, c.key(1), found, printing, c.out.buffer().size())) return;
  if (!found) return c.out.null();
  Shown(*found).reply(c);
}

// http.mget BYTES_MAX KEY...: values beyond the bytes are told by their length alone.
void http_mget_command(Context& c) {
  std::int64_t left = 0;
  if (!c.integer(1, left)) return;
  const std::size_t before = c.out.buffer().size();
  c.out.array(c.words.size() - 2);
  for (std::size_t i = 2; i < c.words.size(); ++i) {
    auto found = read(c, i);
    std::optional<Loan> printing;
    const bool fits = found && static_cast<std::int64_t>(found->value.size()) <= left;
    if (fits && !room_for(c, c.key(i), found, printing, before)) return;
    if (!found) {
      c.out.null();
      continue;
    }
    const Shown shown(*found);
    const auto size = static_cast<std::int64_t>(shown.bytes().size());
    if (size > left) {
      c.out.integer(size);
      continue;
    }
    left -= size;
    shown.reply(c);
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
        std::min(c.now_ms() + static_cast<std::uint64_t>(jittered(c, ttl_ms)), tier::kExpiryMsMax);
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
