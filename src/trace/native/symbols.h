// SPDX-License-Identifier: Apache-2.0
#pragma once

// Symbolizer: from the return addresses of a recording to names, files and lines, without guessing
// in silence.
//
//   Symbolizer symbols{modules, {.debuginfod = false}};
//   symbols.resolve(pcs);
//   for (const evidence::Frame& frame : symbols.frames(pc)) ...
//
// Promises     A name is only given when the file on disk is the one that was recorded (build-ids
//              equal). A nearest symbol that does not cover the address has exact = false. A file
//              that is gone or changed gives module+offset, and a sentence in notes().
// Sources      DWARF 4 and 5 (split or not) of the file, of its separate debug file (build-id,
//              .gnu_debuglink, debug_dirs), then .symtab, .gnu_debugdata, .dynsym. The network is
//              asked only when debuginfod is set (docs/symbols.md).
// Cost         One pass per module in address order: each function's tree is walked once for all
//              addresses in it. A module is closed after its pass; what stays is the answers.
// Lifetime     References from frames() stay valid as long as the Symbolizer.
// Threads      One at a time. resolve() may be called again with more addresses.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "evidence/evidence.h"

namespace ullage::trace {

// One mapping of a file. An address is (occupant << 48) | virtual address: `occupant` tells modules
// apart that used the same addresses at different times.
struct SymbolModule {
  std::string path;
  std::string build_id_hex;  // as recorded; empty = not known, then nothing is verified
  std::uint64_t bias = 0;    // run-time address minus address in the ELF file
  std::uint64_t low = 0;     // first address, without occupant
  std::uint64_t high = 0;    // one past the last
  std::uint16_t occupant = 0;
};

struct SymbolOptions {
  bool debuginfod = false;              // may ask DEBUGINFOD_URLS over the network
  std::vector<std::string> debug_dirs;  // searched before /usr/lib/debug
};

// The growth function that machine code tells of where names and debug information do not
// (symbols_code.h).
struct CodeGrowth {
  std::string callee;  // what the call at the address goes to; empty = no growth function
  std::string text;    // that the function around the address refers to by name; if it allocates
                       // itself, it allocates for this
};

class Symbolizer {
 public:
  Symbolizer(std::vector<SymbolModule> modules, SymbolOptions options);
  ~Symbolizer();
  Symbolizer(Symbolizer&&) noexcept;
  Symbolizer& operator=(Symbolizer&&) noexcept;

  // Return addresses, occupant in the high 16 bits, in any order, repeated or not. One pass per
  // module, sorted; addresses already resolved cost nothing.
  void resolve(std::span<const std::uint64_t> pcs);

  // Innermost inlined function first, the function itself last; never empty. For an address that
  // was not resolved: one frame without a name.
  const std::vector<evidence::Frame>& frames(std::uint64_t pc) const;

  // For an address in a growth function: what its container stores.
  struct Element {
    std::string type;         // "Order", "std::pair<const int, Order>"
    std::uint64_t bytes = 0;  // sizeof(type); 0 = unknown
    std::string container;    // "std::vector<Order>"; empty = unknown
    std::string source;  // where bytes is from: "dwarf", "name" (a type everybody knows), or empty
  };
  Element element(std::uint64_t pc) const;
  // For an address in a function that no name and no debug information explains.
  CodeGrowth code_growth(std::uint64_t pc) const;

  // Modules that had no line information, most addresses first, with the Debian package that
  // has it where dpkg knows: "libfoo.so.1 (apt install libfoo1-dbgsym)".
  std::vector<std::string> missing_debug() const;

  // Sentences for the reader: files that changed since the recording, damaged files.
  const std::vector<std::string>& notes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ullage::trace
