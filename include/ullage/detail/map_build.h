// SPDX-License-Identifier: Apache-2.0
//
// map_build: what every step of growth is made of. The entries of one segment are looked at
// (harvest), put into fresh blocks (builder), and the step is asked for, timed and told about
// (attempt).
//
// Until a step is complete the old segment is untouched or, where moving can't throw, whatever
// could throw is behind it: hashes are taken first, memory second, entries last.
#pragma once

#include <ullage/detail/map_storage.h>

namespace ullage::detail {

// The hashes of a segment's entries, in the order of their slots.
template <class Policy>
struct map_storage<Policy>::harvest {
  unsigned char* base;
  std::size_t groups;
  std::size_t entries = 0;
  std::size_t displaced = 0;
  std::uint64_t hashes[shape::kSlotsMax];

  harvest(const map_storage& map, unsigned char* from, std::size_t count)
      : base(from), groups(count) {
    for (std::size_t g = 0; g < groups; ++g) {
      unsigned char* group = base + g * shape::kStride;
      for (unsigned used = used_slots(group); used != 0; used &= used - 1) {
        const std::uint64_t h =
            seeded_hash(map.hash_, Policy::key(*slot_at(group, lowest(used))), map.seed_);
        displaced += home_of(h, groups) != g;
        hashes[entries++] = h;
      }
    }
  }
  /// Entries whose directory bit `depth` is set.
  std::size_t ones(unsigned depth) const noexcept {
    std::size_t n = 0;
    for (std::size_t i = 0; i < entries; ++i) n += (hashes[i] >> (kDirectoryShift + depth)) & 1;
    return n;
  }
};

// A fresh block that is being filled.
template <class Policy>
struct map_storage<Policy>::builder {
  unsigned char* base = nullptr;
  std::size_t groups = 0;
  std::size_t displaced = 0;
  std::uint8_t counts[shape::kGroupsMax] = {};

  builder(unsigned char* at, std::size_t count) noexcept : base(at), groups(count) {}

  /// Constructs an entry with `make(slot)` where hash h belongs.
  template <class Make>
  void add(std::uint64_t h, Make make) {
    const std::uint8_t tag = tag_of(h);
    std::size_t g = home_of(h, groups);
    if (counts[g] == kGroupSlots) [[unlikely]] {
      ++displaced;
      do {
        mark_overflow(base + g * shape::kStride, tag);
        if (++g == groups) g = 0;
      } while (counts[g] == kGroupSlots);
    }
    unsigned char* group = base + g * shape::kStride;
    make(slot_at_raw(group, counts[g]));
    group[counts[g]] = tag;
    ++counts[g];
  }
  static void* slot_at_raw(unsigned char* group, unsigned slot) noexcept {
    return group + shape::kSlotsAt + slot * sizeof(value_type);
  }
  /// Takes all entries of `all`; those for which `mine(hash)` is false go to `other`.
  template <class Mine>
  void take(map_storage& map, const harvest& all, builder& other, Mine mine) {
    const std::uint64_t* h = all.hashes;
    if constexpr (kMovesSafely) {
      each_slot(all, [&](value_type* from) {
        builder& to = mine(*h) ? *this : other;
        to.add(*h++, [&](void* at) { Policy::relocate(map.alloc_, at, from); });
      });
    } else {
      try {
        each_slot(all, [&](value_type* from) {
          builder& to = mine(*h) ? *this : other;
          to.add(*h++, [&](void* at) { Policy::copy_or_move(map.alloc_, at, from); });
        });
      } catch (...) {
        map.destroy_in(base, end_of(base, groups));
        if (&other != this) map.destroy_in(other.base, end_of(other.base, other.groups));
        throw;
      }
      each_slot(all, [&](value_type* from) { Policy::destroy(map.alloc_, from); });
    }
  }
  void take(map_storage& map, const harvest& all) {
    take(map, all, *this, [](std::uint64_t) { return true; });
  }

 private:
  template <class Visit>
  static void each_slot(const harvest& all, Visit visit) {
    for (std::size_t g = 0; g < all.groups; ++g) {
      unsigned char* group = all.base + g * shape::kStride;
      for (unsigned used = used_slots(group); used != 0; used &= used - 1) {
        visit(slot_at(group, lowest(used)));
      }
    }
  }
};

// One step of growth (or of shrinking), from question to report.
template <class Policy>
struct map_storage<Policy>::attempt {
  map_storage& map;
  growth_kind kind;
  growth_cause cause;
  std::uint64_t bytes_before, capacity_before, bytes_known, started_ns;
  bool pending = false;

  attempt(map_storage& of, growth_kind what, growth_cause why)
      : map(of),
        kind(what),
        cause(why),
        bytes_before(of.held_bytes()),
        capacity_before(of.capacity()),
        bytes_known(bytes_before),
        started_ns(growth_start_ns(of.site_)) {
    if (started_ns == 0 && stalls() != nullptr) started_ns = growth_clock_ns();
  }
  attempt(const attempt&) = delete;
  attempt& operator=(const attempt&) = delete;
  ~attempt() {
    if (pending) tell_budget(bytes_before);
  }

  /// May the map hold `more` bytes (and `extra` while it moves)? Reports the denial.
  bool admitted(std::size_t more, std::size_t extra) {
    if (map.site_ == nullptr) return true;
    growth_request request;
    request.kind = kind;
    request.cause = cause;
    request.site = map.site_;
    request.container = &map;
    request.type = Policy::kType;
    request.bytes_now = bytes_before;
    request.bytes_wanted = bytes_before + more;
    request.bytes_at_peak = bytes_before + more + extra;
    request.elements = map.size_;
    if (ask_growth(map.site_, request) == growth_answer::deny) {
      if (map.large_ != nullptr) ++map.large_->tallies.denials;
      kind = growth_kind::denied;
      report(0);
      return false;
    }
    bytes_known = request.bytes_wanted;
    pending = true;
    return true;
  }
  /// The step is complete: the map is whole.
  void done(std::size_t moved) noexcept {
    tell_budget(map.held_bytes());
    pending = false;
    if (map.size_ > map.peak_) map.peak_ = map.size_;
    report(moved);
  }

 private:
  stall_histogram* stalls() const noexcept {
    return map.large_ == nullptr ? nullptr : map.large_->tallies.stalls;
  }
  void tell_budget(std::uint64_t bytes_now) noexcept {
    const auto off = static_cast<std::int64_t>(bytes_now - bytes_known);
    if (off != 0) adjust_growth(map.site_, off);
    bytes_known = bytes_now;
  }
  void report(std::size_t moved) noexcept {
    growth_event event;
    event.kind = kind;
    event.cause = cause;
    event.container = &map;
    event.type = Policy::kType;
    event.bytes_before = bytes_before;
    event.bytes_after = map.held_bytes();
    event.capacity_before = capacity_before;
    event.capacity_after = map.capacity();
    event.elements = map.size_;
    event.moved = moved;
    event.element_bytes = sizeof(value_type);
    if (map.large_ != nullptr) {
      event.depth = static_cast<std::uint16_t>(map.large_->dir.depth());
      map.large_->tallies.moved += moved;
    }
    if (stall_histogram* told = stalls(); told != nullptr && started_ns != 0) {
      told->add(growth_clock_ns() - started_ns);
    }
    report_growth(map.site_, event, started_ns);
  }
};

// ---- memory
// ---------------------------------------------------------------------------------------

template <class Policy>
unsigned char* map_storage<Policy>::get_small(std::size_t groups, std::size_t limit) {
  unsigned char* base = raw::get(alloc_, small_bytes(groups, limit));
  for (std::size_t g = 0; g < groups; ++g) std::memset(base + g * shape::kStride, 0, kMetaBytes);
  return base;
}

template <class Policy>
unsigned char* map_storage<Policy>::get_segment(unsigned code) {
  const std::size_t groups = shape::groups_of(code);
  unsigned char* base = names::template get<raw>(alloc_, groups * shape::kStride + kTail);
  for (std::size_t g = 0; g < groups; ++g) std::memset(base + g * shape::kStride, 0, kMetaBytes);
  segment_header* head = ::new (static_cast<void*>(end_of(base, groups))) segment_header;
  head->code = static_cast<std::uint8_t>(code);
  settle(head, groups, 0);
  large_->groups += groups;
  large_->block_bytes += names::template held<raw>(groups * shape::kStride + kTail);
  return base;
}

template <class Policy>
void map_storage<Policy>::put_segment(unsigned char* base, std::size_t groups) noexcept {
  large_->groups -= groups;
  large_->block_bytes -= names::template held<raw>(groups * shape::kStride + kTail);
  names::template put<raw>(alloc_, base, groups * shape::kStride + kTail);
}

template <class Policy>
void map_storage<Policy>::make_large() {
  if (large_ != nullptr) return;
  large_ = ::new (static_cast<void*>(raw::get(alloc_, sizeof(large_state)))) large_state;
  origin_ = names::origin();
}

template <class Policy>
void map_storage<Policy>::drop_large() noexcept {
  if (large_ == nullptr) return;
  large_->dir.release(alloc_);
  delete large_->tallies.stalls;
  large_->~large_state();
  raw::put(alloc_, large_, sizeof(large_state));
  large_ = nullptr;
}

template <class Policy>
void map_storage<Policy>::destroy_in(unsigned char* base, unsigned char* end) noexcept {
  if constexpr (Policy::kTrivialDestroy) return;
  for (unsigned char* group = base; group != end; group += shape::kStride) {
    for (unsigned used = used_slots(group); used != 0; used &= used - 1) {
      Policy::destroy(alloc_, slot_at(group, lowest(used)));
    }
  }
}

template <class Policy>
void map_storage<Policy>::release() noexcept {
  if (groups_ != 0) {
    if (limit_ != 0) destroy_in(groups_base(), end_of(groups_base(), groups_));
    put_small();
  } else {
    unsigned char* end = nullptr;
    unsigned char* base = first_groups(end);
    while (base != nullptr) {
      destroy_in(base, end);
      unsigned char* next_end = end;
      unsigned char* next = next_groups(next_end);
      put_segment(base, static_cast<std::size_t>(end - base) / shape::kStride);
      base = next;
      end = next_end;
    }
  }
  drop_large();
  become_empty();
}

template <class Policy>
void map_storage<Policy>::clear() noexcept {
  const std::size_t before = held_bytes();
  if (groups_ != 0 && large_ == nullptr && before <= 4096) {
    // Little enough to keep.
    if (size_ != 0) {
      destroy_in(groups_base(), end_of(groups_base(), groups_));
      for (std::size_t g = 0; g < groups_; ++g) {
        std::memset(groups_base() + g * shape::kStride, 0, kMetaBytes);
      }
      size_ = 0;
    }
    return;
  }
  stall_histogram* stalls =
      large_ == nullptr ? nullptr : std::exchange(large_->tallies.stalls, nullptr);
  release();
  delete stalls;
  if (before != 0) adjust_growth(site_, -static_cast<std::int64_t>(before));
}

template <class Policy>
void map_storage<Policy>::swap(map_storage& other) noexcept {
  using std::swap;
  if (site_ != other.site_) {
    const auto more =
        static_cast<std::int64_t>(other.held_bytes()) - static_cast<std::int64_t>(held_bytes());
    adjust_growth(site_, more);
    adjust_growth(other.site_, -more);
  }
  swap(place_, other.place_);
  swap(origin_, other.origin_);
  swap(mask_, other.mask_);
  swap(seed_, other.seed_);
  swap(size_, other.size_);
  swap(groups_, other.groups_);
  swap(limit_, other.limit_);
  swap(large_, other.large_);
  swap(peak_, other.peak_);
}

template <class Policy>
void map_storage<Policy>::exchange_all(map_storage& other) noexcept {
  using std::swap;
  using traits = std::allocator_traits<allocator_type>;
  this->swap(other);
  if constexpr (std::is_swappable_v<hasher>) swap(hash_, other.hash_);
  if constexpr (std::is_swappable_v<key_equal>) swap(equal_, other.equal_);
  if constexpr (traits::propagate_on_container_swap::value ||
                traits::propagate_on_container_move_assignment::value ||
                traits::propagate_on_container_copy_assignment::value) {
    swap(alloc_, other.alloc_);
  }
}

template <class Policy>
void map_storage<Policy>::record_stalls(bool on) {
  if (on == (stalls() != nullptr)) return;
  if (on) {
    const std::size_t before = held_bytes();
    make_large();
    large_->tallies.stalls = new stall_histogram;
    adjust_growth(site_, static_cast<std::int64_t>(held_bytes() - before));
  } else {
    delete std::exchange(large_->tallies.stalls, nullptr);
  }
}

}  // namespace ullage::detail
