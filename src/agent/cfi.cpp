// SPDX-License-Identifier: Apache-2.0
#include "agent/cfi.h"

#include <string.h>

namespace ullage::agent {
namespace {

// DWARF numbers of the registers that matter (System V psABI for x86-64, figure 3.36).
constexpr uint64_t kRbpRegister = 6, kRspRegister = 7, kReturnAddress = 16;
// Nesting of DW_CFA_remember_state that we follow; compilers use 1.
constexpr int kStatesMax = 8;

template <class T>
T load(const uint8_t* p) {
  T v;
  memcpy(&v, p, sizeof v);
  return v;
}

uint64_t uleb(const uint8_t*& p) {
  uint64_t v = 0;
  unsigned shift = 0;
  uint8_t b = 0;
  do {
    b = *p++;
    if (shift < 64) v |= uint64_t{b & 0x7fu} << shift;
    shift += 7;
  } while (b & 0x80);
  return v;
}

int64_t sleb(const uint8_t*& p) {
  uint64_t v = 0;
  unsigned shift = 0;
  uint8_t b = 0;
  do {
    b = *p++;
    if (shift < 64) v |= uint64_t{b & 0x7fu} << shift;
    shift += 7;
  } while (b & 0x80);
  if (shift < 64 && (b & 0x40)) v |= ~uint64_t{0} << shift;
  return static_cast<int64_t>(v);
}

// The subset of DWARF expressions that stands for "register + offset", optionally dereferenced.
struct Expression {
  bool known = false;
  bool deref = false;
  uint64_t reg = 0;
  int64_t offset = 0;
};

Expression parse_expression(const uint8_t* p, uint64_t length) {
  Expression e;
  const uint8_t* end = p + length;
  if (length < 2) return e;
  const uint8_t op = *p++;
  if (op < 0x70 || op > 0x8f) return e;  // DW_OP_breg0..31
  e.reg = op - 0x70u;
  e.offset = sleb(p);
  if (p < end && *p == 0x06) {  // DW_OP_deref
    e.deref = true;
    ++p;
  }
  e.known = p == end;
  return e;
}

struct Row {
  uint64_t cfa_register = 0;
  int64_t cfa_offset = 0;
  Expression cfa_expression;
  bool cfa_is_expression = false;
  enum class Saved : uint8_t { kSame, kAtCfa, kExpression, kLost } bp = Saved::kSame;
  int64_t bp_offset = 0;
  Expression bp_expression;
  bool ra_undefined = false;
  bool ra_lost = false;
  Expression ra_expression;
};

struct Program {
  uintptr_t location;
  uintptr_t pc;
  uint64_t code_align;
  int64_t data_align;
};

void save_at_cfa(Row& row, uint64_t reg, int64_t offset) {
  if (reg == kRbpRegister) {
    row.bp = Row::Saved::kAtCfa;
    row.bp_offset = offset;
  } else if (reg == kReturnAddress && offset != -8) {
    row.ra_lost = true;
  }
}

void save_by_expression(Row& row, uint64_t reg, const Expression& e, bool is_value) {
  if (reg == kRbpRegister) {
    row.bp = e.known && !e.deref && !is_value ? Row::Saved::kExpression : Row::Saved::kLost;
    row.bp_expression = e;
  } else if (reg == kReturnAddress) {
    if (e.known && !e.deref && !is_value) {
      row.ra_expression = e;
    } else {
      row.ra_lost = true;
    }
  }
}

// Runs call frame instructions up to `at.pc`. False: an instruction we do not follow.
bool run(const uint8_t* p, const uint8_t* end, Program& at, Row& row, const Row* initial) {
  Row states[kStatesMax];
  int depth = 0;
  while (p < end) {
    const uint8_t op = *p++;
    const uint8_t low = op & 0x3f;
    switch (op & 0xc0) {
      case 0x40:  // advance_loc
        at.location += low * at.code_align;
        if (at.location > at.pc) return true;
        continue;
      case 0x80:  // offset
        save_at_cfa(row, low, static_cast<int64_t>(uleb(p)) * at.data_align);
        continue;
      case 0xc0:  // restore
        if (low == kRbpRegister && initial != nullptr) {
          row.bp = initial->bp;
          row.bp_offset = initial->bp_offset;
          row.bp_expression = initial->bp_expression;
        }
        continue;
      default:
        break;
    }
    switch (op) {
      case 0x00:  // nop
        break;
      case 0x02:
        at.location += *p++ * at.code_align;
        if (at.location > at.pc) return true;
        break;
      case 0x03:
        at.location += load<uint16_t>(p) * at.code_align;
        p += 2;
        if (at.location > at.pc) return true;
        break;
      case 0x04:
        at.location += load<uint32_t>(p) * at.code_align;
        p += 4;
        if (at.location > at.pc) return true;
        break;
      case 0x05: {  // offset_extended
        const uint64_t reg = uleb(p);
        save_at_cfa(row, reg, static_cast<int64_t>(uleb(p)) * at.data_align);
        break;
      }
      case 0x06: {  // restore_extended
        const uint64_t reg = uleb(p);
        if (reg == kRbpRegister && initial != nullptr) row.bp = initial->bp;
        break;
      }
      case 0x07: {  // undefined
        const uint64_t reg = uleb(p);
        if (reg == kReturnAddress) row.ra_undefined = true;
        if (reg == kRbpRegister) row.bp = Row::Saved::kLost;
        break;
      }
      case 0x08: {  // same_value
        const uint64_t reg = uleb(p);
        if (reg == kRbpRegister) row.bp = Row::Saved::kSame;
        break;
      }
      case 0x09: {  // register
        const uint64_t reg = uleb(p);
        uleb(p);
        if (reg == kRbpRegister) row.bp = Row::Saved::kLost;
        if (reg == kReturnAddress) row.ra_lost = true;
        break;
      }
      case 0x0a:  // remember_state
        if (depth == kStatesMax) return false;
        states[depth++] = row;
        break;
      case 0x0b:  // restore_state
        if (depth == 0) return false;
        row = states[--depth];
        break;
      case 0x0c:  // def_cfa
        row.cfa_register = uleb(p);
        row.cfa_offset = static_cast<int64_t>(uleb(p));
        row.cfa_is_expression = false;
        break;
      case 0x0d:  // def_cfa_register
        row.cfa_register = uleb(p);
        break;
      case 0x0e:  // def_cfa_offset
        row.cfa_offset = static_cast<int64_t>(uleb(p));
        break;
      case 0x0f: {  // def_cfa_expression
        const uint64_t length = uleb(p);
        row.cfa_expression = parse_expression(p, length);
        row.cfa_is_expression = true;
        p += length;
        break;
      }
      case 0x10:    // expression
      case 0x16: {  // val_expression
        const uint64_t reg = uleb(p);
        const uint64_t length = uleb(p);
        save_by_expression(row, reg, parse_expression(p, length), op == 0x16);
        p += length;
        break;
      }
      case 0x11: {  // offset_extended_sf
        const uint64_t reg = uleb(p);
        save_at_cfa(row, reg, sleb(p) * at.data_align);
        break;
      }
      case 0x12:  // def_cfa_sf
        row.cfa_register = uleb(p);
        row.cfa_offset = sleb(p) * at.data_align;
        row.cfa_is_expression = false;
        break;
      case 0x13:  // def_cfa_offset_sf
        row.cfa_offset = sleb(p) * at.data_align;
        break;
      case 0x2e:  // GNU_args_size
        uleb(p);
        break;
      default:
        return false;
    }
  }
  return true;
}

Rule compile(const Row& row, bool signal) {
  Rule rule;
  rule.signal = signal;
  if (row.ra_undefined) {
    rule.cfa = Rule::kEnd;
    return rule;
  }
  if (row.ra_lost) return Rule{};
  uint64_t reg = row.cfa_register;
  int64_t offset = row.cfa_offset;
  bool deref = false;
  if (row.cfa_is_expression) {
    if (!row.cfa_expression.known) return Rule{};
    reg = row.cfa_expression.reg;
    offset = row.cfa_expression.offset;
    deref = row.cfa_expression.deref;
  }
  if (offset != static_cast<int32_t>(offset)) return Rule{};
  rule.cfa_offset = static_cast<int32_t>(offset);
  if (reg == kRspRegister) {
    rule.cfa = deref ? Rule::kAtRsp : Rule::kRsp;
  } else if (reg == kRbpRegister) {
    rule.cfa = deref ? Rule::kAtRbp : Rule::kRbp;
  } else {
    return Rule{};
  }
  if (row.ra_expression.known) {
    if (row.ra_expression.reg != kRspRegister) return Rule{};
    rule.ra_at_rsp = 1;
    rule.ra_offset = static_cast<int32_t>(row.ra_expression.offset);
  }
  switch (row.bp) {
    case Row::Saved::kSame:
      rule.bp = Rule::kSame;
      break;
    case Row::Saved::kAtCfa:
      rule.bp = Rule::kAtCfa;
      rule.bp_offset = static_cast<int32_t>(row.bp_offset);
      break;
    case Row::Saved::kExpression:
      rule.bp_offset = static_cast<int32_t>(row.bp_expression.offset);
      rule.bp = row.bp_expression.reg == kRspRegister   ? Rule::kBpAtRsp
                : row.bp_expression.reg == kRbpRegister ? Rule::kBpAtRbp
                                                        : Rule::kLost;
      break;
    case Row::Saved::kLost:
      rule.bp = Rule::kLost;
      break;
  }
  return rule;
}

struct Cie {
  bool ok = false;
  bool signal = false;
  bool augmented = false;
  uint8_t encoding = 0;  // of the FDE's addresses
  uint64_t code_align = 1;
  int64_t data_align = 1;
  const uint8_t* program = nullptr;
  const uint8_t* end = nullptr;
};

Cie parse_cie(const uint8_t* c) {
  Cie cie;
  const uint32_t length = load<uint32_t>(c);
  if (length == 0 || length == 0xffffffffu) return cie;
  cie.end = c + 4 + length;
  const uint8_t* p = c + 8;
  const uint8_t version = *p++;
  const char* augmentation = reinterpret_cast<const char*>(p);
  p += strlen(augmentation) + 1;
  if (augmentation[0] == 'e') return cie;
  cie.code_align = uleb(p);
  cie.data_align = sleb(p);
  const uint64_t ra = version == 1 ? *p++ : uleb(p);
  if (ra != kReturnAddress) return cie;
  if (augmentation[0] == 'z') {
    cie.augmented = true;
    const uint64_t bytes = uleb(p);
    const uint8_t* a = p;
    for (const char* s = augmentation + 1; *s != 0; ++s) {
      if (*s == 'R') {
        cie.encoding = *a++;
      } else if (*s == 'L') {
        ++a;
      } else if (*s == 'S') {
        cie.signal = true;
      } else if (*s == 'P') {
        const uint8_t encoding = *a++;
        switch (encoding & 0x0f) {
          case 0x00:
          case 0x04:
          case 0x0c:
            a += 8;
            break;
          case 0x03:
          case 0x0b:
            a += 4;
            break;
          case 0x02:
          case 0x0a:
            a += 2;
            break;
          default:
            return cie;
        }
      } else if (*s != 'B') {
        return cie;
      }
    }
    p += bytes;
  }
  cie.program = p;
  cie.ok = true;
  return cie;
}

}  // namespace

UnwindTable unwind_table(const uint8_t* hdr) {
  UnwindTable table;
  if (hdr == nullptr || hdr[0] != 1) return table;
  // Count as udata4, table as datarel sdata4: what every linker writes.
  if (hdr[2] != 0x03 || hdr[3] != 0x3b) return table;
  const size_t pointer = (hdr[1] & 0x0f) == 0x0c || (hdr[1] & 0x0f) == 0x04 ? 8 : 4;
  table.header = hdr;
  table.count = load<uint32_t>(hdr + 4 + pointer);
  table.pairs = reinterpret_cast<const int32_t*>(hdr + 8 + pointer);
  return table;
}

Step find_step(const UnwindTable& table, uintptr_t pc) {
  Step step{Rule{}, 0};
  if (table.count == 0) return step;
  const auto relative = static_cast<int64_t>(pc - reinterpret_cast<uintptr_t>(table.header));
  size_t low = 0, high = table.count;
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    (table.pairs[middle * 2] <= relative ? low : high) = middle;
  }
  if (table.pairs[low * 2] > relative) return step;
  const uint8_t* fde = table.header + table.pairs[low * 2 + 1];
  const uint32_t length = load<uint32_t>(fde);
  if (length == 0 || length == 0xffffffffu) return step;
  const uint8_t* end = fde + 4 + length;
  const Cie cie = parse_cie(fde + 4 - load<int32_t>(fde + 4));
  if (!cie.ok || (cie.encoding & 0x7f) != 0x1b) return step;  // pcrel sdata4: x86-64's only habit
  const uint8_t* p = fde + 8;
  const uintptr_t start = reinterpret_cast<uintptr_t>(p) + static_cast<intptr_t>(load<int32_t>(p));
  const uintptr_t range = load<uint32_t>(p + 4);
  p += 8;
  if (pc < start || pc - start >= range) return step;
  step.function = start;
  if (cie.augmented) {
    const uint64_t bytes = uleb(p);
    p += bytes;
  }
  Row row;
  Program program{0, ~uintptr_t{0}, cie.code_align, cie.data_align};
  if (!run(cie.program, cie.end, program, row, nullptr)) return step;
  const Row initial = row;
  program = {start, pc, cie.code_align, cie.data_align};
  if (!run(p, end, program, row, &initial)) return step;
  step.rule = compile(row, cie.signal);
  return step;
}

}  // namespace ullage::agent
