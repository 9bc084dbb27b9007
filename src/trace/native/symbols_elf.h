// SPDX-License-Identifier: Apache-2.0
#pragma once

// ElfModule: one executable or library on disk with everything that describes it, open for one
// pass.
//
// Promises     Is open only if its build-id is the recorded one (or none was recorded). Searches
//              the file, then the separate debug file by build-id and by .gnu_debuglink; never the
//              network unless options.debuginfod. If the file itself is gone or changed, a debug
//              file with the recorded build-id stands in for it.
// Addresses    as the ELF file numbers them (bias 0).
// Lifetime     Names from symbol() stay valid while the ElfModule lives. Threads: one.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "trace/native/symbols.h"

struct Dwarf;
struct Elf;
struct Dwfl_Module;

namespace ullage::trace {

class ElfModule {
 public:
  enum class Status {
    kOpen,
    kMissing,  // no such file, and no debug file either
    kChanged,  // another build-id than recorded
    kDamaged,  // not an ELF file that libdw can read
  };

  ElfModule(const std::string& path, const std::string& build_id_hex, const SymbolOptions& options);
  ~ElfModule();
  ElfModule(const ElfModule&) = delete;
  ElfModule& operator=(const ElfModule&) = delete;

  Status status() const { return status_; }

  // DWARF of the module, or nullptr. DWARF address + *bias = address here.
  Dwarf* dwarf(std::uint64_t* bias);

  // The file itself, or nullptr.
  Elf* file();

  struct Symbol {
    std::string_view name;  // mangled; empty = none near
    std::uint64_t offset = 0;
    bool exact = false;  // the symbol covers the address
  };
  Symbol symbol(std::uint64_t address);

 private:
  struct Handles;
  void load_symbols();

  struct Entry {
    std::uint64_t address, size;
    const char* name;
  };

  Status status_ = Status::kMissing;
  std::unique_ptr<Handles> handles_;
  bool symbols_loaded_ = false;
  std::vector<Entry> symbols_;  // by address
};

}  // namespace ullage::trace
