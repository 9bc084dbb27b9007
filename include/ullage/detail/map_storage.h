// SPDX-License-Identifier: Apache-2.0
//
// map_storage: the state of a map and the paths that change its shape. A small map is one run of
// groups, named by the object itself; a large one is a directory of segments (map_directory.h),
// each a run of groups (map_group.h) with a head. Where the three parts of a segment lie is
// map_memory.h's to know: in the process's arena tags lie with tags and slots with slots, so that
// the tags of ten million entries are 14 MB, and a search that fails touches nothing else.
//
// What is declared here and not defined is in map_grow.h (growth), map_shrink.h (merging) and
// map_chain.h (keys that no split can part).
#pragma once

#include <ullage/detail/map_directory.h>
#include <ullage/detail/map_group.h>
#include <ullage/detail/map_hash.h>
#include <ullage/detail/map_stats.h>
#include <ullage/growth.h>

#include <cassert>
#include <cmath>
#include <new>
#include <utility>

namespace ullage::detail {

/// The head of each segment of a map that has a directory, and of each block of a chain.
struct segment_header {
  segment_header* next = nullptr;   ///< blocks of keys that no split can part (map_chain.h)
  std::uint32_t index = 0;          ///< the `depth` low directory bits of its hashes
  std::uint32_t alike = 0;          ///< of a block: the directory bits of all its hashes
  std::uint16_t displaced = 0;      ///< entries put outside their home group since it was built
  std::uint16_t displaced_max = 0;  ///< then it is looked at: perhaps it is full
  std::uint16_t entries = 0;        ///< of a block; nobody counts those of a segment
  std::uint8_t depth = 0;
  std::uint8_t units = 0;  ///< 3 or 4: how many groups
  bool is_block = false;
};
static_assert(sizeof(segment_header) <= 48);

/// Groups side by side: a segment, or a small map.
struct group_run {
  unsigned char* tags = nullptr;
  unsigned char* slots = nullptr;
  std::size_t groups = 0;
};

/// Where an entry is, or would go.
struct map_place {
  unsigned char* group = nullptr;  // its tags; null: nowhere
  unsigned char* slots = nullptr;  // its slots
  std::uint64_t slot = 0;
  unsigned char* end = nullptr;  // behind the tags of the segment's last group
};

enum class growth_end : std::uint8_t { done, denied, no_memory };

struct map_insertion {
  // at.group null: see `end`; of place_at_hand at.slot is then the hash, for the step of growth
  // that is due. (A member of its own would cost every insert a register.)
  map_place at;
  std::uint8_t tag = 0;
  bool found = false;
  growth_end end = growth_end::done;
};

/// Whose wish some room is: a call's, a part of a growth that reports, or experience's, which takes
/// what can be had.
enum class room_for : std::uint8_t { call, growth, experience };

/// The entry that an insert brings, as a step of growth sees it. Its arguments may lie in the map:
/// so the step has it made once nothing can be refused any more, and before anything moves.
struct map_newcomer {
  std::uint64_t hash = 0;
  void (*make)(map_newcomer&) = nullptr;  // null: nothing is to be made
  bool made = false;

  void arrive() {
    if (make == nullptr || made) return;
    make(*this);
    made = true;
  }
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

  using raw = raw_memory<allocator_type, shape::kAlign>;
  // Segments with slots above a kilobyte come from the allocator.
  static constexpr bool kArena = kHaveArena && is_arena_allocator<allocator_type>::value &&
                                 shape::bytes(shape::kGroupsMax) <= std::size_t{64} * 1024 &&
                                 alignof(value_type) <= 4096;
  using space = std::conditional_t<kArena, arena_space<shape, raw, allocator_type>,
                                   block_space<shape, raw, allocator_type>>;
  using directory = map_directory<space, allocator_type, kArena>;
  using entry = typename space::entry;
  static_assert(space::kHeadMost >= sizeof(segment_header) + segment_arena::kNoteBytes);

  // Bits of a hash: 0-7 the tag, 8-35 the directory (directory_bits), 44-47 the preferred line,
  // 48-63 the home group.
  // One step of growth moves the entries of one segment, at most; an insert takes one step, at
  // most.
  static constexpr std::size_t kMovesMax = shape::kSlotsMax;
  // The entry that an insert brings may have to be made aside; a large one not on the stack.
  static constexpr bool kAsideOnStack = sizeof(value_type) <= std::size_t{16} * 1024;
  // Two segments, the directory (first its state, later its array or a chunk and its tree).
  static constexpr std::size_t kAllocationsMax = 5 + (kAsideOnStack ? 0 : 1);
  static constexpr bool kMovesSafely = Policy::kMovesSafely;
  static constexpr bool kSwapsQuietly =
      (!std::is_swappable_v<hasher> || std::is_nothrow_swappable_v<hasher>)&&(
          !std::is_swappable_v<key_equal> || std::is_nothrow_swappable_v<key_equal>);

  struct large_state {
    [[no_unique_address]] const space where{};  // its segments are
    directory dir;
    map_tallies tallies;
    std::size_t segments = 0, groups = 0, block_bytes = 0;
    std::size_t filled = 0;     // directory entries below this have had their alias made
    std::size_t compacted = 0;  // where compact() goes on
    bool compacting = false;    // compact() found something in this pass
    std::size_t erased = 0;     // when that pass began
    std::uint32_t at_depth[directory::kDepthMax + 1] = {};  // segments
  };

  // Goes back to where it came from, though the map may have another allocator by then.
  struct stall_block {
    allocator_type alloc;
    stall_histogram told;
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
    record_stalls(false);
    if (bytes != 0) adjust_growth(site_, -static_cast<std::int64_t>(bytes));
  }

  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept {
    return is_small() ? small_slots() : large_->groups * kGroupSlots;
  }
  /// Entries there is room for, as far as one can tell: segments fill unequally.
  std::size_t room() const noexcept {
    return is_small() ? limit_ : large_->groups * kGroupSlots * 9 / 10;
  }
  std::size_t held_bytes() const noexcept {
    std::size_t n = large_ == nullptr ? 0 : raw::rounded(sizeof(large_state));
    if (is_small()) return n + (limit_ == 0 ? 0 : raw::rounded(small_bytes()));
    return n + large_->block_bytes + large_->dir.bytes();
  }

  /// Destroys all entries and gives all memory back.
  void clear() noexcept;
  /// Only for empty maps: room for `n` without growth. May throw; denied by the budget: says so.
  growth_end reserve_empty(std::size_t n, growth_cause cause, room_for why = room_for::call);
  /// All entries move into room for `n`. Throws what hashing and copying throw; it is as it was
  /// then.
  growth_end rebuild_all(std::size_t n, growth_cause cause);
  bool compact(std::size_t budget);
  void take_all(map_storage& other);
  map_counters counters() const;
  /// Entries and memory change places; sites stay, and their budgets are told.
  void swap(map_storage& other) noexcept;
  /// swap() and hash, equality and, where it may travel, allocator.
  void exchange_all(map_storage& other) noexcept(kSwapsQuietly);

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
  /// The histogram is the object's, as the site is: it stays when entries come and go.
  const stall_histogram* stalls() const noexcept {
    return stalls_ == nullptr ? nullptr : &stalls_->told;
  }
  std::size_t stalls_bytes() const noexcept {
    return stalls_ == nullptr ? 0 : raw::rounded(sizeof(stall_block));
  }
  void take_stalls(map_storage& other) noexcept { std::swap(stalls_, other.stalls_); }
  /// When a step of growth that begins now began; 0: nobody asks.
  std::uint64_t start_ns() const noexcept {
    return stalls_ != nullptr ? growth_clock_ns() : growth_start_ns(site_);
  }

  static value_type* slot_at(unsigned char* slots, std::size_t slot) noexcept {
    return std::launder(reinterpret_cast<value_type*>(slots + slot * sizeof(value_type)));
  }

  // ---- walking ------------------------------------------------------------------------------

  /// To the first group of the first segment; group is null when there is none.
  map_place first_groups() const noexcept {
    if (!is_small()) return groups_after(kNoIndex);
    return limit_ == 0 ? map_place{} : start_of(small_run());
  }
  /// From behind the last group of a segment to the first of the next.
  map_place next_groups(const map_place& at) const noexcept {
    if (is_small()) return {};
    const segment_header* here = header_of(at);
    if (here->next == nullptr) return groups_after(here->index);
    return start_of(block_of(here->next));
  }

 protected:
  static constexpr std::size_t kNoIndex = ~std::size_t{0};

  static unsigned char* end_of(const group_run& run) noexcept {
    return run.tags + run.groups * shape::kStride;
  }
  static unsigned char* slots_in(const group_run& run, std::size_t g) noexcept {
    return run.slots + g * shape::kGroupBytes;
  }
  static map_place start_of(const group_run& run) noexcept {
    return {run.tags, run.slots, 0, end_of(run)};
  }
  static segment_header* header_at(void* at) noexcept {
    return std::launder(static_cast<segment_header*>(at));
  }
  [[gnu::always_inline]] segment_header* header_of(const group_run& run) const noexcept {
    return header_at(large_->where.head(end_of(run), slots_in(run, run.groups)));
  }
  // Of the segment that the place is in.
  segment_header* header_of(const map_place& at) const noexcept {
    const auto left = static_cast<std::size_t>(at.end - at.group) / kMetaBytes;
    return header_at(large_->where.head(at.end, at.slots + left * shape::kGroupBytes));
  }

  // ---- segments by name ---------------------------------------------------------------------

  [[gnu::always_inline]] group_run run_at(unsigned char* tags, std::size_t groups) const noexcept {
    return {tags, large_->where.slots(tags, groups, tags), groups};
  }
  // Groups that an entry's segment has: one without a number is always of full size.
  static std::size_t groups_named(entry e) noexcept {
    const auto units = static_cast<unsigned>(e & space::kUnitsMask);
    return units == 0 ? shape::kGroupsMax : shape::groups_of(units);
  }
  [[gnu::always_inline]] group_run run_named(entry e) const noexcept {
    return run_at(large_->where.tags(e), groups_named(e));
  }
  [[gnu::always_inline]] segment_header* header_named(entry e) const noexcept {
    return header_of(run_named(e));
  }
  entry name_of(const group_run& run, unsigned units) const noexcept {
    return large_->where.name(run.tags, units);
  }
  // Blocks of chains are of full size.
  group_run block_of(segment_header* block) const noexcept {
    return run_at(large_->where.tags_of_full(block), shape::kGroupsMax);
  }
  map_place groups_after(std::size_t index) const noexcept {
    const directory& dir = large_->dir;
    for (std::size_t i = index + 1; i < dir.size(); ++i) {
      const entry e = dir.get(i);
      if (e == 0 || header_named(e)->index != i) continue;  // nothing, or an alias
      return start_of(run_named(e));
    }
    return {};
  }

  // ---- small maps ---------------------------------------------------------------------------

  // A small map is a segment without a head, named by an entry in the map itself: a search need not
  // know. It has 1, 3, 7 or 15 slots in one group that may be cut short, then 3, 6, 12, .. groups.
  static constexpr std::uint32_t shift_for(std::size_t groups_a_unit) noexcept {
    return 16 - static_cast<std::uint32_t>(std::bit_width(groups_a_unit * kMetaBytes) - 1);
  }
  bool is_small() const noexcept { return entries_ == &small_entry_; }
  std::size_t small_groups() const noexcept {
    return (static_cast<std::size_t>(small_entry_ & space::kUnitsMask) << 16 >> shift_) /
           kMetaBytes;
  }
  group_run small_run() const noexcept { return {tags_, slots_, small_groups()}; }
  std::size_t small_slots() const noexcept {
    const std::size_t groups = small_groups();
    return groups == 1 ? limit_ : groups * kGroupSlots;
  }
  static constexpr std::size_t small_bytes(std::size_t groups, std::size_t limit) {
    return groups == 1 ? shape::slots_at(1) + limit * sizeof(value_type) : shape::bytes(groups);
  }
  std::size_t small_bytes() const noexcept { return small_bytes(small_groups(), limit_); }
  void become_empty() noexcept {
    // The empty map searches a group that holds nothing; nobody writes to it, because limit_ is 0.
    become_small({const_cast<unsigned char*>(kEmptyMeta), nullptr, 1}, 0);
    size_ = 0;
  }
  void become_small(const group_run& run, std::size_t limit) noexcept {
    const unsigned units = run.groups == 1                   ? 1
                           : run.groups == shape::kGroupsMax ? shape::kUnitsMax
                                                             : shape::kUnitsMin;
    entries_ = &small_entry_;
    tags_ = run.tags;
    slots_ = run.slots;
    mask_ = 0;
    shift_ = shift_for(run.groups / units);
    limit_ = limit;
    small_entry_ = space::name_from(run.tags, run.tags, units);
    assert(small_groups() == run.groups);
  }
  void see_directory() noexcept {
    entries_ = large_->dir.flat();
    mask_ = static_cast<std::uint32_t>(large_->dir.flat_mask());
    tags_ = large_->where.tags_origin();
    slots_ = large_->where.slots_origin();
    shift_ = shift_for(shape::kUnit);
    limit_ = ~std::size_t{0};
  }

  // ---- blocks -------------------------------------------------------------------------------

  group_run get_small(std::size_t groups, std::size_t limit);
  void put_small() noexcept {
    if (limit_ != 0) raw::put(alloc_, tags_, small_bytes());
  }
  group_run get_segment(unsigned units);
  void put_segment(const group_run& run) noexcept;
  void make_large();
  void drop_large() noexcept;
  void destroy_in(const group_run& run) noexcept;
  void release() noexcept;

  bool prefers_lines() const noexcept { return shape::kPrefersLine && mask_ >= kFarEntries - 1; }

  // ---- growth (map_grow.h) ------------------------------------------------------------------

  struct harvest;
  struct builder;
  struct attempt;

  static void small_for(std::size_t n, std::size_t* groups, std::size_t* limit);
  static std::size_t bytes_for(std::size_t n, unsigned* deepest);
  growth_end reserve_small(std::size_t n, growth_cause cause, room_for why);
  template <class Visit>
  static void each_reserved(std::size_t n, std::size_t index, unsigned depth, Visit&& visit);
  static constexpr std::size_t next_small(std::size_t groups) noexcept;
  map_insertion place_at_hand(std::uint64_t h) noexcept;
  map_insertion place_slow(map_newcomer& who);
  map_insertion place_absent(std::uint64_t h);
  map_place place_in(const group_run& run, std::uint64_t h) noexcept;
  map_place place_displaced(const group_run& run, std::uint64_t h) noexcept;
  growth_end grow_small(map_newcomer& who);
  growth_end grow_segment(std::size_t index, entry e, bool must, map_newcomer& who);
  growth_end stretch(std::size_t index, entry e, const harvest& all, map_newcomer& who);
  growth_end split(std::size_t index, entry e, const harvest& all, std::size_t ones,
                   map_newcomer& who);
  growth_end small_to_large(const harvest& all, map_newcomer& who);
  growth_end small_to_small(const harvest& all, std::size_t groups, std::size_t limit,
                            map_newcomer& who);
  void rebuild(const group_run& run, map_newcomer& who);
  void settle(segment_header* head, std::size_t slots, std::size_t entries,
              std::size_t displaced) noexcept;
  void fill_aliases(std::size_t zero, std::size_t one, unsigned depth) noexcept;
  void make_alias(std::size_t i) noexcept;
  static unsigned units_for(std::size_t entries) noexcept;
  // In a handler: bad_alloc is an answer, anything else goes on.
  static growth_end no_memory_or_throw() {
    try {
      throw;
    } catch (const std::bad_alloc&) {
      return growth_end::no_memory;
    }
  }

  // ---- chains (map_chain.h) -----------------------------------------------------------------

  static std::uint32_t alike_of(std::uint64_t h) noexcept {
    return static_cast<std::uint32_t>(directory_bits(h)) & directory::kBitsMask;
  }
  static std::uint32_t most_alike(const harvest& all, std::size_t* count);
  growth_end move_alike(std::size_t index, entry e, const harvest& all, std::uint32_t alike,
                        map_newcomer& who);
  growth_end add_block(std::size_t index, entry e, std::uint32_t alike);
  segment_header* new_block(segment_header* head, std::uint32_t alike);
  void become_chain(std::size_t index, entry e) noexcept;
  map_insertion place_in_block(segment_header* head, std::uint64_t h) noexcept;
  static bool has_block_for(const segment_header* head, std::uint32_t alike) noexcept;
  void chain_entered(const map_place& at) noexcept;
  void chain_erased(const map_place& at) noexcept;
  void drop_block(segment_header* block) noexcept;

  // ---- shrinking (map_shrink.h) -------------------------------------------------------------

  void look_after_erasure(const map_place& at) noexcept;
  static std::size_t count_in(const group_run& run) noexcept;
  std::size_t try_shrink(std::size_t index, growth_cause cause);
  std::size_t merge(std::size_t low, entry low_name, entry high_name, growth_cause cause);
  std::size_t large_to_small(entry e, std::size_t entries, growth_cause cause);
  void replace(std::size_t index, entry e, builder& fresh, const harvest& all, unsigned depth);

  // ---- data: one cache line for the paths that find and insert --------------------------------

  entry* entries_ = nullptr;        // the directory's; of a small map: small_entry_
  unsigned char* tags_ = nullptr;   // what entries count from
  unsigned char* slots_ = nullptr;  // likewise
  std::uint64_t seed_ = fresh_seed();
  std::size_t size_ = 0;
  std::size_t limit_ = 0;  // entries at which a small map grows
  std::uint32_t mask_ = 0;
  std::uint32_t shift_ = 0;  // a unit has 2^16 >> shift_ bytes of tags
  // Eight bytes in every mode: the size of a map does not depend on the size of its entries.
  alignas(std::uint64_t) entry small_entry_ = 0;
  alignas(std::uint64_t) std::uint32_t chained_ = 0;  // blocks in chains
  std::size_t erased_ = 0;  // entries, ever: now and then one of them has its segment looked at
  large_state* large_ = nullptr;
  growth_site* site_ = nullptr;
  stall_block* stalls_ = nullptr;
  std::size_t peak_ = 0;  // entries when it last grew
  [[no_unique_address]] hasher hash_;
  [[no_unique_address]] key_equal equal_;
  [[no_unique_address]] allocator_type alloc_;
};

}  // namespace ullage::detail
