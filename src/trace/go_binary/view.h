// SPDX-License-Identifier: Apache-2.0
#pragma once

// View: little-endian numbers and strings out of bytes that nobody vouches for. Whatever lies
// outside reads as zero, or empty; has() tells.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace ullage::trace {

struct View {
  std::span<const std::uint8_t> bytes;

  bool has(std::uint64_t offset, std::uint64_t size) const {
    return offset <= bytes.size() && size <= bytes.size() - offset;
  }
  template <class T>
  T get(std::uint64_t offset) const {
    T value{};
    if (has(offset, sizeof value)) std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
  }
  std::uint8_t u8(std::uint64_t offset) const { return get<std::uint8_t>(offset); }
  std::uint32_t u32(std::uint64_t offset) const { return get<std::uint32_t>(offset); }
  std::int32_t i32(std::uint64_t offset) const { return get<std::int32_t>(offset); }
  std::uint64_t u64(std::uint64_t offset) const { return get<std::uint64_t>(offset); }
  // Of 4 or 8 bytes.
  std::uint64_t word(std::uint64_t offset, unsigned size) const {
    return size == 4 ? u32(offset) : u64(offset);
  }
  std::span<const std::uint8_t> part(std::uint64_t offset, std::uint64_t size) const {
    if (offset > bytes.size()) return {};
    return bytes.subspan(offset, std::min<std::uint64_t>(size, bytes.size() - offset));
  }
  // Up to the NUL, at most size_max bytes; empty when there is none.
  std::string_view text(std::uint64_t offset, std::uint64_t size_max = 4096) const {
    const auto rest = part(offset, size_max);
    const void* end = rest.empty() ? nullptr : std::memchr(rest.data(), 0, rest.size());
    if (end == nullptr) return {};
    return {reinterpret_cast<const char*>(rest.data()),
            static_cast<std::size_t>(static_cast<const std::uint8_t*>(end) - rest.data())};
  }
  // Unsigned LEB128, 10 bytes at most; moves offset behind it. 0 and the end when it is cut.
  std::uint64_t varint(std::uint64_t& offset) const {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && offset < bytes.size(); shift += 7) {
      const std::uint8_t byte = bytes[offset++];
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    offset = bytes.size();
    return 0;
  }
};

}  // namespace ullage::trace
