// SPDX-License-Identifier: Apache-2.0
//
// Values as rows of bits: bit 0 is the highest of the first byte.
#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <vector>

#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/numbers.h"
#include "wire/request_parser.h"

namespace ullage::server {
namespace {

bool bit_offset(Context& c, std::size_t i, std::uint64_t& offset) {
  std::int64_t value = 0;
  const char* message = "ERR bit offset is not an integer or out of range";
  if (!c.integer(i, value, message)) return false;
  if (value < 0 || static_cast<std::uint64_t>(value) >> 3 >= c.config().max_value_bytes) {
    c.error(message);
    return false;
  }
  offset = static_cast<std::uint64_t>(value);
  return true;
}

bool bit_at(std::string_view value, std::uint64_t offset) {
  const std::uint64_t byte = offset >> 3;
  return byte < value.size() && (static_cast<unsigned char>(value[byte]) >> (7 - (offset & 7)) & 1);
}

std::int64_t count_bits(std::string_view bytes) {
  std::int64_t count = 0;
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + at, 8);
    count += std::popcount(word);
  }
  for (; at < bytes.size(); ++at) count += std::popcount(static_cast<unsigned char>(bytes[at]));
  return count;
}

// A range in bytes or bits, with negative ends; in bits when it is done. False: it is empty.
struct BitRange {
  std::int64_t start = 0, end = -1;
  bool in_bits = false;
};
bool resolve(BitRange& range, std::size_t value_bytes) {
  std::int64_t total = static_cast<std::int64_t>(value_bytes) * (range.in_bits ? 8 : 1);
  if (range.start < 0 && range.end < 0 && range.start > range.end) return false;
  if (range.start < 0) range.start = std::max<std::int64_t>(range.start + total, 0);
  if (range.end < 0) range.end = std::max<std::int64_t>(range.end + total, 0);
  range.end = std::min(range.end, total - 1);
  if (range.start > range.end) return false;
  if (!range.in_bits) {
    range.start *= 8;
    range.end = range.end * 8 + 7;
  }
  return true;
}

// "BYTE" or "BIT" in word i.
bool unit_word(Context& c, std::size_t i, BitRange& range) {
  if (c.is(i, "bit")) {
    range.in_bits = true;
  } else if (!c.is(i, "byte")) {
    c.syntax_error();
    return false;
  }
  return true;
}

std::int64_t count_range(std::string_view value, const BitRange& range) {
  const auto first = static_cast<std::size_t>(range.start >> 3);
  const auto last = static_cast<std::size_t>(range.end >> 3);
  std::int64_t count = count_bits(value.substr(first, last - first + 1));
  const auto head = static_cast<unsigned char>(value[first]);
  const auto tail = static_cast<unsigned char>(value[last]);
  const int skipped = static_cast<int>(range.start & 7),
            after = 7 - static_cast<int>(range.end & 7);
  count -= std::popcount(static_cast<unsigned char>(skipped == 0 ? 0 : head >> (8 - skipped)));
  count -= std::popcount(static_cast<unsigned char>(tail & ((1 << after) - 1)));
  return count;
}

}  // namespace

void setbit_command(Context& c) {
  std::uint64_t offset = 0;
  if (!bit_offset(c, 2, offset)) return;
  std::int64_t on = 0;
  const char* message = "ERR bit is not an integer or out of range";
  if (!c.integer(3, on, message)) return;
  if (on != 0 && on != 1) return c.error(message);
  const tier::Key key = c.key(1);
  tier::Shard& shard = c.shard(key);
  const auto found = shard.peek(key);
  if (!c.is_text(found)) return;
  const bool old = found && bit_at(found->value, offset);
  const bool grows = !found || found->value.size() <= offset >> 3;
  if (!grows && old == (on != 0)) return c.out.integer(old ? 1 : 0);  // no change, no event
  if (grows) {
    if (!c.wrote(shard.resize(key, (offset >> 3) + 1))) return;
  }
  std::size_t size = 0;
  char* bytes = shard.modify(key, &size);
  if (bytes == nullptr) return c.out_of_memory();
  const auto mask = static_cast<unsigned char>(0x80 >> (offset & 7));
  auto& byte = reinterpret_cast<unsigned char&>(bytes[offset >> 3]);
  byte = static_cast<unsigned char>(on != 0 ? byte | mask : byte & ~mask);
  c.changed(key, kNotifyString, "setbit");
  c.out.integer(old ? 1 : 0);
}

void getbit_command(Context& c) {
  std::uint64_t offset = 0;
  if (!bit_offset(c, 2, offset)) return;
  const tier::Key key = c.key(1);
  const auto found = c.shard(key).get(key);
  if (!c.is_text(found)) return;
  c.out.integer(found && bit_at(found->value, offset) ? 1 : 0);
}

void bitcount_command(Context& c) {
  // Of a key that is not there, Redis does not look at the range.
  const tier::Key key = c.key(1);
  const auto found = c.shard(key).get(key);
  if (!c.is_text(found)) return;
  if (!found) return c.out.integer(0);
  BitRange range;
  const std::size_t count = c.words.size();
  if (count == 4 || count == 5) {
    if (!c.integer(2, range.start) || !c.integer(3, range.end)) return;
    if (count == 5 && !unit_word(c, 4, range)) return;
  } else if (count != 2) {
    return c.syntax_error();
  }
  if (found->value.empty() || !resolve(range, found->value.size())) {
    return c.out.integer(0);
  }
  c.out.integer(count_range(found->value, range));
}

void bitpos_command(Context& c) {
  std::int64_t wanted = 0;
  if (!c.integer(2, wanted)) return;
  if (wanted != 0 && wanted != 1) return c.error("ERR The bit argument must be 1 or 0.");
  const tier::Key key = c.key(1);
  const auto found = c.shard(key).get(key);
  if (!c.is_text(found)) return;
  if (!found) return c.out.integer(wanted != 0 ? -1 : 0);
  BitRange range;
  const std::size_t count = c.words.size();
  const bool end_given = count > 4;
  if (count > 6) return c.syntax_error();
  if (count > 3 && !c.integer(3, range.start)) return;
  if (count > 4 && !c.integer(4, range.end)) return;
  if (count > 5 && !unit_word(c, 5, range)) return;
  const std::string_view value = found->value;
  if (!resolve(range, value.size())) return c.out.integer(-1);
  for (std::int64_t at = range.start; at <= range.end;) {
    // A byte that has none of them is passed at once.
    const auto byte = static_cast<unsigned char>(value[static_cast<std::size_t>(at >> 3)]);
    if ((at & 7) == 0 && byte == (wanted != 0 ? 0x00 : 0xff)) {
      at += 8;
      continue;
    }
    if (bit_at(value, static_cast<std::uint64_t>(at)) == (wanted != 0)) return c.out.integer(at);
    ++at;
  }
  // Beyond the end of the value everything is zero, unless the caller named an end.
  c.out.integer(wanted != 0 || end_given ? -1 : static_cast<std::int64_t>(value.size()) * 8);
}

void bitop_command(Context& c) {
  enum class Op { kAnd, kOr, kXor, kNot } op;
  if (c.is(1, "and")) {
    op = Op::kAnd;
  } else if (c.is(1, "or")) {
    op = Op::kOr;
  } else if (c.is(1, "xor")) {
    op = Op::kXor;
  } else if (c.is(1, "not")) {
    op = Op::kNot;
  } else {
    return c.syntax_error();
  }
  if (op == Op::kNot && c.words.size() != 4) {
    return c.error("ERR BITOP NOT must be called with a single source key.");
  }
  std::string result;
  std::size_t shortest = SIZE_MAX;
  for (std::size_t i = 3; i < c.words.size(); ++i) {
    const tier::Key key = c.key(i);
    const auto found = c.shard(key).get(key);
    if (!c.is_text(found)) return;
    const std::string_view value = found ? found->value : std::string_view{};
    if (i == 3) {
      result = value;
      shortest = value.size();
      continue;
    }
    if (value.size() > result.size()) result.resize(value.size());
    shortest = std::min(shortest, value.size());
    for (std::size_t at = 0; at < value.size(); ++at) {
      if (op == Op::kAnd) result[at] = static_cast<char>(result[at] & value[at]);
      if (op == Op::kOr) result[at] = static_cast<char>(result[at] | value[at]);
      if (op == Op::kXor) result[at] = static_cast<char>(result[at] ^ value[at]);
    }
  }
  if (op == Op::kAnd && !result.empty()) {
    std::fill(result.begin() + static_cast<std::ptrdiff_t>(std::min(shortest, result.size())),
              result.end(), 0);
  }
  if (op == Op::kNot) {
    for (char& byte : result) byte = static_cast<char>(~byte);
  }
  const tier::Key to = c.key(2);
  if (!result.empty()) {
    if (!c.wrote(c.shard(to).set(to, result))) return;
    c.changed(to, kNotifyString, "set");
  } else if (c.shard(to).erase(to)) {
    c.changed(to, kNotifyGeneric, "del");
  }
  c.out.integer(static_cast<std::int64_t>(result.size()));
}

}  // namespace ullage::server
