// SPDX-License-Identifier: Apache-2.0
#include "trace/go_binary/elf_image.h"

#include <cstring>

namespace ullage::trace {
namespace {

constexpr std::uint16_t kTypeExecutable = 2, kTypeDynamic = 3;
constexpr std::uint16_t kMachineAmd64 = 62, kMachineArm64 = 183;
constexpr std::uint32_t kSegmentLoad = 1, kSegmentNote = 4;
constexpr std::uint32_t kSectionNote = 7, kSectionNoBits = 8;
constexpr std::uint32_t kExecutableFlag = 1;
// R_X86_64_RELATIVE and R_AARCH64_RELATIVE: the word becomes load address + addend.
constexpr std::uint32_t kRelativeAmd64 = 8, kRelativeArm64 = 1027;

}  // namespace

Result<ElfImage> ElfImage::parse(std::span<const std::uint8_t> bytes) {
  const View file{bytes};
  if (!file.has(0, 64) || std::memcmp(bytes.data(),
                                      "\x7f"
                                      "ELF",
                                      4) != 0) {
    return Error{Code::kUnsupported, "not an ELF file"};
  }
  if (file.u8(4) != 2 || file.u8(5) != 1) {
    return Error{Code::kUnsupported,
                 "an ELF file of a 32-bit or big-endian machine; 64-bit little-endian is read"};
  }
  const auto type = file.get<std::uint16_t>(16);
  if (type != kTypeExecutable && type != kTypeDynamic) {
    return Error{Code::kUnsupported, "an ELF object or core file; a linked program is expected"};
  }
  ElfImage image;
  image.position_independent_ = type == kTypeDynamic;
  const auto machine = file.get<std::uint16_t>(18);
  image.machine_ = machine == kMachineAmd64   ? Machine::kAmd64
                   : machine == kMachineArm64 ? Machine::kArm64
                                              : Machine::kOther;
  image.entry_ = file.u64(24);
  image.read_segments(file);
  image.read_sections(file);
  return image;
}

void ElfImage::read_segments(const View& file) {
  const std::uint64_t table = file.u64(32);
  const std::size_t size = file.get<std::uint16_t>(54);
  const std::size_t count = std::min<std::size_t>(file.get<std::uint16_t>(56), kSegmentsMax);
  if (size < 56) return;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t at = table + i * size;
    if (at < table || !file.has(at, 56)) return;
    const std::uint32_t kind = file.u32(at);
    Segment segment;
    segment.executable = (file.u32(at + 4) & kExecutableFlag) != 0;
    segment.offset = file.u64(at + 8);
    segment.address = file.u64(at + 16);
    segment.bytes = file.part(segment.offset, file.u64(at + 32));
    if (segment.address + segment.bytes.size() < segment.address) continue;
    if (kind == kSegmentLoad) segments_.push_back(segment);
    if (kind == kSegmentNote) notes_.push_back(segment.bytes);
  }
}

void ElfImage::read_sections(const View& file) {
  const std::uint64_t table = file.u64(40);
  const std::size_t size = file.get<std::uint16_t>(58);
  const std::size_t count = std::min<std::size_t>(file.get<std::uint16_t>(60), kSectionsMax);
  const std::uint64_t names_at = table + file.get<std::uint16_t>(62) * std::uint64_t{size};
  if (size < 64 || table == 0) return;
  const View names{file.part(file.u64(names_at + 24), file.u64(names_at + 32))};
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t at = table + i * size;
    if (at < table || !file.has(at, 64)) return;
    Section section;
    section.name = names.text(file.u32(at));
    section.address = file.u64(at + 16);
    const std::uint32_t kind = file.u32(at + 4);
    if (kind != kSectionNoBits) section.bytes = file.part(file.u64(at + 24), file.u64(at + 32));
    if (kind == kSectionNote) notes_.push_back(section.bytes);
    if (section.address + section.bytes.size() >= section.address) sections_.push_back(section);
  }
}

const ElfImage::Section* ElfImage::section(std::string_view suffix) const {
  for (const Section& s : sections_) {
    if (s.name.ends_with(suffix)) return &s;
  }
  return nullptr;
}

std::span<const std::uint8_t> ElfImage::at(std::uint64_t address, std::uint64_t size) const {
  for (const Segment& s : segments_) {
    if (address >= s.address && address - s.address < s.bytes.size()) {
      return View{s.bytes}.part(address - s.address, size);
    }
  }
  return {};
}

std::uint64_t ElfImage::pointer(std::uint64_t address) const {
  if (position_independent_) {
    if (const Section* rela = section(".rela.dyn")) {
      const View view{rela->bytes};
      for (std::uint64_t i = 0; view.has(i, 24); i += 24) {
        const std::uint32_t kind = view.u32(i + 8);
        if (view.u64(i) == address && (kind == kRelativeAmd64 || kind == kRelativeArm64)) {
          return view.u64(i + 16);
        }
      }
    }
  }
  return View{at(address, 8)}.u64(0);
}

std::uint64_t ElfImage::address_of_file_offset(std::uint64_t offset) const {
  for (const Segment& s : segments_) {
    if (offset >= s.offset && offset - s.offset < s.bytes.size()) {
      return s.address + (offset - s.offset);
    }
  }
  return UINT64_MAX;
}

std::uint64_t ElfImage::file_offset_of_address(std::uint64_t address) const {
  for (const Segment& s : segments_) {
    if (address >= s.address && address - s.address < s.bytes.size()) {
      return s.offset + (address - s.address);
    }
  }
  return UINT64_MAX;
}

bool ElfImage::executable(std::uint64_t address) const {
  for (const Segment& s : segments_) {
    if (address >= s.address && address - s.address < s.bytes.size()) return s.executable;
  }
  return false;
}

std::span<const std::uint8_t> ElfImage::note(std::string_view owner, std::uint32_t type) const {
  for (const auto& bytes : notes_) {
    const View view{bytes};
    std::uint64_t at = 0;
    while (view.has(at, 12)) {
      const std::uint64_t name_size = view.u32(at), size = view.u32(at + 4);
      const std::uint64_t name_at = at + 12, body = name_at + (name_size + 3) / 4 * 4;
      if (!view.has(body, size)) break;
      if (view.u32(at + 8) == type && view.text(name_at, name_size) == owner) {
        return view.part(body, size);
      }
      at = body + (size + 3) / 4 * 4;
    }
  }
  return {};
}

}  // namespace ullage::trace
