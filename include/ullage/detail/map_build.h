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

#include <algorithm>

namespace ullage::detail {

// The hashes of a run's entries, in the order of their slots.
template <class Policy>
struct map_storage<Policy>::harvest {
  group_run run;
  std::uint64_t started_ns;  // of the step
  std::size_t entries = 0;
  std::uint64_t hashes[shape::kSlotsMax];

  harvest(const map_storage& map, const group_run& from) : run(from), started_ns(map.start_ns()) {
    std::uint64_t* next = hashes;
    const std::uint64_t seed = map.seed_;  // here nobody else can write to it
    each_slot(run, [&map, &next, seed](value_type* at, std::uint8_t) {
      *next++ = seeded_hash(map.hash_, Policy::key(*at), seed);
    });
    entries = static_cast<std::size_t>(next - hashes);
  }
  /// Entries whose directory bit `depth` is set.
  std::size_t ones(unsigned depth) const noexcept {
    std::size_t n = 0;
    for (std::size_t i = 0; i < entries; ++i) n += directory_bit(hashes[i], depth);
    return n;
  }
  /// With so many ones: a split that parts less than a sixteenth is fruitless, keys hash alike.
  bool parts(std::size_t ones) const noexcept {
    return ones >= entries / 16 && entries - ones >= entries / 16;
  }
  /// visit(entry, tag) for every entry of a run.
  template <class Visit>
  static void each_slot(const group_run& run, Visit visit) {
    unsigned char* slots = run.slots;
    unsigned char* const end = end_of(run);
    for (unsigned char* group = run.tags; group != end;
         group += shape::kStride, slots += shape::kGroupBytes) {
      for (unsigned used = used_slots(group); used != 0; used &= used - 1) {
        const std::size_t j = lowest(used);
        visit(slot_at(slots, j), group[j]);
      }
    }
  }
};

// A fresh run that is being filled.
template <class Policy>
struct map_storage<Policy>::builder {
  group_run run;
  std::size_t displaced = 0;
  bool far = false;                       // entries prefer a line (map_shape)
  std::uint16_t open[shape::kGroupsMax];  // slots

  explicit builder(const group_run& fresh, bool prefers_lines = false) noexcept
      : run(fresh), far(prefers_lines) {
    std::fill(open, open + run.groups, static_cast<std::uint16_t>(kSlotMask));
  }

  /// Constructs an entry with `make(slot)` in the home group of hash h; false: there is no room.
  template <class Make>
  [[gnu::always_inline]] bool add_home(std::uint64_t h, std::uint8_t tag, Make make) {
    const std::size_t g = home_of(h, run.groups);
    const unsigned slots = open[g];
    if (slots == 0) [[unlikely]]
      return false;
    put(g, far ? shape::pick(slots, slots_in(run, g), h) : lowest(slots), tag, make);
    return true;
  }
  /// The same in the first group after its home that has room.
  template <class Make>
  void add_displaced(std::uint64_t h, Make make) {
    ++displaced;
    std::size_t g = home_of(h, run.groups);
    for (; open[g] == 0; g = g + 1 == run.groups ? 0 : g + 1) {
      mark_overflow(run.tags + g * shape::kStride, h);
    }
    put(g, lowest(open[g]), tag_of(h), make);
  }
  static void* slot_at_raw(unsigned char* slots, std::size_t slot) noexcept {
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
      harvest::each_slot(all.run, [&](value_type* from, std::uint8_t tag) {
        builder* const to = mine(*h) ? this : &other;
        if (!to->add_home(*h, tag, carry(from))) [[unlikely]] {
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
        map.destroy_in(run);
        if (&other != this) map.destroy_in(other.run);
        throw;
      }
      harvest::each_slot(
          all.run, [&](value_type* from, std::uint8_t) { Policy::destroy(map.alloc_, from); });
    }
  }
  void take(map_storage& map, const harvest& all) {
    take(map, all, *this, [](std::uint64_t) { return true; });
  }

 private:
  template <class Make>
  [[gnu::always_inline]] void put(std::size_t g, std::size_t j, std::uint8_t tag, Make make) {
    make(slot_at_raw(slots_in(run, g), j));
    run.tags[g * shape::kStride + j] = tag;
    open[g] = static_cast<std::uint16_t>(open[g] & ~(1u << j));
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
  bool quiet = false;   // a part of another one, which reports
  bool advice = false;  // room that nobody asked for: the least is none

  attempt(map_storage& of, growth_kind what, growth_cause why)
      : attempt(of, what, why, of.start_ns()) {}
  // A step that began earlier: with the hashes of the entries (harvest).
  attempt(map_storage& of, growth_kind what, growth_cause why, std::uint64_t started)
      : map(of),
        kind(what),
        cause(why),
        bytes_before(of.held_bytes()),
        capacity_before(of.capacity()),
        bytes_known(bytes_before),
        started_ns(started) {}
  attempt(const attempt&) = delete;
  attempt& operator=(const attempt&) = delete;
  ~attempt() {
    if (pending) tell_budget(map.held_bytes());
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
    const growth_answer answer = ask_growth(map.site_, request);
    if (answer == growth_answer::deny) {
      denied();
      return false;
    }
    bytes_known = request.bytes_wanted;
    if (answer == growth_answer::degrade && advice) {
      tell_budget(bytes_before);
      return false;
    }
    pending = true;
    return true;
  }
  void denied() noexcept {
    if (map.large_ != nullptr) ++map.large_->tallies.denials;
    kind = growth_kind::denied;
    report(0);
  }
  /// The step is complete: the map is whole.
  void done(std::size_t moved) noexcept {
    tell_budget(map.held_bytes());
    pending = false;
    if (map.size_ > map.peak_) map.peak_ = map.size_;
    report(moved);
  }

 private:
  void tell_budget(std::uint64_t bytes_now) noexcept {
    const auto off = static_cast<std::int64_t>(bytes_now - bytes_known);
    if (off != 0) adjust_growth(map.site_, off);
    bytes_known = bytes_now;
  }
  void report(std::size_t moved) noexcept {
    if (quiet) return;
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
    if (map.stalls_ != nullptr && started_ns != 0) {
      map.stalls_->told.add(growth_clock_ns() - started_ns);
    }
    report_growth(map.site_, event, started_ns);
  }
};

// ---- memory ---------------------------------------------------------------------------------

template <class Policy>
group_run map_storage<Policy>::get_small(std::size_t groups, std::size_t limit) {
  unsigned char* base = raw::get(alloc_, small_bytes(groups, limit));
  std::memset(base, 0, groups * kMetaBytes);
  return {base, base + shape::slots_at(groups), groups};
}

template <class Policy>
group_run map_storage<Policy>::get_segment(unsigned units) {
  const std::size_t groups = shape::groups_of(units);
  const group_run run = run_at(large_->where.get(alloc_, units), groups);
  std::memset(run.tags, 0, groups * kMetaBytes);
  segment_header* head = ::new (static_cast<void*>(header_of(run))) segment_header;
  head->units = static_cast<std::uint8_t>(units);
  settle(head, groups * kGroupSlots, 0, 0);
  large_->groups += groups;
  large_->block_bytes += space::held(units);
  return run;
}

template <class Policy>
void map_storage<Policy>::put_segment(const group_run& run) noexcept {
  const auto units = static_cast<unsigned>(run.groups / shape::kUnit);
  large_->groups -= run.groups;
  large_->block_bytes -= space::held(units);
  large_->where.put(alloc_, run.tags, units);
}

template <class Policy>
void map_storage<Policy>::make_large() {
  if (large_ != nullptr) return;
  large_ = ::new (static_cast<void*>(raw::get(alloc_, sizeof(large_state)))) large_state;
}

template <class Policy>
void map_storage<Policy>::drop_large() noexcept {
  if (large_ == nullptr) return;
  large_->dir.release(alloc_);
  large_->~large_state();
  raw::put(alloc_, large_, sizeof(large_state));
  large_ = nullptr;
}

template <class Policy>
void map_storage<Policy>::destroy_in(const group_run& run) noexcept {
  if constexpr (!Policy::kTrivialDestroy) {
    harvest::each_slot(run, [&](value_type* at, std::uint8_t) { Policy::destroy(alloc_, at); });
  }
}

template <class Policy>
void map_storage<Policy>::release() noexcept {
  if (is_small()) {
    if (limit_ != 0) destroy_in(small_run());
    put_small();
  } else {
    // From the back, because an alias comes after the entry of the segment it names.
    for (std::size_t i = large_->dir.size(); i-- > 0;) {
      const entry e = large_->dir.get(i);
      if (e == 0 || header_named(e)->index != i) continue;
      for (segment_header* more = header_named(e)->next; more != nullptr;) {
        const group_run run = block_of(std::exchange(more, more->next));
        destroy_in(run);
        put_segment(run);
      }
      const group_run run = run_named(e);
      destroy_in(run);
      put_segment(run);
    }
  }
  drop_large();
  chained_ = 0;
  become_empty();
}

template <class Policy>
void map_storage<Policy>::clear() noexcept {
  const std::size_t before = held_bytes();
  if (is_small() && large_ == nullptr && before <= 4096) {
    // Little enough to keep.
    if (size_ != 0) {
      destroy_in(small_run());
      std::memset(tags_, 0, small_groups() * kMetaBytes);
      size_ = 0;
    }
    return;
  }
  release();
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
  const bool small = is_small(), other_small = other.is_small();
  swap(entries_, other.entries_);
  swap(tags_, other.tags_);
  swap(slots_, other.slots_);
  swap(seed_, other.seed_);
  swap(size_, other.size_);
  swap(limit_, other.limit_);
  swap(mask_, other.mask_);
  swap(shift_, other.shift_);
  swap(small_entry_, other.small_entry_);
  swap(chained_, other.chained_);
  swap(erased_, other.erased_);
  if (other_small) entries_ = &small_entry_;
  if (small) other.entries_ = &other.small_entry_;
  swap(large_, other.large_);
  swap(peak_, other.peak_);
}

template <class Policy>
void map_storage<Policy>::exchange_all(map_storage& other) noexcept(kSwapsQuietly) {
  using std::swap;
  using traits = std::allocator_traits<allocator_type>;
  // What may throw comes first. (If equality throws after the hash went, the maps are of no more
  // use than two whose hashes are wrong; they can be cleared and destroyed.)
  if constexpr (std::is_swappable_v<hasher>) swap(hash_, other.hash_);
  if constexpr (std::is_swappable_v<key_equal>) swap(equal_, other.equal_);
  this->swap(other);
  if constexpr (traits::propagate_on_container_swap::value ||
                traits::propagate_on_container_move_assignment::value ||
                traits::propagate_on_container_copy_assignment::value) {
    swap(alloc_, other.alloc_);
  }
}

template <class Policy>
void map_storage<Policy>::record_stalls(bool on) {
  if (on == (stalls_ != nullptr)) return;
  std::int64_t bytes = 0;
  if (on) {
    void* at = raw::get(alloc_, sizeof(stall_block));
    stalls_ = ::new (at) stall_block{alloc_, {}};
    bytes = static_cast<std::int64_t>(stalls_bytes());
  } else {
    bytes = -static_cast<std::int64_t>(stalls_bytes());
    stall_block* const old = std::exchange(stalls_, nullptr);
    const allocator_type alloc = old->alloc;
    old->~stall_block();
    raw::put(alloc, old, sizeof(stall_block));
  }
  adjust_growth(site_, bytes);
}

}  // namespace ullage::detail
