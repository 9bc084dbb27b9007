// SPDX-License-Identifier: Apache-2.0
//
// map_core: finding, inserting and erasing, as far as nothing grows. What grows is map_storage.
//
// Nobody counts a segment's entries here. An entry goes to its home group and touches nothing else;
// only when that group is full is the segment's header looked at, and how often that has happened
// tells how full the segment is (6 % of its slots displaced: load 7/8, give or take 3 %).
#pragma once

#include <ullage/detail/map_chain.h>
#include <ullage/detail/map_grow.h>
#include <ullage/detail/map_reserve.h>
#include <ullage/detail/map_shrink.h>

namespace ullage::detail {

template <class Policy>
class map_core : public map_storage<Policy> {
  using storage = map_storage<Policy>;
  using storage::base_named;
  using storage::end_of;
  using storage::entries;
  using storage::equal_;
  using storage::groups_;
  using storage::groups_base;
  using storage::hash_;
  using storage::header_at;
  using storage::large_;
  using storage::limit_;
  using storage::mask_;
  using storage::origin_;
  using storage::seed_;
  using storage::size_;

 public:
  using storage::slot_at;
  using storage::storage;
  using typename storage::entry;
  using typename storage::names;
  using typename storage::shape;
  using typename storage::value_type;

  static value_type* slot(const map_place& at) noexcept { return slot_at(at.slots, at.slot); }

  template <class Q>
  std::uint64_t hash_of(const Q& key) const {
    return seeded_hash(hash_, key, seed_);
  }

  template <class Q>
  map_place find(const Q& key) const {
    return find(key, hash_of(key));
  }
  template <class Q>
  [[gnu::always_inline]] map_place find(const Q& key, std::uint64_t h) const {
    unsigned char* base = groups_base();
    std::size_t groups = groups_;
    if (groups == 0) [[likely]] {
      const entry e = entries()[directory_bits(h) & mask_];
      const auto code = static_cast<unsigned>(e & names::kCodeMask);
      if (code == 0) [[unlikely]]
        return find_detour<by_value<Q>>(key, h);
      base = names::base(origin_, e);
      groups = shape::groups_of(code);
    }
    return probe<by_value<Q>>(base, groups, key, h);
  }

  /// Where `key` is, or a free slot for it. The slot becomes an entry by commit().
  template <class Q>
  map_insertion find_or_place(const Q& key) {
    const std::uint64_t h = hash_of(key);
    unsigned char* base = groups_base();
    std::size_t groups = groups_;
    const bool small = groups != 0;
    if (!small) {
      const entry e = entries()[directory_bits(h) & mask_];
      if ((e & names::kCodeMask) == 0) [[unlikely]]
        return place_detour<by_value<Q>>(key, h);
      base = names::base(origin_, e);
      groups = shape::groups_of(static_cast<unsigned>(e & names::kCodeMask));
    }
    return probe_or_place<by_value<Q>>(base, groups, small, key, h);
  }
  void commit(const map_insertion& made) noexcept {
    made.at.group[made.at.slot] = made.tag;
    ++size_;
  }

  /// Destroys the entry there. Moves nothing.
  void erase(const map_place& at) noexcept {
    Policy::destroy(this->alloc_, slot(at));
    forget(at);
  }
  /// The entry there was destroyed.
  void forget(const map_place& at) noexcept {
    at.group[at.slot] = 0;
    --size_;
    if (groups_ == 0 && large_->tallies.chained != 0) [[unlikely]]
      this->chain_erased(at);
  }
  /// After an erasure: merges segments or gives room back, one step at most.
  void shrink_after(const map_place& at) noexcept {
    if (groups_ == 0 && used_slots(at.group) == 0) [[unlikely]]
      this->group_emptied(at);
  }

 private:
  // Small keys travel in registers: a reference would force them into memory.
  template <class Q>
  using by_value = std::conditional_t<std::is_trivially_copyable_v<Q> &&
                                          std::is_copy_constructible_v<Q> && sizeof(Q) <= 16,
                                      const Q, const Q&>;

  static unsigned char* slots_of(unsigned char* base, std::size_t groups,
                                 unsigned char* group) noexcept {
    const auto off = static_cast<std::size_t>(group - base);
    if constexpr (shape::kGroupBytes % kMetaBytes == 0) {
      return base + shape::slots_at(groups) + off * (shape::kGroupBytes / kMetaBytes);
    } else {
      return base + shape::slots_at(groups) + off / kMetaBytes * shape::kGroupBytes;
    }
  }
  template <class Q>
  [[gnu::always_inline]] map_place probe(unsigned char* base, std::size_t groups, Q key,
                                         std::uint64_t h) const {
    const std::uint8_t tag = tag_of(h);
    unsigned char* const home = base + home_of(h, groups) * shape::kStride;
    unsigned char* const end = end_of(base, groups);
    unsigned char* group = home;
    for (;;) {
      for (unsigned bits = match_tag(group, tag); bits != 0; bits &= bits - 1) {
        const unsigned j = lowest(bits);
        unsigned char* const slots = slots_of(base, groups, group);
        if (equal_(Policy::key(*slot_at(slots, j)), key)) [[likely]]
          return {group, slots, j, end};
      }
      if (!overflowed(group, tag)) [[likely]]
        return {};
      group += shape::kStride;
      if (group == end) group = base;
      if (group == home) return {};
    }
  }
  template <class Q>
  [[gnu::always_inline]] map_insertion probe_or_place(unsigned char* base, std::size_t groups,
                                                      bool small, Q key, std::uint64_t h) {
    const std::uint8_t tag = tag_of(h);
    unsigned char* const home = base + home_of(h, groups) * shape::kStride;
    unsigned char* const end = end_of(base, groups);
    unsigned char* group = home;
    for (;;) {
      for (unsigned bits = match_tag(group, tag); bits != 0; bits &= bits - 1) {
        const unsigned j = lowest(bits);
        unsigned char* const slots = slots_of(base, groups, group);
        if (equal_(Policy::key(*slot_at(slots, j)), key)) [[likely]] {
          return {{group, slots, j, end}, tag, true, growth_end::done};
        }
      }
      if (!overflowed(group, tag)) [[likely]]
        break;
      group += shape::kStride;
      if (group == end) group = base;
      if (group == home) break;
    }
    const unsigned open = free_slots(home);
    if (open != 0 && (!small || size_ < limit_)) [[likely]] {
      // Of a group that is cut short the lowest slots are there: with room left one of them is
      // free.
      return {
          {home, slots_of(base, groups, home), lowest(open), end}, tag, false, growth_end::done};
    }
    return this->place_slow(h);
  }

  // The entry is 0, or of a chain, or lies beyond what lookups see directly.
  template <class Q>
  [[gnu::noinline]] map_place find_detour(Q key, std::uint64_t h) const {
    const entry e = large_->dir.resolve(directory_bits(h));
    unsigned char* base = base_named(e);
    map_place found = probe<Q>(base, this->groups_named(e), key, h);
    if (found.group != nullptr || (e & names::kCodeMask) != 0) return found;
    for (segment_header* more = this->header_named(e)->next; more != nullptr; more = more->next) {
      found = probe<Q>(this->block_of(more), shape::kGroupsMax, key, h);
      if (found.group != nullptr) return found;
    }
    return {};
  }
  template <class Q>
  [[gnu::noinline]] map_insertion place_detour(Q key, std::uint64_t h) {
    const entry e = large_->dir.resolve(directory_bits(h));
    if ((e & names::kCodeMask) != 0) {
      // The next lookup need not come here.
      this->make_alias(directory_bits(h) & (large_->dir.size() - 1));
      return probe_or_place<Q>(base_named(e), this->groups_named(e), false, key, h);
    }
    if (const map_place found = find_detour<by_value<Q>>(key, h); found.group != nullptr) {
      return {found, 0, true, growth_end::done};
    }
    return this->place_in_chain(this->header_named(e), h);
  }
};

}  // namespace ullage::detail
