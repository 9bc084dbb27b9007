// SPDX-License-Identifier: Apache-2.0
#pragma once

// StackTable: the calling contexts of a recording, and how two of them relate.
//
// A context is a node id; its parents lead to the root (0). Any bytes may be loaded: a node whose
// parent is not older than itself, or that was never written, hangs from the root; depths are
// computed here rather than believed, so every walk ends.
//
// Memory 24 B per node. Threads: const members from any.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "record/layout.h"

namespace ullage::trace {

// Frames of a context that tell one place in the program from another (StackTable::place): enough
// to reach the user's frame through the deepest container code seen (-O0: 13), few enough that deep
// recursion does not make a new place of every depth.
inline constexpr std::size_t kPlaceFrames = 16;
// The longest cycle of direct or mutual recursion that place() folds.
inline constexpr std::size_t kRecursionCycle = 4;

// The growth function of an allocation and a free, found by walking both contexts to where they
// part (StackTable::meet).
struct Meeting {
  std::uint32_t node = 0;      // context that ends in the growth function; 0 = they have none
  std::uint64_t function = 0;  // its start address
  bool tail_call = false;      // one side did not show the function: it left by a jump
};

class StackTable {
 public:
  // Nodes with consecutive ids from first_id on; ids from kStackNodesMax on are dropped. Then
  // seal().
  void add(std::uint32_t first_id, std::span<const record::StackNode> nodes);
  void seal();

  std::uint32_t size() const { return static_cast<std::uint32_t>(nodes_.size()); }
  // Id 0 (the root) for what is not there.
  std::uint32_t checked(std::uint32_t id) const { return id < nodes_.size() ? id : 0; }
  std::uint32_t parent(std::uint32_t id) const { return nodes_[id].parent; }
  std::uint32_t depth(std::uint32_t id) const { return nodes_[id].depth; }
  std::uint64_t pc(std::uint32_t id) const { return nodes_[id].pc; }
  std::uint64_t function(std::uint32_t id) const { return nodes_[id].function; }
  // Whether outer frames were cut away: then equal callers have different ids at different depths.
  bool cut(std::uint32_t id) const { return cut_[id]; }
  // Nodes that were named but whose content is missing.
  std::uint64_t nodes_missing() const { return nodes_missing_; }

  Meeting meet(std::uint32_t allocation, std::uint32_t free) const;

  // Hash of the innermost kPlaceFrames frames, recursion folded. Contexts of one place share their
  // statistics until symbols tell more.
  std::uint64_t place(std::uint32_t id) const;
  // Hash of the innermost `frames` frames.
  std::uint64_t inner(std::uint32_t id, std::size_t frames) const;

 private:
  Meeting meet_cut(std::uint32_t allocation, std::uint32_t free) const;
  Meeting judge(std::uint32_t a_child, std::uint32_t b_child, std::uint32_t a_up,
                std::uint32_t b_up) const;

  std::vector<record::StackNode> nodes_;
  std::vector<bool> cut_;
  std::uint64_t nodes_missing_ = 0;
};

}  // namespace ullage::trace
