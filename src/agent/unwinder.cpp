// SPDX-License-Identifier: Apache-2.0
#include "agent/unwinder.h"

#include <string.h>
#include <sys/uio.h>

#include "agent/modules.h"
#include "agent/output.h"
#include "agent/stepping.h"

namespace ullage::agent {

bool Unwinder::init(int max_depth) {
  max_depth_ = max_depth < kFramesMax ? max_depth : kFramesMax;
  const size_t bytes = StackMemo::bytes() + (sizeof(Frame) * 2 + sizeof(uint16_t)) * kFramesMax +
                       sizeof(StackWord) * kWordsMax * 2 + kForeignBytes + 64 * 8;
  auto* p = static_cast<char*>(map_private(bytes));
  if (p == nullptr) return false;
  const auto take = [&p](size_t n) {
    char* at = p;
    p += (n + 63) & ~size_t{63};
    return at;
  };
  memo_.init(take(StackMemo::bytes()));
  last_ = reinterpret_cast<Frame*>(take(sizeof(Frame) * kFramesMax));
  fresh_ = reinterpret_cast<Frame*>(take(sizeof(Frame) * kFramesMax));
  last_words_ = reinterpret_cast<StackWord*>(take(sizeof(StackWord) * kWordsMax));
  fresh_words_ = reinterpret_cast<StackWord*>(take(sizeof(StackWord) * kWordsMax));
  fresh_word_counts_ = reinterpret_cast<uint16_t*>(take(sizeof(uint16_t) * kFramesMax));
  foreign_ = take(kForeignBytes);
  return true;
}

void Unwinder::set_stack(uintptr_t low, uintptr_t high) {
  // Addresses in the memo belong to the stack they were read from: on another one they
  // may not even be mapped. Same bounds (the C library hands stacks out again) keep everything.
  loading_below_ = 0;
  // The memo counts heights in 32 bits: frames of a main thread deeper than that are foreign.
  if (high - low > UINT32_MAX) low = high - UINT32_MAX;
  if (low == low_ && high == high_) return;
  low_ = low;
  high_ = high;
  ++local_generation_;
  last_count_ = 0;
}

// Is this the stack that was walked last? A thread that is loading code, or is to look for loaded
// code, walks.
inline bool Unwinder::repeats_last(const Registers& at) const {
  if (last_count_ == 0 || last_id_ == 0) return false;
  const Frame& f = last_[last_count_ - 1];
  if (f.sp != at.sp || f.pc != at.pc || (f.needs_bp && f.bp != at.bp)) return false;
  if (ULLAGE_UNLIKELY(loading_below_ != 0 || g_modules.change_expected())) return false;
  return unchanged_frames(last_count_) == last_count_;
}

// Does the last stack still hold the anchor, and lead from there to the root as it did? Same place,
// id and sp mean the same pcs outwards, hence the same rules; and its words are looked at.
inline bool Unwinder::anchored(const StackMemo::Entry& e, uint32_t generation) const {
  const int depth = e.anchor_depth;
  if (depth == 0) return true;
  if (depth > last_count_ || last_generation_ != generation) return false;
  const Frame& f = last_[depth - 1];
  if ((e.flags & StackMemo::kAnchorOnce) != 0) {
    if (f.serial != e.anchor_name) return false;
  } else if (f.id != e.anchor_name || f.depth != depth) {
    return false;
  }
  if (high_ - f.sp != e.anchor_height) return false;
  if (f.needs_bp && ((e.flags & StackMemo::kAnchorBp) == 0 || f.bp != e.anchor_bp)) return false;
  return unchanged_frames(depth) == depth;
}

uint32_t Unwinder::stack_id(const Registers& at) {
  const uint32_t generation = g_modules.generation() + (local_generation_ << 16);
  if (ULLAGE_UNLIKELY(at.sp < low_ || at.sp >= high_)) return walk_foreign(at, generation);
  if (last_generation_ == generation && repeats_last(at)) {
    ++counts.memo_hits;
    return last_id_;
  }
  const uint32_t id = memo_.find(
      at, high_, generation, [&](const StackMemo::Entry& e) { return anchored(e, generation); });
  if (ULLAGE_LIKELY(id != 0)) {
    ++counts.memo_hits;
    return id;
  }
  return walk(at, generation);
}

inline int Unwinder::unchanged_frames(int want) const {
  if (want == 0) return 0;
  const auto now = [](const StackWord& w) {
    return *reinterpret_cast<const uint64_t*>(w.address) ^ w.value;
  };
  const StackWord* w = last_words_;
  const StackWord* const end = w + last_[want - 1].words_end;
  // Most often all are as they were: eight at a time, and which one differs is asked afterwards.
  for (; end - w >= 8; w += 8) {
    const uint64_t lower = now(w[0]) | now(w[1]) | now(w[2]) | now(w[3]);
    const uint64_t upper = now(w[4]) | now(w[5]) | now(w[6]) | now(w[7]);
    if (ULLAGE_UNLIKELY((lower | upper) != 0)) break;
  }
  while (w != end && now(*w) == 0) ++w;
  const auto same = static_cast<uint32_t>(w - last_words_);
  while (want > 0 && last_[want - 1].words_end > same) --want;
  return want;
}

// What a walk that ended at last_[known - 1] leaves to the last stack. Once: while that very frame
// is kept.
StackMemo::Anchor Unwinder::anchor_at(int known, bool once) const {
  if (known == 0) return {};
  const Frame& f = last_[known - 1];
  return {f.bp, once ? f.serial : f.id, static_cast<uint32_t>(high_ - f.sp),
          static_cast<uint16_t>(known), f.needs_bp};
}

// Sets the paths of frames[count-1] .. frames[0] (outermost first) below `outer`, and starts
// fetching where they will be looked for.
void Unwinder::set_paths(Frame* frames, int count, const Frame& outer) {
  uint64_t path = outer.path;
  for (int i = count - 1; i >= 0; --i) {
    path = StackTable::path_of(path, frames[i].tagged_pc);
    frames[i].path = path;
    g_stacks.prefetch(path);
  }
}

// Interns those frames. Their paths are set.
uint32_t Unwinder::intern(Frame* frames, int count, const Frame& outer) {
  uint32_t id = outer.id;
  int depth = outer.depth;
  bool skipped = false;
  uint64_t path = outer.path;
  for (int i = count - 1; i >= 0; --i) {
    Frame& f = frames[i];
    if (ULLAGE_UNLIKELY(skipped)) f.path = StackTable::path_of(path, f.tagged_pc);
    const uint32_t child =
        g_stacks.child({id, static_cast<uint32_t>(depth + 1), f.path, f.tagged_pc, f.function});
    if (ULLAGE_UNLIKELY(child == id)) {  // the table is full: the frame is left out
      ++counts.truncated;
      skipped = true;
      f.path = path;
    } else {
      ++depth;
    }
    path = f.path;
    id = child;
    f.id = id;
    f.depth = static_cast<uint16_t>(depth);
  }
  return id;
}

// Too deep for a path to the root: the kLeafFrames innermost frames below one mark. Such a context
// is identified by those frames and by no id of the outer ones, so the memo's anchor is the very
// frame.
ULLAGE_COLD uint32_t Unwinder::cut_stack(const Registers& at, uint32_t generation, int fresh,
                                         uint32_t words, int known, bool uses_bp) {
  ++counts.truncated;
  const int leaf_frames = max_depth_ < kLeafFrames ? max_depth_ : kLeafFrames;
  int frames = fresh;
  for (int k = known; frames < leaf_frames && k > 0;) fresh_[frames++] = last_[--k];
  const int kept = frames < leaf_frames ? frames : leaf_frames;
  Frame mark{};
  mark.tagged_pc = mark.function = record::kPcTruncated;
  set_paths(&mark, 1, Frame{});
  intern(&mark, 1, Frame{});
  set_paths(fresh_, kept, mark);
  const uint32_t id = intern(fresh_, kept, mark);
  // Their ids lead to the mark: none to the root is known yet.
  for (int i = 0; i < fresh; ++i) fresh_[i].id = 0;
  make_room(&known, fresh);
  const StackMemo::Anchor anchor = anchor_at(known, true);
  const bool room = remember(known, fresh, words) <= kWordsMax;
  last_id_ = room ? id : 0;
  if (known > 0 && fresh > 0) {
    const uint8_t flags = uses_bp ? StackMemo::kUsesBp : 0;
    learn(at, generation, id, words, flags | StackMemo::kAnchorOnce, anchor);
  }
  return id;
}

// The last stack grows beyond what is kept: its outermost frames are forgotten, some at once.
void Unwinder::make_room(int* known, int fresh) {
  constexpr int kKept = kFramesMax / 4 * 3;
  if (*known + fresh <= kFramesMax) return;
  int drop = *known + fresh - (enough() > kKept ? enough() : kKept);
  if (drop > *known) drop = *known;
  const uint32_t words = last_[drop - 1].words_end;
  const int left = *known - drop;
  for (int i = 0; i < left; ++i) {
    last_[i] = last_[i + drop];
    last_[i].words_end -= words;
  }
  if (left > 0)
    memmove(last_words_, last_words_ + words, sizeof(StackWord) * last_[left - 1].words_end);
  last_rooted_ = false;
  *known = left;
}

// Appends the fresh frames to the unchanged part, outermost first. Returns how many words the whole
// has, or more than kWordsMax when there was no room.
uint32_t Unwinder::remember(int known, int fresh, uint32_t words) {
  // needs_bp runs inwards: a frame that leaves rbp alone needs it if its caller does.
  uint32_t at_word = known > 0 ? last_[known - 1].words_end : 0;
  bool outer_needs = known > 0 && last_[known - 1].needs_bp;
  uint32_t from = words;
  bool room = true;
  last_count_ = known;
  for (int i = fresh - 1; i >= 0; --i) {
    const uint32_t count = fresh_word_counts_[i];
    from -= count;
    if (at_word + count > kWordsMax) room = false;
    Frame& f = fresh_[i];
    // bp of this frame is passed outwards unchanged when the next frame's bp is the same register.
    const uintptr_t outer_bp = last_count_ > 0 ? last_[last_count_ - 1].bp : 0;
    if (outer_needs && outer_bp == f.bp) f.needs_bp = true;
    outer_needs = f.needs_bp;
    if (!room) continue;
    memcpy(last_words_ + at_word, fresh_words_ + from, sizeof(StackWord) * count);
    at_word += count;
    f.words_end = at_word;
    last_[last_count_++] = f;
  }
  if (room) return at_word;
  last_count_ = known;
  return kWordsMax + 1;
}

// Frames that were only ever part of stacks that were cut have no id yet.
void Unwinder::name_known(int known) {
  int from = known;
  while (from > 0 && last_[from - 1].id == 0) --from;
  for (; from < known; ++from) {
    const Frame outer = from > 0 ? last_[from - 1] : Frame{};
    set_paths(&last_[from], 1, outer);
    intern(&last_[from], 1, outer);
  }
}

// The memo may answer from now on. The last stack is as the walk left it.
void Unwinder::learn(const Registers& at, uint32_t generation, uint32_t id, uint32_t words,
                     uint8_t flags, const StackMemo::Anchor& anchor) {
  if (words > StackMemo::kWordsMax) return;
  if (last_count_ > 0 && last_[last_count_ - 1].needs_bp) flags |= StackMemo::kUsesBp;
  memo_.store(at, high_, generation, id, fresh_words_, words, flags, anchor);
}

uint32_t Unwinder::walk(const Registers& at, uint32_t generation) {
  if (ULLAGE_UNLIKELY(loading_below_ != 0 || g_modules.change_expected())) {
    g_modules.look(&write_module, loading_below_ != 0);
    if (at.sp >= loading_below_) loading_below_ = 0;
    generation = g_modules.generation() + (local_generation_ << 16);
  }
  if (generation != last_generation_) {  // other code may lie at the addresses we remember
    last_generation_ = generation;
    last_count_ = 0;
  }
  const uint32_t rules_generation = g_modules.generation();
  const View view{low_, high_, 0};
  int known = last_count_;
  while (known > 0 && last_[known - 1].sp < at.sp) --known;
  known = unchanged_frames(known);  // last_[known - 1] is the innermost that may be resumed
  State s{at.pc, at.sp, at.bp, 0, true, false};
  bool uses_bp = false;
  int fresh = 0;
  uint32_t words = 0;
  bool resumed = false, cut = false;
  for (;;) {
    while (known > 0 && last_[known - 1].sp < s.sp) --known;
    if (known > 0) {
      const Frame& f = last_[known - 1];
      if (f.sp == s.sp && f.pc == s.pc && (!f.needs_bp || (!s.bp_lost && f.bp == s.bp))) {
        // Frames up to an outermost one that is no root may be too few to say "too deep".
        if (ULLAGE_UNLIKELY(!last_rooted_) && known + fresh < enough()) {
          known = 0;
          continue;
        }
        // The frames outside read this bp: what it came from must be checked by the memo, too.
        if (f.needs_bp) {
          if (s.bp_incoming) {
            uses_bp = true;
          } else if (s.bp_word != 0 && fresh > 0) {
            fresh_words_[words++] = {s.bp_word, s.bp};
            ++fresh_word_counts_[fresh - 1];
          }
        }
        resumed = true;
        break;
      }
    }
    const RuleCache::Answer answer = g_rules.find(s.pc, rules_generation);
    Frame& f = fresh_[fresh];
    f = Frame{s.pc, s.sp, s.bp, answer.pc, answer.function, 0, 0, 0, ++serial_, 0, false, false};
    StepWords read;
    bool reads_bp = false;
    const bool bp_was_incoming = s.bp_incoming;
    const Stepped stepped = step(answer.rule, view, s, read, reads_bp);
    f.needs_bp = reads_bp;
    if (read.count > 0) memo_.teach(f.pc, f.sp, read.address[read.count - 1]);  // its last word
    if (reads_bp && bp_was_incoming) uses_bp = true;
    for (int i = 0; i < read.count; ++i) {
      fresh_words_[words++] = {read.address[i], view.word(read.address[i])};
    }
    fresh_word_counts_[fresh] = static_cast<uint16_t>(read.count);
    ++fresh;
    if (stepped != Stepped::kOk) {
      f.end = true;
      if (stepped == Stepped::kFailed) ++counts.failures;
      break;
    }
    // Some way beyond the limit, so that a stack that becomes less deep still meets known frames.
    if (fresh == kFramesMax - 1 || fresh >= max_depth_ * 2) {
      cut = true;
      break;
    }
  }
  counts.frames += static_cast<uint64_t>(fresh);
  if (resumed) {
    ++counts.resumes;
  } else {
    ++counts.walks;
    known = 0;
    last_rooted_ = !cut;
  }
  if (!last_rooted_ || known + fresh > max_depth_) {
    return cut_stack(at, generation, fresh, words, known, uses_bp);
  }
  name_known(known);
  const Frame outer = known > 0 ? last_[known - 1] : Frame{};
  const StackMemo::Anchor anchor = anchor_at(known, false);
  set_paths(fresh_, fresh, outer);
  const bool room = remember(known, fresh, words) <= kWordsMax;  // while they are fetched
  // A context never seen before seldom comes again: only from its second time on it is remembered.
  const uint32_t seen_before = g_stacks.count();
  const uint32_t id = intern(fresh_, fresh, outer);
  for (int i = fresh - 1, k = known; k < last_count_; --i, ++k) {
    last_[k].path = fresh_[i].path;
    last_[k].id = fresh_[i].id;
    last_[k].depth = fresh_[i].depth;
  }
  last_id_ = room ? id : 0;
  // Where frames were left out (the table is full), places from the root are not depths.
  if (id < seen_before && fresh > 0 && outer.depth == known) {
    learn(at, generation, id, words, uses_bp ? StackMemo::kUsesBp : 0, anchor);
  }
  return id;
}

// A stack that is not the thread's own: unwound from a copy, then on the thread's own stack if a
// signal frame leads there.
ULLAGE_COLD uint32_t Unwinder::walk_foreign(const Registers& at, uint32_t) {
  KeepErrno keep;
  ++counts.foreign;
  iovec local{foreign_, kForeignBytes};
  // Page by page, so that the copy ends where the mapping does.
  iovec remote[5];
  uintptr_t p = at.sp;
  size_t left = kForeignBytes;
  int pieces = 0;
  while (left > 0 && pieces < 5) {
    size_t n = 4096 - (p & 4095);
    if (n > left) n = left;
    remote[pieces++] = {reinterpret_cast<void*>(p), n};
    p += n;
    left -= n;
  }
  const ssize_t got =
      process_vm_readv(getpid(), &local, 1, remote, static_cast<unsigned long>(pieces), 0);
  View view{at.sp, at.sp + static_cast<uintptr_t>(got < 8 ? 8 : got),
            reinterpret_cast<intptr_t>(foreign_) - static_cast<intptr_t>(at.sp)};
  State s{at.pc, at.sp, at.bp, 0, true, false};
  const uint32_t generation = g_modules.generation();
  int fresh = 0;
  for (;;) {
    const RuleCache::Answer answer = g_rules.find(s.pc, generation);
    fresh_[fresh++] =
        Frame{s.pc, s.sp, s.bp, answer.pc, answer.function, 0, 0, 0, 0, 0, false, false};
    StepWords read;
    bool reads_bp = false;
    if (got < 8 || fresh >= max_depth_ || fresh >= kFramesMax - 1) break;
    if (step(answer.rule, view, s, read, reads_bp) != Stepped::kOk) {
      if (answer.rule.cfa == Rule::kBad) ++counts.failures;
      break;
    }
    if (s.sp >= low_ && s.sp < high_) view = View{low_, high_, 0};
  }
  counts.frames += static_cast<uint64_t>(fresh);
  last_count_ = 0;
  if (fresh > kLeafFrames * 2) fresh = kLeafFrames * 2;
  set_paths(fresh_, fresh, Frame{});
  return intern(fresh_, fresh, Frame{});
}

}  // namespace ullage::agent
