// SPDX-License-Identifier: Apache-2.0
#include "document/edits.h"

#include <algorithm>
#include <cstring>

#include "document/encode.h"

namespace ullage::document {

Edits::Edits(const Selection& selection)
    : selection_(selection), bytes_before_(Value(selection.document).bytes()) {}

void Edits::add(std::uint32_t node, std::size_t offset, std::size_t removed, std::string bytes) {
  kept_.push_back(std::move(bytes));
  edits_.push_back({offset, removed, kept_.back(), selection_.depth(node)});
}

// What is in the container `node` changed by so much.
void Edits::count(std::uint32_t node, std::ptrdiff_t bytes, std::ptrdiff_t count) {
  if (node == Node::kNone) {
    grown_ += bytes;
    return;
  }
  Changed& changed = changed_[node];
  changed.bytes += bytes;
  changed.count += count;
}

void Edits::replace(std::uint32_t node, std::string encoded) {
  splice(node, selection_.nodes[node].offset, selection_.value(node).bytes(), std::move(encoded));
}

void Edits::splice(std::uint32_t node, std::size_t offset, std::size_t removed, std::string bytes) {
  const auto more = static_cast<std::ptrdiff_t>(bytes.size() - removed);
  count(selection_.nodes[node].parent, more, 0);
  add(node, offset, removed, std::move(bytes));
}

void Edits::remove(std::uint32_t node) {
  const Node& n = selection_.nodes[node];
  const std::size_t end = n.offset + selection_.value(node).bytes();
  cut(n.parent, n.entry, end, 1);
}

void Edits::insert(std::uint32_t node, std::size_t offset, std::string encoded,
                   std::size_t elements) {
  count(node, static_cast<std::ptrdiff_t>(encoded.size()), static_cast<std::ptrdiff_t>(elements));
  add(node, offset, 0, std::move(encoded));
}

void Edits::cut(std::uint32_t node, std::size_t offset, std::size_t end, std::size_t elements) {
  count(node, -static_cast<std::ptrdiff_t>(end - offset), -static_cast<std::ptrdiff_t>(elements));
  add(node, offset, end - offset, {});
}

void Edits::finish() {
  // From the deepest: a container's own header counts as a change in its parent.
  while (!changed_.empty()) {
    const auto last = std::prev(changed_.end());
    const auto [node, changed] = *last;
    changed_.erase(last);
    const Value value = selection_.value(node);
    const std::size_t header = value.header_bytes();
    const auto by = [](std::size_t size, std::ptrdiff_t more) {
      return static_cast<std::size_t>(static_cast<std::ptrdiff_t>(size) + more);
    };
    std::string bytes;
    put_header(bytes, value.is_object() ? tag::kObject : tag::kArray,
               by(value.body_bytes(), changed.bytes), by(value.count(), changed.count));
    const std::ptrdiff_t more = changed.bytes + static_cast<std::ptrdiff_t>(bytes.size() - header);
    add(node, selection_.nodes[node].offset, header, std::move(bytes));
    count(selection_.nodes[node].parent, more, 0);
  }
  std::stable_sort(edits_.begin(), edits_.end(), [](const Edit& a, const Edit& b) {
    if (a.offset != b.offset) return a.offset < b.offset;
    const bool a_inserts = a.removed == 0, b_inserts = b.removed == 0;
    if (a_inserts != b_inserts) return a_inserts;
    return a.depth > b.depth;
  });
  bytes_after_ = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(bytes_before_) + grown_);
}

void Edits::apply(char* bytes) const {
  // What lies between two edits moves as one piece. Pieces that move to the left go first, from the
  // left; then those that move to the right, from the right: neither overwrites one that has not
  // moved yet, since they keep their order.
  struct Piece {
    std::size_t from, to, size;
  };
  std::vector<Piece> pieces;
  std::size_t from = 0, to = 0;
  for (std::size_t i = 0; i <= edits_.size(); ++i) {
    const std::size_t end = i < edits_.size() ? edits_[i].offset : bytes_before_;
    pieces.push_back({from, to, end - from});
    to += end - from;
    if (i == edits_.size()) break;
    from = end + edits_[i].removed;
    to += edits_[i].bytes.size();
  }
  const auto move = [bytes](const Piece& piece) {
    std::memmove(bytes + piece.to, bytes + piece.from, piece.size);
  };
  for (const Piece& piece : pieces) {
    if (piece.to < piece.from) move(piece);
  }
  for (std::size_t i = pieces.size(); i-- > 0;) {
    if (pieces[i].to > pieces[i].from) move(pieces[i]);
  }
  for (std::size_t i = 0; i < edits_.size(); ++i) {
    const std::string_view put = edits_[i].bytes;
    std::memcpy(bytes + pieces[i].to + pieces[i].size, put.data(), put.size());
  }
}

std::string Edits::applied_to(std::string_view before) const {
  std::string after;
  after.reserve(bytes_after_);
  std::size_t at = 0;
  for (const Edit& edit : edits_) {
    after.append(before.substr(at, edit.offset - at));
    after.append(edit.bytes);
    at = edit.offset + edit.removed;
  }
  after.append(before.substr(at, bytes_before_ - at));
  return after;
}

}  // namespace ullage::document
