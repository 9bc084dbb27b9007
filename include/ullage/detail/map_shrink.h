// SPDX-License-Identifier: Apache-2.0
//
// map_shrink: how a map gives room back. Two segments that were one become one again, and one that
// was stretched gets smaller, when what they hold is a sixty-fourth below what would make them grow
// again; the last one becomes a small map. One step per erasure at most, and only for
// types that move without throwing.
//
// This is also what keeps a map steady while entries come and go: a segment that chance filled and
// that grew gets smaller when chance turns. (Without it each segment would sooner or later meet its
// limit, and the map would grow without getting larger: 49 % after 10 N exchanges in a prototype.)
#pragma once

#include <ullage/detail/map_build.h>

namespace ullage::detail {

template <class Policy>
std::size_t map_storage<Policy>::count_in(const group_run& run) noexcept {
  std::size_t n = 0;
  for (std::size_t g = 0; g < run.groups; ++g) {
    n += static_cast<std::size_t>(std::popcount(used_slots(run.tags + g * shape::kStride)));
  }
  return n;
}

template <class Policy>
[[gnu::noinline]] void map_storage<Policy>::look_after_erasure(const map_place& at) noexcept {
  segment_header* head = header_of(at);
  if (head->is_block) {
    drop_block(head);
    return;
  }
  if (erased_ % shape::kErasedPerLook != 0) return;
  try {
    try_shrink(head->index, growth_cause::erase);
  } catch (...) {
    // No memory, or a hash that throws: the map stays as large as it is.
  }
}

/// Merges the segment with its buddy, or makes it smaller, if the result has room left. Returns the
/// entries moved.
template <class Policy>
std::size_t map_storage<Policy>::try_shrink(std::size_t index, growth_cause cause) {
  if constexpr (!kMovesSafely) return 0;
  directory& dir = large_->dir;
  const entry e = dir.get(index);
  const auto units = static_cast<unsigned>(e & space::kUnitsMask);
  if (units == 0) {
    // A chain stays; its empty blocks go.
    for (segment_header* block = header_named(e)->next; block != nullptr;) {
      drop_block(std::exchange(block, block->next));
    }
    return 0;
  }
  const segment_header* head = header_named(e);
  const std::size_t entries = count_in(run_named(e));
  constexpr std::size_t kMost = shape::limit_of(shape::kGroupsMax) * 63 / 64;
  if (head->depth == 0) {
    // Never smaller than a quarter of a segment: it would grow back at once.
    if (entries <= shape::limit_of(shape::kBase) / 2) return large_to_small(e, entries, cause);
  } else if (const std::size_t buddy = index ^ std::size_t{1} << (head->depth - 1);
             entries <= kMost) {
    const entry be = dir.get(buddy);
    if ((be & space::kUnitsMask) != 0 && header_named(be)->index == buddy &&
        header_named(be)->depth == head->depth && entries + count_in(run_named(be)) <= kMost) {
      return buddy < index ? merge(buddy, be, e, cause) : merge(index, e, be, cause);
    }
  }
  constexpr unsigned kEnough = shape::kUnitsMin;
  if (units == kEnough || entries > shape::limit_of(shape::kBase) * 63 / 64) return 0;
  const harvest all(*this, run_named(e));
  attempt step(*this, growth_kind::shrunk, cause, all.started_ns);
  builder fresh(get_segment(kEnough), prefers_lines());
  replace(index, e, fresh, all, head->depth);
  step.done(all.entries);
  return all.entries;
}

template <class Policy>
std::size_t map_storage<Policy>::merge(std::size_t low, entry low_name, entry high_name,
                                       growth_cause cause) {
  directory& dir = large_->dir;
  const unsigned depth = header_named(low_name)->depth;
  const std::size_t high = header_named(high_name)->index;
  attempt step(*this, growth_kind::merged, cause);
  const harvest first(*this, run_named(low_name));
  const harvest second(*this, run_named(high_name));
  const bool few = first.entries + second.entries <= shape::limit_of(shape::kBase) * 63 / 64;
  builder fresh(get_segment(few ? shape::kUnitsMin : shape::kUnitsMax), prefers_lines());
  fresh.take(*this, second);  // can't throw: only types that move safely come here
  dir.rename(high, high_name, 0, depth);
  replace(low, low_name, fresh, first, depth - 1);
  dir.set(high, dir.get(low), depth - 1);  // an alias, so that lookups need no detour
  put_segment(second.run);
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
  std::size_t groups = std::max<std::size_t>(3, shape::kBase / 4);  // what a small map may have
  while (groups < shape::kBase && shape::limit_of(groups) * 3 / 4 < entries) groups *= 2;
  if (groups >= shape::kBase) return 0;
  const harvest all(*this, run_named(e));
  attempt step(*this, growth_kind::shrunk, cause, all.started_ns);
  const std::size_t limit = shape::limit_of(groups);
  builder fresh(get_small(groups, limit));
  fresh.take(*this, all);
  put_segment(all.run);
  large_->dir.release(alloc_);
  large_->segments = 0;
  large_->at_depth[0] = 0;
  large_->filled = 0;
  become_small(fresh.run, limit);
  drop_large();
  step.done(all.entries);
  return all.entries;
}

/// Gives memory back, looking at segments and moving entries, together about `budget` (a segment
/// counts as 16, a page that the system gets back as 8). True: there is more to do.
template <class Policy>
bool map_storage<Policy>::compact(std::size_t budget) {
  budget = std::max<std::size_t>(budget, 1);
  std::size_t work = 0;
  while (!is_small()) {
    if (large_->compacted == 0) large_->erased = erased_;
    if (large_->compacted >= large_->dir.size()) {
      // What was merged may be merged again, and what was erased from meanwhile, too: until a pass
      // finds nothing.
      if (!std::exchange(large_->compacting, false) && large_->erased == erased_) break;
      large_->compacted = 0;
      return true;
    }
    if (work >= budget) return true;
    const std::size_t i = large_->compacted++;
    const entry e = large_->dir.get(i);
    work += 1;
    if (e == 0 || header_named(e)->index != i) continue;
    const std::size_t moved = try_shrink(i, growth_cause::compact);
    work += 16 + moved;
    if (moved != 0 && !is_small()) large_->compacting = true;
  }
  // The segments have found their form; those that are free now are given back.
  const std::size_t left = budget - std::min(budget, work);
  if (is_small()) return space::trim_made(left);
  if (large_->where.trim(left)) return true;
  large_->compacted = 0;
  return false;
}

}  // namespace ullage::detail
