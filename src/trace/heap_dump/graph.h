// SPDX-License-Identifier: Apache-2.0
#pragma once

// Graph: which objects of a dump are reached from its roots, through whom, and by which headers the
// large ones are held.
//
// Memory  9 B for each object (who reached it, a mark, its share of the index) beside Dump's 24,
//         4 B for each that waits to be scanned, 64 B for each view of a part of a large object.
// Cost    every reached object is scanned once; each pointer costs one look-up by address.

#include <cstdint>
#include <span>
#include <vector>

#include "trace/heap_dump/dump.h"
#include "trace/heap_dump/reach.h"

namespace ullage::trace::heap_dump {

// Objects from this size on are asked what of them is reached. Smaller ones keep little alive each,
// and an incident of many small ones shows in the profile.
inline constexpr std::uint64_t kLargeBytesMin = 4096;
// Views of parts that are kept; objects whose views come later are taken to be reached wholly.
inline constexpr std::size_t kViewsMax = std::size_t{1} << 22;

struct View {                            // a slice or string that reaches a part of a large object
  std::uint32_t target = 0, holder = 0;  // holder: object, or root (Graph::is_root)
  std::uint64_t holder_address = 0;      // of the header
  Reach reach;
};

class Graph {
 public:
  Graph(const Dump& dump, std::span<const std::uint8_t> file);

  // Views of objects that nothing reaches wholly, by target.
  const std::vector<View>& views() const { return views_; }
  std::uint64_t reached_objects() const { return reached_; }
  std::uint64_t unreached_bytes() const { return unreached_bytes_; }
  std::uint64_t views_dropped() const { return views_dropped_; }

  static constexpr std::uint32_t kNobody = UINT32_MAX;
  static bool is_root(std::uint32_t holder) { return holder >= kObjectsMax; }
  static std::uint32_t root_index(std::uint32_t holder) { return holder - kFirstRoot; }
  // The root by which a holder was reached first, and the object that it points to on that way.
  struct Origin {
    std::uint32_t root = 0, object = kNobody;  // object kNobody: the holder is the root itself
  };
  Origin origin_of(std::uint32_t holder) const;
  // The object around an address; kNobody: none.
  std::uint32_t object_at(std::uint64_t address) const;
  // Bytes that the allocator keeps at the beginning of an object for itself.
  std::uint64_t allocator_bytes(const Object& object, bool has_pointers) const;

 private:
  static constexpr std::uint32_t kFirstRoot = static_cast<std::uint32_t>(kObjectsMax);

  void build_index();
  void mark();
  void scan(std::uint32_t holder, std::uint64_t address, std::uint64_t contents, std::uint64_t size,
            std::uint64_t fields);
  void reach(std::uint32_t target, std::uint32_t holder);
  void hold(std::uint32_t target, const View& view);
  bool has_pointers(const Object& object) const;
  void keep_partial();

  const Dump& dump_;
  const std::span<const std::uint8_t> file_;
  bool headers_ = false;  // objects with pointers begin with a word of the allocator (Go 1.22)
  std::vector<std::uint32_t> first_in_bucket_;  // index: bucket of addresses -> first object
  unsigned bucket_shift_ = 0;
  std::uint64_t base_ = 0;
  std::vector<std::uint32_t> reached_by_;
  std::vector<std::uint8_t> whole_;
  std::vector<std::uint32_t> waiting_;
  std::vector<std::uint64_t> offsets_;  // of one block's pointers
  std::vector<View> views_;
  std::uint64_t reached_ = 0, unreached_bytes_ = 0, views_dropped_ = 0;
};

}  // namespace ullage::trace::heap_dump
