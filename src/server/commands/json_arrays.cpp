// SPDX-License-Identifier: Apache-2.0
//
// Arrays in documents changed.
#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <vector>

#include "server/commands/handlers.h"
#include "server/commands/json_nested.h"
#include "server/commands/json_support.h"

namespace ullage::server {
namespace {

using document::Edits;
using document::Items;
using document::Path;
using document::Selection;
using document::Value;

// The arrays that a path leads to.
struct Arrays {
  std::optional<Path> path;
  std::optional<JsonEntry> entry;
  Selection found;
  std::vector<bool> is_array;  // of each match
  bool any = false;

  Value value(std::size_t i) const { return found.value(found.matches[i]); }
};
bool find_arrays(Context& c, Arrays& arrays) {
  arrays.entry = open_existing(c, 1);
  if (!arrays.entry || !select_to_edit(c, *arrays.path, *arrays.entry, arrays.found)) return false;
  for (const std::uint32_t match : arrays.found.matches) {
    arrays.is_array.push_back(arrays.found.value(match).is_array());
    arrays.any |= arrays.is_array.back();
  }
  if (arrays.any || !arrays.path->legacy()) return true;
  path_does_not_exist(c, *arrays.path, "not an array");
  return false;
}

// Where the element `index` begins in the document; that of its size: where the array ends.
std::size_t place_of(const Selection& in, Value array, std::size_t index) {
  const char* at = array.data() + array.header_bytes();
  if (index == array.count()) at += array.body_bytes();
  for (Items item(array); index < array.count() && item.next();) {
    at = item.entry();
    if (item.index() == index) break;
  }
  return static_cast<std::size_t>(at - in.document);
}

// Elements [from, to) leave the array.
void cut(const Selection& in, std::uint32_t node, std::size_t from, std::size_t to, Edits& edits) {
  if (from == to) return;
  const Value array = in.value(node);
  edits.cut(node, place_of(in, array, from), place_of(in, array, to), to - from);
}

// The words i.. go into all arrays, each at the place that `where` gives; false: there is none.
template <class Where>
void insert_words(Context& c, Arrays& arrays, std::size_t i, const char* event, Where where) {
  JsonWord words;
  if (!parse_words(c, i, words)) return;
  const std::size_t count = c.words.size() - i;
  if (!find_arrays(c, arrays)) return;
  // One copy is within what the words were granted.
  const std::size_t copies = std::max<std::size_t>(arrays.found.matches.size(), 1) - 1;
  const Loan loan(c, copies * words.bytes.size(), Loan::How::kIfFree);
  if (!loan.granted()) return c.out_of_memory();
  Edits edits(arrays.found);
  std::vector<std::int64_t> lengths;
  for (const std::uint32_t match : arrays.found.matches) {
    const Value array = arrays.found.value(match);
    if (!array.is_array()) {
      lengths.push_back(-1);
      continue;
    }
    std::size_t index = 0;
    if (!where(array, index)) return c.error("ERR index out of bounds");
    if (!depth_allowed(c, arrays.found.depth(match) + 1, words.depth)) return;
    edits.insert(match, place_of(arrays.found, array, index), words.bytes, count);
    lengths.push_back(static_cast<std::int64_t>(array.count() + count));
  }
  if (!edits.empty() && !store_edits(c, *arrays.entry, edits, event)) return;
  reply_numbers(c, *arrays.path, lengths);
}

// What is taken away of each array: [from, to). Arrays within each other are cut one by one, the
// inner ones first.
using Range = std::pair<std::size_t, std::size_t>;
template <class Which, class Told>
bool cut_arrays(Context& c, Arrays& arrays, const char* event, const Which& which,
                const Told& told) {
  std::vector<std::uint32_t> nodes;
  for (const std::uint32_t match : arrays.found.matches) {
    if (arrays.found.value(match).is_array()) nodes.push_back(match);
  }
  std::vector<std::size_t> places(arrays.found.nodes.size());
  for (std::size_t i = 0; i < arrays.found.matches.size(); ++i) {
    places[arrays.found.matches[i]] = i;
  }
  if (!arrays.found.nested()) {
    Edits edits(arrays.found);
    for (const std::uint32_t node : nodes) {
      for (const auto& [from, to] : which(arrays.found.value(node))) {
        cut(arrays.found, node, from, to, edits);
      }
      told(arrays.found.value(node), places[node]);
    }
    return edits.empty() || store_edits(c, *arrays.entry, edits, event);
  }
  std::sort(nodes.begin(), nodes.end(), [&arrays](std::uint32_t a, std::uint32_t b) {
    return arrays.found.nodes[a].offset > arrays.found.nodes[b].offset;
  });
  std::size_t next = 0;
  return edit_one_by_one(c, *arrays.entry, arrays.found, nodes, event,
                         [&](const Selection& in, std::uint32_t node, Edits& edits) {
                           for (const auto& [from, to] : which(in.value(node))) {
                             cut(in, node, from, to, edits);
                           }
                           told(in.value(node), places[nodes[next++]]);
                         });
}

// What stays of `size` elements: [first, last].
Range kept(std::int64_t start, std::int64_t stop, std::int64_t size) {
  const auto place = [size](std::int64_t index) {
    if (index < 0) return std::max<std::int64_t>(size + index, 0);
    return std::clamp<std::int64_t>(index, 0, std::max<std::int64_t>(size - 1, 0));
  };
  const std::int64_t last = place(stop);
  const std::int64_t first = start < size ? place(start) : last + 1;
  if (first > last || size == 0) return {0, 0};
  return {static_cast<std::size_t>(first), static_cast<std::size_t>(last + 1)};
}

}  // namespace

void json_arrappend_command(Context& c) {
  Arrays arrays;
  arrays.path = path_word(c, 2);
  if (!arrays.path) return;
  insert_words(c, arrays, 3, "json.arrappend", [](Value array, std::size_t& index) {
    index = array.count();
    return true;
  });
}

void json_arrinsert_command(Context& c) {
  Arrays arrays;
  std::int64_t given = 0;
  arrays.path = path_word(c, 2);
  if (!arrays.path || !c.integer(3, given)) return;
  insert_words(c, arrays, 4, "json.arrinsert", [given](Value array, std::size_t& index) {
    const auto size = static_cast<std::int64_t>(array.count());
    if (given > size || given < -size) return false;
    index = static_cast<std::size_t>(given < 0 ? given + size : given);
    return true;
  });
}

void json_arrtrim_command(Context& c) {
  Arrays arrays;
  std::int64_t start = 0, stop = 0;
  arrays.path = path_word(c, 2);
  if (!arrays.path || !c.integer(3, start) || !c.integer(4, stop)) return;
  if (!find_arrays(c, arrays)) return;
  std::vector<std::int64_t> lengths(arrays.found.matches.size(), -1);
  const auto which = [&](Value array) {
    const auto [first, end] = kept(start, stop, static_cast<std::int64_t>(array.count()));
    return std::array<Range, 2>{Range{0, first}, Range{end, array.count()}};
  };
  const auto told = [&](Value array, std::size_t i) {
    const auto [first, end] = kept(start, stop, static_cast<std::int64_t>(array.count()));
    lengths[i] = static_cast<std::int64_t>(end - first);
  };
  if (cut_arrays(c, arrays, "json.arrtrim", which, told)) reply_numbers(c, *arrays.path, lengths);
}

void json_arrpop_command(Context& c) {
  Arrays arrays;
  std::size_t at = 2;
  JsonShape shape = JsonShape::kText;
  if (c.words.size() > 3 && c.is(2, "FORMAT")) {
    if (!json_shape(c, 3, "STRINGS", shape)) return;
    if (c.out.resp() < 3) return c.error("ERR FORMAT argument is not supported on RESP2");
    at = 4;
  }
  if (c.words.size() > at + 2) return c.wrong_arity();
  arrays.path = path_word(c, at);
  std::int64_t given = -1;
  if (!arrays.path || (c.words.size() > at + 1 && !c.integer(at + 1, given))) return;
  if (arrays.path->legacy() && shape != JsonShape::kText) {
    return c.error("ERR Legacy paths are supported only with FORMAT STRINGS");
  }
  if (!find_arrays(c, arrays)) return;
  const auto index_in = [given](Value array) {
    const auto size = static_cast<std::int64_t>(array.count());
    return static_cast<std::size_t>(given < 0 ? std::max<std::int64_t>(0, size + given)
                                              : std::min(given, size - 1));
  };
  const auto which = [&](Value array) {
    const std::size_t index = array.count() == 0 ? 0 : index_in(array);
    return std::array<Range, 1>{Range{index, array.count() == 0 ? 0 : index + 1}};
  };
  // Popped, encoded; empty: there was nothing.
  std::vector<std::string> popped(arrays.found.matches.size());
  const auto told = [&](Value array, std::size_t i) {
    if (array.count() == 0) return;
    const std::size_t index = index_in(array);
    for (Items item(array); item.next();) {
      if (item.index() == index) popped[i] = item.value().encoded();
    }
  };
  if (!cut_arrays(c, arrays, "json.arrpop", which, told)) return;
  const auto reply = [&](const std::string& value) {
    if (value.empty()) {
      c.out.null();
    } else {
      reply_shaped(c, Value(value.data()), shape, {});
    }
  };
  if (!arrays.path->legacy()) {
    c.out.array(popped.size());
    for (const std::string& value : popped) reply(value);
    return;
  }
  // Of the older syntax the last array counts.
  for (std::size_t i = popped.size(); i-- > 0;) {
    if (arrays.is_array[i]) return reply(popped[i]);
  }
}

}  // namespace ullage::server
