// SPDX-License-Identifier: Apache-2.0
#pragma once

// A place in a program, and stacks of them.

#include <cstdint>
#include <string>
#include <vector>

namespace ullage::evidence {

struct Frame {
  std::string function;  // demangled, without arguments where that stays clear; empty = unknown
  std::string module;    // file name of the binary, without folders
  std::string file;      // source path as the debug information has it; empty = unknown
  int line = 0;
  std::uint64_t offset = 0;         // address within the module (as its ELF file numbers it)
  std::uint64_t symbol_offset = 0;  // distance from the symbol, when `exact` is false
  bool inlined = false;             // inlined into the next frame
  bool exact = true;     // false: nearest symbol does not cover the address; shown as ~name+0xoff
  bool library = false;  // container, allocator or runtime code rather than the user's

  // "main.cpp:88", "~name+0x10 in libfoo.so", "libfoo.so+0x1234": the shortest true name of the
  // place.
  std::string place() const;
  // function, or module+0xoffset when unknown; guesses as ~name+0xoff.
  std::string label() const;
};
using Stack = std::vector<Frame>;  // innermost first

}  // namespace ullage::evidence
