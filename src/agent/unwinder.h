// SPDX-License-Identifier: Apache-2.0
#pragma once

// Unwinder: the calling context of this event as a stack id, exactly, in ~100 ns.
//
// Three ways, cheapest first; all give the id that a full walk would give.
//
//  1. Memo (stack_memo.h), exact: it compares every stack word that the walk once read, the inner
//     ones with an entry of its own, the others with those of the last walked stack. In code
//     without frame pointers rbp is an ordinary register and comparing it always would never hit.
//  2. Suffix resume. The last walked stack is kept root first. Words are re-checked from the root
//     until one differs; a new walk stops at the first frame whose (pc, sp, consumed rbp) is found
//     in the unchanged part, and only the frames inside it are interned. Deep recursion costs what
//     changed.
//  3. Walk, by rules compiled from .eh_frame.
//
// Contexts are anchored at the root, so that recursion shares its outer frames. Stacks deeper than
// max_depth keep their kLeafFrames innermost frames below a "truncated" mark.
//
// Stacks outside the thread's own (coroutines, alternate signal stacks) are copied through
// process_vm_readv first, so that a wrong step can never fault; they have no memo.
//
// One instance a thread; no locks. Idea of keying contexts by (pc, stack height): Mytkowicz et al.,
// "Inferred Call Path Profiling", OOPSLA 2009; the verification makes it exact.

#include "agent/platform.h"
#include "agent/rule_cache.h"
#include "agent/stack_memo.h"
#include "agent/stack_table.h"

namespace ullage::agent {

struct UnwindCounts {
  uint64_t memo_hits = 0, resumes = 0, walks = 0, frames = 0, failures = 0, foreign = 0,
           truncated = 0;
};

class Unwinder {
 public:
  // Frames that one stack may have; what is deeper is cut as described above.
  static constexpr int kFramesMax = 1024;
  static constexpr int kLeafFrames = 64;

  bool init(int max_depth);
  // The stack [low, high) of the thread that owns this from now on.
  void set_stack(uintptr_t low, uintptr_t high);

  // What is remembered may be half written: the thread left by a jump. Starts over.
  void forget() {
    ++local_generation_;
    last_count_ = 0;
  }

  // The thread is about to load code in a call that its caller at `sp` made. Until that call has
  // returned, every walk looks for new modules: code that replaced other at the same addresses must
  // not be taken for it when its constructors run.
  void loads_code(uintptr_t sp) {
    if (sp > loading_below_ && sp < high_) loading_below_ = sp;
    ++local_generation_;
  }

  uint32_t stack_id(const Registers& at);

  UnwindCounts counts;
  uintptr_t stack_low() const { return low_; }
  uintptr_t stack_high() const { return high_; }

 private:
  static constexpr uint32_t kWordsMax = 4 * kFramesMax;

  struct Frame {  // state on entry to a step outwards
    uintptr_t pc, sp, bp;
    uint64_t tagged_pc;
    uint64_t function;
    uint64_t path;       // of the path root..this frame (StackTable::path_of), and
    uint32_t id;         // its id
    uint32_t words_end;  // words of all frames from the root to this one, in last_words_
    uint32_t serial;     // no other frame of this thread ever has it (but for 4 G later ones)
    uint16_t depth;
    bool needs_bp;  // walking outwards from here reads this bp
    bool end;       // the walk ended here
  };

  uint32_t walk(const Registers& at, uint32_t generation);
  uint32_t cut_stack(const Registers& at, uint32_t generation, int fresh, uint32_t words, int known,
                     bool uses_bp);
  uint32_t walk_foreign(const Registers& at, uint32_t generation);
  void make_room(int* known, int fresh);
  uint32_t remember(int known, int fresh, uint32_t words);
  void name_known(int known);
  // So many frames, none of them the root, mean that the stack is too deep.
  int enough() const { return max_depth_ < kFramesMax - 1 ? max_depth_ : kFramesMax - 1; }
  // Of the outermost `want` frames of the last stack: how many have all their words unchanged.
  int unchanged_frames(int want) const;
  bool repeats_last(const Registers& at) const;
  bool anchored(const StackMemo::Entry& entry, uint32_t generation) const;
  StackMemo::Anchor anchor_at(int known, bool once) const;
  void learn(const Registers& at, uint32_t generation, uint32_t id, uint32_t words, uint8_t flags,
             const StackMemo::Anchor& anchor);
  static void set_paths(Frame* frames, int count, const Frame& outer);
  uint32_t intern(Frame* frames, int count, const Frame& outer);

  uintptr_t low_ = 0, high_ = 0;
  int max_depth_ = 512;
  uint32_t local_generation_ = 0;  // bumped when the stack moves
  uintptr_t loading_below_ = 0;    // the stack below it may be in dlopen; 0 = it is not
  StackMemo memo_;
  // The last walked stack, root first.
  Frame* last_ = nullptr;
  StackWord* last_words_ = nullptr;
  int last_count_ = 0;
  uint32_t last_id_ = 0;     // context of all of it; 0: not known
  uint32_t serial_ = 0;      // of the newest frame
  bool last_rooted_ = true;  // it begins at the root; if not, it is too deep
  uint32_t last_generation_ = 0;
  // Scratch of the walk in progress, innermost first.
  Frame* fresh_ = nullptr;
  StackWord* fresh_words_ = nullptr;
  uint16_t* fresh_word_counts_ = nullptr;
  // A copy of the innermost part of a foreign stack.
  static constexpr size_t kForeignBytes = 16384;
  char* foreign_ = nullptr;
};

}  // namespace ullage::agent
