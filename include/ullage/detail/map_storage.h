// SPDX-License-Identifier: Apache-2.0
//
// map_storage: the state of a map and the paths that change its shape. A small map is one run of
// groups, named by the object itself; a large one is a directory of segments (map_directory.h),
// each a run of groups (map_group.h) with a header behind them:
//
//   | tags of group 0 .. n-1 | slots of group 0 .. n-1 | header |    n = 40, 52 or 64
//
// (for 16-byte slots). Tags lie together, four groups to a cache line: those of a
// map of a million entries fill 1.5 MB, and a search that fails touches nothing else.
//
// What is declared here and not defined is in map_grow.h (growth), map_shrink.h (merging) and
// map_chain.h (keys that no split can part).
#pragma once

#include <ullage/detail/map_directory.h>
#include <ullage/detail/map_group.h>
#include <ullage/detail/map_hash.h>
#include <ullage/detail/map_stats.h>
#include <ullage/growth.h>

#include <cmath>
#include <new>
#include <utility>

namespace ullage::detail {

/// Behind the groups of each segment of a map that has a directory.
struct segment_header {
  segment_header* next = nullptr;   ///< more storage for keys no split can part
  std::uint32_t index = 0;          ///< the `depth` low directory bits of its hashes
  std::uint32_t emptied = 0;        ///< erasures that left a group empty
  std::uint16_t displaced = 0;      ///< entries put outside their home group since it was built
  std::uint16_t displaced_max = 0;  ///< then it is looked at: stretch, split or rebuild
  std::uint16_t entries = 0;        ///< in this block; kept only while it is part of a chain
  std::uint8_t depth = 0;
  std::uint8_t code = 0;  ///< 1..3: how many groups
};
static_assert(sizeof(segment_header) <= 32);

/// Where an entry is, or would go.
struct map_place {
  unsigned char* group = nullptr;  // its tags; null: nowhere
  unsigned char* slots = nullptr;  // its slots
  unsigned slot = 0;
  unsigned char* end = nullptr;  // behind the tags of the segment's last group
};

enum class growth_end : std::uint8_t { done, denied, no_memory };

struct map_insertion {
  map_place at;  // at.group null: see `end`
  std::uint8_t tag = 0;
  bool found = false;
  growth_end end = growth_end::done;
};

template <class Policy>
class map_storage {
 public:
  using key_type = typename Policy::key_type;
  using value_type = typename Policy::value_type;
  using hasher = typename Policy::hasher;
  using key_equal = typename Policy::key_equal;
  using allocator_type = typename Policy::allocator_type;
  using shape = map_shape<sizeof(value_type), alignof(value_type)>;

  static constexpr std::size_t kTail = shape::round_up(sizeof(segment_header), shape::kAlign);
  static constexpr std::size_t kBlockBytesMax = shape::bytes(shape::kGroupsMax) + kTail;
  // Segments that outgrow the arena's blocks (slots above a kilobyte) come from the allocator.
  static constexpr bool kArena = kHaveArena && is_arena_allocator<allocator_type>::value &&
                                 kBlockBytesMax <= segment_arena::kBlockBytesMax &&
                                 shape::kAlign <= 64;
  using names = std::conditional_t<kArena, arena_names, address_names>;
  using raw = raw_memory<allocator_type, shape::kAlign>;
  using directory = map_directory<names, allocator_type>;
  using entry = typename names::entry;

  // Bits of a hash: 0-7 the tag, 8-35 the directory (directory_bits), 32-63 the home group.
  // One step of growth moves the entries of one segment, at most; an insert takes one step, at
  // most.
  static constexpr std::size_t kMovesMax = shape::kSlotsMax;
  // Two segments, the directory (first its state, later its array or a chunk and its tree).
  static constexpr std::size_t kAllocationsMax = 5;
  static constexpr bool kMovesSafely = Policy::kMovesSafely;

  struct large_state {
    directory dir;
    map_tallies tallies;
    std::size_t segments = 0, groups = 0, block_bytes = 0;
    std::size_t filled = 0;     // directory entries below this have had their alias made
    std::size_t compacted = 0;  // where compact() goes on
    bool compacting = false;    // compact() found something in this pass
    std::uint32_t at_depth[directory::kDepthMax + 1] = {};  // segments
  };

  map_storage(const hasher& hash, const key_equal& equal, const allocator_type& alloc,
              growth_site* site)
      : site_(site), hash_(hash), equal_(equal), alloc_(alloc) {
    become_empty();
  }
  map_storage(const map_storage&) = delete;
  map_storage& operator=(const map_storage&) = delete;
  ~map_storage() {
    const std::size_t bytes = held_bytes();
    release();
    if (bytes != 0) adjust_growth(site_, -static_cast<std::int64_t>(bytes));
  }

  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept {
    return groups_ != 0 ? small_slots() : large_->groups * 15;
  }
  std::size_t held_bytes() const noexcept {
    std::size_t n = large_ == nullptr ? 0 : raw::rounded(sizeof(large_state));
    if (groups_ != 0) return n + (limit_ == 0 ? 0 : raw::rounded(small_bytes(groups_, limit_)));
    return n + large_->block_bytes + large_->dir.bytes();
  }

  /// Destroys all entries and gives all memory back.
  void clear() noexcept;
  /// Only for empty maps: room for `n` without growth. May throw; denied by the budget: says so.
  growth_end reserve_empty(std::size_t n, growth_cause cause);
  bool compact(std::size_t budget);
  void take_all(map_storage& other);
  map_counters counters() const;
  /// Entries and memory change places; sites stay, and their budgets are told.
  void swap(map_storage& other) noexcept;
  /// swap() and hash, equality and, where it may travel, allocator.
  void exchange_all(map_storage& other) noexcept;

  hasher hash_function() const { return hash_; }
  key_equal key_eq() const { return equal_; }
  allocator_type allocator() const noexcept { return alloc_; }
  allocator_type& allocator_ref() noexcept { return alloc_; }
  growth_site* site() const noexcept { return site_; }
  /// The site learns what size this map reached.
  void remember() noexcept {
    const std::size_t most = size_ > peak_ ? size_ : peak_;
    if (site_ != nullptr && most != 0) site_->remember(most);
    peak_ = 0;
  }
  void end_of_life() noexcept { remember(); }
  void record_stalls(bool on);
  const stall_histogram* stalls() const noexcept {
    return large_ == nullptr ? nullptr : large_->tallies.stalls;
  }

  static value_type* slot_at(unsigned char* slots, unsigned slot) noexcept {
    return std::launder(reinterpret_cast<value_type*>(slots + slot * sizeof(value_type)));
  }

  // ---- walking ------------------------------------------------------------------------------

  /// To the first group of the first segment; group is null when there is none.
  map_place first_groups() const noexcept {
    if (groups_ == 0) return groups_after(kNoIndex);
    return limit_ == 0 ? map_place{} : start_of(groups_base(), groups_);
  }
  /// From behind the last group of a segment to the first of the next.
  map_place next_groups(const map_place& at) const noexcept {
    if (groups_ != 0) return {};
    const segment_header* here = header_of(at);
    if (here->next == nullptr) return groups_after(here->index);
    return start_of(block_of(here->next), shape::kGroupsMax);
  }

 protected:
  static constexpr std::size_t kNoIndex = ~std::size_t{0};

  static constexpr std::size_t header_offset(std::size_t groups) {
    return shape::round_up(shape::bytes(groups), alignof(segment_header));
  }
  static segment_header* header_at(void* at) noexcept {
    return std::launder(static_cast<segment_header*>(at));
  }
  static segment_header* header_of(unsigned char* base, std::size_t groups) noexcept {
    return header_at(base + header_offset(groups));
  }
  // Of the segment that the place is in.
  static segment_header* header_of(const map_place& at) noexcept {
    const auto left = static_cast<std::size_t>(at.end - at.group) / kMetaBytes;
    const auto end = reinterpret_cast<std::uintptr_t>(at.slots) + left * shape::kGroupBytes;
    const std::size_t odd = end % alignof(segment_header);
    return header_at(at.slots + left * shape::kGroupBytes +
                     (odd == 0 ? 0 : alignof(segment_header) - odd));
  }
  static unsigned char* slots_in(unsigned char* base, std::size_t groups, std::size_t g) noexcept {
    return base + shape::slots_at(groups) + g * shape::kGroupBytes;
  }
  static map_place start_of(unsigned char* base, std::size_t groups) noexcept {
    return {base, slots_in(base, groups, 0), 0, end_of(base, groups)};
  }
  // Tags of a segment's groups end here.
  static unsigned char* end_of(unsigned char* base, std::size_t groups) noexcept {
    return base + groups * shape::kStride;
  }
  // Groups that an entry's segment has: one without a code is always a full-size one.
  static std::size_t groups_named(entry e) noexcept {
    const auto code = static_cast<unsigned>(e & names::kCodeMask);
    return code == 0 ? shape::kGroupsMax : shape::groups_of(code);
  }
  unsigned char* base_named(entry e) const noexcept { return names::base(origin_, e); }
  segment_header* header_named(entry e) const noexcept {
    return header_of(base_named(e), groups_named(e));
  }
  // Blocks of chains are of full size.
  static unsigned char* block_of(segment_header* chained) noexcept {
    return reinterpret_cast<unsigned char*>(chained) - header_offset(shape::kGroupsMax);
  }
  map_place groups_after(std::size_t index) const noexcept {
    const directory& dir = large_->dir;
    for (std::size_t i = index + 1; i < dir.size(); ++i) {
      const entry e = dir.get(i);
      if (e == 0 || header_named(e)->index != i) continue;  // nothing, or an alias
      return start_of(base_named(e), groups_named(e));
    }
    return {};
  }

  unsigned char* groups_base() const noexcept { return static_cast<unsigned char*>(place_); }
  entry* entries() const noexcept { return static_cast<entry*>(place_); }

  // Small maps: 1, 3, 7 or 15 slots in one group that may be cut short, then whole groups.
  std::size_t small_slots() const noexcept { return groups_ == 1 ? limit_ : groups_ * kGroupSlots; }
  static constexpr std::size_t small_bytes(std::size_t groups, std::size_t limit) {
    return groups == 1 ? shape::slots_at(1) + limit * sizeof(value_type) : shape::bytes(groups);
  }
  static constexpr std::size_t segment_bytes(std::size_t groups) {
    return header_offset(groups) + sizeof(segment_header);
  }

  void become_empty() noexcept {
    // The empty map searches a group that holds nothing; nobody writes to it, because limit_ is 0.
    place_ = const_cast<unsigned char*>(kEmptyMeta);
    groups_ = 1;
    limit_ = 0;
    mask_ = 0;
    size_ = 0;
  }
  void become_small(unsigned char* base, std::size_t groups, std::size_t limit) noexcept {
    place_ = base;
    groups_ = static_cast<std::uint32_t>(groups);
    limit_ = static_cast<std::uint32_t>(limit);
    mask_ = 0;
  }
  void see_directory() noexcept {
    place_ = large_->dir.flat();
    mask_ = large_->dir.flat_mask();
    origin_ = names::origin();
    groups_ = 0;
    limit_ = 0;
  }

  // ---- blocks -------------------------------------------------------------------------------

  unsigned char* get_small(std::size_t groups, std::size_t limit);
  void put_small() noexcept {
    if (limit_ != 0) raw::put(alloc_, place_, small_bytes(groups_, limit_));
  }
  unsigned char* get_segment(unsigned code);
  void put_segment(unsigned char* base, std::size_t groups) noexcept;
  void make_large();
  void drop_large() noexcept;
  void destroy_in(unsigned char* base, std::size_t groups) noexcept;
  void release() noexcept;

  // ---- growth (map_grow.h) ------------------------------------------------------------------

  struct harvest;
  struct builder;
  struct attempt;

  growth_end reserve_small(std::size_t n, growth_cause cause);
  static constexpr std::size_t next_small(std::size_t groups) noexcept;
  map_insertion place_slow(std::uint64_t h);
  map_insertion place_absent(std::uint64_t h);
  map_place place_displaced(unsigned char* base, std::size_t groups, std::uint64_t h) noexcept;
  growth_end grow_small();
  growth_end grow_segment(std::size_t index, entry e);
  growth_end stretch(std::size_t index, entry e, const harvest& all, unsigned code);
  growth_end split(std::size_t index, entry e, const harvest& all);
  growth_end small_to_large(const harvest& all);
  growth_end small_to_small(const harvest& all, std::size_t groups, std::size_t limit);
  bool worth_splitting(const harvest& all, unsigned depth) const noexcept;
  void rebuild(unsigned char* base, std::size_t groups, const harvest& all) noexcept;
  void settle(segment_header* head, std::size_t groups, std::size_t displaced) noexcept;
  void fill_aliases(std::size_t zero, std::size_t one, unsigned depth) noexcept;
  void make_alias(std::size_t i) noexcept;
  entry name_of(unsigned char* base, unsigned code) const noexcept {
    return names::name(origin_, base, code);
  }
  static unsigned code_for(std::size_t entries) noexcept;
  growth_end chain(std::size_t index, entry e);
  map_insertion place_in_chain(segment_header* head, std::uint64_t h);
  void chain_erased(const map_place& at) noexcept;
  void shorten_chain(segment_header* block) noexcept;

  // ---- shrinking (map_shrink.h) -------------------------------------------------------------

  void group_emptied(const map_place& at) noexcept;
  static std::size_t count_in(unsigned char* base, std::size_t groups) noexcept;
  std::size_t try_shrink(std::size_t index, std::size_t most, growth_cause cause);
  std::size_t merge(std::size_t low, entry low_name, entry high_name, growth_cause cause);
  std::size_t large_to_small(entry e, std::size_t entries, growth_cause cause);
  void replace(std::size_t index, entry e, builder& fresh, const harvest& all, unsigned depth);

  // ---- data: one cache line for the paths that find and insert --------------------------------

  void* place_ = nullptr;            // small: the groups; large: the directory's entries
  unsigned char* origin_ = nullptr;  // what names count from
  std::size_t mask_ = 0;
  std::uint64_t seed_ = fresh_seed();
  std::size_t size_ = 0;
  std::uint32_t groups_ = 1;  // 0: large
  std::uint32_t limit_ = 0;   // small: entries at which it grows
  large_state* large_ = nullptr;
  growth_site* site_ = nullptr;
  std::size_t peak_ = 0;  // entries when it last grew
  [[no_unique_address]] hasher hash_;
  [[no_unique_address]] key_equal equal_;
  [[no_unique_address]] allocator_type alloc_;
};

}  // namespace ullage::detail
