// SPDX-License-Identifier: Apache-2.0
//
// Invariants (1) A slab is in exactly one place: its class's bucket list, full (in no list), being
// packed, spare, unused. (2) What is granted is slabs_held_ slabs: listed, full, packed or spare.
// (3) free_cells of a class counts its listed slabs alone.
#include "tier/heap.h"

#include <sys/mman.h>

#include <algorithm>
#include <cassert>
#include <cstring>

namespace ullage::tier {
namespace {

constexpr std::size_t kReserveBytes = std::size_t{32} << 30;
constexpr std::size_t kReserveBytesMin = std::size_t{64} << 20;
// Memory becomes usable in steps of this: one system call for 64 slabs.
constexpr std::size_t kUsableStep = std::size_t{4} << 20;
// Sizes in steps of 8 B up to here, then as many to a slab as fit.
constexpr std::size_t kFineBytesMax = 512;
constexpr std::size_t kFineClasses = kFineBytesMax / kCellStep;
// Packing pays when this share of what is held is free cells: 1/64.
constexpr std::uint64_t kWorthShift = 6;

struct Sizes {
  std::array<std::uint32_t, Heap::kClasses> bytes{};
  std::array<std::uint16_t, Heap::kClasses> count{};
  // By (bytes + 63) / 64: the class for sizes above kFineBytesMax to begin looking at.
  std::array<std::uint8_t, kCellBytesMax / 64 + 2> coarse{};
  unsigned entry_classes = 0;

  constexpr Sizes() {
    unsigned c = 0;
    for (; c < kFineClasses; ++c) bytes[c] = static_cast<std::uint32_t>((c + 1) * kCellStep);
    for (std::size_t n = kSlabBytes / kFineBytesMax - 1; n >= 4; --n) {
      const auto size = static_cast<std::uint32_t>(kSlabBytes / n / kCellStep * kCellStep);
      // Steps of less than 1/64 are not worth slabs of their own.
      if (n > 4 && size < bytes[c - 1] + bytes[c - 1] / 64) continue;
      if (c < Heap::kEntryClasses) bytes[c++] = size;
    }
    entry_classes = c;
    for (std::size_t s = 0; s < kSegmentBytes.size(); ++s) {
      bytes[Heap::kEntryClasses + s] = kSegmentBytes[s];
    }
    for (unsigned k = 0; k < Heap::kClasses; ++k) {
      if (bytes[k] != 0) count[k] = static_cast<std::uint16_t>(kSlabBytes / bytes[k]);
    }
    unsigned at = kFineClasses;
    for (std::size_t b = 0; b < coarse.size(); ++b) {
      while (at + 1 < entry_classes && bytes[at] < b * 64) ++at;
      coarse[b] = static_cast<std::uint8_t>(at);
    }
  }
};
constexpr Sizes kSizes;
static_assert(kSizes.bytes[kSizes.entry_classes - 1] == kCellBytesMax, "the classes fit the array");

}  // namespace

Heap::Class Heap::class_of(std::size_t bytes) noexcept {
  assert(bytes >= 1 && bytes <= kCellBytesMax);
  if (bytes <= kFineBytesMax) {
    // A free cell holds a mark and a link.
    return static_cast<Class>((std::max<std::size_t>(bytes, 8) - 1) / kCellStep);
  }
  Class c = kSizes.coarse[bytes / 64];
  while (kSizes.bytes[c] < bytes) ++c;
  return c;
}

std::size_t Heap::cell_bytes(Class c) noexcept { return kSizes.bytes[c]; }

Heap::Heap(Budget& budget, int shard) noexcept : budget_(budget), shard_(shard) {
  for (std::size_t bytes = kReserveBytes; bytes >= kReserveBytesMin; bytes /= 2) {
    void* got =
        ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (got == MAP_FAILED) continue;
    base_ = static_cast<std::byte*>(got);
    reserved_bytes_ = bytes;
    break;
  }
  if (base_ != nullptr) {
    // Huge pages would make the kernel's figure and ours differ by all that is free.
    ::madvise(base_, reserved_bytes_, MADV_NOHUGEPAGE);
    ::madvise(base_, reserved_bytes_, MADV_DONTDUMP);
    void* list = ::mmap(nullptr, kSlabsMax * sizeof(Slab), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (list == MAP_FAILED) {
      ::munmap(base_, reserved_bytes_);
      base_ = nullptr;
      reserved_bytes_ = 0;
    } else {
      slabs_ = static_cast<Slab*>(list);
      ::madvise(list, kSlabsMax * sizeof(Slab), MADV_NOHUGEPAGE);
    }
  }
  for (ClassState& c : classes_) c.heads.fill(0);
}

Heap::~Heap() {
  while (release(kSlabBytes << 8)) {
  }
  if (base_ == nullptr) return;
  ::munmap(base_, reserved_bytes_);
  ::munmap(slabs_, kSlabsMax * sizeof(Slab));
}

void Heap::link(std::uint32_t slab) noexcept {
  Slab& s = slabs_[slab];
  const unsigned count = kSizes.count[s.c];
  if (s.live == count) {
    s.bucket = kUnlisted;
    return;
  }
  ClassState& c = classes_[s.c];
  s.bucket = static_cast<std::uint8_t>(s.live * kBuckets / count) & 0xf;
  s.prev = 0;
  s.next = c.heads[s.bucket];
  if (s.next != 0) slabs_[s.next].prev = slab;
  c.heads[s.bucket] = slab;
  c.buckets = static_cast<std::uint8_t>(c.buckets | 1u << s.bucket);
}

void Heap::unlink(std::uint32_t slab) noexcept {
  Slab& s = slabs_[slab];
  if (s.bucket == kUnlisted) return;
  ClassState& c = classes_[s.c];
  if (s.prev != 0) slabs_[s.prev].next = s.next;
  if (s.next != 0) slabs_[s.next].prev = s.prev;
  if (c.heads[s.bucket] == slab) c.heads[s.bucket] = s.next;
  if (c.heads[s.bucket] == 0) c.buckets = static_cast<std::uint8_t>(c.buckets & ~(1u << s.bucket));
  s.bucket = kUnlisted;
}

bool Heap::open_slab(Class c) noexcept {
  std::uint32_t slab = 0;
  std::uint8_t last_page = 0;  // its first cell is written to at once
  if (spare_head_ != 0) {
    slab = spare_head_;
    spare_head_ = slabs_[slab].next;
    --spares_;
    last_page = slabs_[slab].last_page;
    // Spare slabs are granted as entries.
    if (is_segment(c)) budget_.recast(Component::kEntries, Component::kTable, kSlabBytes);
  } else {
    if (base_ == nullptr || !budget_.take(component(c), kSlabBytes, shard_)) return false;
    if (unused_head_ != 0) {
      slab = unused_head_;
      unused_head_ = slabs_[slab].next;
    } else {
      const std::size_t end = (slabs_end_ + 1) * kSlabBytes;
      if (end > usable_bytes_) {
        const std::size_t usable = usable_bytes_ + kUsableStep;
        if (usable > reserved_bytes_ ||
            ::mprotect(base_ + usable_bytes_, kUsableStep, PROT_READ | PROT_WRITE) != 0) {
          budget_.give_back(component(c), kSlabBytes, shard_);
          return false;
        }
        usable_bytes_ = usable;
      }
      slab = static_cast<std::uint32_t>(slabs_end_++);
    }
    ++slabs_held_;
    untouched(kLastPage * kPageBytes);
  }
  slabs_[slab] = {0, 0, 0, 0, kNone, c, kUnlisted, last_page};
  ++classes_[c].slabs;
  classes_[c].free_cells += kSizes.count[c];
  link(slab);
  return true;
}

// An empty slab, in no list, becomes spare.
void Heap::close_slab(std::uint32_t slab) noexcept {
  Slab& s = slabs_[slab];
  assert(s.live == 0 && s.bucket == kUnlisted);
  --classes_[s.c].slabs;
  if (is_segment(s.c)) budget_.recast(Component::kTable, Component::kEntries, kSlabBytes);
  s.next = spare_head_;
  spare_head_ = slab;
  ++spares_;
}

// The kernel gives memory for a page when it is written to, and not before.
void Heap::untouched(std::int64_t bytes) noexcept {
  untouched_bytes_ += bytes;
  budget_.untouched(bytes, shard_);
}

void Heap::drop_pages(std::uint32_t slab) noexcept {
  untouched(-static_cast<std::int64_t>((kLastPage - slabs_[slab].last_page) * kPageBytes));
  ::madvise(slab_base(slab), kSlabBytes, MADV_DONTNEED);
  --slabs_held_;
  budget_.give_back(Component::kEntries, kSlabBytes, shard_);
}

std::size_t Heap::purge(std::size_t slabs_max) noexcept {
  std::size_t done = 0;
  for (; done < slabs_max && spare_head_ != 0; ++done) {
    const std::uint32_t slab = spare_head_;
    spare_head_ = slabs_[slab].next;
    --spares_;
    drop_pages(slab);
    slabs_[slab].next = unused_head_;
    unused_head_ = slab;
  }
  return done;
}

Ref Heap::allocate(Class c) noexcept {
  ClassState& state = classes_[c];
  if (state.buckets == 0 && !open_slab(c)) return 0;
  // The fullest: so the sparse ones become empty.
  const unsigned bucket = 31u - static_cast<unsigned>(__builtin_clz(state.buckets));
  const std::uint32_t slab = state.heads[bucket];
  Slab& s = slabs_[slab];
  const std::size_t size = kSizes.bytes[c];
  std::uint16_t cell = s.free_head;
  std::byte* at = slab_base(slab);
  if (cell != kNone) {
    at += cell * size;
    std::memcpy(&s.free_head, at + 4, sizeof s.free_head);
  } else {
    cell = s.fresh++;
    at += cell * size;
    if (const std::size_t last = (cell * size + size - 1) / kPageBytes; last > s.last_page) {
      untouched(-static_cast<std::int64_t>((last - s.last_page) * kPageBytes));
      s.last_page = last & 0xf;
    }
    std::memset(at, 0, 4);
  }
  ++s.live;
  --state.free_cells;
  (is_segment(c) ? segment_live_bytes_ : live_bytes_) += size;
  const unsigned count = kSizes.count[c];
  if (s.live == count || s.live * kBuckets / count != bucket) {
    unlink(slab);
    link(slab);
  }
  return static_cast<Ref>((slab * kSlabBytes + cell * size) / kCellStep);
}

void Heap::free(Ref ref) noexcept {
  const auto slab = static_cast<std::uint32_t>(ref / kRefsPerSlab);
  Slab& s = slabs_[slab];
  const std::size_t size = kSizes.bytes[s.c];
  const std::size_t cell = (ref % kRefsPerSlab) * kCellStep / size;
  std::byte* at = base_ + std::size_t{ref} * kCellStep;
  std::memset(at, 0, 4);
  std::memcpy(at + 4, &s.free_head, sizeof s.free_head);
  s.free_head = static_cast<std::uint16_t>(cell);
  --s.live;
  (is_segment(s.c) ? segment_live_bytes_ : live_bytes_) -= size;
  if (slab == packed_slab_) {
    if (s.live == 0) end_packing();
    return;
  }
  ClassState& state = classes_[s.c];
  const unsigned count = kSizes.count[s.c];
  ++state.free_cells;
  if (s.live == 0) {
    unlink(slab);
    state.free_cells -= count;
    close_slab(slab);
  } else if (s.bucket == kUnlisted || s.live * kBuckets / count != s.bucket) {
    unlink(slab);
    link(slab);
  }
}

bool Heap::begin_packing(Packing how) noexcept {
  std::uint64_t best_bytes = 0;
  unsigned best = kClasses;
  for (unsigned c = 0; c < kClasses; ++c) {
    const ClassState& state = classes_[c];
    const std::size_t count = kSizes.count[c];
    // What the emptied slab holds must fit into the others.
    const std::size_t slack = how == Packing::kHard ? 0 : count / 4;
    if (state.slabs < 2 || state.free_cells < count + slack) continue;
    const std::uint64_t bytes = state.free_cells * kSizes.bytes[c];
    if (bytes > best_bytes) {
      best_bytes = bytes;
      best = c;
    }
  }
  if (best == kClasses) return false;
  if (how == Packing::kSoft &&
      free_bytes() - spares_ * kSlabBytes < (resident_bytes() >> kWorthShift)) {
    return false;
  }
  const ClassState& state = classes_[best];
  begin_with(state.heads[static_cast<unsigned>(__builtin_ctz(state.buckets))]);
  return true;
}

void Heap::begin_with(std::uint32_t slab) noexcept {
  const Slab& s = slabs_[slab];
  packed_slab_ = slab;
  packed_cell_ = 0;
  unlink(slab);
  classes_[s.c].free_cells -= kSizes.count[s.c] - s.live;
}

unsigned Heap::entries_in(std::uint32_t slab) const noexcept {
  const Slab& s = slabs_[slab];
  return slab == packed_slab_ || is_segment(s.c) ? 0 : s.live;
}

unsigned Heap::cells_in(std::uint32_t slab) const noexcept { return kSizes.count[slabs_[slab].c]; }

Ref Heap::entry_in(std::uint32_t slab, unsigned cell) const noexcept {
  const Slab& s = slabs_[slab];
  if (cell >= s.fresh) return 0;
  const std::size_t at = slab * kSlabBytes + cell * std::size_t{kSizes.bytes[s.c]};
  return (std::to_integer<unsigned>(base_[at]) & 1) == 0 ? 0 : static_cast<Ref>(at / kCellStep);
}

void Heap::empty(std::uint32_t slab) noexcept {
  assert(entries_in(slab) != 0);
  if (packed_slab_ != 0) end_packing();
  begin_with(slab);
  forced_ = true;
}

std::uint64_t Heap::entry_slab_bytes() const noexcept {
  std::uint64_t slabs = slabs_held_;
  for (unsigned c = kEntryClasses; c < kClasses; ++c) slabs -= classes_[c].slabs;
  return slabs * kSlabBytes;
}

// The packed slab is empty, or goes back into its list as it is.
void Heap::end_packing() noexcept {
  const std::uint32_t slab = packed_slab_;
  Slab& s = slabs_[slab];
  packed_slab_ = 0;
  forced_ = false;
  if (s.live == 0) {
    close_slab(slab);
    return;
  }
  classes_[s.c].free_cells += kSizes.count[s.c] - s.live;
  link(slab);
}

std::size_t Heap::pack(std::size_t cells_max, Packing how, Mover& mover) noexcept {
  std::size_t moved = 0;
  while (moved < cells_max) {
    if (how == Packing::kForced) {
      if (!forced_) break;  // it is empty, or was given up
    } else if (packed_slab_ == 0 && !begin_packing(how)) {
      break;
    }
    const std::uint32_t slab = packed_slab_;
    const Class c = slabs_[slab].c;
    const std::size_t size = kSizes.bytes[c];
    // Cells beyond `fresh` were never used.
    while (packed_slab_ != 0 && moved < cells_max) {
      const bool fits = classes_[c].buckets != 0;
      if (packed_cell_ >= slabs_[slab].fresh || (!fits && how != Packing::kForced)) {
        end_packing();  // others took the room that was meant for it
        return moved;
      }
      std::byte* from = slab_base(slab) + packed_cell_ * size;
      const auto ref = static_cast<Ref>((slab * kSlabBytes + packed_cell_ * size) / kCellStep);
      ++packed_cell_;
      if ((std::to_integer<unsigned>(*from) & 1) == 0) continue;
      if (!fits) {
        if (!mover.discard(ref)) {
          end_packing();
          return moved;
        }
        ++moved;
        continue;
      }
      const Ref to = allocate(c);
      std::memcpy(at(to), from, size);
      mover.moved(ref, to);
      free(ref);
      ++moved;
    }
  }
  return moved;
}

bool Heap::release(std::size_t bytes) noexcept {
  for (std::size_t done = 0; done < bytes && released_ < slabs_end_; ++released_) {
    const auto slab = static_cast<std::uint32_t>(released_);
    // Those without pages cost nothing to pass; how many have some is known.
    done += kSlabBytes;
    ::madvise(slab_base(slab), kSlabBytes, MADV_DONTNEED);
  }
  if (released_ < slabs_end_) return true;
  std::uint64_t table = 0;
  for (unsigned c = kEntryClasses; c < kClasses; ++c) table += classes_[c].slabs;
  budget_.give_back(Component::kTable, table * kSlabBytes, shard_);
  budget_.give_back(Component::kEntries, (slabs_held_ - table) * kSlabBytes, shard_);
  slabs_held_ = 0;
  untouched(-untouched_bytes_);
  live_bytes_ = segment_live_bytes_ = 0;
  for (ClassState& c : classes_) c = ClassState{};
  for (ClassState& c : classes_) c.heads.fill(0);
  return false;
}

}  // namespace ullage::tier
