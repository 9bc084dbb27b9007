// SPDX-License-Identifier: Apache-2.0
#pragma once

// CodeReader: what the machine code of a function without debug information tells of its growth.
//
//   CodeReader code{elf.file(), [&](std::uint64_t at) { return elf.symbol(at); }};
//   code.growth_at(return_address).text     "std::vector::_M_realloc_insert", or ""
//
// Two things survive stripping and inlining. libstdc++'s vector names its growth functions to the
// error they throw when it would be too long: a function that refers to the text
// "vector::_M_realloc_insert" holds that function's code. (Strings name themselves when they are
// made, too, so theirs prove nothing.) And a call says what it calls, even where the callee passes
// the call on and leaves no frame (llvm::allocate_buffer).
//
// Promises     Only names that names.def has a line of its own for. "" for anything else: other
//              machines, a file without code, damaged headers.
// Cost         One pass over the bytes of a function (kFunctionBytesMax), remembered.
// Addresses    as the ELF file numbers them. Threads: one.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "trace/native/symbols_elf.h"

struct Elf;

namespace ullage::trace {

// Bytes of one function that are read; larger ones hold too much to tell which part allocates.
inline constexpr std::uint64_t kFunctionBytesMax = 64 << 10;

class CodeReader {
 public:
  using Lookup = std::function<ElfModule::Symbol(std::uint64_t)>;
  CodeReader(Elf* file, Lookup symbol);

  // For the return address of a call on the way to an allocation.
  CodeGrowth growth_at(std::uint64_t return_address);

 private:
  struct Segment {
    std::uint64_t address, bytes, offset;
  };
  struct Function {
    std::uint64_t begin = 0, bytes = 0;
  };

  // The file's bytes for [address, address + count), or nullptr.
  const unsigned char* bytes_at(std::uint64_t address, std::uint64_t count) const;
  std::string_view text_at(std::uint64_t address) const;
  Function function_at(std::uint64_t address) const;
  std::string callee_at(std::uint64_t return_address) const;
  std::string text_of(const Function& function) const;

  Lookup symbol_;
  const unsigned char* file_ = nullptr;
  std::size_t file_bytes_ = 0;
  bool fixed_addresses_ = false;
  std::vector<Segment> segments_;
  std::uint64_t table_ = 0, table_base_ = 0, table_count_ = 0;  // of .eh_frame_hdr
  std::unordered_map<std::uint64_t, std::string> known_;        // by function start
};

}  // namespace ullage::trace
