// SPDX-License-Identifier: Apache-2.0
#pragma once

// Shard::State: what a Shard is made of. For shard*.cpp alone.

#include <array>
#include <bitset>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tier/kept.h"
#include "tier/shadow.h"
#include "tier/shard.h"
#include "tier/store.h"

namespace ullage::tier {

// What one operation may do before it is refused: entries evicted and cells moved for its sake, for
// each slab that it needs. A slab of the smallest cells (16 B) has 4096, so one can always be
// emptied. It rarely comes to it: writes pay as they go (pay()), and step() keeps a reserve.
inline constexpr std::size_t kWorkPerSlab = 5 << 10;
// A cell of its own, and two for its segment's growth; what needs bytes adds a slab for each 64
// KiB.
inline constexpr std::size_t kSlabsPerOperation = 3;
// Pages given back in one slice, about 50 us; and slices that one operation takes time for, beside
// those for the bytes that it needs.
inline constexpr std::size_t kReleaseBytes = std::size_t{512} << 10;
inline constexpr std::size_t kReleasesPerOperation = 16;

// A text of which a value may be made, and what of its pages was granted already.
struct Source {
  std::string_view text;
  Offer* offer = nullptr;  // null: it is to be copied
  std::uint64_t paid_bytes = 0;
};

struct Shard::State final : StoreOwner {
  State(const ShardOptions& given, Budget& shared);
  ~State();

  // --- Finding. What has expired is collected and not found.
  Spot find(const Key& key);
  unsigned table_of(unsigned db) const { return tables[db]; }
  void used(const Key& key, const Spot& spot);
  void missed(const Key& key, const Spot& spot);

  // --- Writing.
  Status write(const Key& key, std::string_view value, const SetOptions& how);
  Status grow(const Key& key, std::size_t bytes, std::size_t offset, std::string_view with);
  static Source source_of(std::string_view text, Offer* offer);
  bool take_over(const LargeBlock& block, const Source& from);
  Status create(const Key& key, std::size_t value_bytes, Kind kind, std::uint64_t expires_ms,
                bool zeros, char*& value, const Source& from = {});
  bool allocate_large(std::size_t bytes, LargeBlock& block, const Source& from);
  Status refuse() {
    counters.denied.add();
    return Status::kDenied;
  }
  void stored(const Key& key, const Spot& spot);

  // --- Removing.
  void remove(const Spot& spot, std::uint64_t hash);
  void remove(const Spot& spot, std::uint64_t hash, unsigned db, Removal why);
  void changed(unsigned db, std::string_view key);
  void changed(const Key& key, bool gone = false) {
    if (!watched.empty()) changed(key.db, key.text);
    if (options.inclusive) options.listener->on_changed(key, gone);
  }
  int db_of(unsigned table) const { return databases[table]; }

  // --- Memory.
  bool collect(Segment& segment) noexcept override;
  bool make_room(Heap::Class c) noexcept override;
  bool discard(const Spot& spot, std::uint64_t hash) noexcept override;
  bool thin(Segment& segment) noexcept override;
  void grew(growth_kind kind, const Segment& segment, std::uint64_t bytes_before,
            std::uint64_t moved, std::uint64_t began_ns) noexcept override;
  bool make_room_bytes(std::uint64_t bytes);
  // What is asked for: a cell of a class, or bytes of the budget.
  struct Need {
    std::uint64_t bytes = 0;
    std::optional<Heap::Class> cell = std::nullopt;
  };
  std::uint64_t budget_free() const;
  bool is_there(const Need& need) const;
  bool can_be_made(std::uint64_t bytes) const;
  bool room_step(const Need& need);
  bool evict_some(const Need& need);
  void release_large_since(std::uint64_t live_before);
  bool empty_one();
  std::uint32_t choose_slab();
  std::uint64_t loss_of(std::uint32_t slab, unsigned live);
  bool evict_one();
  bool evict_of(Segment& one, Segment& other, const Spared& spared);
  Spared spared() const;
  void pay(std::size_t bytes);
  bool reserve_is_there();
  Segment* next_in_turn();
  std::size_t collect_expired(Segment& segment);
  std::size_t pack(std::size_t cells_max, Heap::Packing how);
  bool use_up(std::size_t moves, std::size_t evictions);
  void begin_operation(const Key* key, bool replaces = false);
  void report(growth_kind kind, growth_cause cause, std::uint64_t before, std::uint64_t after,
              std::uint64_t moved, std::uint64_t duration_ns = 0);
  std::uint64_t held_bytes() const;
  growth_cause pressing() const;
  void tell_reclaims(growth_cause cause, std::uint64_t held_before, std::uint64_t moved,
                     std::uint64_t took_ns, bool more);
  void publish();

  // --- step(), one slice of each.
  bool release_some();
  bool reclaim_some();
  bool keep_reserve();
  bool sweep_expired();
  bool tidy();
  void look_after_shadow();
  void tell_curve();

  void retire();
  std::uint64_t random() {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
  }

  ShardOptions options;
  Budget& budget;
  const int shard;
  std::uint64_t now_ms = 0;
  Counters counters;
  Memory memory;
  CurveTallies curve;
  std::uint64_t curve_second = 0;  // in which it was told last

  std::unique_ptr<Store> store;
  std::vector<std::unique_ptr<Store>> retired;    // flushed: only their memory is still here
  std::array<std::uint8_t, kDatabases> tables{};  // of each database
  std::array<std::int8_t, kTables> databases{};   // of each table; -1: none
  std::vector<std::pair<unsigned, std::uint64_t>> dying;  // tables, and how far they are swept

  std::unique_ptr<Shadow> shadow;
  std::uint64_t shadow_bytes = 0;
  unsigned window_percent = 1;

  struct Watched {
    unsigned watchers = 0;
    std::uint64_t version = 1;
  };
  std::map<std::pair<unsigned, std::string>, Watched, std::less<>> watched;

  // Entries that are not in the store, and are there nevertheless: see Shard::lend.
  struct Lent {
    unsigned db;
    std::string key;
    Taken taken;
  };
  std::vector<Lent> lent;
  Lent* find_lent(const Key& key);
  bool give_up_lent(const Key& key);
  bool filling = false;

  // Of the operation that runs.
  unsigned own_table = 0;
  std::optional<std::uint64_t> own_hash;
  bool own_may_go = false;  // it is written over
  // of an entry on its way to another name, or that grows
  std::optional<std::uint64_t> moving_hash;
  std::uint64_t moving_bytes = 0;  // of its large value, which can't make room for itself
  std::uint64_t lacking_bytes = 0;
  // Nothing that makes room for an entry may take that entry away.
  struct Moving {
    Moving(State& state, std::uint64_t hash, std::uint64_t large_bytes = 0) : s(state) {
      s.moving_hash = hash;
      s.moving_bytes = large_bytes;
    }
    ~Moving() {
      s.moving_hash.reset();
      s.moving_bytes = 0;
    }
    Moving(const Moving&) = delete;
    Moving& operator=(const Moving&) = delete;
    State& s;
  };
  std::size_t moves_done = 0, evictions_done = 0, work_max = 0, releases_left = 0;

  // What went back, and which entries went, since that was told last.
  struct Reclaims {
    std::uint64_t freed_bytes = 0, moved = 0, took_ns = 0, told_ns = 0;
    std::uint64_t evicted_bytes_told = 0, evicted_told_ns = 0;
    growth_cause cause = growth_cause::shrink;
  } reclaims;

  // Where the rounds are: a table and a place in it.
  struct Hand {
    unsigned table = 0;
    std::uint64_t place = 0;
  };
  Segment* advance(Hand& hand);
  Hand evict_hand, expire_hand, tidy_hand;

  // When the clock showed which stamp, for idle times: at most kMomentsMax, older ones thinner.
  struct Moment {
    std::uint32_t era;
    std::uint16_t stamp;
    std::uint64_t at_ms;
  };
  static constexpr std::size_t kMomentsMax = 64;
  std::vector<Moment> moments;
  std::uint64_t idle_ms(Segment& segment, std::size_t slot);

  std::uint64_t random_state = 0x2545f4914f6cdd1dull;
};

}  // namespace ullage::tier
