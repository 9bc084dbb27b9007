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
        const std::uint64_t h = seeded_hash(
            map.hash_, Policy::key(*slot_at(slots_in(base, groups, g), lowest(used))), map.seed_);
        displaced += home_of(h, groups) != g;
        hashes[entries++] = h;
      }
    }
  }
  /// Entries whose directory bit `depth` is set.
  std::size_t ones(unsigned depth) const noexcept {
    std::size_t n = 0;
    for (std::size_t i = 0; i < entries; ++i) n += (directory_bits(hashes[i]) >> depth) & 1;
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

  /// Constructs an entry with `make(slot)` in the home group of hash h; false: there is no room.
  template <class Make>
  bool add_home(std::uint64_t h, Make make) {
    const std::size_t g = home_of(h, groups);
    if (counts[g] == kGroupSlots) [[unlikely]]
      return false;
    put(g, tag_of(h), make);
    return true;
  }
  /// The same in the first group after its home that has room.
  template <class Make>
  void add_displaced(std::uint64_t h, Make make) {
    ++displaced;
    std::size_t g = home_of(h, groups);
    for (; counts[g] == kGroupSlots; g = g + 1 == groups ? 0 : g + 1) {
      mark_overflow(base + g * shape::kStride, tag_of(h));
    }
    put(g, tag_of(h), make);
  }
  static void* slot_at_raw(unsigned char* slots, unsigned slot) noexcept {
    return slots + slot * sizeof(value_type);
  }
  /// Takes all entries of `all`; those for which `mine(hash)` is false go to `other`. First come
  /// those that find room at home: entries come in the order of their homes, and one that went on
  /// to the next group before its own were there would push one of them on, and so forth.
  template <class Mine>
  void take(map_storage& map, const harvest& all, builder& other, Mine mine) {
    const std::uint64_t* h = all.hashes;
    std::size_t waiting = 0;
    std::uint16_t late[shape::kSlotsMax];
    value_type* late_from[shape::kSlotsMax];
    const auto carry = [&map](value_type* from) {
      return [&map, from](void* at) {
        if constexpr (kMovesSafely) {
          Policy::relocate(map.alloc_, at, from);
        } else {
          Policy::copy_or_move(map.alloc_, at, from);
        }
      };
    };
    const auto all_of_it = [&] {
      each_slot(all, [&](value_type* from) {
        builder& to = mine(*h) ? *this : other;
        if (!to.add_home(*h, carry(from))) [[unlikely]] {
          late[waiting] = static_cast<std::uint16_t>(h - all.hashes);
          late_from[waiting++] = from;
        }
        ++h;
      });
      for (std::size_t i = 0; i < waiting; ++i) {
        const std::uint64_t hash = all.hashes[late[i]];
        (mine(hash) ? *this : other).add_displaced(hash, carry(late_from[i]));
      }
    };
    if constexpr (kMovesSafely) {
      all_of_it();
    } else {
      try {
        all_of_it();
      } catch (...) {
        map.destroy_in(base, groups);
        if (&other != this) map.destroy_in(other.base, other.groups);
        throw;
      }
      each_slot(all, [&](value_type* from) { Policy::destroy(map.alloc_, from); });
    }
  }
  void take(map_storage& map, const harvest& all) {
    take(map, all, *this, [](std::uint64_t) { return true; });
  }

 private:
  template <class Make>
  void put(std::size_t g, std::uint8_t tag, Make make) {
    make(slot_at_raw(slots_in(base, groups, g), counts[g]));
    base[g * shape::kStride + counts[g]] = tag;
    ++counts[g];
  }
  template <class Visit>
  static void each_slot(const harvest& all, Visit visit) {
    for (std::size_t g = 0; g < all.groups; ++g) {
      unsigned char* group = all.base + g * shape::kStride;
      for (unsigned used = used_slots(group); used != 0; used &= used - 1) {
        visit(slot_at(slots_in(all.base, all.groups, g), lowest(used)));
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
  std::memset(base, 0, groups * kMetaBytes);
  return base;
}

template <class Policy>
unsigned char* map_storage<Policy>::get_segment(unsigned code) {
  const std::size_t groups = shape::groups_of(code);
  unsigned char* base = names::template get<raw>(alloc_, segment_bytes(groups));
  std::memset(base, 0, groups * kMetaBytes);
  segment_header* head = ::new (static_cast<void*>(base + header_offset(groups))) segment_header;
  head->code = static_cast<std::uint8_t>(code);
  settle(head, groups, 0);
  large_->groups += groups;
  large_->block_bytes += names::template held<raw>(segment_bytes(groups));
  return base;
}

template <class Policy>
void map_storage<Policy>::put_segment(unsigned char* base, std::size_t groups) noexcept {
  large_->groups -= groups;
  large_->block_bytes -= names::template held<raw>(segment_bytes(groups));
  names::template put<raw>(alloc_, base, segment_bytes(groups));
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
void map_storage<Policy>::destroy_in(unsigned char* base, std::size_t groups) noexcept {
  if constexpr (Policy::kTrivialDestroy) return;
  for (std::size_t g = 0; g < groups; ++g) {
    for (unsigned used = used_slots(base + g * shape::kStride); used != 0; used &= used - 1) {
      Policy::destroy(alloc_, slot_at(slots_in(base, groups, g), lowest(used)));
    }
  }
}

template <class Policy>
void map_storage<Policy>::release() noexcept {
  if (groups_ != 0) {
    if (limit_ != 0) destroy_in(groups_base(), groups_);
    put_small();
  } else {
    // From the back, because an alias comes after the entry of the segment it names.
    for (std::size_t i = large_->dir.size(); i-- > 0;) {
      const entry e = large_->dir.get(i);
      if (e == 0 || header_named(e)->index != i) continue;
      for (segment_header* more = header_named(e)->next; more != nullptr;) {
        unsigned char* base = block_of(std::exchange(more, more->next));
        destroy_in(base, shape::kGroupsMax);
        put_segment(base, shape::kGroupsMax);
      }
      destroy_in(base_named(e), groups_named(e));
      put_segment(base_named(e), groups_named(e));
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
      destroy_in(groups_base(), groups_);
      std::memset(groups_base(), 0, groups_ * kMetaBytes);
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
