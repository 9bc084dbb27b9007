// SPDX-License-Identifier: Apache-2.0
//
// One walk for paths and for the paths in their filters: from a value and a step to the values that
// the step leads to, depth first. What was passed on the way is kept on the stack, and becomes
// nodes only when a match is found below it.
#include "document/select.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "document/matches.h"

namespace ullage::document {
namespace {

// A value under way, and how it was reached.
struct Frame {
  Value value;
  const char* entry;
  Frame* parent;
  std::size_t index;
  std::uint32_t node = Node::kNone;  // once it is one
};

using Steps = const std::vector<Step>&;

class Walk {
 public:
  Walk(const Path& path, Value root, std::uint64_t looks)
      : path_(path), root_(root), looks_(looks) {}

  bool exhausted() const { return exhausted_; }

  // Calls found(frame) for what steps[at..] lead to from `frame`.
  template <class Found>
  void go(Steps steps, std::size_t at, Frame& frame, Found& found) {
    if (at == steps.size()) return found(frame);
    const Step& step = steps[at];
    switch (step.kind) {
      case Step::Kind::kNames:
        return names(step, steps, at, frame, found);
      case Step::Kind::kIndexes:
        return indexes(step, steps, at, frame, found);
      case Step::Kind::kRange:
        return range(step, steps, at, frame, found);
      case Step::Kind::kAll:
      case Step::Kind::kFilter:
        return each(step, steps, at, frame, found);
      case Step::Kind::kDescend:
        go(steps, at + 1, frame, found);
        return descend(steps, at, frame, found);
    }
  }

 private:
  bool look() {
    if (looks_ == 0) {
      exhausted_ = true;
      return false;
    }
    --looks_;
    return true;
  }
  static Frame child(const Items& item, Frame& parent) {
    return {item.value(), item.entry(), &parent, item.index()};
  }

  template <class Found>
  void names(const Step& step, Steps steps, std::size_t at, Frame& frame, Found& found) {
    if (!frame.value.is_object()) return;
    for (const std::string& name : step.names) {
      for (Items item(frame.value); item.next();) {
        if (!look()) return;
        if (item.key() != name) continue;
        Frame next = child(item, frame);
        go(steps, at + 1, next, found);
        break;
      }
    }
  }

  // The element `index`, or nothing.
  template <class Found>
  void element(std::size_t index, Steps steps, std::size_t at, Frame& frame, Found& found) {
    for (Items item(frame.value); item.next();) {
      if (!look()) return;
      if (item.index() != index) continue;
      Frame next = child(item, frame);
      return go(steps, at + 1, next, found);
    }
  }

  template <class Found>
  void indexes(const Step& step, Steps steps, std::size_t at, Frame& frame, Found& found) {
    if (!frame.value.is_array()) return;
    const auto size = static_cast<std::int64_t>(frame.value.count());
    for (std::int64_t index : step.indexes) {
      // From the end; before the beginning is the beginning, as in RedisJSON.
      if (index < 0) index = std::max<std::int64_t>(index + size, 0);
      if (index < size) element(static_cast<std::size_t>(index), steps, at, frame, found);
    }
  }

  template <class Found>
  void range(const Step& step, Steps steps, std::size_t at, Frame& frame, Found& found) {
    if (!frame.value.is_array()) return;
    const auto size = static_cast<std::int64_t>(frame.value.count());
    const auto place = [size](std::int64_t index) {
      return index < 0 ? std::max<std::int64_t>(index + size, 0) : std::min(index, size);
    };
    const std::int64_t from = step.has_from ? place(step.from) : 0;
    const std::int64_t to = step.has_to ? place(step.to) : size;
    for (Items item(frame.value); item.next();) {
      if (!look()) return;
      const auto index = static_cast<std::int64_t>(item.index());
      if (index >= to) return;
      if (index < from || (index - from) % step.by != 0) continue;
      Frame next = child(item, frame);
      go(steps, at + 1, next, found);
    }
  }

  template <class Found>
  void each(const Step& step, Steps steps, std::size_t at, Frame& frame, Found& found) {
    for (Items item(frame.value); item.next();) {
      if (!look()) return;
      Frame next = child(item, frame);
      if (step.kind == Step::Kind::kFilter && !holds(step.filter, next.value)) continue;
      go(steps, at + 1, next, found);
    }
  }

  // The rest of the path from everything below `frame`.
  template <class Found>
  void descend(Steps steps, std::size_t at, Frame& frame, Found& found) {
    for (Items item(frame.value); item.next();) {
      if (!look()) return;
      Frame next = child(item, frame);
      go(steps, at + 1, next, found);
      if (exhausted_) return;
      if (next.value.is_container()) descend(steps, at, next, found);
    }
  }

  // --- Filters
  bool holds(std::size_t index, Value current) {
    const Condition& c = path_.conditions()[index];
    switch (c.kind) {
      case Condition::Kind::kAnd:
        return holds(c.first, current) && holds(c.second, current);
      case Condition::Kind::kOr:
        return holds(c.first, current) || holds(c.second, current);
      case Condition::Kind::kExists:
        return c.left.kind == Term::Kind::kLiteral || !values(c.left, current).empty();
      case Condition::Kind::kCompare:
        break;
    }
    const std::vector<Value> left = values(c.left, current), right = values(c.right, current);
    if (c.op == Condition::Op::kNotEqual) return !any(Condition::Op::kEqual, left, right);
    return any(c.op, left, right);
  }

  std::vector<Value> values(const Term& term, Value current) {
    if (term.kind == Term::Kind::kLiteral) return {Value(term.literal.data())};
    std::vector<Value> into;
    const auto found = [&into](const Frame& frame) { into.push_back(frame.value); };
    Frame start{term.kind == Term::Kind::kRoot ? root_ : current, nullptr, nullptr, 0};
    go(term.steps, 0, start, found);
    return into;
  }

  bool any(Condition::Op op, const std::vector<Value>& left, const std::vector<Value>& right) {
    for (const Value l : left) {
      for (const Value r : right) {
        if (!look()) return false;
        if (compare(op, l, r)) return true;
      }
    }
    return false;
  }

  bool compare(Condition::Op op, Value l, Value r) {
    using Op = Condition::Op;
    if (op == Op::kMatches) return l.is_string() && r.is_string() && matches(l, r);
    int order = 0;
    if (l.is_numeric() && r.is_numeric()) {
      order = compare_numbers(l, r);
    } else if (l.type() != r.type()) {
      return false;
    } else if (l.is_string()) {
      const int c = l.string().compare(r.string());
      order = c < 0 ? -1 : c > 0 ? 1 : 0;
    } else if (l.is_container()) {
      return op == Op::kEqual && equal(l, r, looks_);
    } else {
      order = static_cast<int>(l.boolean()) - static_cast<int>(r.boolean());
    }
    switch (op) {
      case Op::kLess:
        return order < 0;
      case Op::kLessEqual:
        return order <= 0;
      case Op::kGreater:
        return order > 0;
      case Op::kGreaterEqual:
        return order >= 0;
      default:
        return order == 0;
    }
  }

  static int compare_numbers(Value l, Value r) {
    const bool whole = l.type() == Type::kInteger && r.type() == Type::kInteger && !l.is_beyond() &&
                       !r.is_beyond();
    if (whole) return l.integer() < r.integer() ? -1 : l.integer() > r.integer() ? 1 : 0;
    return l.real() < r.real() ? -1 : l.real() > r.real() ? 1 : 0;
  }

  bool matches(Value text, Value pattern) {
    const Match match = search(pattern.string(), text.string(), looks_);
    if (match == Match::kExhausted) exhausted_ = true;
    return match == Match::kFound;
  }

  const Path& path_;
  const Value root_;
  std::uint64_t looks_;
  bool exhausted_ = false;
};

std::uint32_t node_of(Frame& frame, Selection& into) {
  if (frame.node != Node::kNone) return frame.node;
  Node node;
  if (frame.parent != nullptr) node.parent = node_of(*frame.parent, into);
  node.offset = static_cast<std::size_t>(frame.value.data() - into.document);
  node.entry = static_cast<std::size_t>(frame.entry - into.document);
  node.index = static_cast<std::uint32_t>(frame.index);
  frame.node = static_cast<std::uint32_t>(into.nodes.size());
  into.nodes.push_back(node);
  return frame.node;
}

}  // namespace

void Selection::unify() {
  std::vector<std::uint32_t> order(nodes.size()), first(nodes.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [this](std::uint32_t a, std::uint32_t b) {
    return std::pair(nodes[a].offset, a) < std::pair(nodes[b].offset, b);
  });
  for (std::size_t i = 0; i < order.size(); ++i) {
    const bool again = i > 0 && nodes[order[i]].offset == nodes[order[i - 1]].offset;
    first[order[i]] = again ? first[order[i - 1]] : order[i];
  }
  for (Node& node : nodes) {
    if (node.parent != Node::kNone) node.parent = first[node.parent];
  }
  std::vector<bool> there(nodes.size());
  std::size_t kept = 0;
  for (const std::uint32_t match : matches) {
    if (there[first[match]]) continue;
    there[first[match]] = true;
    matches[kept++] = first[match];
  }
  matches.resize(kept);
}

namespace {

// Calls within(match) for each match that lies below another.
template <class Within>
void for_each_within(const Selection& in, Within within) {
  std::vector<bool> matched(in.nodes.size());
  for (const std::uint32_t match : in.matches) matched[match] = true;
  for (const std::uint32_t match : in.matches) {
    for (std::uint32_t up = in.nodes[match].parent; up != Node::kNone; up = in.nodes[up].parent) {
      if (!matched[up]) continue;
      within(match);
      break;
    }
  }
}

}  // namespace

bool Selection::nested() const {
  bool any = false;
  for_each_within(*this, [&any](std::uint32_t) { any = true; });
  return any;
}

void Selection::keep_topmost() {
  std::vector<bool> below(nodes.size());
  for_each_within(*this, [&below](std::uint32_t match) { below[match] = true; });
  std::erase_if(matches, [&below](std::uint32_t match) { return below[match]; });
}

Selection select(const Path& path, Value root) {
  Selection selection;
  selection.document = root.data();
  Walk walk(path, root, kLooksMin + kLooksPerByte * root.bytes());
  const auto found = [&selection](Frame& frame) {
    selection.matches.push_back(node_of(frame, selection));
  };
  Frame start{root, root.data(), nullptr, 0};
  walk.go(path.steps(), 0, start, found);
  selection.exhausted = walk.exhausted();
  return selection;
}

}  // namespace ullage::document
