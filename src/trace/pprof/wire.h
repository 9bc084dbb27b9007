// SPDX-License-Identifier: Apache-2.0
#pragma once

// Wire: walks the fields of one protobuf message. Nothing is copied; a message that does not hold
// together ends the walk with ok() == false.

#include <cstdint>
#include <span>
#include <string_view>

namespace ullage::trace {

class Wire {
 public:
  enum Type : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

  Wire() = default;
  explicit Wire(std::span<const std::uint8_t> bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  // The next field; false at the end, or where the bytes make no sense.
  bool next() {
    if (at_ == end_) return false;
    const std::uint64_t tag = varint();
    value_ = 0;
    bytes_ = {};
    field_ = tag >> 3;
    type_ = static_cast<Type>(tag & 7);
    if (field_ == 0 || field_ > kFieldMax) return fail();
    switch (type_) {
      case kVarint:
        value_ = varint();
        return ok_;
      case kFixed64:
        return skip(8);
      case kBytes: {
        const std::uint64_t size = varint();
        bytes_ = {at_, static_cast<std::size_t>(ok_ && size <= left() ? size : 0)};
        return skip(size);
      }
      case kFixed32:
        return skip(4);
    }
    return fail();
  }
  std::uint64_t field() const { return field_; }
  Type type() const { return type_; }
  std::uint64_t value() const { return value_; }  // of a varint field
  std::span<const std::uint8_t> bytes() const { return bytes_; }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }
  bool ok() const { return ok_; }
  const std::uint8_t* position() const { return at_; }

  // For packed fields: numbers until done().
  bool done() const { return at_ == end_; }
  std::uint64_t varint() {
    if (at_ != end_ && *at_ < 0x80) return *at_++;
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && at_ != end_; shift += 7) {
      const std::uint8_t byte = *at_++;
      if (shift < 64) value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    fail();
    return 0;
  }

 private:
  static constexpr std::uint64_t kFieldMax = (1u << 29) - 1;

  std::uint64_t left() const { return static_cast<std::uint64_t>(end_ - at_); }
  bool skip(std::uint64_t size) {
    if (!ok_ || size > left()) return fail();
    at_ += size;
    return true;
  }
  bool fail() {
    ok_ = false;
    at_ = end_;
    return false;
  }

  const std::uint8_t* at_ = nullptr;
  const std::uint8_t* end_ = nullptr;
  std::uint64_t field_ = 0, value_ = 0;
  std::span<const std::uint8_t> bytes_;
  Type type_ = kVarint;
  bool ok_ = true;
};

// Calls each(number) for a repeated integer field, packed or one at a time; false when broken.
template <class Each>
bool each_number(const Wire& field, Each&& each) {
  if (field.type() == Wire::kVarint) {
    each(field.value());
    return true;
  }
  if (field.type() != Wire::kBytes) return false;
  Wire packed(field.bytes());
  while (!packed.done()) {
    const std::uint64_t number = packed.varint();
    if (!packed.ok()) return false;
    each(number);
  }
  return true;
}

}  // namespace ullage::trace
