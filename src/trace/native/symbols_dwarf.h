// SPDX-License-Identifier: Apache-2.0
#pragma once

// Functions, inlined functions, lines and element types of one module, from its DWARF.
//
// Cost: compilation units are found by their own ranges (not .debug_aranges, which clang does not
// write); only units with wanted addresses are walked, each once for all of them, without entering
// functions that hold none. DWARF is outside bytes: what can't be read is left out.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "trace/native/symbols.h"

struct Dwarf;

namespace ullage::trace {

struct DwarfFrame {
  std::string function;   // tidy; empty = unknown
  bool qualified = true;  // false: DW_AT_name alone, without its namespace
  std::string file;
  int line = 0;
  bool inlined = false;
};

struct DwarfPlace {
  std::vector<DwarfFrame> frames;  // innermost first; empty = nothing known
  Symbolizer::Element element;     // when one of the frames is a growth function
};

// `addresses` sorted, as DWARF numbers them, lying within the call instructions. `found` gets the
// index of each address that something is known about, in no particular order. Returns how many of
// the units that hold them keep their functions in another file (.dwo) that was not found.
std::size_t resolve_dwarf(Dwarf* dwarf, std::span<const std::uint64_t> addresses,
                          const std::function<void(std::size_t, DwarfPlace)>& found);

}  // namespace ullage::trace
