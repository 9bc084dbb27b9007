// SPDX-License-Identifier: Apache-2.0
// What the policies that keep lists have in common: a list of keys that knows its bytes.
#pragma once

#include <cstdint>
#include <list>
#include <unordered_map>

#include "task.h"

namespace eviction {

struct Item {
  std::uint64_t hash = 0;
  std::uint32_t bytes = 0;
  std::uint8_t mark = 0;  // a policy's own
};

class List {
 public:
  using Iterator = std::list<Item>::iterator;

  Iterator find(std::uint64_t hash) {
    const auto found = at_.find(hash);
    return found == at_.end() ? items_.end() : found->second;
  }
  bool has(Iterator it) { return it != items_.end(); }
  void push_front(const Item& item) {
    items_.push_front(item);
    at_[item.hash] = items_.begin();
    bytes_ += item.bytes;
  }
  Item erase(Iterator it) {
    const Item item = *it;
    at_.erase(it->hash);
    bytes_ -= it->bytes;
    items_.erase(it);
    return item;
  }
  Item pop_back() { return erase(std::prev(items_.end())); }
  void to_front(Iterator it) { items_.splice(items_.begin(), items_, it); }
  bool empty() const { return items_.empty(); }
  std::uint64_t bytes() const { return bytes_; }
  Iterator begin() { return items_.begin(); }
  Iterator end() { return items_.end(); }

 private:
  std::list<Item> items_;
  std::unordered_map<std::uint64_t, Iterator> at_;
  std::uint64_t bytes_ = 0;
};

template <class Policy>
std::uint64_t count_hits(const Trace& trace, std::uint64_t capacity) {
  Policy policy(capacity, trace.entries);
  std::uint64_t hits = 0;
  for (const Request& r : trace.requests) hits += policy.use(r) ? 1 : 0;
  return hits;
}

}  // namespace eviction
