// SPDX-License-Identifier: Apache-2.0
#include "server/commands/json_nested.h"

#include <string>

namespace ullage::server {
namespace {

using document::Edits;
using document::Items;
using document::Node;
using document::Selection;
using document::Value;

// The value of `document` that has the place of `node` in `found`: the last of the nodes. False:
// there is none.
bool find_again(const std::string& document, const Selection& found, std::uint32_t node,
                Selection& again) {
  again.document = document.data();
  const Node& was = found.nodes[node];
  if (was.parent == Node::kNone) {
    again.nodes.push_back({});
    return true;
  }
  if (!find_again(document, found, was.parent, again)) return false;
  const auto parent = static_cast<std::uint32_t>(again.nodes.size() - 1);
  const bool object = found.value(was.parent).is_object();
  const Value container = again.value(parent);
  if (container.is_object() != object || !container.is_container()) return false;
  for (Items item(container); item.next();) {
    const bool here = object ? item.key() == Value(found.document + was.entry).string()
                             : item.index() == was.index;
    if (!here) continue;
    again.nodes.push_back({static_cast<std::size_t>(item.value().data() - document.data()),
                           static_cast<std::size_t>(item.entry() - document.data()), parent,
                           static_cast<std::uint32_t>(item.index())});
    return true;
  }
  return false;
}

}  // namespace

bool edit_one_by_one(Context& c, const JsonEntry& entry, const Selection& found,
                     const std::vector<std::uint32_t>& nodes, const char* event,
                     const EditOne& edit) {
  std::string now(entry.root().encoded());
  const Loan loan(c, 2 * now.size(), Loan::How::kIfFree);
  if (!loan.granted()) {
    c.out_of_memory();
    return false;
  }
  std::uint64_t copied = 0;
  bool changed = false;
  for (const std::uint32_t node : nodes) {
    copied += now.size();
    if (copied > kNestedBytesMax) {
      c.error("ERR the path leads to too many values that lie within each other");
      return false;
    }
    Selection again;
    if (!find_again(now, found, node, again)) continue;
    Edits edits(again);
    edit(again, static_cast<std::uint32_t>(again.nodes.size() - 1), edits);
    if (edits.empty()) continue;
    edits.finish();
    now = edits.applied_to(now);
    changed = true;
  }
  return !changed || store_root(c, entry.key, now, event);
}

}  // namespace ullage::server
