// SPDX-License-Identifier: Apache-2.0
#pragma once

// Edits: a change of a document as the bytes that it takes away and puts in, made ready before
// anything is touched. What lies around them stays; headers of the containers around them follow.
//
//   Edits edits(Selection);                       // the nodes that edits are about
//   edits.replace(node, encoded);
//   edits.insert(array, place, encoded, 2);       // two elements, at this place of the document
//   edits.finish();
//   if (grows(edits.bytes_after()))               // may be denied: then nothing has happened
//     edits.apply(bytes);                         // in place: `bytes` has room for what it becomes
//
// Cost      finish: O(edits log edits). apply: what lies behind the first edit moves, once, by
//           memmove; nothing before it is touched, except headers. So an append near the end of a
//           large document costs little, whatever its size.
// Rules     One edit per place: no two edits of the same bytes, nothing within what another takes
//           away. Two inserts at one place: the deeper container's comes first.
// Stability Holds what it inserts; of the document only places.

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "document/select.h"

namespace ullage::document {

class Edits {
 public:
  // Of a selection that is unified.
  explicit Edits(const Selection& selection);

  // The value at `node` becomes `encoded`.
  void replace(std::uint32_t node, std::string encoded);
  // A part of it, of a string or number: `removed` bytes at `offset` of the document.
  void splice(std::uint32_t node, std::size_t offset, std::size_t removed, std::string bytes);
  // Takes the value out of its container. Not of the root.
  void remove(std::uint32_t node);
  // Puts `count` encoded elements (or key and value of a member) into the container `node`.
  void insert(std::uint32_t node, std::size_t offset, std::string encoded, std::size_t count);
  // Takes `count` elements, [offset, end) of the document, out of the container `node`.
  void cut(std::uint32_t node, std::size_t offset, std::size_t end, std::size_t count);

  bool empty() const { return edits_.empty(); }
  void finish();
  std::size_t bytes_before() const { return bytes_before_; }
  std::size_t bytes_after() const { return bytes_after_; }
  // `bytes` holds the document, and has room for the larger of before and after.
  void apply(char* bytes) const;
  // The document that `before` becomes.
  std::string applied_to(std::string_view before) const;

 private:
  struct Edit {
    std::size_t offset, removed;
    std::string_view bytes;
    unsigned depth;  // of the container, for inserts at one place
  };
  struct Changed {
    std::ptrdiff_t bytes = 0, count = 0;
  };
  void add(std::uint32_t node, std::size_t offset, std::size_t removed, std::string bytes);
  void count(std::uint32_t node, std::ptrdiff_t bytes, std::ptrdiff_t count);

  const Selection& selection_;
  std::vector<Edit> edits_;
  std::deque<std::string> kept_;
  // Containers whose headers change; children have higher numbers than their parents.
  std::map<std::uint32_t, Changed> changed_;
  std::size_t bytes_before_ = 0, bytes_after_ = 0;
  std::ptrdiff_t grown_ = 0;  // by how much the whole document
};

}  // namespace ullage::document
