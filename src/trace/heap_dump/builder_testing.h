// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writes small heap dumps for tests, record by record.

#include <cstdint>
#include <string>
#include <vector>

namespace ullage::trace::heap_dump {

class DumpBuilder {
 public:
  explicit DumpBuilder(const std::string& version = "go1.26.1", bool big_endian = false,
                       unsigned pointer_bytes = 8)
      : big_endian_(big_endian), pointer_bytes_(pointer_bytes) {
    const std::string magic = "go1.7 heap dump\n";
    bytes_.assign(magic.begin(), magic.end());
    numbers({6, big_endian ? 1U : 0U, pointer_bytes, 0, 0}).text("test").text(version).numbers({2});
  }

  DumpBuilder& numbers(const std::vector<std::uint64_t>& values) {
    for (std::uint64_t v : values) {
      for (; v >= 0x80; v >>= 7) bytes_.push_back(static_cast<std::uint8_t>(v | 0x80));
      bytes_.push_back(static_cast<std::uint8_t>(v));
    }
    return *this;
  }
  DumpBuilder& text(const std::string& text) {
    numbers({text.size()});
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    return *this;
  }
  // Contents as words, then zeros up to `size`; `pointers` are indices of words.
  DumpBuilder& memory(const std::vector<std::uint64_t>& words, std::uint64_t size,
                      const std::vector<unsigned>& pointers) {
    numbers({size});
    const std::size_t begin = bytes_.size();
    for (const std::uint64_t word : words) {
      for (unsigned i = 0; i < pointer_bytes_; ++i) {
        const unsigned shift = 8 * (big_endian_ ? pointer_bytes_ - 1 - i : i);
        bytes_.push_back(static_cast<std::uint8_t>(word >> shift));
      }
    }
    bytes_.resize(begin + size);
    return fields(pointers);
  }
  DumpBuilder& fields(const std::vector<unsigned>& pointers) {
    for (const unsigned index : pointers) numbers({1, std::uint64_t{index} * pointer_bytes_});
    return numbers({0});
  }
  DumpBuilder& object(std::uint64_t address, std::uint64_t size,
                      const std::vector<std::uint64_t>& words = {},
                      const std::vector<unsigned>& pointers = {}) {
    return numbers({1, address}).memory(words, size, pointers);
  }
  DumpBuilder& goroutine(std::uint64_t id, const std::string& reason = "chan send",
                         bool system = false) {
    return numbers({4, 0x900, 0, id, 0, 4, system ? 1U : 0U, 0, 0})
        .text(reason)
        .numbers({0, 0, 0, 0});
  }
  DumpBuilder& frame(const std::string& function, const std::vector<std::uint64_t>& words = {},
                     const std::vector<unsigned>& pointers = {}) {
    numbers({5, 0x7000, 0, 0, words.size() * pointer_bytes_});
    for (const std::uint64_t word : words) {
      for (unsigned i = 0; i < pointer_bytes_; ++i) {
        const unsigned shift = 8 * (big_endian_ ? pointer_bytes_ - 1 - i : i);
        bytes_.push_back(static_cast<std::uint8_t>(word >> shift));
      }
    }
    return numbers({1, 2, 3}).text(function).fields(pointers);
  }
  DumpBuilder& defer() { return numbers({14, 0x100, 0x900, 0, 0, 0, 0, 0}); }
  // Data, then bss; the words are those of the data segment.
  DumpBuilder& roots(const std::vector<std::uint64_t>& words,
                     const std::vector<unsigned>& pointers) {
    numbers({12, 0x500000}).memory(words, words.size() * pointer_bytes_, pointers);
    return numbers({13, 0x600000}).memory({}, 0, {});
  }
  struct Call {
    std::string function, file;
    std::uint64_t line;
  };
  DumpBuilder& bucket(std::uint64_t address, std::uint64_t size, const std::vector<Call>& stack,
                      std::uint64_t allocs, std::uint64_t frees) {
    numbers({16, address, size, stack.size()});
    for (const Call& c : stack) text(c.function).text(c.file).numbers({c.line});
    return numbers({allocs, frees});
  }
  DumpBuilder& sample(std::uint64_t object, std::uint64_t bucket) {
    return numbers({17, object, bucket});
  }
  std::vector<std::uint8_t> end() {
    numbers({0});
    return bytes_;
  }
  const std::vector<std::uint8_t>& unfinished() const { return bytes_; }

 private:
  bool big_endian_;
  unsigned pointer_bytes_;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace ullage::trace::heap_dump
