// SPDX-License-Identifier: Apache-2.0
#pragma once

// How to step from one frame to its caller, compiled from .eh_frame into 16 bytes.
//
// Covers what compilers emit for rsp/rbp frames, realigned stacks (CFA read through rbp) and signal
// frames. Anything else is kBad: the stack is cut there and counted, never guessed.

#include <stddef.h>
#include <stdint.h>

namespace ullage::agent {

struct Rule {
  enum Cfa : uint8_t {
    kBad,
    kEnd,
    kRsp,
    kRbp,
    kAtRsp,
    kAtRbp
  };  // kAt*: CFA is the word stored there
  enum Bp : uint8_t { kSame, kAtCfa, kBpAtRsp, kBpAtRbp, kLost };
  uint8_t cfa = kBad;
  uint8_t bp = kSame;
  uint8_t ra_at_rsp =
      0;               // signal frames: the return address is at rsp + ra_offset, else at CFA - 8
  uint8_t signal = 0;  // the caller's pc is exact, not one past a call
  int32_t cfa_offset = 0;
  int32_t bp_offset = 0;
  int32_t ra_offset = 0;
};
static_assert(sizeof(Rule) == 16);

// One module's unwind table: the binary search table of .eh_frame_hdr.
struct UnwindTable {
  const uint8_t* header = nullptr;  // .eh_frame_hdr in memory
  const int32_t* pairs = nullptr;   // {function start, FDE}, relative to header, sorted
  size_t count = 0;
};

// Reads the header of `hdr`; count 0 when it has no table we can search.
UnwindTable unwind_table(const uint8_t* hdr);

struct Step {
  Rule rule;
  uintptr_t function;  // start of the function, or 0
};

// `pc` lies inside the instruction (return address - 1). O(log functions + length of its program).
Step find_step(const UnwindTable& table, uintptr_t pc);

}  // namespace ullage::agent
