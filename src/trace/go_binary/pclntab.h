// SPDX-License-Identifier: Apache-2.0
#pragma once

// PcLineTable: Go's .gopclntab, which names the functions and lines of every program counter, and
// is in stripped binaries too (the runtime needs it to unwind). Layouts of Go 1.2, 1.16, 1.18 and
// 1.20 and later (docs/formats/go-binary.md).
//
// Cost     find(): a binary search. line_at(): a walk over the function's own table.
// Bounds   every offset is checked where it is used: a hostile table gives empty names, not a
//          fault.
// Valid    while the bytes are.

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "trace/go_binary/view.h"

namespace ullage::trace {

class PcLineTable {
 public:
  enum class Layout { kGo12, kGo116, kGo118, kGo120 };
  struct Function {
    std::uint64_t entry = 0, end = 0;
    std::uint64_t record = 0;  // where its _func is, in the table
  };
  struct Place {
    std::string_view file;
    int line = 0;  // 0 = unknown
  };
  // One level of inlining: the function inlined at a program counter, and a counter in its caller.
  struct Inlined {
    std::string_view function;
    std::uint64_t parent_pc = 0;
  };

  // True for bytes that begin such a table.
  static bool begins(std::span<const std::uint8_t> bytes);
  static Result<PcLineTable> parse(std::span<const std::uint8_t> bytes);

  Layout layout() const { return layout_; }
  unsigned pointer_bytes() const { return pointer_bytes_; }
  std::uint64_t functions() const { return functions_; }
  // Address of runtime.text: layouts from 1.18 count from there. 0 in the table of 1.26 and later.
  std::uint64_t text_start() const { return text_start_; }
  void set_text_start(std::uint64_t address) { text_start_ = address; }
  // Offset from text_start of the i-th function (from 1.18).
  std::uint64_t entry_offset(std::uint64_t i) const;

  // The i-th, by address; i < functions().
  Function function(std::uint64_t i) const;
  // The function that holds this address; false when none does.
  bool find(std::uint64_t pc, Function& function) const;
  std::string_view name(const Function& function) const;
  Place place(const Function& function, std::uint64_t pc) const;
  // With `tables`, the bytes at go:func.* (from 1.18): what is inlined at pc, one level out.
  bool inlined(const Function& function, std::uint64_t pc, std::span<const std::uint8_t> tables,
               Inlined& inlined) const;

 private:
  std::uint64_t table_pc(std::uint64_t i) const;
  std::uint64_t pc_value_offset(const Function& function, unsigned field) const;
  // Value of a pc-value table at pc; false when it has none.
  bool pc_value(std::uint64_t table, const Function& function, std::uint64_t pc,
                std::int64_t& value) const;
  std::string_view name_at(std::int32_t offset) const;

  View bytes_;
  Layout layout_ = Layout::kGo12;
  unsigned pointer_bytes_ = 8, quantum_ = 1;
  std::uint64_t functions_ = 0, text_start_ = 0;
  // Offsets of the parts within bytes_.
  std::uint64_t names_ = 0, units_ = 0, files_ = 0, values_ = 0, table_ = 0;
  std::uint64_t file_count_ = 0;
};

}  // namespace ullage::trace
