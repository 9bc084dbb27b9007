// SPDX-License-Identifier: Apache-2.0
//
// map_chain: keys that hash alike. No split parts keys whose directory bits are all the same. When
// they fill a segment, they move to blocks of their own, in a list at the segment's head; the rest
// of the segment goes on as before, and its keys pay one look at the list. Everything stays correct
// and every step bounded; only lookups of those keys get slower, as they must where keys can't be
// told apart. The event is growth_kind::poor_hash.
//
// A segment with blocks is of full size, and its directory entry says 0 units: "look closer".
#pragma once

#include <ullage/detail/map_build.h>

#include <algorithm>

namespace ullage::detail {

/// The directory bits that most entries share, and how many do.
template <class Policy>
std::uint32_t map_storage<Policy>::most_alike(const harvest& all, std::size_t* count) {
  std::uint32_t bits[shape::kSlotsMax];
  for (std::size_t i = 0; i < all.entries; ++i) bits[i] = alike_of(all.hashes[i]);
  std::sort(bits, bits + all.entries);
  std::uint32_t most = 0;
  *count = 0;
  for (std::size_t i = 0; i < all.entries;) {
    const auto after =
        static_cast<std::size_t>(std::upper_bound(bits + i, bits + all.entries, bits[i]) - bits);
    if (after - i > *count) {
      *count = after - i;
      most = bits[i];
    }
    i = after;
  }
  return most;
}

template <class Policy>
bool map_storage<Policy>::has_block_for(const segment_header* head, std::uint32_t alike) noexcept {
  for (const segment_header* block = head->next; block != nullptr; block = block->next) {
    if (block->alike == alike) return true;
  }
  return false;
}

// An empty block at the front of the chain of `head`. May throw.
template <class Policy>
segment_header* map_storage<Policy>::new_block(segment_header* head, std::uint32_t alike) {
  segment_header* block = header_of(get_segment(shape::kUnitsMax));
  block->is_block = true;
  block->alike = alike;
  block->index = head->index;
  block->next = std::exchange(head->next, block);
  ++chained_;
  return block;
}

template <class Policy>
void map_storage<Policy>::become_chain(std::size_t index, entry e) noexcept {
  large_->dir.rename(index, e, static_cast<entry>(e & ~space::kUnitsMask), header_named(e)->depth);
}

/// The entries of `all` with these directory bits move to a block.
template <class Policy>
growth_end map_storage<Policy>::move_alike(std::size_t index, entry e, const harvest& all,
                                           std::uint32_t alike, map_newcomer& who) {
  attempt step(*this, growth_kind::poor_hash, growth_cause::insert, all.started_ns);
  if (!step.admitted(space::held(shape::kUnitsMax), 0)) return growth_end::denied;
  segment_header* const head = header_of(all.run);
  segment_header* block = nullptr;
  try {
    block = new_block(head, alike);
  } catch (const std::bad_alloc&) {
    return growth_end::no_memory;
  }
  const group_run to = block_of(block);
  const auto each_alike = [&](auto visit) {
    const std::uint64_t* h = all.hashes;
    for (std::size_t g = 0; g < all.run.groups; ++g) {
      unsigned char* group = all.run.tags + g * shape::kStride;
      for (unsigned used = used_slots(group); used != 0; used &= used - 1, ++h) {
        const std::size_t j = lowest(used);
        if (alike_of(*h) == alike) visit(*h, slot_at(slots_in(all.run, g), j), group + j);
      }
    }
  };
  std::size_t moved = 0;
  const auto carry = [&](std::uint64_t h, value_type* from, unsigned char*) {
    const map_place at = place_displaced(to, h);
    void* room = builder::slot_at_raw(at.slots, at.slot);
    if constexpr (kMovesSafely) {
      Policy::relocate(alloc_, room, from);
    } else {
      Policy::copy_or_move(alloc_, room, from);
    }
    at.group[at.slot] = tag_of(h);
    ++moved;
  };
  try {
    who.arrive();
    each_alike(carry);
  } catch (...) {
    destroy_in(to);
    head->next = block->next;
    --chained_;
    put_segment(to);
    throw;
  }
  if constexpr (!kMovesSafely) {
    each_alike(
        [&](std::uint64_t, value_type* from, unsigned char*) { Policy::destroy(alloc_, from); });
  }
  each_alike([&](std::uint64_t, value_type*, unsigned char* tag) { *tag = 0; });
  block->entries = static_cast<std::uint16_t>(moved);
  settle(head, all.run.groups * kGroupSlots, all.entries - moved, 0);
  become_chain(index, e);
  step.done(moved);
  return growth_end::done;
}

/// Another block for keys with these directory bits. Moves nothing.
template <class Policy>
growth_end map_storage<Policy>::add_block(std::size_t index, entry e, std::uint32_t alike) {
  attempt step(*this, growth_kind::poor_hash, growth_cause::insert);
  if (!step.admitted(space::held(shape::kUnitsMax), 0)) return growth_end::denied;
  try {
    new_block(header_named(e), alike);
  } catch (const std::bad_alloc&) {
    return growth_end::no_memory;
  }
  become_chain(index, e);
  step.done(0);
  return growth_end::done;
}

// In the first block that has room; nowhere if none has.
template <class Policy>
map_insertion map_storage<Policy>::place_in_block(segment_header* head, std::uint64_t h) noexcept {
  const std::uint32_t alike = alike_of(h);
  for (segment_header* block = head->next; block != nullptr; block = block->next) {
    if (block->alike != alike || block->entries >= shape::limit_of(shape::kGroupsMax)) continue;
    return {place_displaced(block_of(block), h), tag_of(h), false, growth_end::done};
  }
  return {};
}

template <class Policy>
void map_storage<Policy>::chain_entered(const map_place& at) noexcept {
  if (is_small()) return;
  segment_header* block = header_of(at);
  if (block->is_block) ++block->entries;
}

template <class Policy>
void map_storage<Policy>::chain_erased(const map_place& at) noexcept {
  segment_header* block = header_of(at);
  if (block->is_block) --block->entries;
}

// Takes an empty block out of its chain; a segment without blocks is like any other.
template <class Policy>
void map_storage<Policy>::drop_block(segment_header* block) noexcept {
  if (block->entries != 0) return;
  const std::size_t index = block->index;
  const entry e = large_->dir.get(index);
  segment_header* head = header_named(e);
  attempt step(*this, growth_kind::shrunk, growth_cause::erase);
  segment_header* before = head;
  while (before->next != block) before = before->next;
  before->next = block->next;
  put_segment(block_of(block));
  --chained_;
  if (head->next == nullptr) {
    large_->dir.rename(index, e, static_cast<entry>(e | shape::kUnitsMax), head->depth);
  }
  step.done(0);
}

}  // namespace ullage::detail
