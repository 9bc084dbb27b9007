// SPDX-License-Identifier: Apache-2.0
#pragma once

// Heap: the pages of one shard. Cells of 8-byte steps in size, in slabs of 64 KiB of one size each,
// in one reserved range of addresses, so that a reference is 32 bits.
//
//   | slab 0: cells of 128 B | slab 1: cells of 96 B | slab 2: no pages | ... | reserved ... |
//
// Every cell can move: whoever refers to it is asked (Mover). So a slab that has become sparse is
// emptied into others and its pages go back to the system: what a shard holds follows what it
// stores, whatever sizes its values drift through (Bonwick's slab allocator, 1994, with the
// compaction that movable cells allow).
//
// Promise   A slab is granted by the budget before it is touched, and given back after its pages
//           are gone. No allocation does more than one system call.
// Cost      allocate, free: O(1). pack: O(cells moved).
// Rounding  Up to 7 B of a cell up to 512 B; above, 65536/n: 1 % of 1 KiB, 25 % at most near 16
//           KiB.
// Limit     32 GiB of address space; less where the system allows less.
// Threads   One.

#include <array>
#include <cstddef>
#include <cstdint>

#include "tier/budget.h"

namespace ullage::tier {

inline constexpr std::size_t kSlabBytes = 64 << 10;
// The largest cell: four of them in a slab.
inline constexpr std::size_t kCellBytesMax = kSlabBytes / 4;
inline constexpr std::size_t kCellStep = 8;

// What the bytes of a table segment may be (segment.h): 1, 4, 8, 16 and 32 groups for small tables;
// 61, 73 and 92, in steps of 1.2 and 1.25, so that the load of a large table stays between 0.66 and
// 0.875; 185 and 371 for keys that hash alike. Whole cache lines.
inline constexpr std::array<std::uint32_t, 10> kSegmentBytes = {320,   832,   1536,  2944,  5760,
                                                                10880, 13056, 16384, 32768, 65536};

// A cell's address, in steps of 8 B from the base; 0: none.
using Ref = std::uint32_t;

class Heap {
 public:
  using Class = std::uint8_t;
  static constexpr unsigned kEntryClasses = 160;  // at most
  static constexpr unsigned kClasses = kEntryClasses + kSegmentBytes.size();
  static constexpr Class segment_class(unsigned size) noexcept {
    return static_cast<Class>(kEntryClasses + size);
  }
  static constexpr bool is_segment(Class c) noexcept { return c >= kEntryClasses; }
  // The class for an entry of `bytes`, 1 to kCellBytesMax.
  static Class class_of(std::size_t bytes) noexcept;
  static std::size_t cell_bytes(Class c) noexcept;

  Heap(Budget& budget, int shard) noexcept;
  ~Heap();
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  std::byte* at(Ref ref) const noexcept { return base_ + std::size_t{ref} * kCellStep; }
  // 0: the budget, or the system, said no. The cell's bytes are whatever they were, except that its
  // first four are zero. Whoever fills it sets bit 0 of the first byte: the mark of a live cell.
  Ref allocate(Class c) noexcept;
  void free(Ref ref) noexcept;
  Class class_at(Ref ref) const noexcept { return slabs_[ref / kRefsPerSlab].c; }
  std::size_t bytes_at(Ref ref) const noexcept { return cell_bytes(class_at(ref)); }
  // Whether allocate(c) needs no grant.
  bool has_cell(Class c) const noexcept { return classes_[c].buckets != 0 || spares_ != 0; }

  // Told that the content of `from` now is at `to`; both are whole, `from` is freed afterwards.
  class Mover {
   public:
    virtual void moved(Ref from, Ref to) noexcept = 0;
    // Asked to let go of a cell that fits nowhere. False: it may not.
    virtual bool discard(Ref ref) noexcept = 0;

   protected:
    ~Mover() = default;
  };
  // How much packing is worth. kSoft: when 1/64 of what is held is free. kHard: every slab that can
  // be emptied. kForced: the one that empty() named; cells that fit nowhere else are discarded.
  enum class Packing : std::uint8_t { kSoft, kHard, kForced };
  // Moves up to `cells_max` cells out of sparse slabs. Returns the cells moved or discarded; 0:
  // nothing is worth it.
  std::size_t pack(std::size_t cells_max, Packing how, Mover& mover) noexcept;
  // For choosing a slab to empty: slabs are numbered from 1 up to slabs_end(). Cells of entries
  // that are in use there; 0: it may not be chosen. `cell`: 0 to cells - 1; 0: not in use.
  std::uint32_t slabs_end() const noexcept { return static_cast<std::uint32_t>(slabs_end_); }
  unsigned entries_in(std::uint32_t slab) const noexcept;
  unsigned cells_in(std::uint32_t slab) const noexcept;
  Ref entry_in(std::uint32_t slab, unsigned cell) const noexcept;
  void empty(std::uint32_t slab) noexcept;
  bool emptying() const noexcept { return forced_; }
  // Gives the pages of empty slabs back, `slabs_max` of them at most. Returns how many.
  std::size_t purge(std::size_t slabs_max) noexcept;
  std::size_t spare_slabs() const noexcept { return spares_; }
  // Gives the pages of everything back, in steps, live or not: for a heap nobody refers to. True:
  // there is more.
  bool release(std::size_t bytes) noexcept;

  // Pages held, in bytes: slabs granted and not purged.
  std::uint64_t resident_bytes() const noexcept { return slabs_held_ * kSlabBytes; }
  std::uint64_t cell_bytes_live() const noexcept { return live_bytes_; }
  std::uint64_t segment_bytes_live() const noexcept { return segment_live_bytes_; }
  // Bytes of free cells and of slabs without cells.
  std::uint64_t free_bytes() const noexcept {
    return resident_bytes() - live_bytes_ - segment_live_bytes_;
  }
  // Slabs of entries, and those without any cell.
  std::uint64_t entry_slab_bytes() const noexcept;
  // The list of slabs itself.
  std::uint64_t list_bytes() const noexcept {
    return (slabs_end_ * sizeof(Slab) + 4095) & ~4095ull;
  }

 private:
  static constexpr std::size_t kRefsPerSlab = kSlabBytes / kCellStep;
  static constexpr std::size_t kSlabsMax = (std::size_t{1} << 32) / kRefsPerSlab;
  static constexpr unsigned kBuckets = 8;  // of slabs, by how full they are
  static constexpr std::uint16_t kNone = 0xffff;
  static constexpr std::uint8_t kUnlisted = 0xf;
  static constexpr std::size_t kPageBytes = 4096;
  static constexpr unsigned kLastPage = kSlabBytes / kPageBytes - 1;

  struct Slab {
    std::uint32_t next, prev;   // in its bucket, or among the spare or the unused
    std::uint16_t live, fresh;  // cells in use; cells that were ever used
    std::uint16_t free_head;    // first of the cells that were used and are free
    Class c;
    std::uint8_t bucket : 4;
    std::uint8_t last_page : 4;  // of those that were ever written to
  };
  static_assert(sizeof(Slab) == 16);
  struct ClassState {
    std::array<std::uint32_t, kBuckets> heads;
    std::uint8_t buckets = 0;  // bit b: heads[b] is not empty
    std::uint32_t slabs = 0;
    std::uint64_t free_cells = 0;  // in all of them, but not in the one that is being packed
  };

  std::byte* slab_base(std::uint32_t slab) const noexcept { return base_ + slab * kSlabBytes; }
  Component component(Class c) const noexcept {
    return is_segment(c) ? Component::kTable : Component::kEntries;
  }
  void link(std::uint32_t slab) noexcept;
  void unlink(std::uint32_t slab) noexcept;
  bool open_slab(Class c) noexcept;
  void close_slab(std::uint32_t slab) noexcept;
  void drop_pages(std::uint32_t slab) noexcept;
  void untouched(std::int64_t bytes) noexcept;
  bool begin_packing(Packing how) noexcept;
  void begin_with(std::uint32_t slab) noexcept;
  void end_packing() noexcept;

  Budget& budget_;
  const int shard_;
  std::byte* base_ = nullptr;
  std::size_t reserved_bytes_ = 0, usable_bytes_ = 0;
  Slab* slabs_ = nullptr;
  std::size_t slabs_end_ = 1;      // slabs ever used; slab 0 is not: a Ref of 0 is none
  std::uint32_t spare_head_ = 0;   // empty, with pages (0: none)
  std::uint32_t unused_head_ = 0;  // empty, without
  std::size_t spares_ = 0;
  std::uint64_t slabs_held_ = 0, live_bytes_ = 0, segment_live_bytes_ = 0;
  std::int64_t untouched_bytes_ = 0;  // of held slabs: pages behind their last
  std::array<ClassState, kClasses> classes_;
  std::uint32_t packed_slab_ = 0;  // being emptied; 0: none
  std::uint16_t packed_cell_ = 0;  // next of its cells to look at
  bool forced_ = false;            // empty() named it
  std::size_t released_ = 1;       // release(): next slab
};

}  // namespace ullage::tier
