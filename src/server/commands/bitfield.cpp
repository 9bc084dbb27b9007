// SPDX-License-Identifier: Apache-2.0
//
// BITFIELD: numbers of any width at any bit of a value, read, written and counted.
#include <algorithm>
#include <string>
#include <vector>

#include "server/commands/handlers.h"
#include "server/context.h"
#include "wire/request_parser.h"

namespace ullage::server {
namespace {

// Sums of 64-bit numbers.
__extension__ using Wide = __int128;

enum class Verb : std::uint8_t { kGet, kSet, kAdd };
enum class Overflow : std::uint8_t { kWrap, kSaturate, kFail };

// i16 at bit 100: signed, 16, 100.
struct Field {
  bool is_signed = false;
  unsigned bits = 0;
  std::uint64_t offset = 0;

  std::uint64_t end() const { return offset + bits; }
  Wide least() const { return is_signed ? -(Wide{1} << (bits - 1)) : 0; }
  Wide most() const { return (Wide{1} << (is_signed ? bits - 1 : bits)) - 1; }
};

struct Operation {
  Verb verb = Verb::kGet;
  Overflow overflow = Overflow::kWrap;
  Field field;
  std::int64_t operand = 0;
};

bool parse_type(Context& c, std::size_t i, Field& field) {
  const std::string_view text = c.word(i);
  std::int64_t bits = 0;
  field.is_signed = text.starts_with('i');
  const bool known = field.is_signed || text.starts_with('u');
  if (!known || !wire::parse_integer(text.substr(1), bits) || bits < 1 ||
      bits > (field.is_signed ? 64 : 63)) {
    c.error(
        "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "
        "i64 is.");
    return false;
  }
  field.bits = static_cast<unsigned>(bits);
  return true;
}

// "100", or "#3": the fourth field of this width.
bool parse_offset(Context& c, std::size_t i, Field& field) {
  std::string_view text = c.word(i);
  const bool counted = text.starts_with('#');
  if (counted) text.remove_prefix(1);
  std::int64_t offset = 0;
  const std::int64_t by = counted ? field.bits : 1;
  if (!wire::parse_integer(text, offset) || __builtin_mul_overflow(offset, by, &offset) ||
      offset < 0 || static_cast<std::uint64_t>(offset) >> 3 >= c.config().max_value_bytes) {
    c.error("ERR bit offset is not an integer or out of range");
    return false;
  }
  field.offset = static_cast<std::uint64_t>(offset);
  return true;
}

bool parse_operations(Context& c, std::vector<Operation>& operations) {
  Overflow overflow = Overflow::kWrap;
  for (std::size_t i = 2; i < c.words.size();) {
    const std::size_t behind = c.words.size() - i - 1;
    Operation operation;
    if (c.is(i, "overflow") && behind >= 1) {
      if (c.is(i + 1, "wrap")) {
        overflow = Overflow::kWrap;
      } else if (c.is(i + 1, "sat")) {
        overflow = Overflow::kSaturate;
      } else if (c.is(i + 1, "fail")) {
        overflow = Overflow::kFail;
      } else {
        c.error("ERR Invalid OVERFLOW type specified");
        return false;
      }
      i += 2;
      continue;
    }
    if (c.is(i, "set") && behind >= 3) {
      operation.verb = Verb::kSet;
    } else if (c.is(i, "incrby") && behind >= 3) {
      operation.verb = Verb::kAdd;
    } else if (!c.is(i, "get") || behind < 2) {
      c.syntax_error();
      return false;
    }
    operation.overflow = overflow;
    if (!parse_type(c, i + 1, operation.field) || !parse_offset(c, i + 2, operation.field)) {
      return false;
    }
    i += 3;
    if (operation.verb != Verb::kGet && !c.integer(i++, operation.operand)) return false;
    operations.push_back(operation);
  }
  return true;
}

// Beyond the value's end everything is zero.
std::int64_t read(std::string_view value, const Field& field) {
  std::uint64_t number = 0;
  for (std::uint64_t bit = field.offset; bit < field.end(); ++bit) {
    const std::uint64_t byte = bit >> 3;
    const unsigned on =
        byte < value.size() ? static_cast<unsigned char>(value[byte]) >> (7 - (bit & 7)) & 1 : 0;
    number = number << 1 | on;
  }
  const unsigned unused = 64 - field.bits;
  if (!field.is_signed) return static_cast<std::int64_t>(number);
  return static_cast<std::int64_t>(number << unused) >> unused;
}

void write(char* value, const Field& field, std::int64_t number) {
  for (std::uint64_t i = 0; i < field.bits; ++i) {
    const std::uint64_t bit = field.end() - 1 - i;
    const auto mask = static_cast<unsigned char>(0x80 >> (bit & 7));
    auto& byte = reinterpret_cast<unsigned char&>(value[bit >> 3]);
    const bool on = static_cast<std::uint64_t>(number) >> i & 1;
    byte = static_cast<unsigned char>(on ? byte | mask : byte & ~mask);
  }
}

// What the field becomes; false: it would overflow and may not.
bool result_of(const Operation& operation, std::int64_t old, std::int64_t& result) {
  const Field& field = operation.field;
  Wide sum = operation.operand;
  if (operation.verb == Verb::kAdd) {
    sum += old;
  } else if (!field.is_signed) {
    sum = static_cast<std::uint64_t>(operation.operand);
  }
  if (sum >= field.least() && sum <= field.most()) {
    result = static_cast<std::int64_t>(sum);
    return true;
  }
  if (operation.overflow == Overflow::kFail) return false;
  if (operation.overflow == Overflow::kSaturate) {
    result = static_cast<std::int64_t>(sum > field.most() ? field.most() : field.least());
    return true;
  }
  const unsigned unused = 64 - field.bits;
  const std::uint64_t cut = static_cast<std::uint64_t>(sum) << unused;
  result = field.is_signed ? static_cast<std::int64_t>(cut) >> unused
                           : static_cast<std::int64_t>(cut >> unused);
  return true;
}

void reply_reads(Context& c, const tier::Key& key, const std::vector<Operation>& operations) {
  const auto found = c.shard(key).get(key);
  if (!c.is_text(found)) return;
  c.out.array(operations.size());
  for (const Operation& operation : operations) {
    c.out.integer(read(found ? found->value : std::string_view{}, operation.field));
  }
}

void run(Context& c, bool readonly) {
  std::vector<Operation> operations;
  if (!parse_operations(c, operations)) return;
  std::uint64_t end = 0;  // of what is written
  for (const Operation& operation : operations) {
    if (operation.verb != Verb::kGet) end = std::max(end, operation.field.end());
  }
  const tier::Key key = c.key(1);
  if (end == 0) return reply_reads(c, key, operations);
  if (readonly) return c.error("ERR BITFIELD_RO only supports the GET subcommand");
  tier::Shard& shard = c.shard(key);
  const auto found = shard.peek(key);
  if (!c.is_text(found)) return;
  const std::size_t needed = static_cast<std::size_t>((end + 7) >> 3);
  const bool grows = !found || found->value.size() < needed;
  if (grows && !c.wrote(shard.resize(key, needed))) return;
  std::size_t size = 0;
  char* const value = shard.modify(key, &size);
  if (value == nullptr) return c.out_of_memory();
  c.out.array(operations.size());
  bool changed = false;
  for (const Operation& operation : operations) {
    const std::int64_t old = read({value, size}, operation.field);
    std::int64_t result = 0;
    if (operation.verb == Verb::kGet) {
      c.out.integer(old);
    } else if (!result_of(operation, old, result)) {
      c.out.null();
    } else {
      c.out.integer(operation.verb == Verb::kAdd ? result : old);
      write(value, operation.field, result);
      changed |= grows || old != result;
    }
  }
  if (changed) c.changed(key, kNotifyString, "setbit");
}

}  // namespace

void bitfield_command(Context& c) { run(c, false); }
void bitfield_ro_command(Context& c) { run(c, true); }

}  // namespace ullage::server
