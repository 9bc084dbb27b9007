// SPDX-License-Identifier: Apache-2.0
#pragma once

// Value: a JSON value as the bytes that lie in the store, read where they are.
//
//   | tag 1 B | what follows |
//
//   00 null   01 false   02 true   03 number, 8 B   04..07 integer of 1, 2, 4, 8 B
//   08 integer above 2^63 - 1, 8 B      80..ff the integers 0 to 127
//   10 + w string: | bytes | text |     40..7f string of 0 to 63 bytes
//   20 + w array:  | bytes, count | values |
//   30 + w object: | bytes, count | key (as a string), value, ... |
//
// Lengths are little-endian and take 1 << w bytes: 1, 2 or 4, as few as hold both. `bytes` counts
// what follows the header, so that a value is passed over in O(1), and a change of it is a change
// of its own bytes and of its ancestors' headers, nothing else. The form is canonical: the same
// value (with its members in the same order) is always the same bytes, whatever was done to get
// there.
//
// Cost      type, bytes, string, count: O(1). The n-th element, or the member of a name: O(n).
// Trust     The bytes must be whole (`well_formed`, for those that come from elsewhere); what lies
//           behind the value is not read.
// Limits    kDepthMax containers within each other; 4 GiB.

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ullage::document {

// What clients know from others that answer JSON commands. Bounds every recursion of this module.
inline constexpr unsigned kDepthMax = 128;

enum class Type : std::uint8_t { kNull, kBoolean, kInteger, kNumber, kString, kArray, kObject };

// "null", "boolean", "integer", "number", "string", "array", "object".
std::string_view name_of(Type type);

namespace tag {
inline constexpr std::uint8_t kNull = 0x00, kFalse = 0x01, kTrue = 0x02, kReal = 0x03, kInt = 0x04,
                              kUnsigned = 0x08, kString = 0x10, kArray = 0x20, kObject = 0x30,
                              kShortString = 0x40, kSmallInt = 0x80;
inline constexpr std::size_t kShortStringMax = 63;
inline constexpr std::int64_t kSmallIntMax = 127;
}  // namespace tag

class Value {
 public:
  explicit Value(const char* at) noexcept : p_(at) {}

  const char* data() const noexcept { return p_; }
  std::string_view encoded() const noexcept { return {p_, bytes()}; }
  Type type() const noexcept;
  bool is_array() const noexcept { return (tag() & 0xf0) == tag::kArray; }
  bool is_object() const noexcept { return (tag() & 0xf0) == tag::kObject; }
  bool is_container() const noexcept { return is_array() || is_object(); }
  bool is_string() const noexcept { return type() == Type::kString; }
  bool is_numeric() const noexcept { return type() == Type::kInteger || type() == Type::kNumber; }

  // Of the whole value, its header included.
  std::size_t bytes() const noexcept { return header_bytes() + body_bytes(); }
  std::size_t header_bytes() const noexcept;
  std::size_t body_bytes() const noexcept;

  bool boolean() const noexcept { return tag() == tag::kTrue; }
  // An integer that int64 does not hold.
  bool is_beyond() const noexcept { return tag() == tag::kUnsigned; }
  std::int64_t integer() const noexcept;
  std::uint64_t beyond() const noexcept { return load<std::uint64_t>(1); }
  double real() const noexcept;  // of any number
  std::string_view string() const noexcept { return {p_ + header_bytes(), body_bytes()}; }
  // Elements or members of a container.
  std::size_t count() const noexcept { return length(1 + width()); }

 private:
  std::uint8_t tag() const noexcept { return static_cast<std::uint8_t>(*p_); }
  std::size_t width() const noexcept { return std::size_t{1} << (tag() & 3); }
  template <class T>
  T load(std::size_t at) const noexcept {
    T value;
    std::memcpy(&value, p_ + at, sizeof value);
    return value;
  }
  std::size_t length(std::size_t at) const noexcept {
    switch (tag() & 3) {
      case 0:
        return load<std::uint8_t>(at);
      case 1:
        return load<std::uint16_t>(at);
      default:
        return load<std::uint32_t>(at);
    }
  }

  const char* p_;
};

inline Type Value::type() const noexcept {
  const std::uint8_t t = tag();
  if (t >= tag::kSmallInt) return Type::kInteger;
  if (t >= tag::kShortString) return Type::kString;
  switch (t >> 4) {
    case 1:
      return Type::kString;
    case 2:
      return Type::kArray;
    case 3:
      return Type::kObject;
    default:
      break;
  }
  if (t >= tag::kInt) return Type::kInteger;
  if (t == tag::kReal) return Type::kNumber;
  return t == tag::kNull ? Type::kNull : Type::kBoolean;
}

inline std::size_t Value::header_bytes() const noexcept {
  const std::uint8_t t = tag();
  if (t >= tag::kShortString || t < tag::kString) return 1;
  return 1 + width() * (t >= tag::kArray ? 2 : 1);
}

inline std::size_t Value::body_bytes() const noexcept {
  const std::uint8_t t = tag();
  if (t >= tag::kSmallInt) return 0;
  if (t >= tag::kShortString) return t & 63u;
  if (t >= tag::kString) return length(1);
  if (t >= tag::kUnsigned || t == tag::kReal) return 8;
  return t >= tag::kInt ? std::size_t{1} << (t - tag::kInt) : 0;
}

inline std::int64_t Value::integer() const noexcept {
  const std::uint8_t t = tag();
  if (t >= tag::kSmallInt) return t & 127;
  switch (t) {
    case tag::kInt:
      return load<std::int8_t>(1);
    case tag::kInt + 1:
      return load<std::int16_t>(1);
    case tag::kInt + 2:
      return load<std::int32_t>(1);
    default:
      return load<std::int64_t>(1);
  }
}

inline double Value::real() const noexcept {
  if (tag() == tag::kReal) return load<double>(1);
  return is_beyond() ? static_cast<double>(beyond()) : static_cast<double>(integer());
}

// Goes through a container, or through nothing:
//   for (Items item(value); item.next();) use(item.key(), item.value());
class Items {
 public:
  explicit Items(Value container) noexcept : object_(container.is_object()) {
    if (!container.is_container()) return;
    at_ = container.data() + container.header_bytes();
    end_ = at_ + container.body_bytes();
  }
  bool next() noexcept {
    if (at_ == end_) return false;
    entry_ = at_;
    if (object_) at_ += Value(at_).bytes();
    value_ = at_;
    at_ += Value(at_).bytes();
    ++index_;
    return true;
  }
  // Where the element or the member's key begins, and where it ends.
  const char* entry() const noexcept { return entry_; }
  const char* end() const noexcept { return at_; }
  std::size_t index() const noexcept { return index_ - 1; }
  std::string_view key() const noexcept { return Value(entry_).string(); }
  Value value() const noexcept { return Value(value_); }

 private:
  const char *at_ = nullptr, *end_ = nullptr, *entry_ = nullptr, *value_ = nullptr;
  std::size_t index_ = 0;
  bool object_;
};

// The same type and the same content; members in any order. Numbers of different types differ.
// Takes O(bytes), and O(members squared) when they come in another order: `work` counts down by
// what was looked at, and nothing is equal once it is used up.
bool equal(Value one, Value other, std::uint64_t& work);

// Whether `bytes` begin with a whole value, nested no deeper than kDepthMax. For bytes that were
// not made here.
bool well_formed(std::string_view bytes);

// Containers within each other: 0 of a scalar.
unsigned depth_of(Value value);

}  // namespace ullage::document
