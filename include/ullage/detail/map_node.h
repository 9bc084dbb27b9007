// SPDX-License-Identifier: Apache-2.0
//
// map_node: what extract() hands out: one entry outside any map or set. There are no nodes in
// there; the entry is moved out and moved in again.
#pragma once

#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace ullage::detail {

/// What a part of an entry leaves as, so that a throw changes nothing where it stands: moved where
/// all parts move without throwing, else copied if it can be.
template <class Part, bool AllMoveQuietly>
using leaving =
    std::conditional_t<AllMoveQuietly || !std::is_copy_constructible_v<Part>, Part&&, const Part&>;

template <class Entry>
struct entry_parts {
  static constexpr bool kQuiet = std::is_nothrow_move_constructible_v<Entry>;
  template <class Make>
  static decltype(auto) leave(Entry& entry, Make make) {
    return make(static_cast<leaving<Entry, kQuiet>>(entry));
  }
};
template <class Key, class Value>
struct entry_parts<std::pair<Key, Value>> {
  using key = std::remove_const_t<Key>;
  static constexpr bool kQuiet =
      std::is_nothrow_move_constructible_v<key> && std::is_nothrow_move_constructible_v<Value>;
  template <class Make>
  static decltype(auto) leave(std::pair<Key, Value>& entry, Make make) {
    return make(static_cast<leaving<key, kQuiet>>(const_cast<key&>(entry.first)),
                static_cast<leaving<Value, kQuiet>>(entry.second));
  }
};

template <class Entry, class Alloc>
class entry_node {
  using parts = entry_parts<Entry>;

 public:
  using allocator_type = Alloc;

  entry_node() = default;
  template <class... Args>
  entry_node(const Alloc& alloc, std::in_place_t, Args&&... args) : alloc_(alloc) {
    make(std::forward<Args>(args)...);
  }
  /// If this throws, the other node keeps its entry; after an assignment this one is empty. (What
  /// can only be moved, and throws doing so, is as it left it.)
  entry_node(entry_node&& other) noexcept(parts::kQuiet)
      : alloc_(other.alloc_), entry_(left_by(other)) {
    other.reset();
  }
  entry_node& operator=(entry_node&& other) noexcept(parts::kQuiet) {
    if (this == &other) return *this;
    reset();
    if (other.empty()) return *this;
    alloc_.emplace(*other.alloc_);
    take(other);
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

  // In its place: an entry that is made aside would have to be moved once more.
  template <class... Args>
  void make(Args&&... args) {
    std::apply([this](auto&&... each) { entry_.emplace(std::forward<decltype(each)>(each)...); },
               std::uses_allocator_construction_args<Entry>(*alloc_, std::forward<Args>(args)...));
  }
  static std::optional<Entry> left_by(entry_node& other) noexcept(parts::kQuiet) {
    if constexpr (parts::kQuiet) {
      return std::move(other.entry_);
    } else {
      std::optional<Entry> entry;
      if (!other.empty()) {
        parts::leave(*other.entry_, [&entry]<class... Part>(Part&&... part) {
          if constexpr (sizeof...(Part) == 1) {
            entry.emplace(std::forward<Part>(part)...);
          } else {
            entry.emplace(std::piecewise_construct,
                          std::forward_as_tuple(std::forward<Part>(part))...);
          }
        });
      }
      return entry;
    }
  }
  void take(entry_node& other) noexcept(parts::kQuiet) {
    if constexpr (parts::kQuiet) {
      entry_.emplace(std::move(*other.entry_));
    } else {
      parts::leave(*other.entry_, [this]<class... Part>(Part&&... part) {
        if constexpr (sizeof...(Part) == 1) {
          entry_.emplace(std::forward<Part>(part)...);
        } else {
          entry_.emplace(std::piecewise_construct,
                         std::forward_as_tuple(std::forward<Part>(part))...);
        }
      });
    }
    other.reset();
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
