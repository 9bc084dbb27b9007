// SPDX-License-Identifier: Apache-2.0
//
// map_grow: how a map gets room. A small map doubles; a full segment is stretched (48 -> 64 groups)
// and then split into two of 48. Two small steps instead of one large one keep the memory within a
// third of what the entries need, and no step moves more than one segment.
#pragma once

#include <ullage/detail/map_place.h>

namespace ullage::detail {

// When a segment is to be looked at. Nobody counts its entries; what is counted, because it comes
// by here, is entries that found their home full. Near the limit that is one in four that come: so
// many more are waited for. The first look is at 3 % of the slots, which is load 0.83, give or take
// 0.03.
template <class Policy>
void map_storage<Policy>::settle(segment_header* head, std::size_t slots, std::size_t entries,
                                 std::size_t displaced) noexcept {
  const std::size_t limit = slots * 9 / 10;
  const std::size_t left = entries < limit ? (limit - entries) / 4 : 0;
  head->displaced = static_cast<std::uint16_t>(displaced);
  head->displaced_max = static_cast<std::uint16_t>(
      std::max({slots * 3 / 100, std::min(displaced + left, slots / 5), displaced + 2}));
}

// The smallest segment that `entries` leave some room in.
template <class Policy>
unsigned map_storage<Policy>::units_for(std::size_t entries) noexcept {
  return entries <= shape::limit_of(shape::kBase) * 15 / 16 ? shape::kUnitsMin : shape::kUnitsMax;
}

// ---- small maps
// -----------------------------------------------------------------------------------

// Sizes that double up to a segment's: 1, 3, 6, 12, 24, 48; then 64.
template <class Policy>
constexpr std::size_t map_storage<Policy>::next_small(std::size_t groups) noexcept {
  std::size_t next = shape::kBase > groups ? shape::kBase : shape::kGroupsMax;
  for (std::size_t half = shape::kBase / 2; half > groups; half /= 2) next = half;
  return next;
}

template <class Policy>
growth_end map_storage<Policy>::grow_small(map_newcomer& who) {
  std::size_t groups = small_groups(), limit = limit_;
  if (groups == 1 && limit < kGroupSlots) {
    limit = limit == 0 ? shape::kFirst : limit * 2 + 1;
  } else if (groups < shape::kGroupsMax) {
    groups = next_small(groups);
    limit = shape::limit_of(groups);
  } else {
    const harvest all(*this, small_run());
    return small_to_large(all, who);
  }
  if (limit_ == 0) {
    attempt step(*this, growth_kind::first, growth_cause::insert);
    if (!step.admitted(raw::rounded(small_bytes(groups, limit)), 0)) return growth_end::denied;
    try {
      become_small(get_small(groups, limit), limit);
    } catch (const std::bad_alloc&) {
      return growth_end::no_memory;
    }
    step.done(0);
    return growth_end::done;
  }
  const harvest all(*this, small_run());
  return small_to_small(all, groups, limit, who);
}

template <class Policy>
growth_end map_storage<Policy>::small_to_small(const harvest& all, std::size_t groups,
                                               std::size_t limit, map_newcomer& who) {
  attempt step(*this, growth_kind::moved, growth_cause::insert, all.started_ns);
  const std::size_t old_bytes = raw::rounded(small_bytes());
  const std::size_t new_bytes = raw::rounded(small_bytes(groups, limit));
  if (new_bytes > old_bytes && !step.admitted(new_bytes - old_bytes, old_bytes)) {
    return growth_end::denied;
  }
  group_run run;
  try {
    run = get_small(groups, limit);
  } catch (const std::bad_alloc&) {
    return growth_end::no_memory;
  }
  builder fresh(run);
  try {
    who.arrive();
    fresh.take(*this, all);
  } catch (...) {
    raw::put(alloc_, run.tags, small_bytes(groups, limit));
    throw;
  }
  put_small();
  become_small(run, limit);
  step.done(all.entries);
  return growth_end::done;
}

// The directory appears.
template <class Policy>
growth_end map_storage<Policy>::small_to_large(const harvest& all, map_newcomer& who) {
  attempt step(*this, growth_kind::split, growth_cause::insert, all.started_ns);
  const std::size_t ones = all.ones(0);
  const unsigned depth = all.parts(ones) ? 1 : 0;
  const unsigned count = depth + 1;
  const unsigned units[2] = {depth == 0 ? shape::kUnitsMax : units_for(all.entries - ones),
                             units_for(ones)};
  std::size_t more = large_ != nullptr
                         ? large_->dir.bytes_with(1) - large_->dir.bytes()
                         : directory::bytes_for(2) + raw::rounded(sizeof(large_state));
  for (unsigned i = 0; i < count; ++i) more += space::held(units[i]);
  const std::size_t old_bytes = raw::rounded(small_bytes());
  if (!step.admitted(more > old_bytes ? more - old_bytes : 0, old_bytes)) return growth_end::denied;

  const bool had_state = large_ != nullptr;
  group_run runs[2];
  const auto undo = [&] {
    for (const group_run& run : runs) {
      if (run.tags != nullptr) put_segment(run);
    }
    if (had_state) {
      large_->dir.release(alloc_);
    } else {
      drop_large();
    }
  };
  try {
    make_large();
    large_->dir.prepare(alloc_, 1);
    for (unsigned i = 0; i < count; ++i) runs[i] = get_segment(units[i]);
  } catch (...) {
    undo();
    return no_memory_or_throw();
  }
  builder zero(runs[0]);
  builder one(runs[count - 1]);
  try {
    who.arrive();
    if (depth == 1) {
      zero.take(*this, all, one, [](std::uint64_t h) { return directory_bit(h, 0) == 0; });
    } else {
      zero.take(*this, all);
    }
  } catch (...) {
    undo();
    throw;
  }
  put_small();
  directory& dir = large_->dir;
  const builder* const built[2] = {&zero, &one};
  for (unsigned i = 0; i < count; ++i) {
    segment_header* head = header_of(runs[i]);
    head->index = i;
    head->depth = static_cast<std::uint8_t>(depth);
    settle(head, runs[i].groups * kGroupSlots, 0, built[i]->displaced);
    dir.set(i, name_of(runs[i], units[i]), depth);
  }
  dir.set_depth(depth);
  large_->segments = count;
  large_->at_depth[depth] = count;
  large_->filled = count;
  large_->tallies.splits += depth;
  see_directory();
  step.done(all.entries);
  return growth_end::done;
}

// ---- segments
// -------------------------------------------------------------------------------------

// A segment that may be full. `must`: some entry found no slot in it.
template <class Policy>
growth_end map_storage<Policy>::grow_segment(std::size_t index, entry e, bool must,
                                             map_newcomer& who) {
  const group_run run = run_named(e);
  segment_header* head = header_of(run);
  const std::size_t slots = run.groups * kGroupSlots;
  const std::size_t entries = count_in(run);
  if (!must && entries < slots * 9 / 10 - slots / 256) {
    if (entries < slots * 4 / 5 || head->displaced >= slots / 5) {
      // What made it look full are entries long erased, or hashes that crowd. No memory.
      rebuild(run, who);
    } else {
      settle(head, slots, entries, head->displaced);
    }
    return growth_end::done;
  }
  const harvest all(*this, run);
  growth_end end = growth_end::done;
  if (head->units < shape::kUnitsMax) {
    end = stretch(index, e, all, who);
  } else {
    std::size_t count = 0;
    const std::size_t ones = all.ones(head->depth);
    const bool fruitless = head->depth >= directory::kDepthMax || !all.parts(ones);
    const std::uint32_t alike = fruitless ? most_alike(all, &count) : 0;
    if (count >= all.entries / 4 + 1) {
      end = move_alike(index, e, all, alike, who);
    } else {
      // Where a split would leave no slot for the key, it gets a block first: nothing has moved
      // yet.
      const bool one = directory_bit(who.hash, head->depth) != 0;
      if ((one ? ones : all.entries - ones) == shape::kSlotsMax) {
        end = add_block(index, e, alike_of(who.hash));
        e = large_->dir.get(index);
      }
      if (end == growth_end::done) end = split(index, e, all, ones, who);
    }
  }
  if (end != growth_end::done) {
    // Told "no": ask again when some more had to go elsewhere.
    head->displaced_max =
        static_cast<std::uint16_t>(std::min<std::size_t>(head->displaced + slots / 64 + 1, 0xffff));
  }
  return end;
}

template <class Policy>
growth_end map_storage<Policy>::stretch(std::size_t index, entry e, const harvest& all,
                                        map_newcomer& who) {
  constexpr unsigned kUnits = shape::kUnitsMax;
  attempt step(*this, growth_kind::stretched, growth_cause::insert, all.started_ns);
  constexpr std::size_t kMore = space::held(kUnits) - space::held(shape::kUnitsMin);
  if (!step.admitted(kMore, space::held(shape::kUnitsMin))) return growth_end::denied;
  group_run run;
  try {
    run = get_segment(kUnits);
  } catch (const std::bad_alloc&) {
    return growth_end::no_memory;
  }
  try {
    who.arrive();
  } catch (...) {
    put_segment(run);
    throw;
  }
  builder fresh(run, prefers_lines());
  replace(index, e, fresh, all, header_named(e)->depth);
  ++large_->tallies.stretches;
  step.done(all.entries);
  return growth_end::done;
}

// The entries of `all` move into `fresh`, which takes the place of the segment named e.
template <class Policy>
void map_storage<Policy>::replace(std::size_t index, entry e, builder& fresh, const harvest& all,
                                  unsigned depth) {
  try {
    fresh.take(*this, all);
  } catch (...) {
    put_segment(fresh.run);
    throw;
  }
  segment_header* head = header_of(fresh.run);
  head->index = static_cast<std::uint32_t>(index);
  head->depth = static_cast<std::uint8_t>(depth);
  settle(head, fresh.run.groups * kGroupSlots, all.entries, fresh.displaced);
  large_->dir.rename(index, e, name_of(fresh.run, head->units), depth);
  put_segment(all.run);
}

template <class Policy>
growth_end map_storage<Policy>::split(std::size_t index, entry e, const harvest& all,
                                      std::size_t ones, map_newcomer& who) {
  segment_header* const old = header_of(all.run);
  const unsigned depth = old->depth;
  const std::size_t other = index | std::size_t{1} << depth;
  directory& dir = large_->dir;
  // A segment with a chain is of full size.
  unsigned units[2] = {units_for(all.entries - ones), units_for(ones)};
  bool chained[2] = {};
  for (segment_header* block = old->next; block != nullptr; block = block->next) {
    const unsigned half = (block->alike >> depth) & 1;
    chained[half] = true;
    units[half] = shape::kUnitsMax;
  }

  attempt step(*this, growth_kind::split, growth_cause::insert, all.started_ns);
  const std::size_t fresh_bytes =
      space::held(units[0]) + space::held(units[1]) + dir.bytes_with(other) - dir.bytes();
  const std::size_t old_bytes = space::held(old->units);
  if (!step.admitted(fresh_bytes - old_bytes, old_bytes)) return growth_end::denied;
  group_run runs[2];
  try {
    dir.prepare(alloc_, other);
    runs[0] = get_segment(units[0]);
    runs[1] = get_segment(units[1]);
  } catch (...) {
    if (runs[0].tags != nullptr) put_segment(runs[0]);
    see_directory();  // prepare() may have moved it
    return no_memory_or_throw();
  }
  builder zero(runs[0], prefers_lines());
  builder one(runs[1], prefers_lines());
  try {
    who.arrive();
    zero.take(*this, all, one, [depth](std::uint64_t h) { return directory_bit(h, depth) == 0; });
  } catch (...) {
    put_segment(runs[0]);
    put_segment(runs[1]);
    see_directory();
    throw;
  }
  entry fresh[2];
  segment_header* heads[2];
  const builder* const built[2] = {&zero, &one};
  for (unsigned i = 0; i < 2; ++i) {
    fresh[i] = name_of(runs[i], chained[i] ? 0 : units[i]);
    heads[i] = header_of(runs[i]);
    heads[i]->index = static_cast<std::uint32_t>(i == 0 ? index : other);
    heads[i]->depth = static_cast<std::uint8_t>(depth + 1);
    settle(heads[i], runs[i].groups * kGroupSlots, i == 0 ? all.entries - ones : ones,
           built[i]->displaced);
  }
  for (segment_header* block = old->next; block != nullptr;) {
    segment_header* const next = block->next;
    segment_header* const head = heads[(block->alike >> depth) & 1];
    block->index = head->index;
    block->next = std::exchange(head->next, block);
    block = next;
  }
  dir.rename(index, e, fresh[0], depth + 1);
  dir.set(other, fresh[1], depth + 1);
  if (depth + 1 > dir.depth()) dir.set_depth(depth + 1);
  --large_->at_depth[depth];
  large_->at_depth[depth + 1] += 2;
  ++large_->segments;
  ++large_->tallies.splits;
  put_segment(all.run);
  see_directory();
  fill_aliases(index, other, depth + 1);
  step.done(all.entries);
  return growth_end::done;
}

// Entries that would send lookups on a detour get their alias: those of the two new segments, and a
// few of the half that appeared when the directory doubled.
template <class Policy>
void map_storage<Policy>::fill_aliases(std::size_t zero, std::size_t one, unsigned depth) noexcept {
  directory& dir = large_->dir;
  for (unsigned k = depth; k < dir.depth() && k < depth + 4; ++k) {
    make_alias(zero | std::size_t{1} << k);
    make_alias(one | std::size_t{1} << k);
  }
  for (unsigned i = 0; i < 8; ++i) {
    if (large_->filled >= dir.size()) break;
    make_alias(large_->filled++);
  }
}

template <class Policy>
void map_storage<Policy>::make_alias(std::size_t i) noexcept {
  if (i == 0) return;
  large_->dir.fill(i, [this](entry e) { return std::size_t{header_named(e)->index}; });
}

// Puts displaced entries back home where there is room, and says of each group anew whether entries
// went past it. In place; takes no memory.
template <class Policy>
[[gnu::noinline]] void map_storage<Policy>::rebuild(const group_run& run, map_newcomer& who) {
  const harvest all(*this, run);
  who.arrive();
  attempt step(*this, growth_kind::rebuilt, growth_cause::insert, all.started_ns);
  const std::size_t groups = run.groups;
  const auto tags = [&run](std::size_t g) { return run.tags + g * shape::kStride; };
  for (std::size_t g = 0; g < groups; ++g) tags(g)[kGroupSlots] = 0;
  const std::uint64_t* h = all.hashes;
  std::size_t displaced = 0, moved = 0;
  // Hashes are in the order of slots. An entry only ever moves to a group that it passes on its
  // way, so one that was moved ahead of the walk would be met again: it is known by the bit kept
  // here.
  std::uint16_t met[shape::kGroupsMax] = {};
  for (std::size_t g = 0; g < groups; ++g) {
    unsigned char* group = tags(g);
    for (unsigned used = used_slots(group) & ~unsigned{met[g]}; used != 0; used &= used - 1) {
      const std::size_t j = lowest(used);
      const std::uint64_t hash = *h++;
      std::size_t at = home_of(hash, groups);
      while (at != g) {
        unsigned char* closer = tags(at);
        const unsigned open = free_slots(closer);
        if (open != 0 && kMovesSafely) {
          const bool near = prefers_lines() && at == home_of(hash, groups);
          const std::size_t slot = near ? shape::pick(open, slots_in(run, at), hash) : lowest(open);
          if constexpr (kMovesSafely) {
            Policy::relocate(alloc_, builder::slot_at_raw(slots_in(run, at), slot),
                             slot_at(slots_in(run, g), j));
          }
          closer[slot] = group[j];
          group[j] = 0;
          if (at > g) met[at] = static_cast<std::uint16_t>(met[at] | 1u << slot);
          ++moved;
          break;
        }
        mark_overflow(closer, hash);
        if (++at == groups) at = 0;
      }
      displaced += at != home_of(hash, groups);
    }
  }
  settle(header_of(run), groups * kGroupSlots, all.entries, displaced);
  ++large_->tallies.rebuilds;
  step.done(moved);
}

}  // namespace ullage::detail
