// SPDX-License-Identifier: Apache-2.0
//
// Commands on whole values and parts of them.
#include <algorithm>
#include <vector>

#include "server/commands/expiry_options.h"
#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

// From here on a value is sent from where it lies: a copy costs 0.6 ms a MiB.
constexpr std::size_t kSharedBytesMin = 256 * 1024;

// Whether the reply, `bytes` of the key's value, will be sent as what they are.
bool share(Context& c, const tier::Key& key, std::string_view bytes) {
  if (bytes.size() < kSharedBytesMin || !c.may_share) [[likely]]
    return false;
  std::shared_ptr<const void> keeper = c.shard(key).hold(key);
  if (keeper == nullptr) return false;
  c.out.bulk_header(bytes.size());
  c.shared = std::make_shared<const SharedBytes>(std::move(keeper), bytes);
  return true;
}

std::optional<tier::Found> read(Context& c, const tier::Key& key) {
  const auto found = c.caller.no_touch ? c.shard(key).peek(key) : c.shard(key).get(key);
  if (!found) c.notify(kNotifyKeyMiss, "keymiss", key);
  return found;
}

// `bytes` of a large value need room in the reply before they are copied there, for which entries
// may go: then `found` is another view. False: the error is replied, in the place of all behind
// `before`.
bool room_for(Context& c, const tier::Key& key, std::optional<tier::Found>& found,
              std::size_t before, std::size_t bytes) {
  if (!found || !Worker::reply_grows(c.out.buffer(), bytes)) [[likely]]
    return true;
  const bool lent = c.worker.lend_reply(c.out.buffer(), bytes);
  found = c.shard(key).peek(key);
  if (lent && found) return true;
  c.out.buffer().truncate(before);
  c.out_of_memory();
  return false;
}

bool room_for(Context& c, const tier::Key& key, std::optional<tier::Found>& found,
              std::size_t before) {
  return room_for(c, key, found, before, found ? found->value.size() : 0);
}

// The whole value, or that there is none. False: an error is replied instead.
bool reply_value(Context& c, const tier::Key& key, std::optional<tier::Found>& found) {
  if (!found) {
    c.out.null();
  } else if (!share(c, key, found->value)) {
    if (!room_for(c, key, found, c.out.buffer().size())) return false;
    c.out.bulk(found->value);
  }
  return true;
}

bool write(Context& c, const tier::Key& key, std::string_view value,
           tier::SetOptions options = {}) {
  options.offer = c.offer;
  if (!c.wrote(c.shard(key).set(key, value, options))) return false;
  c.changed(key, kNotifyString, "set");
  return true;
}

// Of SETEX, PSETEX: the time in the third word.
void set_with_time(Context& c, bool milliseconds) {
  std::uint64_t at = 0;
  if (!expiry_of(c, 2, milliseconds, false, at)) return;
  const tier::Key key = c.key(1);
  if (!write(c, key, c.word(3), {.expires_ms = at})) return;
  c.notify(kNotifyGeneric, "expire", key);
  c.out.ok();
}

// Where a range with negative ends lies in `size` bytes; empty when end < start.
std::string_view range_of(std::string_view value, std::int64_t start, std::int64_t end) {
  const auto size = static_cast<std::int64_t>(value.size());
  if (start < 0 && end < 0 && start > end) return {};
  if (start < 0) start = std::max<std::int64_t>(start + size, 0);
  if (end < 0) end = std::max<std::int64_t>(end + size, 0);
  end = std::min(end, size - 1);
  if (start > end || size == 0) return {};
  return value.substr(static_cast<std::size_t>(start), static_cast<std::size_t>(end - start + 1));
}

// Not longer than a value may be; else the error is replied.
bool size_allowed(Context& c, std::uint64_t size) {
  if (size <= c.config().max_value_bytes) return true;
  c.error("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
  return false;
}

}  // namespace

void get_command(Context& c) {
  const tier::Key key = c.key(1);
  auto found = read(c, key);
  if (!c.is_text(found)) return;
  if (found && c.to_be_refreshed(key, *found)) return c.out.null();
  (void)reply_value(c, key, found);
}

void set_command(Context& c) {
  if (c.words.size() == 3) {  // the usual form
    if (write(c, c.key(1), c.word(2))) c.out.ok();
    return;
  }
  SetWords options;
  if (!parse_set_words(c, options)) return;
  const tier::Key key = c.key(1);
  tier::Shard& shard = c.shard(key);
  auto old = options.get ? read(c, key) : shard.peek(key);
  if (options.get && !c.is_text(old)) return;
  const std::size_t before = c.out.buffer().size();
  if (options.get && !reply_value(c, key, old)) return;
  if ((options.nx && old) || (options.xx && !old)) {
    if (!options.get) c.out.null();
    return;
  }
  const tier::SetOptions how{
      .expires_ms = options.expires_ms, .keep_expiry = options.keep_ttl, .offer = c.offer};
  if (const tier::Status status = shard.set(key, c.word(2), how); status != tier::Status::kOk) {
    // The old value was already replied: an error takes its place.
    c.out.buffer().truncate(before);
    c.shared = nullptr;
    c.wrote(status);
    return;
  }
  c.changed(key, kNotifyString, "set");
  if (options.expires_ms != tier::kNoExpiry) c.notify(kNotifyGeneric, "expire", key);
  if (!options.get) c.out.ok();
}

void setnx_command(Context& c) {
  const tier::Key key = c.key(1);
  if (c.shard(key).contains(key)) return c.out.integer(0);
  if (write(c, key, c.word(2))) c.out.integer(1);
}

void setex_command(Context& c) { set_with_time(c, false); }
void psetex_command(Context& c) { set_with_time(c, true); }

void getset_command(Context& c) {
  const tier::Key key = c.key(1);
  auto old = read(c, key);
  const std::size_t before = c.out.buffer().size();
  if (!c.is_text(old) || !reply_value(c, key, old)) return;
  const tier::Status status = c.shard(key).set(key, c.word(2), {.offer = c.offer});
  if (status != tier::Status::kOk) {
    c.out.buffer().truncate(before);
    c.shared = nullptr;
    c.wrote(status);
    return;
  }
  c.changed(key, kNotifyString, "set");
}

void getdel_command(Context& c) {
  const tier::Key key = c.key(1);
  auto old = read(c, key);
  if (!c.is_text(old) || !reply_value(c, key, old) || !old) return;
  c.shard(key).erase(key);
  c.changed(key, kNotifyGeneric, "del");
}

void getex_command(Context& c) {
  GetexWords options;
  if (!parse_getex_words(c, options)) return;
  const tier::Key key = c.key(1);
  tier::Shard& shard = c.shard(key);
  auto found = read(c, key);
  if (!c.is_text(found)) return;
  if (found && !getex_time(c, options)) return;
  if (!reply_value(c, key, found) || !found) return;
  if (options.absolute && options.expires_ms <= c.now_ms()) {
    shard.erase(key);
    c.changed(key, kNotifyGeneric, "del");
  } else if (options.expires_ms != tier::kNoExpiry) {
    (void)shard.set_expiry(key, options.expires_ms);
    c.changed(key, kNotifyGeneric, "expire");
  } else if (options.persist && found->expires_ms != tier::kNoExpiry) {
    (void)shard.set_expiry(key, tier::kNoExpiry);
    c.changed(key, kNotifyGeneric, "persist");
  }
}

void mget_command(Context& c) {
  const std::size_t before = c.out.buffer().size();
  c.out.array(c.words.size() - 1);
  for (std::size_t i = 1; i < c.words.size(); ++i) {
    const tier::Key key = c.key(i);
    auto found = read(c, key);
    if (found && c.to_be_refreshed(key, *found)) found.reset();
    if (!room_for(c, key, found, before)) return;
    if (found && found->kind == tier::kText) {
      c.out.bulk(found->value);
    } else {
      c.out.null();
    }
    c.keys_done = i;
  }
}

void mset_command(Context& c) {
  if (c.words.size() % 2 == 0) return c.wrong_arity();
  for (std::size_t i = 1; i < c.words.size(); i += 2) {
    if (!write(c, c.key(i), c.word(i + 1))) return;
  }
  c.out.ok();
}

void msetnx_command(Context& c) {
  if (c.words.size() % 2 == 0) return c.wrong_arity();
  for (std::size_t i = 1; i < c.words.size(); i += 2) {
    const tier::Key key = c.key(i);
    if (c.shard(key).contains(key)) return c.out.integer(0);
  }
  for (std::size_t i = 1; i < c.words.size(); i += 2) {
    if (!write(c, c.key(i), c.word(i + 1))) return;
  }
  c.out.integer(1);
}

void append_command(Context& c) {
  const tier::Key key = c.key(1);
  tier::Shard& shard = c.shard(key);
  const auto found = shard.peek(key);
  if (!c.is_text(found)) return;
  if (found && !size_allowed(c, found->value.size() + c.word(2).size())) return;
  std::size_t size = 0;
  if (!c.wrote(shard.append(key, c.word(2), &size))) return;
  c.changed(key, kNotifyString, "append");
  c.out.integer(static_cast<std::int64_t>(size));
}

void strlen_command(Context& c) {
  const auto found = read(c, c.key(1));
  if (!c.is_text(found)) return;
  c.out.integer(found ? static_cast<std::int64_t>(found->value.size()) : 0);
}

void getrange_command(Context& c) {
  std::int64_t start = 0, end = 0;
  if (!c.integer(2, start) || !c.integer(3, end)) return;
  const tier::Key key = c.key(1);
  auto found = read(c, key);
  if (!c.is_text(found)) return;
  const std::size_t bytes = found ? range_of(found->value, start, end).size() : 0;
  if (found && share(c, key, range_of(found->value, start, end))) return;
  if (!room_for(c, key, found, c.out.buffer().size(), bytes)) return;
  c.out.bulk(found ? range_of(found->value, start, end) : std::string_view{});
}

void substr_command(Context& c) { getrange_command(c); }

void setrange_command(Context& c) {
  std::int64_t offset = 0;
  if (!c.integer(2, offset)) return;
  if (offset < 0) return c.error("ERR offset is out of range");
  const tier::Key key = c.key(1);
  tier::Shard& shard = c.shard(key);
  const auto found = shard.peek(key);
  if (!c.is_text(found)) return;
  const std::string_view bytes = c.word(3);
  if (bytes.empty()) {
    return c.out.integer(found ? static_cast<std::int64_t>(found->value.size()) : 0);
  }
  const auto at = static_cast<std::uint64_t>(offset);
  if (!size_allowed(c, at + bytes.size() < at ? at : at + bytes.size())) return;
  std::size_t size = 0;
  if (!c.wrote(shard.set_range(key, at, bytes, &size))) return;
  c.changed(key, kNotifyString, "setrange");
  c.out.integer(static_cast<std::int64_t>(size));
}

}  // namespace ullage::server
