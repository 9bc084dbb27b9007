// SPDX-License-Identifier: Apache-2.0
#pragma once

// Entry: what lies in a cell.
//
//   | live 1, large 1, table 6, key length 16, kind 4, - 4 | 4 B
//   | value length 15, expiry 49                             | 8 B
//   | key | value                                            | n, m B
//
// 12 bytes of header whatever the entry: a time to live costs nothing. Of a large value the cell
// holds where it lies instead (LargeBlock, 16 B).

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "tier/heap.h"
#include "tier/key.h"
#include "tier/large.h"

namespace ullage::tier {

class Entry {
 public:
  static constexpr std::size_t kHeaderBytes = 12;
  static constexpr std::size_t kLargeBytes = sizeof(LargeBlock);
  static_assert(kHeaderBytes + kKeyBytesMax + kLargeBytes <= kCellBytesMax);

  // Whether key and value fit into a cell together.
  static bool fits(std::size_t key, std::size_t value) noexcept {
    return kHeaderBytes + key + value <= kCellBytesMax;
  }
  static std::size_t cell_bytes(std::size_t key, std::size_t value) noexcept {
    return kHeaderBytes + key + (fits(key, value) ? value : kLargeBytes);
  }

  explicit Entry(std::byte* cell) noexcept : p_(cell) {}

  void begin(unsigned table, std::string_view key, bool large, Kind kind,
             std::uint64_t expires_ms) noexcept {
    assert(kind <= kKindMax);
    const auto head = static_cast<std::uint32_t>(1u | (large ? 2u : 0u) | table << 2 |
                                                 static_cast<std::uint32_t>(key.size()) << 8 |
                                                 static_cast<std::uint32_t>(kind) << kKindShift);
    std::memcpy(p_, &head, sizeof head);
    set_tail(expires_ms << 15);
    if (!key.empty()) std::memcpy(p_ + kHeaderBytes, key.data(), key.size());
  }

  bool large() const noexcept { return (head() & 2) != 0; }
  unsigned table() const noexcept { return head() >> 2 & 63; }
  Kind kind() const noexcept { return static_cast<Kind>(head() >> kKindShift & kKindMax); }
  void kind(Kind kind) noexcept {
    assert(kind <= kKindMax);
    const std::uint32_t word =
        (head() & ~(std::uint32_t{kKindMax} << kKindShift)) | std::uint32_t{kind} << kKindShift;
    std::memcpy(p_, &word, sizeof word);
  }
  std::string_view key() const noexcept {
    return {reinterpret_cast<const char*>(p_ + kHeaderBytes), key_bytes()};
  }
  bool has_key(std::string_view key) const noexcept {
    return key_bytes() == key.size() && std::memcmp(p_ + kHeaderBytes, key.data(), key.size()) == 0;
  }
  std::uint64_t expires_ms() const noexcept { return tail() >> 15; }
  void expires_ms(std::uint64_t time) noexcept { set_tail((tail() & kLengthMask) | time << 15); }
  bool expired(std::uint64_t now_ms) const noexcept {
    const std::uint64_t at = expires_ms();
    return at != 0 && at <= now_ms;
  }

  // Of a value that lies in the cell.
  std::size_t value_bytes() const noexcept { return tail() & kLengthMask; }
  void value_bytes(std::size_t bytes) noexcept { set_tail((tail() & ~kLengthMask) | bytes); }
  char* value() const noexcept { return reinterpret_cast<char*>(p_ + kHeaderBytes + key_bytes()); }
  // Of one that does not.
  LargeBlock block() const noexcept {
    LargeBlock block;
    std::memcpy(&block, value(), sizeof block);
    return block;
  }
  void block(const LargeBlock& block) noexcept { std::memcpy(value(), &block, sizeof block); }

  std::string_view text() const noexcept {
    if (!large()) return {value(), value_bytes()};
    const LargeBlock b = block();
    return {b.data(), b.bytes};
  }

 private:
  static constexpr std::uint64_t kLengthMask = (1u << 15) - 1;
  static constexpr unsigned kKindShift = 24;

  std::uint32_t head() const noexcept {
    std::uint32_t word;
    std::memcpy(&word, p_, sizeof word);
    return word;
  }
  std::size_t key_bytes() const noexcept { return head() >> 8 & 0xffff; }
  std::uint64_t tail() const noexcept {
    std::uint64_t word;
    std::memcpy(&word, p_ + 4, sizeof word);
    return word;
  }
  void set_tail(std::uint64_t word) noexcept { std::memcpy(p_ + 4, &word, sizeof word); }

  std::byte* p_;
};

}  // namespace ullage::tier
