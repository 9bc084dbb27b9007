// SPDX-License-Identifier: Apache-2.0
#include "trace/native/symbols_code.h"

#include <gelf.h>

#include <cstring>
#include <utility>

#include "trace/native/names.h"
#include "trace/native/names_tidy.h"

namespace ullage::trace {
namespace {

// Longest text that can be the name of a growth function.
constexpr std::size_t kTextBytesMax = 48;

// What is called only to grow one kind of container, and the growth function that calls it: the
// callee passes the call on to operator new and leaves no frame of its own.
constexpr std::pair<std::string_view, std::string_view> kCallees[] = {
    {"llvm::allocate_buffer", "llvm::DenseMap::grow"}};

template <class T>
T load(const unsigned char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// A line of names.def of its own, and no mere word.
bool listed(const std::string& name) {
  const GrowthName* growth = growth_name(name);
  return growth != nullptr && !growth->generic;
}

}  // namespace

CodeReader::CodeReader(Elf* file, Lookup symbol) : symbol_(std::move(symbol)) {
  GElf_Ehdr header;
  std::size_t count = 0;
  if (file == nullptr || gelf_getehdr(file, &header) == nullptr || header.e_machine != EM_X86_64 ||
      elf_getphdrnum(file, &count) != 0) {
    return;
  }
  const char* raw = elf_rawfile(file, &file_bytes_);
  if (raw == nullptr) return;
  // A debug file has the headers of the code and not the code.
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(file, section)) != nullptr;) {
    GElf_Shdr entry;
    if (gelf_getshdr(section, &entry) != nullptr && (entry.sh_flags & SHF_EXECINSTR) != 0 &&
        entry.sh_type == SHT_NOBITS) {
      return;
    }
  }
  file_ = reinterpret_cast<const unsigned char*>(raw);
  fixed_addresses_ = header.e_type == ET_EXEC;
  std::uint64_t frames = 0;
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Phdr p;
    if (gelf_getphdr(file, static_cast<int>(i), &p) == nullptr) continue;
    if (p.p_type == PT_LOAD) segments_.push_back({p.p_vaddr, p.p_filesz, p.p_offset});
    if (p.p_type == PT_GNU_EH_FRAME) frames = p.p_vaddr;
  }
  // Version 1, then the encodings every linker writes: a sorted table of offsets to itself.
  const unsigned char* table = bytes_at(frames, 12);
  if (frames == 0 || table == nullptr) return;
  if (table[0] != 1 || table[1] != 0x1b || table[2] != 0x03 || table[3] != 0x3b) return;
  const auto entries = load<std::uint32_t>(table + 8);
  if (bytes_at(frames + 12, std::uint64_t{8} * entries) == nullptr) return;
  table_base_ = frames;
  table_ = frames + 12;
  table_count_ = entries;
}

const unsigned char* CodeReader::bytes_at(std::uint64_t address, std::uint64_t count) const {
  for (const Segment& s : segments_) {
    if (address < s.address || address - s.address > s.bytes) continue;
    if (count > s.bytes - (address - s.address)) continue;
    const std::uint64_t offset = s.offset + (address - s.address);
    if (offset < s.offset || offset > file_bytes_ || count > file_bytes_ - offset) return nullptr;
    return file_ + offset;
  }
  return nullptr;
}

std::string_view CodeReader::text_at(std::uint64_t address) const {
  const auto* text = reinterpret_cast<const char*>(bytes_at(address, kTextBytesMax));
  return text == nullptr ? std::string_view{}
                         : std::string_view(text, strnlen(text, kTextBytesMax));
}

// From the table of unwind rules: where the function starts, and where the next one does.
CodeReader::Function CodeReader::function_at(std::uint64_t address) const {
  if (table_count_ == 0) return {};
  const unsigned char* table = bytes_at(table_, 8 * table_count_);
  const auto start = [&](std::uint64_t index) {
    return table_base_ + static_cast<std::uint64_t>(
                             static_cast<std::int64_t>(load<std::int32_t>(table + 8 * index)));
  };
  std::uint64_t low = 0, high = table_count_;  // the last one not behind the address
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (start(middle) <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return {};
  const std::uint64_t begin = start(low - 1);
  const std::uint64_t end = low < table_count_ ? start(low) : begin + kFunctionBytesMax;
  if (address >= end || end - begin > kFunctionBytesMax) return {};
  return {begin, end - begin};
}

// The function that a direct call before this address goes to.
std::string CodeReader::callee_at(std::uint64_t return_address) const {
  constexpr std::uint64_t kCallBytes = 5;
  const unsigned char* call = bytes_at(return_address - kCallBytes, kCallBytes);
  if (call == nullptr || call[0] != 0xe8) return {};
  const auto distance = static_cast<std::int64_t>(load<std::int32_t>(call + 1));
  const std::uint64_t target = return_address + static_cast<std::uint64_t>(distance);
  const ElfModule::Symbol symbol = symbol_(target);
  if (!symbol.exact || symbol.offset != 0) return {};
  std::string name = demangle(symbol.name);
  for (const auto& [callee, grows] : kCallees) {
    if (name == callee) return std::string(grows);
  }
  return listed(name) ? name : std::string();
}

// The growth function of std::vector that a function refers to by its name.
std::string CodeReader::text_of(const Function& function) const {
  const unsigned char* code = bytes_at(function.begin, function.bytes);
  if (code == nullptr) return {};
  for (std::uint64_t i = 0; i + 7 <= function.bytes; ++i) {
    std::uint64_t at = 0;
    if ((code[i] & 0xfb) == 0x48 && code[i + 1] == 0x8d && (code[i + 2] & 0xc7) == 0x05) {
      // lea disp32(%rip), register
      at = function.begin + i + 7 +
           static_cast<std::uint64_t>(static_cast<std::int64_t>(load<std::int32_t>(code + i + 3)));
    } else if (fixed_addresses_ && code[i] == 0xbf) {
      at = load<std::uint32_t>(code + i + 1);  // mov $text, %edi
    } else {
      continue;
    }
    const std::string_view text = text_at(at);
    if (!text.starts_with("vector::") || text.size() == kTextBytesMax) continue;
    if (std::string name = "std::" + std::string(text); listed(name)) return name;
  }
  return {};
}

CodeGrowth CodeReader::growth_at(std::uint64_t return_address) {
  if (file_ == nullptr) return {};
  CodeGrowth growth;
  growth.callee = callee_at(return_address);
  const Function function = function_at(return_address - 1);
  if (!growth.callee.empty() || function.bytes == 0) return growth;
  const auto [it, fresh] = known_.try_emplace(function.begin);
  if (fresh) it->second = text_of(function);
  growth.text = it->second;
  return growth;
}

}  // namespace ullage::trace
