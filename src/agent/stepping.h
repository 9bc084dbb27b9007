// SPDX-License-Identifier: Apache-2.0
#pragma once

// One step of a walk: from a frame's registers to those of its caller, by the rule of its pc.

#include <string.h>

#include "agent/cfi.h"
#include "agent/platform.h"

namespace ullage::agent {

// Where stack words are read from: the thread's own stack, or a copy of a foreign one.
struct View {
  uintptr_t low, high;  // readable addresses
  intptr_t shift;       // add to an address to get where its word is
  bool readable(uintptr_t a) const { return a >= low && a <= high - 8 && (a & 7) == 0; }
  uint64_t word(uintptr_t a) const {
    uint64_t v;
    memcpy(&v, reinterpret_cast<const void*>(a + static_cast<uintptr_t>(shift)), 8);
    return v;
  }
};

// Words read by one step; at most: saved rbp, CFA word, return address.
struct StepWords {
  uintptr_t address[3];
  int count = 0;
  void add(uintptr_t a) { address[count++] = a; }
};

struct State {
  uintptr_t pc, sp, bp;
  uintptr_t bp_word;  // stack word bp came from and nobody has consumed yet; 0 = none
  bool bp_incoming;   // bp is still the register the walk began with
  bool bp_lost;
};

enum class Stepped { kOk, kEnd, kFailed };

// One step outwards. Consumed words are added in `words`; reads_bp tells that bp's value mattered.
inline Stepped step(const Rule& rule, const View& view, State& s, StepWords& words,
                    bool& reads_bp) {
  reads_bp = false;
  // At once: also what then fails rests on the word that bp came from.
  const auto read_bp = [&] {
    reads_bp = true;
    if (s.bp_incoming || s.bp_word == 0) return;
    words.add(s.bp_word);
    s.bp_word = 0;
  };
  uintptr_t cfa = 0;
  switch (rule.cfa) {
    case Rule::kEnd:
      return Stepped::kEnd;
    case Rule::kRsp:
      cfa = s.sp + static_cast<intptr_t>(rule.cfa_offset);
      break;
    case Rule::kAtRsp: {
      const uintptr_t a = s.sp + static_cast<intptr_t>(rule.cfa_offset);
      if (!view.readable(a)) return Stepped::kFailed;
      words.add(a);
      cfa = view.word(a);
      break;
    }
    case Rule::kRbp:
    case Rule::kAtRbp: {
      if (s.bp_lost) return Stepped::kFailed;
      read_bp();
      cfa = s.bp + static_cast<intptr_t>(rule.cfa_offset);
      if (rule.cfa == Rule::kAtRbp) {
        if (!view.readable(cfa)) return Stepped::kFailed;
        words.add(cfa);
        cfa = view.word(cfa);
      }
      break;
    }
    default:
      return Stepped::kFailed;
  }
  const uintptr_t ra_at = rule.ra_at_rsp ? s.sp + static_cast<intptr_t>(rule.ra_offset) : cfa - 8;
  // A stack grows downwards: a caller's frame is above. A signal frame may jump to another stack.
  if (!rule.signal && cfa <= s.sp) return Stepped::kFailed;
  if (!view.readable(ra_at)) return Stepped::kFailed;
  uintptr_t bp_at = 0;
  switch (rule.bp) {
    case Rule::kSame:
      break;
    case Rule::kAtCfa:
      bp_at = cfa + static_cast<intptr_t>(rule.bp_offset);
      break;
    case Rule::kBpAtRsp:
      bp_at = s.sp + static_cast<intptr_t>(rule.bp_offset);
      break;
    case Rule::kBpAtRbp:
      if (s.bp_lost) return Stepped::kFailed;
      read_bp();
      bp_at = s.bp + static_cast<intptr_t>(rule.bp_offset);
      break;
    default:
      break;
  }
  words.add(ra_at);
  if (bp_at != 0) {
    if (!view.readable(bp_at)) {
      s.bp_lost = true;  // fatal only if somebody needs it
      s.bp_word = 0;
    } else {
      s.bp = view.word(bp_at);
      s.bp_word = bp_at;
      s.bp_lost = false;
    }
    s.bp_incoming = false;
  } else if (rule.bp == Rule::kLost) {
    s.bp_lost = true;
    s.bp_incoming = false;
    s.bp_word = 0;
  }
  s.pc = view.word(ra_at) + (rule.signal ? 1 : 0);
  s.sp = cfa;
  return s.pc <= 1 ? Stepped::kEnd : Stepped::kOk;
}

}  // namespace ullage::agent
