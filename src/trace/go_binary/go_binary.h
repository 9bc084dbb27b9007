// SPDX-License-Identifier: Apache-2.0
#pragma once

// GoBinary: what the program itself tells about addresses in its profiles. Names and lines come
// from .gopclntab, which stripped binaries keep; which runtime routine a line of source called
// (append, make, map assignment, ...) comes from the call instruction, which no profile has.
//
//   auto binary = GoBinary::open(input);
//   binary.value()->call_before(return_address).function   // "runtime.growslice"
//
// Addresses are those of the ELF file (its virtual addresses). amd64 and arm64; of other machines
// names and lines only. Threads: any number may ask.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "evidence/frame.h"
#include "trace/go_binary/build_info.h"
#include "trace/go_binary/elf_image.h"
#include "trace/go_binary/pclntab.h"
#include "trace/input.h"

namespace ullage::trace {

struct GoBinary {
  // The call that returns to an address: of which function, and the size of the element, key or
  // object whose type it was given (slices, new, channels); empty and 0 = not known.
  struct Call {
    std::string_view function;
    std::uint64_t target = 0;
    std::uint64_t element_bytes = 0;
  };

  static Result<std::shared_ptr<const GoBinary>> open(const Input& input);

  const std::string& name() const { return name_; }  // as given
  const GoBuildInfo& build_info() const { return build_info_; }
  const std::string& go_build_id() const { return go_build_id_; }    // a/b/c/d
  const std::string& gnu_build_id() const { return gnu_build_id_; }  // hex
  ElfImage::Machine machine() const { return image_.machine(); }
  bool position_independent() const { return image_.position_independent(); }
  std::uint64_t functions() const { return table_.functions(); }
  // False: calls cannot be decoded (another machine).
  bool decodes_calls() const { return machine() != ElfImage::Machine::kOther; }
  // True when frames_at() tells inlined functions apart; else the outermost is named only.
  bool tells_inlining() const { return !inline_tables_.empty(); }
  // True for either of its ids. Empty ids match nothing.
  bool is_build(std::string_view build_id) const;

  // Of what a process maps from this position in the file; UINT64_MAX when it maps none.
  std::uint64_t address_of(std::uint64_t file_offset) const {
    return image_.address_of_file_offset(file_offset);
  }
  // Where in the file the code at an address stands; UINT64_MAX when it does not.
  std::uint64_t file_offset_of(std::uint64_t address) const {
    return image_.file_offset_of_address(address);
  }
  // Where the function of this name begins; 0 = there is none. Cost: a walk over all names.
  std::uint64_t entry_of(std::string_view function) const;
  // Name of the function whose code is there (not of what is inlined into it); empty = none.
  std::string_view function_at(std::uint64_t address) const;
  // All frames there, innermost first; empty = not Go code.
  evidence::Stack frames_at(std::uint64_t address) const;
  Call call_before(std::uint64_t return_address) const;

 private:
  void find_text_start();
  void find_module_data();
  std::uint64_t element_bytes(std::uint64_t return_address, const Call& call) const;
  std::uint64_t type_argument(std::uint64_t return_address, unsigned reg) const;
  std::uint64_t type_size(std::uint64_t type) const;
  bool since(int minor) const;

  std::string name_;
  Input input_;
  ElfImage image_;
  GoBuildInfo build_info_;
  std::string go_build_id_, gnu_build_id_;
  PcLineTable table_;
  std::uint64_t table_address_ = 0;
  std::span<const std::uint8_t> inline_tables_;
};

}  // namespace ullage::trace
