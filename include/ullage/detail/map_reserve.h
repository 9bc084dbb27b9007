// SPDX-License-Identifier: Apache-2.0
//
// map_reserve: room for a known number of entries, and moving all entries into such room. The only
// calls that pay for the whole map at once, because they are asked to.
#pragma once

#include <ullage/detail/map_build.h>

namespace ullage::detail {

// The segments that a map of n entries needs under (index, depth): each gets a share of its own of
// the hashes, and one in a thousand holds more than its mean m + 3 sqrt(m). visit(index, depth,
// units).
template <class Policy>
template <class Visit>
void map_storage<Policy>::each_reserved(std::size_t n, std::size_t index, unsigned depth,
                                        Visit&& visit) {
  const double mean = static_cast<double>(n) * share_of(index, depth);
  const auto most = static_cast<std::size_t>(mean + 3 * std::sqrt(mean));
  if (most > shape::limit_of(shape::kGroupsMax) && depth < directory::kDepthMax) {
    each_reserved(n, index, depth + 1, visit);
    each_reserved(n, index | std::size_t{1} << depth, depth + 1, visit);
  } else {
    visit(index, depth,
          most <= shape::limit_of(shape::kBase) ? shape::kUnitsMin : shape::kUnitsMax);
  }
}

template <class Policy>
void map_storage<Policy>::small_for(std::size_t n, std::size_t* groups, std::size_t* limit) {
  *groups = 1;
  *limit = sizeof(value_type) > 64 ? 1 : 3;
  while (*limit < n && *limit < kGroupSlots) *limit = *limit * 2 + 1;
  while (*limit < n) {
    *groups = next_small(*groups);
    *limit = shape::limit_of(*groups);
  }
}

// What reserve_empty(n) takes: segments and directory, or one block. Says how deep the directory
// is.
template <class Policy>
std::size_t map_storage<Policy>::bytes_for(std::size_t n, unsigned* deepest) {
  if (n == 0) return 0;
  if (n <= shape::limit_of(shape::kGroupsMax)) {
    std::size_t groups = 0, limit = 0;
    small_for(n, &groups, &limit);
    return raw::rounded(small_bytes(groups, limit));
  }
  std::size_t bytes = 0;
  each_reserved(n, 0, 0, [&](std::size_t, unsigned depth, unsigned units) {
    bytes += space::held(units);
    *deepest = std::max(*deepest, depth);
  });
  return bytes + directory::bytes_for(std::size_t{1} << *deepest) +
         raw::rounded(sizeof(large_state));
}

template <class Policy>
growth_end map_storage<Policy>::reserve_empty(std::size_t n, growth_cause cause, room_for why) {
  if (n == 0) return growth_end::done;
  if (n <= shape::limit_of(shape::kGroupsMax)) return reserve_small(n, cause, why);
  // More than a directory can tell apart, or an arena holds.
  constexpr std::size_t kMost = shape::limit_of(shape::kGroupsMax) << directory::kDepthMax;
  if (n > kMost || (kArena && n > segment_arena::kReachBytes / sizeof(value_type))) {
    return growth_end::no_memory;
  }
  unsigned deepest = 0;
  const std::size_t bytes = bytes_for(n, &deepest), entries = std::size_t{1} << deepest;
  attempt step(*this, growth_kind::first, cause);
  step.quiet = why == room_for::growth;
  step.advice = why == room_for::experience;
  if (!step.admitted(bytes, 0)) return growth_end::denied;
  put_small();
  become_empty();
  try {
    make_large();
  } catch (...) {
    return no_memory_or_throw();
  }
  directory& dir = large_->dir;
  try {
    // From the front to the back: a directory that moves takes along only what it has.
    for (std::size_t i = 1; i < entries; i = std::min(i * 2, i + directory::kFlatEntries)) {
      dir.prepare(alloc_, i);
    }
    dir.prepare(alloc_, entries - 1);
    each_reserved(n, 0, 0, [&](std::size_t index, unsigned depth, unsigned units) {
      const group_run run = get_segment(units);
      segment_header* head = header_of(run);
      head->index = static_cast<std::uint32_t>(index);
      head->depth = static_cast<std::uint8_t>(depth);
      dir.set(index, name_of(run, units), depth);
      ++large_->segments;
      ++large_->at_depth[depth];
    });
  } catch (...) {
    for (std::size_t i = 0; i < entries; ++i) {
      const entry e = dir.has(i) ? dir.get(i) : entry{0};
      if (e != 0) put_segment(run_named(e));
    }
    drop_large();
    return no_memory_or_throw();
  }
  dir.set_depth(deepest);
  for (std::size_t i = 1; i < entries; ++i) make_alias(i);
  large_->filled = entries;
  see_directory();
  step.done(0);
  return growth_end::done;
}

template <class Policy>
growth_end map_storage<Policy>::reserve_small(std::size_t n, growth_cause cause, room_for why) {
  std::size_t groups = 0, limit = 0;
  small_for(n, &groups, &limit);
  if (groups * kGroupSlots <= capacity() && limit <= limit_) return growth_end::done;
  attempt step(*this, growth_kind::first, cause);
  step.quiet = why == room_for::growth;
  step.advice = why == room_for::experience;
  if (!step.admitted(raw::rounded(small_bytes(groups, limit)), 0)) return growth_end::denied;
  group_run run;
  try {
    run = get_small(groups, limit);
  } catch (const std::bad_alloc&) {
    return growth_end::no_memory;
  }
  put_small();
  become_small(run, limit);
  step.done(0);
  return growth_end::done;
}

/// One growth, from the question to the report: nobody hears of the room that is made first. Who
/// gives memory back is not asked, and told at the end.
template <class Policy>
growth_end map_storage<Policy>::rebuild_all(std::size_t n, growth_cause cause) {
  attempt step(*this, held_bytes() == 0 ? growth_kind::first : growth_kind::moved, cause);
  const std::size_t moved = size_, most = std::max(size_, peak_);
  {
    unsigned deepest = 0;
    const bool asks = n > capacity() || bytes_for(n, &deepest) > held_bytes();
    map_storage fresh(hash_, equal_, alloc_, asks ? site_ : nullptr);
    const growth_end end = fresh.reserve_empty(n, cause, room_for::growth);
    if (end != growth_end::done) {
      if (end == growth_end::denied) step.denied();
      return end;
    }
    try {
      fresh.take_all(*this);
    } catch (...) {
      // A hash that throws, or hashes so alike that there is no room. What went over comes back:
      // its slots are free. (What had to be copied never left.)
      if constexpr (kMovesSafely) {
        try {
          take_all(fresh);
        } catch (...) {
        }
      }
      throw;
    }
    swap(fresh);
    peak_ = most;
  }
  // The budgets know: `fresh` asked for its memory, or the swap told, and what there was before was
  // given back.
  step.bytes_known = held_bytes();
  if (step.bytes_known < step.bytes_before) step.kind = growth_kind::shrunk;
  step.done(moved);
  return growth_end::done;
}

/// Takes all entries of `other`, which becomes empty. Room for them was reserved. If copying or
/// hashing throws, entries that could be copied are still in `other`.
template <class Policy>
void map_storage<Policy>::take_all(map_storage& other) {
  for (map_place run = other.first_groups(); run.group != nullptr; run = other.next_groups(run)) {
    for (; run.group != run.end; run.group += shape::kStride, run.slots += shape::kGroupBytes) {
      for (unsigned used = used_slots(run.group); used != 0; used &= used - 1) {
        const std::size_t j = lowest(used);
        value_type* from = slot_at(run.slots, j);
        const map_insertion to = place_absent(seeded_hash(hash_, Policy::key(*from), seed_));
        if (to.at.group == nullptr) throw std::bad_alloc();
        void* at = builder::slot_at_raw(to.at.slots, to.at.slot);
        if constexpr (kMovesSafely) {
          Policy::relocate(alloc_, at, from);
          run.group[j] = 0;
          --other.size_;
          if (other.chained_ != 0) other.chain_erased({run.group, run.slots, j, run.end});
        } else {
          Policy::copy_or_move(alloc_, at, from);
        }
        to.at.group[to.at.slot] = to.tag;
        ++size_;
        if (chained_ != 0) chain_entered(to.at);
      }
    }
  }
}

// A free slot for a key that is known to be absent.
template <class Policy>
map_insertion map_storage<Policy>::place_absent(std::uint64_t h) {
  if (!is_small() || size_ >= limit_) {
    map_newcomer nobody{h};
    return place_slow(nobody);
  }
  return {place_displaced(small_run(), h), tag_of(h), false, growth_end::done};
}

/// What the map looks like from inside; walks all of it.
template <class Policy>
map_counters map_storage<Policy>::counters() const {
  map_counters told;
  told.entries = size_;
  told.capacity = capacity();
  told.memory_bytes = held_bytes() + stalls_bytes();
  told.segments = !is_small() ? large_->segments : (limit_ == 0 ? 0 : 1);
  if (large_ != nullptr) {
    const map_tallies& t = large_->tallies;
    told.splits = t.splits;
    told.stretches = t.stretches;
    told.rebuilds = t.rebuilds;
    told.merges = t.merges;
    told.denials = t.denials;
    told.moved = t.moved;
    told.chained_blocks = chained_;
    told.directory_bytes = large_->dir.bytes();
    told.directory_depth = large_->dir.depth();
  }
  double probes = 0, lines = 0, misses = 0, groups_seen = 0;
  for (map_place run = first_groups(); run.group != nullptr;) {
    unsigned char* base = run.group;
    const group_run here{base, run.slots, static_cast<std::size_t>(run.end - base) / kMetaBytes};
    const std::size_t groups = here.groups;
    for (std::size_t g = 0; g < groups; ++g) {
      unsigned char* group = base + g * shape::kStride;
      // An absent key goes on for as long as its bit is set.
      for (unsigned bit = 0; bit < 8; ++bit) {
        std::size_t at = g;
        do {
          misses += 0.125;
          if (!overflowed(base + at * shape::kStride, bit)) break;
          at = at + 1 == groups ? 0 : at + 1;
        } while (at != g);
      }
      ++groups_seen;
      for (unsigned used = used_slots(group); used != 0; used &= used - 1) {
        const std::size_t j = lowest(used);
        const std::uint64_t h =
            seeded_hash(hash_, Policy::key(*slot_at(slots_in(here, g), j)), seed_);
        const std::size_t passed = (g + groups - home_of(h, groups)) % groups;
        ++told.found_after[std::min<std::size_t>(passed, map_counters::kProbes - 1)];
        probes += static_cast<double>(passed + 1);
        const auto first = reinterpret_cast<std::uintptr_t>(slot_at(slots_in(here, g), j));
        if (prefers_lines() && passed == 0) {
          const auto asked = reinterpret_cast<std::uintptr_t>(
              builder::slot_at_raw(slots_in(here, g), shape::preferred_slot(h)));
          told.in_preferred_line += asked / 64 == first / 64;
        }
        const auto meta_line = reinterpret_cast<std::uintptr_t>(group) / 64;
        lines += static_cast<double>(passed + 1);
        for (std::uintptr_t line = first / 64; line <= (first + sizeof(value_type) - 1) / 64;
             ++line) {
          lines += line != meta_line ? 1 : 0;
        }
      }
    }
    run.group = run.end;
    run.slots = slots_in(here, groups);
    run = next_groups(run);
  }
  if (size_ != 0) {
    told.probes_per_hit = probes / static_cast<double>(size_);
    told.lines_per_hit = lines / static_cast<double>(size_);
  }
  if (groups_seen > 0) told.probes_per_miss = misses / groups_seen;
  return told;
}

}  // namespace ullage::detail
