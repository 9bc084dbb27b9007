// SPDX-License-Identifier: Apache-2.0
#pragma once

// ElfImage: sections, segments and notes of a 64-bit little-endian ELF file, by bounds-checked
// reads of its bytes. Owns nothing: the bytes must outlive it. libelf is not used because
// it trusts more of a file than a stranger's binary has earned, and wants a descriptor.
//
// Limits: kSectionsMax sections, kSegmentsMax segments; further ones are not looked at.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "trace/go_binary/view.h"

namespace ullage::trace {

class ElfImage {
 public:
  // Sections and segments that are looked at: a Go binary has some 30 and 10.
  static constexpr std::size_t kSectionsMax = 4096, kSegmentsMax = 256;
  enum class Machine { kOther, kAmd64, kArm64 };
  struct Section {
    std::string_view name;
    std::uint64_t address = 0;
    std::span<const std::uint8_t> bytes;  // empty for .bss
  };

  static Result<ElfImage> parse(std::span<const std::uint8_t> bytes);

  Machine machine() const { return machine_; }
  bool position_independent() const { return position_independent_; }
  std::uint64_t entry() const { return entry_; }
  const std::vector<Section>& sections() const { return sections_; }
  // The first whose name ends so (.gopclntab is .data.rel.ro.gopclntab in some links).
  const Section* section(std::string_view suffix) const;
  // From this address to the end of its segment's bytes in the file, at most size.
  std::span<const std::uint8_t> at(std::uint64_t address, std::uint64_t size) const;
  // 8 bytes there, as the loader will have relocated them in an image loaded at 0.
  std::uint64_t pointer(std::uint64_t address) const;
  // Of a position in the file, as the loader maps it; UINT64_MAX when it does not.
  std::uint64_t address_of_file_offset(std::uint64_t offset) const;
  // The way back; UINT64_MAX when the file has no byte of it.
  std::uint64_t file_offset_of_address(std::uint64_t address) const;
  bool executable(std::uint64_t address) const;
  // Contents of the first note of this owner and type; empty when there is none.
  std::span<const std::uint8_t> note(std::string_view owner, std::uint32_t type) const;
  // Loaded segments, in the order of the file: the address and the bytes of each.
  struct Segment {
    std::uint64_t address = 0, offset = 0;
    std::span<const std::uint8_t> bytes;
    bool executable = false;
  };
  const std::vector<Segment>& segments() const { return segments_; }

 private:
  void read_segments(const View& file);
  void read_sections(const View& file);

  Machine machine_ = Machine::kOther;
  bool position_independent_ = false;
  std::uint64_t entry_ = 0;
  std::vector<Section> sections_;
  std::vector<Segment> segments_;
  std::vector<std::span<const std::uint8_t>> notes_;
};

}  // namespace ullage::trace
