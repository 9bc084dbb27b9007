// SPDX-License-Identifier: Apache-2.0
//
// map_grow: how a map gets room. A small map doubles; a full segment is stretched twice (40 -> 52
// -> 64 groups) and then split into two of 40. Three small steps instead of one large one keep the
// memory within a quarter of what the entries need, and no step moves more than one segment.
#pragma once

#include <ullage/detail/map_build.h>

namespace ullage::detail {

// When a segment is to be looked at: 6 % of its slots displaced is load 7/8, give or take 3 %.
template <class Policy>
void map_storage<Policy>::settle(segment_header* head, std::size_t groups,
                                 std::size_t displaced) noexcept {
  const std::size_t usual = groups * kGroupSlots * 6 / 100 + 2;
  head->displaced = static_cast<std::uint16_t>(displaced);
  head->displaced_max =
      static_cast<std::uint16_t>(usual > displaced + usual / 4 ? usual : displaced + usual / 4);
}

// The smallest segment that `entries` leave some room in.
template <class Policy>
unsigned map_storage<Policy>::code_for(std::size_t entries) noexcept {
  for (unsigned code = 1; code < 3; ++code) {
    if (entries <= shape::limit_of(shape::groups_of(code)) * 15 / 16) return code;
  }
  return 3;
}

template <class Policy>
map_place map_storage<Policy>::place_displaced(unsigned char* base, std::size_t groups,
                                               std::uint64_t h) noexcept {
  const std::uint8_t tag = tag_of(h);
  unsigned char* const home = base + home_of(h, groups) * shape::kStride;
  unsigned char* const end = end_of(base, groups);
  unsigned char* group = home;
  do {
    if (const unsigned open = free_slots(group); open != 0) {
      const auto g = static_cast<std::size_t>(group - base) / kMetaBytes;
      return {group, slots_in(base, groups, g), lowest(open), end};
    }
    mark_overflow(group, tag);
    group += shape::kStride;
    if (group == end) group = base;
  } while (group != home);
  return {};
}

template <class Policy>
[[gnu::noinline]] map_insertion map_storage<Policy>::place_slow(std::uint64_t h) {
  const std::uint8_t tag = tag_of(h);
  growth_end end = growth_end::done;
  bool grown = false;
  if (groups_ != 0) {
    if (size_ >= limit_) {
      end = grow_small();
      grown = true;
    }
    if (groups_ != 0) {
      // Told "no", a small map of several groups still has an eighth of its slots free; it keeps
      // one.
      const bool room = size_ < limit_ || (groups_ > 1 && size_ + 1 < small_slots());
      if (!room) return {{}, tag, false, end};
      return {place_displaced(groups_base(), groups_, h), tag, false, growth_end::done};
    }
  }
  for (;;) {
    const entry e = large_->dir.resolve(directory_bits(h));
    if ((e & names::kCodeMask) == 0) return place_in_chain(header_named(e), h);
    segment_header* head = header_named(e);
    const std::size_t index = head->index;  // e may have been an alias
    const std::size_t groups = groups_named(e);
    if (head->displaced < head->displaced_max || grown) {
      const map_place at = place_displaced(base_named(e), groups, h);
      if (at.group != nullptr) {
        const bool home = at.group == base_named(e) + home_of(h, groups) * shape::kStride;
        if (!home && head->displaced != 0xffff) ++head->displaced;
        return {at, tag, false, growth_end::done};
      }
      if (grown && end != growth_end::done) return {{}, tag, false, end};
      if (grown) {
        end = chain(index, e);
        if (end != growth_end::done) return {{}, tag, false, end};
        continue;
      }
    }
    end = grow_segment(index, e);
    grown = true;
  }
}

// ---- small maps
// -----------------------------------------------------------------------------------

// Sizes that double up to a segment's: 1, 2, 5, 10, 20, 40; then 52, 64.
template <class Policy>
constexpr std::size_t map_storage<Policy>::next_small(std::size_t groups) noexcept {
  std::size_t next = shape::kGroupsMax;
  for (unsigned code = 2; code >= 1; --code) {
    if (shape::groups_of(code) > groups) next = shape::groups_of(code);
  }
  for (std::size_t half = shape::kBase / 2; half > groups; half /= 2) next = half;
  return next;
}

template <class Policy>
growth_end map_storage<Policy>::grow_small() {
  std::size_t groups = groups_, limit = limit_;
  if (groups == 1 && limit < kGroupSlots) {
    constexpr std::size_t kFirst = sizeof(value_type) > 64 ? 1 : 3;
    limit = limit == 0 ? kFirst : limit * 2 + 1;
  } else if (groups < shape::kGroupsMax) {
    groups = next_small(groups);
    limit = shape::limit_of(groups);
  } else {
    const harvest all(*this, groups_base(), groups_);
    return small_to_large(all);
  }
  if (limit_ == 0) {
    attempt step(*this, growth_kind::first, growth_cause::insert);
    if (!step.admitted(raw::rounded(small_bytes(groups, limit)), 0)) return growth_end::denied;
    try {
      become_small(get_small(groups, limit), groups, limit);
    } catch (const std::bad_alloc&) {
      return growth_end::no_memory;
    }
    step.done(0);
    return growth_end::done;
  }
  const harvest all(*this, groups_base(), groups_);
  return small_to_small(all, groups, limit);
}

template <class Policy>
growth_end map_storage<Policy>::small_to_small(const harvest& all, std::size_t groups,
                                               std::size_t limit) {
  attempt step(*this, growth_kind::moved, growth_cause::insert);
  const std::size_t old_bytes = raw::rounded(small_bytes(groups_, limit_));
  const std::size_t new_bytes = raw::rounded(small_bytes(groups, limit));
  if (new_bytes > old_bytes && !step.admitted(new_bytes - old_bytes, old_bytes)) {
    return growth_end::denied;
  }
  unsigned char* base = nullptr;
  try {
    base = get_small(groups, limit);
  } catch (const std::bad_alloc&) {
    return growth_end::no_memory;
  }
  builder fresh(base, groups);
  try {
    fresh.take(*this, all);
  } catch (...) {
    raw::put(alloc_, base, small_bytes(groups, limit));
    throw;
  }
  put_small();
  become_small(base, groups, limit);
  step.done(all.entries);
  return growth_end::done;
}

// The directory appears.
template <class Policy>
growth_end map_storage<Policy>::small_to_large(const harvest& all) {
  attempt step(*this, growth_kind::split, growth_cause::insert);
  const bool two = [&] {
    const std::size_t ones = all.ones(0);
    return ones >= all.entries / 16 && all.entries - ones >= all.entries / 16;
  }();
  const std::size_t ones = two ? all.ones(0) : 0;
  const unsigned codes[2] = {two ? code_for(all.entries - ones) : 3, code_for(ones)};
  std::size_t more = 0;
  for (unsigned i = 0; i < (two ? 2u : 1u); ++i) more += shape::bytes(shape::groups_of(codes[i]));
  const std::size_t old_bytes = raw::rounded(small_bytes(groups_, limit_));
  if (!step.admitted(more > old_bytes ? more - old_bytes : 0, old_bytes)) return growth_end::denied;

  const bool had_state = large_ != nullptr;
  unsigned char* bases[2] = {};
  const auto undo = [&] {
    for (unsigned i = 0; i < 2; ++i) {
      if (bases[i] != nullptr) put_segment(bases[i], shape::groups_of(codes[i]));
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
    bases[0] = get_segment(codes[0]);
    if (two) bases[1] = get_segment(codes[1]);
  } catch (const std::bad_alloc&) {
    undo();
    return growth_end::no_memory;
  }
  builder zero(bases[0], shape::groups_of(codes[0]));
  builder one(two ? bases[1] : bases[0], shape::groups_of(codes[two ? 1 : 0]));
  try {
    if (two) {
      zero.take(*this, all, one, [](std::uint64_t h) { return (directory_bits(h) & 1) == 0; });
    } else {
      zero.take(*this, all);
    }
  } catch (...) {
    undo();
    throw;
  }
  put_small();
  directory& dir = large_->dir;
  const unsigned depth = two ? 1 : 0;
  for (unsigned i = 0; i < (two ? 2u : 1u); ++i) {
    builder& built = i == 0 ? zero : one;
    segment_header* head = header_of(built.base, built.groups);
    head->index = i;
    head->depth = static_cast<std::uint8_t>(depth);
    settle(head, built.groups, built.displaced);
    dir.set(i, name_of(built.base, codes[i]), depth);
  }
  dir.set_depth(depth);
  large_->segments = two ? 2 : 1;
  large_->at_depth[depth] = static_cast<std::uint32_t>(large_->segments);
  large_->filled = large_->segments;
  large_->tallies.splits += two ? 1 : 0;
  see_directory();
  step.done(all.entries);
  return growth_end::done;
}

// ---- segments
// -------------------------------------------------------------------------------------

template <class Policy>
growth_end map_storage<Policy>::grow_segment(std::size_t index, entry e) {
  unsigned char* base = base_named(e);
  const std::size_t groups = groups_named(e);
  segment_header* head = header_named(e);
  const harvest all(*this, base, groups);
  const std::size_t slots = groups * kGroupSlots;
  // What a segment of this share should hold. One that holds more by chance, while entries come and
  // go, waits for chance to turn: else each would sooner or later meet its limit, and the map would
  // grow without getting larger.
  const double fair = static_cast<double>(size_) * share_of(index, head->depth);
  const bool full = all.entries >= slots * 31 / 32 ||
                    (all.entries >= slots * 13 / 16 && fair >= static_cast<double>(slots) * 0.875);
  if (!full) {
    // What made it look full are entries long erased, or chance, or hashes that crowd. No memory.
    rebuild(base, groups, all);
    return growth_end::done;
  }
  const auto code = static_cast<unsigned>(e & names::kCodeMask);
  growth_end end = growth_end::done;
  if (code < 3) {
    end = stretch(index, e, all, code + 1);
  } else if (worth_splitting(all, head->depth)) {
    end = split(index, e, all);
  } else {
    // Only more room would help; place_slow() chains a block when the last slot is taken.
    head->displaced_max = 0xffff;
    return growth_end::done;
  }
  if (end != growth_end::done) {
    // Told "no": ask again when some more had to go elsewhere.
    head->displaced_max = static_cast<std::uint16_t>(head->displaced + slots / 64 + 1);
  }
  return end;
}

template <class Policy>
bool map_storage<Policy>::worth_splitting(const harvest& all, unsigned depth) const noexcept {
  // A split that parts less than a sixteenth is fruitless: keys hash alike. Depth may run ahead of
  // the number of segments by a few bits, so that keys which do differ get away from those which
  // don't.
  if (depth >= directory::kDepthMax) return false;
  if (depth >= static_cast<unsigned>(std::bit_width(large_->segments)) + 6) return false;
  const std::size_t ones = all.ones(depth);
  return ones >= all.entries / 16 && all.entries - ones >= all.entries / 16;
}

template <class Policy>
growth_end map_storage<Policy>::stretch(std::size_t index, entry e, const harvest& all,
                                        unsigned code) {
  attempt step(*this, growth_kind::stretched, growth_cause::insert);
  const std::size_t groups = shape::groups_of(code);
  const std::size_t more = shape::bytes(groups) - shape::bytes(all.groups);
  if (!step.admitted(more, shape::bytes(all.groups))) return growth_end::denied;
  unsigned char* base = nullptr;
  try {
    base = get_segment(code);
  } catch (const std::bad_alloc&) {
    return growth_end::no_memory;
  }
  builder fresh(base, groups);
  try {
    fresh.take(*this, all);
  } catch (...) {
    put_segment(base, groups);
    throw;
  }
  segment_header* head = header_of(base, groups);
  const segment_header* old = header_named(e);
  head->index = static_cast<std::uint32_t>(index);
  head->depth = old->depth;
  settle(head, groups, fresh.displaced);
  large_->dir.rename(index, e, name_of(base, code), head->depth);
  put_segment(all.base, all.groups);
  ++large_->tallies.stretches;
  step.done(all.entries);
  return growth_end::done;
}

template <class Policy>
growth_end map_storage<Policy>::split(std::size_t index, entry e, const harvest& all) {
  const unsigned depth = header_named(e)->depth;
  const std::size_t ones = all.ones(depth);
  const unsigned codes[2] = {code_for(all.entries - ones), code_for(ones)};
  const std::size_t groups[2] = {shape::groups_of(codes[0]), shape::groups_of(codes[1])};
  const std::size_t other = index | std::size_t{1} << depth;
  directory& dir = large_->dir;

  attempt step(*this, growth_kind::split, growth_cause::insert);
  const std::size_t more =
      shape::bytes(groups[0]) + shape::bytes(groups[1]) - shape::bytes(all.groups);
  if (!step.admitted(more, shape::bytes(all.groups))) return growth_end::denied;
  unsigned char* bases[2] = {};
  try {
    dir.prepare(alloc_, other);
    bases[0] = get_segment(codes[0]);
    bases[1] = get_segment(codes[1]);
  } catch (const std::bad_alloc&) {
    if (bases[0] != nullptr) put_segment(bases[0], groups[0]);
    see_directory();
    return growth_end::no_memory;
  }
  builder zero(bases[0], groups[0]);
  builder one(bases[1], groups[1]);
  try {
    zero.take(*this, all, one,
              [depth](std::uint64_t h) { return ((directory_bits(h) >> depth) & 1) == 0; });
  } catch (...) {
    put_segment(bases[0], groups[0]);
    put_segment(bases[1], groups[1]);
    see_directory();
    throw;
  }
  const entry fresh[2] = {name_of(bases[0], codes[0]), name_of(bases[1], codes[1])};
  const builder* built[2] = {&zero, &one};
  for (unsigned i = 0; i < 2; ++i) {
    segment_header* head = header_of(bases[i], groups[i]);
    head->index = static_cast<std::uint32_t>(i == 0 ? index : other);
    head->depth = static_cast<std::uint8_t>(depth + 1);
    settle(head, groups[i], built[i]->displaced);
  }
  dir.rename(index, e, fresh[0], depth + 1);
  dir.set(other, fresh[1], depth + 1);
  if (depth + 1 > dir.depth()) dir.set_depth(depth + 1);
  --large_->at_depth[depth];
  large_->at_depth[depth + 1] += 2;
  ++large_->segments;
  ++large_->tallies.splits;
  put_segment(all.base, all.groups);
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
void map_storage<Policy>::rebuild(unsigned char* base, std::size_t groups,
                                  const harvest& all) noexcept {
  for (std::size_t g = 0; g < groups; ++g) base[g * shape::kStride + kGroupSlots] = 0;
  const std::uint64_t* h = all.hashes;
  std::size_t displaced = 0, moved = 0;
  // Hashes are in the order of slots. An entry only ever moves to a group that it passes on its
  // way, so one that was moved ahead of the walk would be met again: it is known by the bit kept
  // here.
  std::uint16_t met[shape::kGroupsMax] = {};
  for (std::size_t g = 0; g < groups; ++g) {
    unsigned char* group = base + g * shape::kStride;
    for (unsigned used = used_slots(group) & ~unsigned{met[g]}; used != 0; used &= used - 1) {
      const unsigned j = lowest(used);
      const std::uint64_t hash = *h++;
      std::size_t at = home_of(hash, groups);
      while (at != g) {
        unsigned char* closer = base + at * shape::kStride;
        const unsigned open = free_slots(closer);
        if (open != 0 && kMovesSafely) {
          const unsigned slot = lowest(open);
          if constexpr (kMovesSafely) {
            Policy::relocate(alloc_, builder::slot_at_raw(slots_in(base, groups, at), slot),
                             slot_at(slots_in(base, groups, g), j));
          }
          closer[slot] = group[j];
          group[j] = 0;
          if (at > g) met[at] = static_cast<std::uint16_t>(met[at] | 1u << slot);
          ++moved;
          break;
        }
        mark_overflow(closer, tag_of(hash));
        if (++at == groups) at = 0;
      }
      displaced += at != home_of(hash, groups);
    }
  }
  segment_header* head = header_of(base, groups);
  settle(head, groups, displaced);
  ++large_->tallies.rebuilds;
  attempt step(*this, growth_kind::rebuilt, growth_cause::insert);
  step.done(moved);
}

}  // namespace ullage::detail
