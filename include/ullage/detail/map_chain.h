// SPDX-License-Identifier: Apache-2.0
//
// map_chain: keys that hash alike. No split parts them, so a segment that is full of them gets more
// blocks instead, in a list, and is searched block by block. Everything stays correct and every
// step bounded; only lookups in that one segment get slower, as they must where keys can't be told
// apart. The event is growth_kind::poor_hash.
#pragma once

#include <ullage/detail/map_build.h>

namespace ullage::detail {

// Blocks of a chain have code 0 and know how many entries they hold; all are of full size.
template <class Policy>
growth_end map_storage<Policy>::chain(std::size_t index, entry e) {
  attempt step(*this, growth_kind::poor_hash, growth_cause::insert);
  if (!step.admitted(shape::bytes(shape::kGroupsMax), 0)) return growth_end::denied;
  unsigned char* base = nullptr;
  try {
    base = get_segment(3);
  } catch (const std::bad_alloc&) {
    return growth_end::no_memory;
  }
  segment_header* more = header_of(base, shape::kGroupsMax);
  segment_header* head = header_named(e);
  if ((e & names::kCodeMask) != 0) {
    head->entries = static_cast<std::uint16_t>(count_in(base_named(e), shape::kGroupsMax));
    head->code = 0;
    large_->dir.rename(index, e, static_cast<entry>(e & ~entry{names::kCodeMask}), head->depth);
    ++large_->tallies.chained;
  }
  more->code = 0;
  more->index = head->index;
  more->depth = head->depth;
  more->next = head->next;
  head->next = more;
  ++large_->tallies.chained;
  step.done(0);
  return growth_end::done;
}

template <class Policy>
map_insertion map_storage<Policy>::place_in_chain(segment_header* head, std::uint64_t h) {
  for (;;) {
    for (segment_header* block = head; block != nullptr; block = block->next) {
      if (block->entries >= shape::limit_of(shape::kGroupsMax)) continue;
      const map_place at = place_displaced(block_of(block), shape::kGroupsMax, h);
      ++block->entries;
      if (at.group != nullptr) return {at, tag_of(h), false, growth_end::done};
    }
    const growth_end end = chain(head->index, large_->dir.get(head->index));
    if (end != growth_end::done) return {{}, tag_of(h), false, end};
  }
}

template <class Policy>
void map_storage<Policy>::chain_erased(const map_place& at) noexcept {
  segment_header* block = header_of(at);
  if (block->code == 0 && block->entries != 0) --block->entries;
}

// Takes an empty block out of its chain; a chain of one block is a segment like any other.
template <class Policy>
void map_storage<Policy>::shorten_chain(segment_header* block) noexcept {
  const std::size_t index = block->index;
  const entry e = large_->dir.get(index);
  segment_header* head = header_named(e);
  if (block->entries == 0 && block != head) {
    attempt step(*this, growth_kind::shrunk, growth_cause::erase);
    segment_header* before = head;
    while (before->next != block) before = before->next;
    before->next = block->next;
    put_segment(block_of(block), shape::kGroupsMax);
    --large_->tallies.chained;
    step.done(0);
  }
  if (head->next == nullptr) {
    head->code = 3;
    settle(head, shape::kGroupsMax, 0);
    large_->dir.rename(index, e, static_cast<entry>(e | entry{3}), head->depth);
    --large_->tallies.chained;
  }
}

}  // namespace ullage::detail
