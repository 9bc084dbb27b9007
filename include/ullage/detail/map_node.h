// SPDX-License-Identifier: Apache-2.0
//
// map_node: what extract() hands out: one entry outside any map or set. There are no nodes in
// there; the entry is moved out and moved in again.
#pragma once

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace ullage::detail {

template <class Entry, class Alloc>
class entry_node {
 public:
  using allocator_type = Alloc;

  entry_node() = default;
  template <class... Args>
  entry_node(const Alloc& alloc, std::in_place_t, Args&&... args)
      : alloc_(alloc),
        entry_(std::make_obj_using_allocator<Entry>(alloc, std::forward<Args>(args)...)) {}
  entry_node(entry_node&& other) noexcept(std::is_nothrow_move_constructible_v<Entry>)
      : alloc_(other.alloc_), entry_(std::move(other.entry_)) {
    other.reset();
  }
  /// If moving the entry throws, this node is empty and the other one keeps its entry.
  entry_node& operator=(entry_node&& other) noexcept(std::is_nothrow_move_constructible_v<Entry>) {
    if (this == &other) return *this;
    reset();
    if (other.empty()) return *this;
    entry_.emplace(std::move(*other.entry_));
    alloc_.emplace(*other.alloc_);
    other.reset();
    return *this;
  }

  [[nodiscard]] bool empty() const noexcept { return !entry_; }
  explicit operator bool() const noexcept { return entry_.has_value(); }
  Alloc get_allocator() const { return *alloc_; }

 protected:
  ~entry_node() = default;
  void reset() noexcept {
    entry_.reset();
    alloc_.reset();
  }

  // A node is a handle: who holds a const one may change what it holds, as with the standard ones.
  std::optional<Alloc> alloc_;
  mutable std::optional<Entry> entry_;
};

template <class Key, class Value, class Alloc>
class map_node : public entry_node<std::pair<Key, Value>, Alloc> {
 public:
  using key_type = Key;
  using mapped_type = Value;
  using entry_node<std::pair<Key, Value>, Alloc>::entry_node;

  Key& key() const noexcept { return this->entry_->first; }
  Value& mapped() const noexcept { return this->entry_->second; }
  void swap(map_node& other) noexcept(std::is_nothrow_move_constructible_v<map_node>) {
    std::swap(*this, other);
  }
  friend void swap(map_node& a, map_node& b) noexcept(noexcept(a.swap(b))) { a.swap(b); }
};

template <class Key, class Alloc>
class set_node : public entry_node<Key, Alloc> {
 public:
  using value_type = Key;
  using entry_node<Key, Alloc>::entry_node;

  Key& value() const noexcept { return *this->entry_; }
  void swap(set_node& other) noexcept(std::is_nothrow_move_constructible_v<set_node>) {
    std::swap(*this, other);
  }
  friend void swap(set_node& a, set_node& b) noexcept(noexcept(a.swap(b))) { a.swap(b); }
};

/// What insert(node) says.
template <class Iterator, class Node>
struct map_node_inserted {
  Iterator position;
  bool inserted;
  Node node;
};

template <class Key, class... Args>
inline constexpr bool kIsKeyAndValue = false;
template <class Key, class K, class V>
inline constexpr bool kIsKeyAndValue<Key, K, V> = std::is_same_v<std::remove_cvref_t<K>, Key>;

template <class Key, class... Args>
inline constexpr bool kIsPairWithKey = false;
template <class Key, class P>
requires requires { typename std::remove_cvref_t<P>::first_type; }
inline constexpr bool kIsPairWithKey<Key, P> =
    std::is_same_v<std::remove_const_t<typename std::remove_cvref_t<P>::first_type>, Key>;

}  // namespace ullage::detail
