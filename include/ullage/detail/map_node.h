// SPDX-License-Identifier: Apache-2.0
//
// map_node: what extract() hands out: one entry outside any map. The maps have no nodes; the entry
// is moved out and moved in again.
#pragma once

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace ullage::detail {

template <class Key, class Value, class Alloc>
class map_node {
 public:
  using key_type = Key;
  using mapped_type = Value;
  using allocator_type = Alloc;

  map_node() = default;
  template <class... Args>
  map_node(const Alloc& alloc, std::in_place_t, Args&&... args)
      : alloc_(alloc),
        entry_(std::make_obj_using_allocator<std::pair<Key, Value>>(alloc,
                                                                    std::forward<Args>(args)...)) {}
  map_node(map_node&& other) noexcept(std::is_nothrow_move_constructible_v<std::pair<Key, Value>>)
      : alloc_(std::move(other.alloc_)), entry_(std::move(other.entry_)) {
    other.entry_.reset();
    other.alloc_.reset();
  }
  map_node& operator=(map_node&& other) {
    entry_.reset();
    alloc_.reset();
    if (other.entry_) entry_.emplace(std::move(*other.entry_));
    if (other.alloc_) alloc_.emplace(*other.alloc_);
    other.entry_.reset();
    other.alloc_.reset();
    return *this;
  }

  [[nodiscard]] bool empty() const noexcept { return !entry_; }
  explicit operator bool() const noexcept { return entry_.has_value(); }
  Key& key() noexcept { return entry_->first; }
  const Key& key() const noexcept { return entry_->first; }
  Value& mapped() noexcept { return entry_->second; }
  const Value& mapped() const noexcept { return entry_->second; }
  Alloc get_allocator() const { return *alloc_; }
  void swap(map_node& other) {
    map_node kept(std::move(other));
    other = std::move(*this);
    *this = std::move(kept);
  }
  friend void swap(map_node& a, map_node& b) { a.swap(b); }

 private:
  std::optional<Alloc> alloc_;
  std::optional<std::pair<Key, Value>> entry_;
};

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
