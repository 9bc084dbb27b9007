// SPDX-License-Identifier: Apache-2.0
//
// Commands that take values for numbers.
#include <cmath>
#include <limits>

#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/numbers.h"
#include "wire/request_parser.h"

namespace ullage::server {
namespace {

void add(Context& c, std::int64_t by) {
  const tier::Key key = c.key(1);
  tier::Shard& shard = c.shard(key);
  std::int64_t value = 0;
  const auto found = shard.peek(key);
  if (!c.is_text(found)) return;
  if (found && !wire::parse_integer(found->value, value)) return c.not_an_integer();
  std::int64_t sum = 0;
  if (__builtin_add_overflow(value, by, &sum)) {
    return c.error("ERR increment or decrement would overflow");
  }
  char text[20];
  const std::size_t size = wire::write_integer(text, sum);
  if (!c.wrote(shard.set(key, {text, size}, {.keep_expiry = true}))) return;
  c.changed(key, kNotifyString, "incrby");
  c.out.integer(sum);
}

}  // namespace

void incr_command(Context& c) { add(c, 1); }
void decr_command(Context& c) { add(c, -1); }

void incrby_command(Context& c) {
  std::int64_t by = 0;
  if (c.integer(2, by)) add(c, by);
}

void decrby_command(Context& c) {
  std::int64_t by = 0;
  if (!c.integer(2, by)) return;
  if (by == std::numeric_limits<std::int64_t>::min()) {
    return c.error("ERR decrement would overflow");
  }
  add(c, -by);
}

void incrbyfloat_command(Context& c) {
  const tier::Key key = c.key(1);
  tier::Shard& shard = c.shard(key);
  long double value = 0, by = 0;
  const auto found = shard.peek(key);
  if (!c.is_text(found)) return;
  if ((found && !parse_real(found->value, value)) || !parse_real(c.word(2), by)) {
    return c.error("ERR value is not a valid float");
  }
  value += by;
  if (std::isnan(value) || std::isinf(value)) {
    return c.error("ERR increment would produce NaN or Infinity");
  }
  const std::string text = write_real(value);
  if (!c.wrote(shard.set(key, text, {.keep_expiry = true}))) return;
  c.changed(key, kNotifyString, "incrbyfloat");
  c.out.bulk(text);
}

}  // namespace ullage::server
