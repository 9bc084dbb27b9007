// SPDX-License-Identifier: Apache-2.0
//
// arena_trim: how an arena gives the pages of free segments back to the system. A walk over all
// segments, from the last to the first, joins neighbours that are free and drops the pages that lie
// wholly in such a run, of slots and of tags. Heads stay: they name what is free, and are little.
//
// It is done in steps, each under the arena's lock, so that maps that grow meanwhile wait for one
// step at most. Between two steps anything may be taken and put, and these hold:
//
//   (1) All units in [trimmed_, run_end_) are free. What takes one of them ends the run before it.
//   (2) Pages of that run are dropped, but for the one that its lower end lies in.
//   (3) A segment that is noted as bare shares pages with held ones at most. So one that is put
//       later is all that has to be looked at again, and then with its neighbours.
//
// When no segment is held at all, the arena begins anew, heads included.
//
// A map that takes a bare segment touches its pages anew, which the kernel has zeroed. Huge pages,
// where they were asked for, are dropped whole or not at all; what the helper touched ahead of use
// stays as long as that is wished for.
#pragma once

#include <ullage/detail/segment_arena.h>

namespace ullage::detail {

// The most that one step drops: some 30 us of the kernel's time, at 4 KiB pages.
inline constexpr std::size_t kTrimBytesPerStep = std::size_t{256} << 10;
// Segments that one step looks at: a cache line each.
inline constexpr unsigned kTrimLooksPerStep = 64;
// While others put segments all the time there is always a little more: then a walk ends when it
// has been round twice (somebody may have begun it long ago and not gone on) and no more than a
// 64th is left.
inline constexpr unsigned kTrimRoundsMin = 2;
inline constexpr std::size_t kTrimShareLeft = 64;
// How long a map that waits for the lock is let go first, between two steps.
inline constexpr unsigned kTrimYieldsMax = 1000;

inline bool segment_arena::trim(std::size_t& work) noexcept {
  for (;;) {
    {
      const std::lock_guard<std::mutex> hold(lock_);
      if (work == 0) return has_to_trim();
      const std::size_t done = trim_step();
      if (done == 0) return false;
      work -= std::min(work, done);
    }
    // A lock is not fair: who has slept for it would find it taken again.
    for (unsigned i = 0; i < kTrimYieldsMax && waiting_.load() != 0; ++i) {
      std::this_thread::yield();
    }
  }
}

inline bool segment_arena::trim_all(std::size_t bytes) noexcept {
  std::size_t work = bytes == 0 ? 1 : bytes / (4096 / kWorkPerPage) + 1;
  bool more = false;
  for (segment_arena* a = first_of_all().load(); a != nullptr; a = a->next_arena_) {
    more |= a->trim(work);
  }
  return more;
}

// How far the helper may have touched: as many units as are in use, ahead of them.
inline std::size_t segment_arena::ahead_end() const noexcept {
  return used_ + std::min<std::size_t>(wants_ahead().load() / slots_.unit, used_);
}

// Bare segments may go on in a run that had pages: the page that its end lies in is due then.
inline bool segment_arena::has_to_trim() noexcept {
  return free_units_ != bare_units_ || touched_units_ > ahead_end() ||
         (run_has_pages_ && trimmed_ > 1 && note_before(trimmed_).is != state::held);
}

inline std::size_t segment_arena::page_bytes() const noexcept {
  return wants_huge_pages().load() ? kHugeBytes : page_;
}

// Bytes [from, upto) of a range, whole pages.
inline bool segment_arena::drop([[maybe_unused]] const range& r, [[maybe_unused]] std::size_t from,
                                [[maybe_unused]] std::size_t upto) noexcept {
#if defined(MADV_DONTNEED)
  return upto <= from || ::madvise(r.base + from, upto - from, MADV_DONTNEED) == 0;
#else
  return false;
#endif
}

/// Does one step and says how much work it was; 0: nothing is left to do.
inline std::size_t segment_arena::trim_step() noexcept {
  if (free_units_ != 0 && free_units_ == used_ - 1) begin_anew();
  if (touched_units_ > ahead_end()) return trim_ahead(ahead_end());
  const bool been_round = trimmed_ <= 1;
  if (!has_to_trim() || refused_ ||
      (been_round && rounds_ >= kTrimRoundsMin &&
       free_units_ - bare_units_ <= used_ / kTrimShareLeft)) {
    trimmed_ = run_end_ = 1;
    rounds_ = 0;
    run_has_pages_ = refused_ = false;
    return 0;
  }
  if (been_round) {
    ++rounds_;
    trimmed_ = run_end_ = used_;
    run_has_pages_ = false;
  }
  unsigned looks = 0;
  const std::size_t work = trim_run(&looks);
  while (trimmed_ > 1 && looks < kTrimLooksPerStep && note_before(trimmed_).is == state::held) {
    trimmed_ -= note_before(trimmed_).units;
    run_end_ = trimmed_;
    run_has_pages_ = false;
    ++looks;
  }
  return work + looks;
}

// Goes on in the run of free segments that ends or goes on at trimmed_.
inline std::size_t segment_arena::trim_run(unsigned* looks) noexcept {
  std::uint32_t low = trimmed_;
  std::size_t work = 0;
  while (low > 1 && *looks < kTrimLooksPerStep &&
         (trimmed_ - low) * slots_.unit < kTrimBytesPerStep) {
    const note& said = note_before(low);
    if (said.is == state::held) break;
    run_has_pages_ |= said.is == state::free;
    low -= said.units;
    ++*looks;
  }
  if (low == trimmed_ || !run_has_pages_) {
    trimmed_ = low;
    return 0;
  }
  const std::size_t page = page_bytes();
  const auto up = [page](std::size_t bytes) { return (bytes + page - 1) / page * page; };
  for (const range* r : {&slots_, &tags_}) {
    // Nobody has the unit before the first, nor those behind the last, unless they were touched.
    const std::size_t from = low == 1 ? 0 : up(low * r->unit);
    std::size_t upto = std::min(up(trimmed_ * r->unit), run_end_ * r->unit / page * page);
    if (run_end_ == used_ && touched_units_ <= used_) {
      upto = std::min(up(trimmed_ * r->unit), r->committed);
    }
    if (!drop(*r, from, upto)) {  // the pages are locked, or the system gives none back
      refused_ = true;
      return 0;
    }
    if (upto > from) work += (upto - from) / 4096 * kWorkPerPage;
  }
  for (std::uint32_t at = trimmed_; at != low;) {
    note& said = note_before(at);
    at -= said.units;
    if (said.is != state::free) continue;
    said.is = state::bare;
    bare_units_ += said.units;
  }
  trimmed_ = low;
  return work;
}

// No map holds anything: all is as if it had only been touched ahead of use. So what is taken next
// lies side by side, whatever order it was put in.
inline void segment_arena::begin_anew() noexcept {
  touched_units_ = std::max<std::size_t>(touched_units_, used_);
  used_ = trimmed_ = run_end_ = 1;
  for (std::uint32_t& first : free_) first = kNone;
  free_units_ = bare_units_ = 0;
  if (wants_ahead().load() != 0) ask_at_ = 0;
}

// What was touched beyond all that is in use, from the end; `keep` units stay.
inline std::size_t segment_arena::trim_ahead(std::size_t keep) noexcept {
  const std::size_t step = std::max<std::size_t>(kTrimBytesPerStep / slots_.unit, 1);
  const std::size_t upto = touched_units_, page = page_bytes();
  touched_units_ = upto - keep > step ? upto - step : keep;
  std::size_t work = 1;
  for (const range* r : {&slots_, &tags_, &heads_}) {
    const auto up = [page](std::size_t bytes) { return (bytes + page - 1) / page * page; };
    const std::size_t from = touched_units_ == 1 ? 0 : up(touched_units_ * r->unit);
    const std::size_t end = std::min(up(upto * r->unit), r->committed);
    drop(*r, from, end);
    if (end > from) work += (end - from) / 4096 * kWorkPerPage;
  }
  return work;
}

}  // namespace ullage::detail
