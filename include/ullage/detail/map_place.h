// SPDX-License-Identifier: Apache-2.0
//
// map_place: where an absent key goes whose home group is full, and when that is the moment to
// grow.
#pragma once

#include <ullage/detail/map_build.h>

namespace ullage::detail {

template <class Policy>
map_place map_storage<Policy>::place_displaced(const group_run& run, std::uint64_t h) noexcept {
  const std::size_t home = home_of(h, run.groups);
  std::size_t g = home;
  do {
    unsigned char* group = run.tags + g * shape::kStride;
    if (const unsigned open = free_slots(group); open != 0) {
      unsigned char* const slots = slots_in(run, g);
      const bool near = prefers_lines() && g == home;
      return {group, slots, near ? shape::pick(open, slots, h) : lowest(open), end_of(run)};
    }
    mark_overflow(group, h);
    if (++g == run.groups) g = 0;
  } while (g != home);
  return {};
}

// In a segment whose count of displaced entries is kept.
template <class Policy>
[[gnu::always_inline]] inline map_place map_storage<Policy>::place_in(const group_run& run,
                                                                      std::uint64_t h) noexcept {
  const map_place at = place_displaced(run, h);
  if (at.group == nullptr) return at;
  segment_header* const head = header_of(run);
  const bool home = at.group == run.tags + home_of(h, run.groups) * shape::kStride;
  if (!home && head->displaced != 0xffff) ++head->displaced;
  return at;
}

// A place for an absent key whose home is full, if there is one without a step of growth.
template <class Policy>
[[gnu::noinline]] map_insertion map_storage<Policy>::place_at_hand(std::uint64_t h) noexcept {
  const std::uint8_t tag = tag_of(h);
  const map_insertion due{{nullptr, nullptr, h, nullptr}, 0, false, growth_end::done};
  if (is_small()) {
    if (size_ >= limit_) return due;
    return {place_displaced(small_run(), h), tag, false, growth_end::done};
  }
  const entry e = large_->dir.resolve(directory_bits(h));
  segment_header* head = header_named(e);
  if (head->next != nullptr && has_block_for(head, alike_of(h))) {
    const map_insertion made = place_in_block(head, h);
    return made.at.group == nullptr ? due : made;
  }
  if (head->displaced >= head->displaced_max) return due;
  const map_place at = place_in(run_named(e), h);
  return at.group == nullptr ? due : map_insertion{at, tag, false, growth_end::done};
}

// The same with a step of growth, if need be: one that moves entries, at most. Once it has moved
// some there is a place: arguments that moved into `who` are never in vain.
template <class Policy>
[[gnu::noinline]] map_insertion map_storage<Policy>::place_slow(map_newcomer& who) {
  const std::uint64_t h = who.hash;
  const std::uint8_t tag = tag_of(h);
  growth_end end = growth_end::done;
  bool grown = false, full = false;
  if (is_small()) {
    if (size_ >= limit_) {
      end = grow_small(who);
      grown = true;
    }
    if (is_small()) {
      // Told "no", a small map of several groups still has a tenth of its slots free; it keeps one.
      const bool room = size_ < limit_ || (small_groups() > 1 && size_ + 1 < small_slots());
      if (!room) return {{}, tag, false, end};
      return {place_displaced(small_run(), h), tag, false, growth_end::done};
    }
  }
  for (;;) {
    const entry e = large_->dir.resolve(directory_bits(h));
    segment_header* head = header_named(e);
    const std::size_t index = head->index;  // e may have been an alias
    if (head->next != nullptr && has_block_for(head, alike_of(h))) {
      const map_insertion made = place_in_block(head, h);
      if (made.at.group != nullptr) return made;
      end = add_block(index, e, alike_of(h));
      if (end == growth_end::done) continue;
      // The keys that left for the block just now left room.
      if (!grown) return {{}, tag, false, end};
    }
    if (head->displaced < head->displaced_max || grown) {
      const map_place at = place_in(run_named(e), h);
      if (at.group != nullptr) return {at, tag, false, growth_end::done};
      if (full && grown && end != growth_end::done) return {{}, tag, false, end};
      if (full && grown) {
        end = add_block(index, e, alike_of(h));
        if (end != growth_end::done) return {{}, tag, false, end};
        continue;
      }
      full = true;
    }
    end = grow_segment(index, e, full, who);
    grown = true;
  }
}

}  // namespace ullage::detail
