// SPDX-License-Identifier: Apache-2.0
//
// map_iterator: walks the entries of a hash_map or hash_set: segment by segment in the order of the
// directory, group by group, slot by slot. Forward only.
#pragma once

#include <ullage/detail/map_core.h>

#include <iterator>

namespace ullage::detail {

template <class Core, class Value>
class map_iterator {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = std::remove_const_t<Value>;
  using difference_type = std::ptrdiff_t;
  using reference = Value&;
  using pointer = Value*;

  map_iterator() = default;
  map_iterator(const Core* core, const map_place& at) noexcept : core_(core), at_(at) {}
  /// An iterator may become one that does not write.
  template <class Other>
  requires(std::is_same_v<const Other, Value> && !std::is_same_v<Other, Value>)
      map_iterator(const map_iterator<Core, Other>& other)
  noexcept  // NOLINT
      : core_(other.core_), at_(other.at_) {}

  /// To the first entry at or after the first slot of the first segment.
  static map_iterator first(const Core* core) noexcept {
    map_iterator it;
    it.core_ = core;
    it.at_ = core->first_groups();
    if (it.at_.group != nullptr) it.settle(used_slots(it.at_.group));
    return it;
  }

  reference operator*() const noexcept { return *Core::slot(at_); }
  pointer operator->() const noexcept { return Core::slot(at_); }
  map_iterator& operator++() noexcept {
    settle(used_slots(at_.group) & (~1u << at_.slot));
    return *this;
  }
  map_iterator operator++(int) noexcept {
    map_iterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const map_iterator& a, const map_iterator& b) noexcept {
    return a.at_.group == b.at_.group && a.at_.slot == b.at_.slot;
  }

  const map_place& place() const noexcept { return at_; }
  const Core* core() const noexcept { return core_; }

 private:
  template <class, class>
  friend class map_iterator;

  void settle(unsigned used) noexcept {
    while (used == 0) {
      at_.group += Core::shape::kStride;
      at_.slots += Core::shape::kGroupBytes;
      if (at_.group == at_.end) {
        at_ = core_->next_groups(at_);
        if (at_.group == nullptr) return;
      }
      used = used_slots(at_.group);
    }
    at_.slot = lowest(used);
  }

  const Core* core_ = nullptr;
  map_place at_;
};

/// What erase(iterator) returns: the next iterator, if anybody asks. Nobody pays for the walk who
/// does not (a sparse map can be a long walk).
template <class Iterator>
class map_erased {
 public:
  explicit map_erased(Iterator at) noexcept : at_(at) {}
  operator Iterator() const noexcept {  // NOLINT
    Iterator next = at_;
    return ++next;
  }
  /// `it = map.erase(it)` also where `it` is one that does not write.
  template <class Other>
  requires(!std::is_same_v<Other, Iterator> && std::is_convertible_v<Iterator, Other>)
  operator Other() const noexcept {  // NOLINT
    return static_cast<Iterator>(*this);
  }
  auto& operator*() const noexcept { return *static_cast<Iterator>(*this); }
  auto* operator->() const noexcept { return &**this; }

 private:
  Iterator at_;
};

}  // namespace ullage::detail
