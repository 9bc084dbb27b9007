// SPDX-License-Identifier: Apache-2.0
#pragma once

// select: the values of a document that a path leads to.
//
//   Selection found = select(path, Value(bytes));
//   if (found.exhausted) ...                       // the path asks for too much
//   for (const std::uint32_t match : found.matches) print(out, found.value(match));
//
// Matches come in the order in which the path meets them, members and elements in theirs; below
// ".." what the rest of the path leads to from a value comes before what it leads to from within
// it. A value that is reached twice is there twice.
//
// Cost      O(values looked at): siblings before a name or index, everything below "..".
// Limit     Values looked at: kLooksMin, and kLooksPerByte for each byte of the document more; a
//           path such as $..*..*..* comes to it.
// Stability Good as long as the document's bytes stay where they are.

#include <cstdint>
#include <vector>

#include "document/path.h"
#include "document/value.h"

namespace ullage::document {

// A "..name" looks at every value once, and each has a byte at least: four times that leaves room
// for filters, and two "..".
inline constexpr std::uint64_t kLooksMin = 1 << 20, kLooksPerByte = 4;

// A value on the way to a match, or one itself.
struct Node {
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  std::size_t offset = 0;  // of the value, from the document's begin
  std::size_t entry = 0;   // of its key, or of itself
  std::uint32_t parent = kNone;
  std::uint32_t index = 0;  // among its siblings
};

struct Selection {
  const char* document = nullptr;
  std::vector<Node> nodes;  // parents before their children
  std::vector<std::uint32_t> matches;
  bool exhausted = false;

  Value value(std::uint32_t node) const { return Value(document + nodes[node].offset); }
  // Every value is one node at most, and one match: for changes. What is reached twice is in the
  // place of the first; `matches` without repetition.
  void unify();
  // Of a unified one: whether a match lies within another; without those that do.
  bool nested() const;
  void keep_topmost();
  unsigned depth(std::uint32_t node) const {  // 0: the root
    unsigned depth = 0;
    while ((node = nodes[node].parent) != Node::kNone) ++depth;
    return depth;
  }
};

Selection select(const Path& path, Value root);

}  // namespace ullage::document
