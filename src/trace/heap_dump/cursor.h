// SPDX-License-Identifier: Apache-2.0
#pragma once

// Cursor: walks bytes of unsigned LEB128 numbers and counted strings, and never beyond their end.

#include <cstdint>
#include <span>
#include <string_view>

namespace ullage::trace::heap_dump {

class Cursor {
 public:
  explicit Cursor(std::span<const std::uint8_t> bytes, std::uint64_t at = 0)
      : bytes_(bytes), at_(at) {}

  std::uint64_t at() const { return at_; }

  bool number(std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && at_ < bytes_.size(); shift += 7) {
      const std::uint8_t byte = bytes_[at_++];
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  // Reads as many numbers as there are places for.
  template <class... More>
  bool numbers(std::uint64_t& first, More&... more) {
    if (!number(first)) return false;
    if constexpr (sizeof...(more) > 0) return numbers(more...);
    return true;
  }
  bool skip_numbers(unsigned count) {
    std::uint64_t unused = 0;
    while (count-- > 0) {
      if (!number(unused)) return false;
    }
    return true;
  }
  // A length and as many bytes; `begin` is where these are.
  bool range(std::uint64_t& begin, std::uint64_t& size) {
    if (!number(size) || size > bytes_.size() - at_) return false;
    begin = at_;
    at_ += size;
    return true;
  }
  bool text(std::string_view& text) {
    std::uint64_t begin = 0, size = 0;
    if (!range(begin, size)) return false;
    text = {reinterpret_cast<const char*>(bytes_.data()) + begin, size};
    return true;
  }
  // Pairs of kind and offset, ended by a kind of 0.
  bool skip_fields() {
    std::uint64_t kind = 0;
    do {
      if (!number(kind)) return false;
    } while (kind != 0 && skip_numbers(1));
    return kind == 0;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::uint64_t at_;
};

}  // namespace ullage::trace::heap_dump
