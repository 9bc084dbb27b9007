// SPDX-License-Identifier: Apache-2.0
//
// map_directory: which segment a hash belongs to, without ever copying a large table (extendible
// hashing: Fagin et al., 1979; indexed by low bits, filled lazily).
//
// A segment of depth d answers for all hashes whose directory bits end in its own d bits, its
// index. Entry i names the segment with index i; 0 means "as if my highest bit were clear".
// Doubling is thus one more bit looked at: the new half is all zero. An entry may also name the
// segment its lookup would end at (an alias), so that lookups seldom take that detour. Invariants:
//
//   (1) The entry at a segment's index names it.
//   (2) Any other entry that names a segment of index x and depth d is x | 1 << k with k >= d.
//
// By (2) splitting a segment overwrites at most one alias, the very entry the new segment needs.
//
// Up to kFlatEntries the entries are one small array, copied when it doubles (16 KiB at most).
// Beyond, they lie in reserved address space; where none is to be had, in a tree of small chunks.
#pragma once

#include <ullage/detail/map_memory.h>

#include <algorithm>
#include <bit>

namespace ullage::detail {

template <class Space, class Alloc, bool MayReserve>
class map_directory {
 public:
  using entry = typename Space::entry;
  static constexpr unsigned kFlatDepth = 12;
  static constexpr std::size_t kFlatEntries = std::size_t{1} << kFlatDepth;
  // Bits of the hash that choose a segment. At 2^24 segments of ~600 entries the map holds 1e10.
  static constexpr unsigned kDepthMax = 24;
  static constexpr std::uint32_t kBitsMask = (std::uint32_t{1} << kDepthMax) - 1;

  map_directory() = default;
  map_directory(const map_directory&) = delete;
  map_directory& operator=(const map_directory&) = delete;

  unsigned depth() const noexcept { return depth_; }
  std::size_t size() const noexcept { return std::size_t{1} << depth_; }

  /// What lookups may read directly, and for how many bits.
  entry* flat() const noexcept { return flat_; }
  std::size_t flat_mask() const noexcept {
    return (chunked() && depth_ > kFlatDepth ? kFlatEntries : size()) - 1;
  }

  /// True when entry i has a place: it was prepared, or lies beside one that was.
  bool has(std::size_t i) const noexcept {
    return chunked() ? (i >> kFlatDepth) < kTreeEntries && tree_[i >> kFlatDepth] != nullptr
                     : i < capacity_;
  }
  /// Entry i as it stands; 0 where none was set.
  entry get(std::size_t i) const noexcept {
    if (!chunked()) return flat_[i];
    const entry* chunk = tree_[i >> kFlatDepth];
    return chunk == nullptr ? entry{0} : chunk[i & (kFlatEntries - 1)];
  }
  /// The entry that answers for `bits`; perhaps an alias.
  entry resolve(std::uint64_t bits) const noexcept {
    std::size_t i = static_cast<std::size_t>(bits) & (size() - 1);
    entry e = get(i);
    while (e == 0) {  // ends: entry 0 is never 0
      i ^= std::bit_floor(i);
      e = get(i);
    }
    return e;
  }
  /// Makes room for entry i. May throw; changes nothing that lookups see.
  void prepare(const Alloc& alloc, std::size_t i) {
    if (chunked()) {
      entry*& chunk = tree_[i >> kFlatDepth];
      if (chunk == nullptr) {
        chunk = get_entries(alloc, kFlatEntries);
        ++chunks_;
      }
      return;
    }
    if (i < capacity_) return;
    if (capacity_ < kFlatEntries) {
      const std::size_t more = flat_for(i);
      entry* larger = get_entries(alloc, more);
      if (capacity_ != 0) {
        std::memcpy(larger, flat_, capacity_ * sizeof(entry));
        put_entries(alloc, flat_, capacity_);
      }
      flat_ = larger;
      capacity_ = more;
      return;
    }
    if (reserve(alloc)) return;
    entry** tree = get_tree(alloc);
    entry* chunk = nullptr;
    try {
      if ((i >> kFlatDepth) != 0) chunk = get_entries(alloc, kFlatEntries);
      tree[0] = get_entries(alloc, kFlatEntries);
    } catch (...) {
      if (chunk != nullptr) put_entries(alloc, chunk, kFlatEntries);
      put_tree(alloc, tree);
      throw;
    }
    std::memcpy(tree[0], flat_, kFlatEntries * sizeof(entry));
    tree[i >> kFlatDepth] = chunk;
    chunks_ = chunk == nullptr ? 1 : 2;
    tree_ = tree;
  }
  /// Sets entry i, prepared before, to a segment of depth `depth` (or to 0).
  void set(std::size_t i, entry e, unsigned depth) noexcept {
    if (!chunked()) {
      flat_[i] = e;
      return;
    }
    tree_[i >> kFlatDepth][i & (kFlatEntries - 1)] = e;
    // The flat part answers for all deeper bits: it may do so only for segments it tells apart.
    if (i < kFlatEntries) flat_[i] = depth > kFlatDepth ? entry{0} : e;
  }
  void set_depth(unsigned depth) noexcept { depth_ = depth; }

  /// Renames the segment with `index`: its own entry and its aliases.
  void rename(std::size_t index, entry from, entry to, unsigned depth) noexcept {
    set(index, to, depth);
    for (unsigned k = depth; k < kDepthMax; ++k) {
      const std::size_t i = index | std::size_t{1} << k;
      if (!has(i)) {
        if (!chunked()) break;
        continue;
      }
      if (get(i) == from) set(i, to, depth);
    }
  }
  /// Entry i, if zero, becomes the alias that (2) allows. Returns true when it did.
  template <class IndexOf>
  bool fill(std::size_t i, IndexOf index_of) noexcept {
    if (!has(i) || get(i) != 0) return false;
    const std::size_t below = i ^ std::bit_floor(i);
    const entry e = get(below);
    if (e == 0 || index_of(e) != below) return false;
    // By (2) the segment has at most as many bits as i has below its highest.
    set(i, e, static_cast<unsigned>(std::bit_width(i)) - 1);
    return true;
  }

  /// Bytes it holds; of reserved address space, those that hold entries.
  std::size_t bytes() const noexcept {
    if (reserved_) return size() * sizeof(entry);
    const std::size_t tree = chunked() ? kTreeBytes + chunks_ * kChunkBytes : 0;
    return tree + Raw::rounded(capacity_ * sizeof(entry));
  }
  /// The same once entry i is prepared and looked at (where address space can be had).
  std::size_t bytes_with(std::size_t i) const noexcept {
    if (reserved_) return std::max(size(), std::bit_ceil(i + 1)) * sizeof(entry);
    if (chunked()) return bytes() + (tree_[i >> kFlatDepth] == nullptr ? kChunkBytes : 0);
    if (i < capacity_) return bytes();
    if (capacity_ < kFlatEntries) return Raw::rounded(flat_for(i) * sizeof(entry));
    if constexpr (MayReserve) return std::bit_ceil(i + 1) * sizeof(entry);
    return bytes() + kTreeBytes + (i < kFlatEntries ? 1 : 2) * kChunkBytes;
  }
  /// What a directory holds that was prepared for so many entries (likewise).
  static constexpr std::size_t bytes_for(std::size_t entries) noexcept {
    if (entries <= kFlatEntries) return Raw::rounded(flat_for(entries - 1) * sizeof(entry));
    if constexpr (MayReserve) return entries * sizeof(entry);
    return kTreeBytes + kChunkBytes + entries * sizeof(entry);
  }
  void release(const Alloc& alloc) noexcept {
    if (chunked()) {
      for (std::size_t i = 0; i < kTreeEntries; ++i) {
        if (tree_[i] != nullptr) put_entries(alloc, tree_[i], kFlatEntries);
      }
      put_tree(alloc, tree_);
      tree_ = nullptr;
      chunks_ = 0;
    }
#if defined(__unix__)
    if (reserved_) ::munmap(flat_, kReservedBytes);
#endif
    if (!reserved_ && capacity_ != 0) put_entries(alloc, flat_, capacity_);
    flat_ = nullptr;
    capacity_ = 0;
    reserved_ = false;
    depth_ = 0;
  }

 private:
  using Raw = raw_memory<Alloc, 16>;
  static constexpr std::size_t kTreeEntries = std::size_t{1} << (kDepthMax - kFlatDepth);
  static constexpr std::size_t kTreeBytes = kTreeEntries * sizeof(entry*);
  static constexpr std::size_t kChunkBytes = kFlatEntries * sizeof(entry);
  static constexpr std::size_t kReservedBytes = (std::size_t{1} << kDepthMax) * sizeof(entry);

  static constexpr std::size_t kReservedShareMin = 64;

  bool chunked() const noexcept { return tree_ != nullptr; }
  // Entries of the small array that has a place for entry i.
  static constexpr std::size_t flat_for(std::size_t i) noexcept {
    return std::max<std::size_t>(std::bit_ceil(i + 1), 16);
  }
  static entry* get_entries(const Alloc& alloc, std::size_t n) {
    void* at = Raw::get(alloc, n * sizeof(entry));
    std::memset(at, 0, n * sizeof(entry));
    return static_cast<entry*>(at);
  }
  static void put_entries(const Alloc& alloc, entry* at, std::size_t n) noexcept {
    Raw::put(alloc, at, n * sizeof(entry));
  }
  static entry** get_tree(const Alloc& alloc) {
    void* at = Raw::get(alloc, kTreeBytes);
    std::memset(at, 0, kTreeBytes);
    return static_cast<entry**>(at);
  }
  static void put_tree(const Alloc& alloc, entry** tree) noexcept {
    Raw::put(alloc, tree, kTreeBytes);
  }
  // Address space for all entries there can ever be; pages come as entries are set.
  bool reserve([[maybe_unused]] const Alloc& alloc) noexcept {
#if defined(__unix__)
    if constexpr (MayReserve) {
      // Where address space is limited, a map of some 50 MB does not take 64 MB more of it.
      if (address_space_limit() / kReservedBytes < kReservedShareMin) return false;
      void* at = ::mmap(nullptr, kReservedBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (at == MAP_FAILED) return false;
      std::memcpy(at, flat_, capacity_ * sizeof(entry));
      put_entries(alloc, flat_, capacity_);
      flat_ = static_cast<entry*>(at);
      capacity_ = std::size_t{1} << kDepthMax;
      reserved_ = true;
      return true;
    }
#endif
    return false;
  }

  entry* flat_ = nullptr;
  entry** tree_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t chunks_ = 0;
  unsigned depth_ = 0;
  bool reserved_ = false;
};

}  // namespace ullage::detail
