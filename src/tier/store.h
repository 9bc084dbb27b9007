// SPDX-License-Identifier: Apache-2.0
#pragma once

// Store: the tables of one shard and the memory they are in. What Shard promises is kept here; what
// it counts and whom it tells is its own affair.
//
// A table is a directory of segments, by the leading bits of the hash (extendible hashing: Fagin et
// al., 1979). A full segment takes the next size, or splits in two: one segment's entries are
// looked at, their references move, they stay where they are.
//
// Invariants (1) A segment of depth d is in 2^(depth - d) neighbouring places of the directory. (2)
// An entry's cell names its table, so whoever finds the cell finds its slot. (3) Counts of a table
// are of entries in it, expired ones included. (4) A directory is twice as long as its deepest
// segment needs at most, so a split after a merge rarely doubles what was just halved.

#include <ullage/growth.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tier/counters.h"
#include "tier/entry.h"
#include "tier/heap.h"
#include "tier/key.h"
#include "tier/large.h"
#include "tier/segment.h"

namespace ullage::tier {

// Tables of a store: 16 in use, and those of flushed databases that are being swept.
inline constexpr unsigned kTables = 64;

// Leading bits of the hash that a directory may go by.
inline constexpr unsigned kDepthMax = 26;

struct Table {
  std::vector<Ref> directory;  // empty: no segment yet
  unsigned depth = 0;
  std::array<std::uint32_t, kDepthMax + 1> at_depth{};  // segments, by their depth
  Tally entries, expiring;                              // read by any thread
  std::uint64_t segments = 0;

  void clear() noexcept {
    std::vector<Ref>().swap(directory);
    depth = 0;
    at_depth = {};
    entries.set(0);
    expiring.set(0);
    segments = 0;
  }
};

// Where an entry is.
struct Spot {
  Segment* segment = nullptr;  // null: nowhere
  Segment* home = nullptr;     // where it would be; null: the table is empty
  std::size_t slot = 0;
  Ref ref = 0;
  explicit operator bool() const noexcept { return segment != nullptr; }
};

// What the store cannot know by itself.
class StoreOwner {
 public:
  // Collects what has expired in a segment that is about to grow. True: there is room now.
  virtual bool collect(Segment& segment) noexcept = 0;
  // A growth that the budget denied: make room for a cell of this class. True: try again.
  virtual bool make_room(Heap::Class c) noexcept = 0;
  // An entry whose slab is needed for another size. False: it may not go.
  virtual bool discard(const Spot& spot, std::uint64_t hash) noexcept = 0;
  // A segment is full and can't grow: one of its entries is to go. False: none may.
  virtual bool thin(Segment& segment) noexcept = 0;
  // `began_ns`: by the steady clock.
  virtual void grew(growth_kind kind, const Segment& segment, std::uint64_t bytes_before,
                    std::uint64_t moved, std::uint64_t began_ns) noexcept = 0;

 protected:
  ~StoreOwner() = default;
};

class Store final : private Heap::Mover {
 public:
  Store(Budget& budget, int shard, StoreOwner& owner);
  ~Store();

  Table& table(unsigned id) noexcept { return tables_[id]; }
  Heap& heap() noexcept { return heap_; }
  Large& large() noexcept { return large_; }
  const RankTotals& totals() const noexcept { return totals_; }
  rank::Clock& clock() noexcept { return clock_; }

  Segment* segment_for(Table& table, std::uint64_t hash) noexcept {
    if (table.directory.empty()) return nullptr;
    return segment_at(table.directory[place_of(hash) >> (kPlaceBits - table.depth)]);
  }
  Segment* segment_at(Ref ref) noexcept { return reinterpret_cast<Segment*>(heap_.at(ref)); }
  Entry entry(Ref ref) const noexcept { return Entry(heap_.at(ref)); }

  // A cell, with the owner's help; 0: denied. Segments and entries may have moved, or gone.
  Ref allocate(Heap::Class c) noexcept;
  Spot find(unsigned table, const Key& key) noexcept;
  // The segment in which there is room for one more of this hash, after growth if need be. Null:
  // denied, and none in the segment may go; nothing changed.
  Segment* room(unsigned table, std::uint64_t hash) noexcept;
  // Puts a cell that is filled into a segment with room.
  Spot put(Segment* segment, std::uint64_t hash, Ref ref) noexcept;
  // Takes it out and frees its memory.
  void erase(const Spot& spot, std::uint64_t hash, bool keep_large = false) noexcept;
  // The entry's cell was replaced by another.
  void replace(const Spot& spot, Ref ref) noexcept;
  // Its large value has another size; `before`: weight() of before.
  void reweigh(const Spot& spot, std::uint32_t before) noexcept;
  void set_expiry(const Spot& spot, std::uint64_t expires_ms) noexcept;
  // Bytes of an entry as eviction counts them.
  std::uint32_t weight(Ref ref) const noexcept;

  // Brings a segment's ranks to the present clock.
  void catch_up(Segment& segment) noexcept {
    if (segment.era == clock_.era()) return;
    rank::halve(segment.ranks, segment.all_words(), std::min(clock_.era() - segment.era, 15u));
    segment.era = clock_.era();
  }
  // Counts a use in the sketch, stored or not.
  void count_use(Segment& segment, std::uint64_t hash) noexcept;
  // Who only writes is known as well: the first time.
  void count_write(Segment& segment, std::uint64_t hash) noexcept;

  // Makes a sparse segment smaller, or one with its buddy. True: it did (segments have moved).
  bool shrink(unsigned table, std::uint64_t place) noexcept;
  std::size_t pack(std::size_t cells_max, Heap::Packing how) noexcept {
    return heap_.pack(cells_max, how, *this);
  }
  // Frees a table's entries from a place on, one segment. Returns the place to go on from; 0: the
  // table is empty now.
  std::uint64_t sweep(unsigned table, std::uint64_t place) noexcept;

  std::uint64_t hash_of(Ref ref) const noexcept { return hash_text(entry(ref).key()); }
  void prefetch_group(Segment& segment, unsigned group) const noexcept;
  // Gives all memory back in steps, whatever is stored. True: there is more.
  bool release(std::size_t bytes) noexcept;

  std::uint64_t directory_bytes() const noexcept { return directory_bytes_; }
  std::uint64_t entries() const noexcept { return entries_; }

 private:
  void moved(Ref from, Ref to) noexcept override;
  bool discard(Ref ref) noexcept override;
  Spot spot_of(Ref where, Ref content, std::uint64_t hash) noexcept;
  Segment* create(unsigned size, unsigned table, std::uint64_t first, unsigned depth,
                  Ref& ref) noexcept;
  void copy(Segment& from, Segment& to, std::size_t slot, std::uint64_t hash) noexcept;
  bool rebuild(unsigned table, Segment* segment, unsigned size, growth_kind kind) noexcept;
  bool split(unsigned table, Segment* segment, unsigned left_size, unsigned right_size) noexcept;
  std::uint32_t right_of_split(Segment& segment) noexcept;
  bool deepen(Table& table) noexcept;
  void flatten(Table& table) noexcept;
  void point(Table& table, const Segment& segment, Ref ref) noexcept;
  void release(Table& table, Ref ref) noexcept;

  Budget& budget_;
  const int shard_;
  StoreOwner& owner_;
  Heap heap_;
  Large large_;
  std::array<Table, kTables> tables_;
  RankTotals totals_;
  rank::Clock clock_;
  std::uint64_t directory_bytes_ = 0, entries_ = 0;
  std::uint64_t growth_began_ns_ = 0;  // of the growth that runs
};

}  // namespace ullage::tier
