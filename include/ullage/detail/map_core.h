// SPDX-License-Identifier: Apache-2.0
//
// map_core: finding, inserting and erasing, as far as nothing grows. What grows is map_storage.
//
// Nobody counts a segment's entries here. An entry goes to its home group and touches nothing else;
// only when that group is full is the segment's header looked at, and how often that has happened
// tells how full the segment is (7 % of its slots displaced: load 9/10, give or take 3 %).
#pragma once

#include <ullage/detail/map_chain.h>
#include <ullage/detail/map_grow.h>
#include <ullage/detail/map_reserve.h>
#include <ullage/detail/map_shrink.h>

namespace ullage::detail {

template <class Policy>
class map_core : public map_storage<Policy> {
  using storage = map_storage<Policy>;
  using storage::entries_;
  using storage::equal_;
  using storage::hash_;
  using storage::large_;
  using storage::limit_;
  using storage::mask_;
  using storage::seed_;
  using storage::shift_;
  using storage::size_;
  using storage::slots_;
  using storage::tags_;

 public:
  using storage::place_slow;
  using storage::slot_at;
  using storage::storage;
  using typename storage::entry;
  using typename storage::shape;
  using typename storage::space;
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
    const entry e = entries_[directory_bits(h) & mask_];
    const auto units = static_cast<std::uint32_t>(e & space::kUnitsMask);
    if (units == 0) [[unlikely]]
      return find_detour<by_value<Q>>(key, h);
    const searched in = open(e, units);
    const std::size_t home = in.home(h);
    if (this->prefers_lines()) in.fetch(home, h);
    if (const std::size_t j = match(in, home, key, h); j != kGroupSlots) [[likely]]
      return in.place(home, j);
    if (overflowed(in.tags(home), h)) [[unlikely]]
      return find_further<by_value<Q>>(e, key, h);
    return {};
  }

  /// Asks for the memory that a search for this hash will read, and does not wait for it.
  void fetch_for(std::uint64_t h) const noexcept {
    const entry e = entries_[directory_bits(h) & mask_];
    const auto units = static_cast<std::uint32_t>(e & space::kUnitsMask);
    if (units == 0) return;
    const searched in = open(e, units);
    const std::size_t home = in.home(h);
#if defined(__GNUC__)
    __builtin_prefetch(in.tags(home));
#endif
    if (this->prefers_lines()) in.fetch(home, h);
  }

  /// Where `key` is, or a free slot for it, which becomes an entry by commit(). Nowhere: there is
  /// no room without a step of growth, for which at.slot is the hash (place_slow). Moves nothing.
  template <class Q>
  map_insertion find_or_place(const Q& key) {
    const std::uint64_t h = hash_of(key);
    const entry e = entries_[directory_bits(h) & mask_];
    const auto units = static_cast<std::uint32_t>(e & space::kUnitsMask);
    if (units == 0) [[unlikely]]
      return place_detour<by_value<Q>>(key, h);
    const searched in = open(e, units);
    const std::size_t home = in.home(h);
    if (this->prefers_lines()) in.fetch(home, h);
    if (const std::size_t j = match(in, home, key, h); j != kGroupSlots)
      return {in.place(home, j), 0, true, growth_end::done};
    if (!overflowed(in.tags(home), h)) [[likely]] {
      const unsigned open = free_slots(in.tags(home));
      // Of a group that is cut short the lowest slots are there: with room left one of them is
      // free.
      if (open != 0 && size_ < limit_) [[likely]]
        return {in.place(home, choose(in, home, open, h)), tag_of(h), false, growth_end::done};
    }
    return place_further<by_value<Q>>(e, key, h);
  }
  void commit(const map_insertion& made) noexcept {
    made.at.group[made.at.slot] = made.tag;
    ++size_;
    if (this->chained_ != 0) [[unlikely]]
      this->chain_entered(made.at);
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
    ++this->erased_;
    if (this->chained_ != 0) [[unlikely]]
      this->chain_erased(at);
  }
  /// After an erasure: merges segments or gives room back, one step at most.
  void shrink_after(const map_place& at) noexcept {
    if ((this->erased_ % shape::kErasedPerLook == 0 || this->chained_ != 0) && !this->is_small())
        [[unlikely]]
      this->look_after_erasure(at);
  }

 private:
  // Small keys travel in registers: a reference would force them into memory.
  template <class Q>
  using by_value =
      std::conditional_t<std::is_trivially_copyable_v<Q> && std::is_copy_constructible_v<Q> &&
                             sizeof(Q) <= 16 && !std::is_array_v<Q>,
                         const Q, const Q&>;

  // A segment, or a small map, that is being searched. Offsets are bytes of tags from the origin.
  struct searched {
    group_origin in;
    std::uint32_t units, shift;

    std::size_t home(std::uint64_t h) const noexcept {
      return in.first + home_offset(h, units, shift);
    }
    std::size_t end() const noexcept { return in.first + (std::size_t{units} << 16 >> shift); }
    unsigned char* tags(std::size_t off) const noexcept { return in.tags + off; }
    unsigned char* slots(std::size_t off) const noexcept {
      return in.slots + shape::slot_offset(off, 0);
    }
    void fetch([[maybe_unused]] std::size_t off, [[maybe_unused]] std::uint64_t h) const noexcept {
#if defined(__GNUC__)
      __builtin_prefetch(slots(off) + shape::preferred_slot(h) * sizeof(value_type));
#endif
    }
    map_place place(std::size_t off, std::size_t j) const noexcept {
      return {in.tags + off, slots(off), j, in.tags + end()};
    }
  };
  std::size_t choose(const searched& in, std::size_t off, unsigned open,
                     std::uint64_t h) const noexcept {
    return this->prefers_lines() ? shape::pick(open, in.slots(off), h) : lowest(open);
  }
  [[gnu::always_inline]] searched open(entry e, std::uint32_t units) const noexcept {
    return {space::open(tags_, slots_, e, std::size_t{units} << 16 >> shift_), units, shift_};
  }
  // The slot of `key` in one group, or kGroupSlots.
  template <class Q>
  [[gnu::always_inline]] std::size_t match(const searched& in, std::size_t off, const Q& key,
                                           std::uint64_t h) const {
    for (unsigned bits = match_hash(in.tags(off), h); bits != 0; bits &= bits - 1) {
      const std::size_t j = lowest(bits);
      if (equal_(Policy::key(*slot_at(in.slots(off), j)), key)) [[likely]]
        return j;
    }
    return kGroupSlots;
  }
  // Most searches end in the home group; those that don't go on here.
  template <class Q>
  [[gnu::noinline]] map_place find_further(entry e, Q key, std::uint64_t h) const {
    const searched in = open(e, units_of(e));
    const std::size_t home = in.home(h);
    std::size_t off = home;
    do {
      off += shape::kStride;
      if (off == in.end()) off = in.in.first;
      if (off == home) return {};
      if (const std::size_t j = match(in, off, key, h); j != kGroupSlots) return in.place(off, j);
    } while (overflowed(in.tags(off), h));
    return {};
  }
  template <class Q>
  [[gnu::noinline]] map_insertion place_further(entry e, Q key, std::uint64_t h) {
    const searched in = open(e, units_of(e));
    const std::size_t home = in.home(h);
    if (overflowed(in.tags(home), h)) {
      const map_place found = find_further<by_value<Q>>(e, key, h);
      if (found.group != nullptr) return {found, 0, true, growth_end::done};
    }
    const unsigned open = free_slots(in.tags(home));
    if (open != 0 && size_ < limit_) {
      return {in.place(home, choose(in, home, open, h)), tag_of(h), false, growth_end::done};
    }
    return place_beyond(in, home, h);
  }
  // In the first group behind the home, which is full: as place_at_hand, of a segment at hand that
  // has no chain.
  map_insertion place_beyond(const searched& in, std::size_t home, std::uint64_t h) noexcept {
    const map_insertion due{{nullptr, nullptr, h, nullptr}, 0, false, growth_end::done};
    segment_header* head = nullptr;
    if (!this->is_small()) {
      head = this->header_of(in.place(home, 0));
      if (head->displaced >= head->displaced_max) return due;
    } else if (size_ >= limit_) {
      return due;
    }
    std::size_t off = home;
    do {
      mark_overflow(in.tags(off), h);
      off += shape::kStride;
      if (off == in.end()) off = in.in.first;
      if (const unsigned open = free_slots(in.tags(off)); open != 0) {
        if (head != nullptr && head->displaced != 0xffff) ++head->displaced;
        return {in.place(off, lowest(open)), tag_of(h), false, growth_end::done};
      }
    } while (off != home);
    return due;
  }
  // All of one segment, which need not be what entries_ names.
  template <class Q>
  map_place find_in(entry e, Q& key, std::uint64_t h) const {
    const searched in = open(e, units_of(e));
    const std::size_t home = in.home(h);
    if (const std::size_t j = match(in, home, key, h); j != kGroupSlots) return in.place(home, j);
    if (overflowed(in.tags(home), h)) return find_further<by_value<Q>>(e, key, h);
    return {};
  }

  // The entry is 0, or of a chain, or lies beyond what lookups see directly.
  template <class Q>
  [[gnu::noinline]] map_place find_detour(Q key, std::uint64_t h) const {
    return find_at(large_->dir.resolve(directory_bits(h)), key, h);
  }
  template <class Q>
  map_place find_at(entry e, Q& key, std::uint64_t h) const {
    const map_place found = find_in(e, key, h);
    if (found.group != nullptr || (e & space::kUnitsMask) != 0) return found;
    for (segment_header* block = this->header_named(e)->next; block != nullptr;
         block = block->next) {
      if (block->alike != this->alike_of(h)) continue;
      const map_place further = find_in(this->name_of(this->block_of(block), 0), key, h);
      if (further.group != nullptr) return further;
    }
    return {};
  }
  template <class Q>
  [[gnu::noinline]] map_insertion place_detour(Q key, std::uint64_t h) {
    const entry e = large_->dir.resolve(directory_bits(h));
    if ((e & space::kUnitsMask) != 0) {
      // The next lookup need not come here.
      this->make_alias(directory_bits(h) & (large_->dir.size() - 1));
    }
    if (const map_place found = find_at<Q>(e, key, h); found.group != nullptr) {
      return {found, 0, true, growth_end::done};
    }
    return this->place_at_hand(h);
  }
  // Without a number: of full size.
  static std::uint32_t units_of(entry e) noexcept {
    const auto units = static_cast<std::uint32_t>(e & space::kUnitsMask);
    return units == 0 ? shape::kUnitsMax : units;
  }
};

}  // namespace ullage::detail
