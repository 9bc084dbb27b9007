// SPDX-License-Identifier: Apache-2.0
#include "trace/go_binary/pclntab.h"

namespace ullage::trace {
namespace {

constexpr std::uint32_t kMagicGo12 = 0xfffffffb, kMagicGo116 = 0xfffffffa;
constexpr std::uint32_t kMagicGo118 = 0xfffffff0, kMagicGo120 = 0xfffffff1;
constexpr unsigned kInlineIndexTable = 2;  // PCDATA_InlTreeIndex
constexpr unsigned kInlineTree = 3;        // FUNCDATA_InlTree
// Numbers of the 32-bit fields of a _func behind its entry.
constexpr unsigned kFieldName = 0, kFieldFile = 4, kFieldLine = 5, kFieldTables = 6, kFieldUnit = 7;

}  // namespace

bool PcLineTable::begins(std::span<const std::uint8_t> bytes) {
  const View view{bytes};
  const std::uint32_t magic = view.u32(0);
  const unsigned quantum = view.u8(6), pointer = view.u8(7);
  return view.has(0, 8) &&
         (magic == kMagicGo12 || magic == kMagicGo116 || magic == kMagicGo118 ||
          magic == kMagicGo120) &&
         view.u8(4) == 0 && view.u8(5) == 0 && (quantum == 1 || quantum == 2 || quantum == 4) &&
         (pointer == 4 || pointer == 8);
}

Result<PcLineTable> PcLineTable::parse(std::span<const std::uint8_t> bytes) {
  if (!begins(bytes)) {
    return Error{Code::kUnsupported,
                 "its .gopclntab has a layout that is not known: Go 1.2 to 1.27 are"};
  }
  PcLineTable t;
  t.bytes_ = View{bytes};
  const std::uint32_t magic = t.bytes_.u32(0);
  t.layout_ = magic == kMagicGo12    ? Layout::kGo12
              : magic == kMagicGo116 ? Layout::kGo116
              : magic == kMagicGo118 ? Layout::kGo118
                                     : Layout::kGo120;
  t.quantum_ = t.bytes_.u8(6);
  t.pointer_bytes_ = t.bytes_.u8(7);
  const auto word = [&t](unsigned i) {
    return t.bytes_.word(8 + std::uint64_t{i} * t.pointer_bytes_, t.pointer_bytes_);
  };
  t.functions_ = word(0);
  std::uint64_t entry_bytes = std::uint64_t{2} * t.pointer_bytes_;
  if (t.layout_ == Layout::kGo12) {
    t.table_ = 8 + t.pointer_bytes_;
  } else if (t.layout_ == Layout::kGo116) {
    t.names_ = word(2), t.units_ = word(3), t.files_ = word(4);
    t.values_ = word(5), t.table_ = word(6);
    t.file_count_ = word(1);
  } else {
    t.text_start_ = word(2);
    t.names_ = word(3), t.units_ = word(4), t.files_ = word(5);
    t.values_ = word(6), t.table_ = word(7);
    t.file_count_ = word(1);
    entry_bytes = 8;
  }
  // As many functions as the bytes can hold: nothing is allocated by this count, only searched.
  const std::uint64_t room = t.table_ < bytes.size() ? bytes.size() - t.table_ : 0;
  if (t.functions_ == 0 || t.functions_ > room / entry_bytes) {
    return Error{Code::kInvalid, "its .gopclntab counts more functions than it can hold"};
  }
  if (t.layout_ == Layout::kGo12) {
    const std::uint64_t behind = t.table_ + t.functions_ * entry_bytes + t.pointer_bytes_;
    t.files_ = t.bytes_.u32(behind);
    t.file_count_ = t.bytes_.u32(t.files_);
  }
  return t;
}

std::uint64_t PcLineTable::entry_offset(std::uint64_t i) const {
  return bytes_.u32(table_ + i * 8);
}

std::uint64_t PcLineTable::table_pc(std::uint64_t i) const {
  if (layout_ >= Layout::kGo118) return text_start_ + entry_offset(i);
  return bytes_.word(table_ + i * 2 * pointer_bytes_, pointer_bytes_);
}

bool PcLineTable::find(std::uint64_t pc, Function& function) const {
  if (functions_ == 0 || pc < table_pc(0) || pc >= table_pc(functions_)) return false;
  std::uint64_t low = 0, high = functions_;  // table_pc(low) <= pc < table_pc(high)
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    (table_pc(middle) <= pc ? low : high) = middle;
  }
  function = this->function(low);
  return bytes_.has(function.record, 32);
}

PcLineTable::Function PcLineTable::function(std::uint64_t i) const {
  Function function;
  function.entry = table_pc(i);
  function.end = table_pc(i + 1);
  if (layout_ >= Layout::kGo118) {
    function.record = table_ + bytes_.u32(table_ + i * 8 + 4);
  } else {
    const std::uint64_t offset =
        bytes_.word(table_ + i * 2 * pointer_bytes_ + pointer_bytes_, pointer_bytes_);
    function.record = (layout_ == Layout::kGo12 ? 0 : table_) + offset;
  }
  return function;
}

std::uint64_t PcLineTable::pc_value_offset(const Function& function, unsigned field) const {
  const std::uint64_t entry = layout_ >= Layout::kGo118 ? 4 : pointer_bytes_;
  return function.record + entry + std::uint64_t{4} * field;
}

std::string_view PcLineTable::name_at(std::int32_t offset) const {
  if (offset < 0) return {};
  return bytes_.text(names_ + static_cast<std::uint32_t>(offset));
}

std::string_view PcLineTable::name(const Function& function) const {
  return name_at(bytes_.i32(pc_value_offset(function, kFieldName)));
}

bool PcLineTable::pc_value(std::uint64_t table, const Function& function, std::uint64_t pc,
                           std::int64_t& value) const {
  if (table == 0) return false;
  std::uint64_t at = values_ + table, current = function.entry;
  // In the unsigned, where a stranger's deltas may wrap.
  auto sum = static_cast<std::uint64_t>(-1);
  for (bool first = true; at < bytes_.bytes.size(); first = false) {
    const std::uint64_t delta = bytes_.varint(at);
    if (delta == 0 && !first) return false;
    sum += (delta >> 1) ^ -(delta & 1);
    value = static_cast<std::int64_t>(sum);
    current += bytes_.varint(at) * quantum_;
    if (pc < current) return true;
  }
  return false;
}

PcLineTable::Place PcLineTable::place(const Function& function, std::uint64_t pc) const {
  Place place;
  std::int64_t value = 0;
  if (pc_value(bytes_.u32(pc_value_offset(function, kFieldLine)), function, pc, value) &&
      value > 0 && value <= INT32_MAX) {
    place.line = static_cast<int>(value);
  }
  if (!pc_value(bytes_.u32(pc_value_offset(function, kFieldFile)), function, pc, value) ||
      value < 0 || value > INT32_MAX) {
    return place;
  }
  const auto file = static_cast<std::uint64_t>(value);
  if (layout_ == Layout::kGo12) {
    if (file > 0 && file < file_count_) place.file = bytes_.text(bytes_.u32(files_ + 4 * file));
    return place;
  }
  const std::uint64_t unit = bytes_.u32(pc_value_offset(function, kFieldUnit));
  const std::uint64_t entry = units_ + (unit + file) * 4;
  const std::uint32_t offset = bytes_.u32(entry);
  if (bytes_.has(entry, 4) && offset != UINT32_MAX) place.file = bytes_.text(files_ + offset);
  return place;
}

bool PcLineTable::inlined(const Function& function, std::uint64_t pc,
                          std::span<const std::uint8_t> tables, Inlined& inlined) const {
  if (layout_ < Layout::kGo118 || tables.empty()) return false;
  // entry, 8 (1.18) or 9 (1.20) fields, funcID, flag, pad, nfuncdata; then the two arrays.
  const std::uint64_t fixed = 4 + (layout_ == Layout::kGo118 ? 32 : 36);
  const std::uint64_t value_tables = bytes_.u32(pc_value_offset(function, kFieldTables));
  const unsigned data_tables = bytes_.u8(function.record + fixed + 3);
  if (value_tables <= kInlineIndexTable || data_tables <= kInlineTree || value_tables > 64) {
    return false;
  }
  const std::uint64_t arrays = function.record + fixed + 4;
  std::int64_t index = 0;
  if (!pc_value(bytes_.u32(arrays + std::uint64_t{4} * kInlineIndexTable), function, pc, index) ||
      index < 0 || index > INT32_MAX) {
    return false;
  }
  const std::uint64_t tree_at = arrays + 4 * value_tables + std::uint64_t{4} * kInlineTree;
  if (!bytes_.has(tree_at, 4) || bytes_.u32(tree_at) == UINT32_MAX) return false;
  const std::uint64_t tree = bytes_.u32(tree_at);
  const View view{tables};
  const bool old = layout_ == Layout::kGo118;
  const std::uint64_t entry = tree + static_cast<std::uint64_t>(index) * (old ? 20 : 16);
  if (!view.has(entry, old ? 20 : 16)) return false;
  inlined.function = name_at(view.i32(entry + (old ? 12 : 4)));
  const std::int32_t parent = view.i32(entry + (old ? 16 : 8));
  if (inlined.function.empty() || parent < 0) return false;
  inlined.parent_pc = function.entry + static_cast<std::uint32_t>(parent);
  return inlined.parent_pc < function.end;
}

}  // namespace ullage::trace
