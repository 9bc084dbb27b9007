// SPDX-License-Identifier: Apache-2.0
//
// map_shrink: how a map gives room back. Two segments that were one become one again when what they
// hold fills less than half of the smallest segment (a split leaves 70 %, so nothing swings back
// and forth); one that was stretched gets smaller; the last one becomes a small map. One step per
// erasure at most, and only for types that move without throwing.
#pragma once

#include <ullage/detail/map_build.h>

namespace ullage::detail {

template <class Policy>
std::size_t map_storage<Policy>::count_in(unsigned char* base, std::size_t groups) noexcept {
  std::size_t n = 0;
  for (std::size_t g = 0; g < groups; ++g) {
    n += static_cast<std::size_t>(std::popcount(used_slots(base + g * shape::kStride)));
  }
  return n;
}

template <class Policy>
[[gnu::noinline]] void map_storage<Policy>::group_emptied(const map_place& at) noexcept {
  segment_header* head = header_of(at);
  if (head->code == 0) {
    shorten_chain(head);
    return;
  }
  // Looking at a segment costs as much as counting it: one in eight empty groups is enough.
  if ((++head->emptied & 7) != 0) return;
  try {
    try_shrink(head->index, shape::limit_of(shape::kBase) / 2, growth_cause::erase);
  } catch (...) {
    // No memory, or a hash that throws: the map stays as large as it is.
  }
}

/// Merges the segment with its buddy if both hold at most `most` entries, or makes it smaller if it
/// does alone. Returns the entries moved.
template <class Policy>
std::size_t map_storage<Policy>::try_shrink(std::size_t index, std::size_t most,
                                            growth_cause cause) {
  if constexpr (!kMovesSafely) return 0;
  directory& dir = large_->dir;
  const entry e = dir.get(index);
  const auto code = static_cast<unsigned>(e & names::kCodeMask);
  if (code == 0) return 0;
  const segment_header* head = header_named(e);
  const std::size_t entries = count_in(base_named(e), groups_named(e));
  if (entries > most) return 0;
  if (head->depth == 0) return large_to_small(e, entries, cause);
  const std::size_t buddy = index ^ std::size_t{1} << (head->depth - 1);
  const entry be = dir.get(buddy);
  if ((be & names::kCodeMask) != 0 && header_named(be)->index == buddy &&
      header_named(be)->depth == head->depth &&
      entries + count_in(base_named(be), groups_named(be)) <= most) {
    return buddy < index ? merge(buddy, be, e, cause) : merge(index, e, be, cause);
  }
  const unsigned enough = code_for(entries);
  if (enough >= code) return 0;
  const harvest all(*this, base_named(e), groups_named(e));
  attempt step(*this, growth_kind::shrunk, cause);
  builder fresh(get_segment(enough), shape::groups_of(enough));
  replace(index, e, fresh, all, head->depth);
  step.done(all.entries);
  return all.entries;
}

// The entries of `all` move into `fresh`, which takes the place of the segment named e.
template <class Policy>
void map_storage<Policy>::replace(std::size_t index, entry e, builder& fresh, const harvest& all,
                                  unsigned depth) {
  const auto code = header_of(fresh.base, fresh.groups)->code;
  try {
    fresh.take(*this, all);
  } catch (...) {
    put_segment(fresh.base, fresh.groups);
    throw;
  }
  segment_header* head = header_of(fresh.base, fresh.groups);
  head->index = static_cast<std::uint32_t>(index);
  head->depth = static_cast<std::uint8_t>(depth);
  settle(head, fresh.groups, fresh.displaced);
  large_->dir.rename(index, e, name_of(fresh.base, code), depth);
  put_segment(all.base, all.groups);
}

template <class Policy>
std::size_t map_storage<Policy>::merge(std::size_t low, entry low_name, entry high_name,
                                       growth_cause cause) {
  directory& dir = large_->dir;
  const unsigned depth = header_named(low_name)->depth;
  const std::size_t high = header_named(high_name)->index;
  attempt step(*this, growth_kind::merged, cause);
  const harvest first(*this, base_named(low_name), groups_named(low_name));
  const harvest second(*this, base_named(high_name), groups_named(high_name));
  const unsigned code = code_for(first.entries + second.entries);
  builder fresh(get_segment(code), shape::groups_of(code));
  fresh.take(*this, second);  // can't throw: only types that move safely come here
  dir.rename(high, high_name, 0, depth);
  replace(low, low_name, fresh, first, depth - 1);
  dir.set(high, dir.get(low), depth - 1);  // an alias, so that lookups need no detour
  put_segment(second.base, second.groups);
  large_->at_depth[depth] -= 2;
  ++large_->at_depth[depth - 1];
  --large_->segments;
  ++large_->tallies.merges;
  unsigned deepest = dir.depth();
  while (deepest > 0 && large_->at_depth[deepest] == 0) --deepest;
  dir.set_depth(deepest);
  large_->filled = std::min(large_->filled, dir.size());
  see_directory();
  step.done(first.entries + second.entries);
  return first.entries + second.entries;
}

// The directory goes.
template <class Policy>
std::size_t map_storage<Policy>::large_to_small(entry e, std::size_t entries, growth_cause cause) {
  // Never smaller than a quarter of a segment: it would grow back at once.
  std::size_t groups = shape::kBase < 8 ? 2 : shape::kBase / 4;
  while (groups < shape::kBase && shape::limit_of(groups) * 3 / 4 < entries) groups *= 2;
  if (groups >= shape::kBase) return 0;
  const harvest all(*this, base_named(e), groups_named(e));
  attempt step(*this, growth_kind::shrunk, cause);
  const std::size_t limit = shape::limit_of(groups);
  builder fresh(get_small(groups, limit), groups);
  fresh.take(*this, all);
  put_segment(all.base, all.groups);
  large_->dir.release(alloc_);
  large_->segments = 0;
  large_->at_depth[0] = 0;
  large_->filled = 0;
  become_small(fresh.base, groups, limit);
  if (large_->tallies.stalls == nullptr) drop_large();
  step.done(all.entries);
  return all.entries;
}

/// Gives memory back, looking at segments and moving entries, together about `budget` (a segment
/// counts as 16). True: there is more to do.
template <class Policy>
bool map_storage<Policy>::compact(std::size_t budget) {
  if (groups_ != 0) return false;
  std::size_t work = 0;
  while (groups_ == 0) {
    if (large_->compacted >= large_->dir.size()) {
      large_->compacted = 0;
      // What was merged may be merged again: until a pass finds nothing.
      return std::exchange(large_->compacting, false);
    }
    if (work >= budget) return true;
    const std::size_t i = large_->compacted++;
    const entry e = large_->dir.get(i);
    work += 1;
    if (e == 0 || header_named(e)->index != i) continue;
    // Merged segments may be full to a sixteenth: nothing is expected to come back soon.
    const std::size_t moved =
        try_shrink(i, shape::limit_of(shape::kGroupsMax) * 15 / 16, growth_cause::compact);
    work += 16 + moved;
    if (moved != 0 && groups_ == 0) large_->compacting = true;
  }
  return false;
}

}  // namespace ullage::detail
