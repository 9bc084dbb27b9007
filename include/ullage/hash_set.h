// SPDX-License-Identifier: Apache-2.0
//
// hash_set: a hash set whose slowest insert is bounded. The same table as hash_map (hash_map.h says
// what it promises, costs and keeps valid), without values.
//
//   ullage::hash_set<std::string> seen;
//   if (seen.insert(name).second) ...
#pragma once

#include <ullage/detail/map_guides.h>
#include <ullage/detail/map_node.h>
#include <ullage/detail/map_table.h>

#include <memory>
#include <memory_resource>
#include <ranges>
#include <utility>

namespace ullage {

template <class Key, class Hash = ullage::hash<Key>, class Eq = ullage::equal_to<Key>,
          class Alloc = arena_allocator<Key>>
class hash_set
    : public detail::map_table<detail::map_policy<
          Key, Key, Hash, Eq, typename std::allocator_traits<Alloc>::template rebind_alloc<Key>>> {
  using policy =
      detail::map_policy<Key, Key, Hash, Eq,
                         typename std::allocator_traits<Alloc>::template rebind_alloc<Key>>;
  using table = detail::map_table<policy>;
  using parts = detail::entry_parts<Key>;
  using table::core_;

 public:
  using typename table::allocator_type;
  using typename table::const_iterator;
  using typename table::hasher;
  using typename table::iterator;
  using typename table::key_equal;
  using typename table::size_type;
  using typename table::value_type;

  using node_type = detail::set_node<Key, allocator_type>;
  using insert_return_type = detail::map_node_inserted<iterator, node_type>;

  // ---- construction -------------------------------------------------------------------------

  using table::table;
  hash_set() = default;
  hash_set(size_type n, const allocator_type& alloc) : table(n, hasher(), key_equal(), alloc) {}
  hash_set(size_type n, const hasher& hash, const allocator_type& alloc)
      : table(n, hash, key_equal(), alloc) {}
  template <detail::reads It>
  hash_set(It first, It last, size_type n = 0, const hasher& hash = hasher(),
           const key_equal& equal = key_equal(), const allocator_type& alloc = allocator_type())
      : table(n, hash, equal, alloc) {
    insert(first, last);
  }
  template <detail::reads It>
  hash_set(It first, It last, size_type n, const allocator_type& alloc)
      : hash_set(first, last, n, hasher(), key_equal(), alloc) {}
  template <detail::reads It>
  hash_set(It first, It last, size_type n, const hasher& hash, const allocator_type& alloc)
      : hash_set(first, last, n, hash, key_equal(), alloc) {}
  template <detail::reads It>
  hash_set(It first, It last, const allocator_type& alloc)
      : hash_set(first, last, 0, hasher(), key_equal(), alloc) {}
  hash_set(std::initializer_list<Key> list, size_type n = 0, const hasher& hash = hasher(),
           const key_equal& equal = key_equal(), const allocator_type& alloc = allocator_type())
      : hash_set(list.begin(), list.end(), std::max(n, list.size()), hash, equal, alloc) {}
  hash_set(std::initializer_list<Key> list, size_type n, const allocator_type& alloc)
      : hash_set(list, n, hasher(), key_equal(), alloc) {}
  hash_set(std::initializer_list<Key> list, size_type n, const hasher& hash,
           const allocator_type& alloc)
      : hash_set(list, n, hash, key_equal(), alloc) {}
  hash_set(std::initializer_list<Key> list, const allocator_type& alloc)
      : hash_set(list, 0, hasher(), key_equal(), alloc) {}
  hash_set(const hash_set& other) = default;
  hash_set(hash_set&& other) = default;
  hash_set(const hash_set& other, const allocator_type& alloc) : table(other, alloc) {}
  hash_set(hash_set&& other, const allocator_type& alloc) : table(std::move(other), alloc) {}
  hash_set& operator=(const hash_set& other) = default;
  hash_set& operator=(hash_set&& other) = default;
  hash_set& operator=(std::initializer_list<Key> list) {
    this->assign_list(list);
    return *this;
  }
  ~hash_set() = default;
  void swap(hash_set& other) noexcept(table::kSwapsQuietly) { table::swap(other); }
  friend void swap(hash_set& a, hash_set& b) noexcept(table::kSwapsQuietly) { a.swap(b); }

  // ---- inserting ----------------------------------------------------------------------------

  std::pair<iterator, bool> insert(const Key& key) { return this->place(key, whole(key)); }
  std::pair<iterator, bool> insert(Key&& key) { return this->place(key, whole(std::move(key))); }
  template <class Q>
  requires(detail::other_key<Q, policy>&& std::is_constructible_v<Key, Q&&>)
      std::pair<iterator, bool> insert(Q&& key) {
    return this->place(key, whole(std::forward<Q>(key)));
  }
  iterator insert(const_iterator, const Key& key) { return insert(key).first; }
  iterator insert(const_iterator, Key&& key) { return insert(std::move(key)).first; }
  template <detail::reads It>
  void insert(It first, It last) {
    for (; first != last; ++first) emplace(*first);
  }
  void insert(std::initializer_list<Key> list) { insert(list.begin(), list.end()); }
  template <class Q>
  requires(detail::other_key<Q, policy>&& std::is_constructible_v<Key, Q&&>) iterator
      insert(const_iterator, Q&& key) {
    return insert(std::forward<Q>(key)).first;
  }
  template <std::ranges::input_range R>
  void insert_range(R&& range) {
    for (auto&& value : range) emplace(std::forward<decltype(value)>(value));
  }
  template <class... Args>
  std::pair<iterator, bool> emplace(Args&&... args) {
    if constexpr (sizeof...(Args) == 1 && (std::is_same_v<std::remove_cvref_t<Args>, Key> && ...)) {
      return this->place(args..., whole(std::forward<Args>(args)...));
    } else {
      return insert(
          std::make_obj_using_allocator<Key>(this->get_allocator(), std::forward<Args>(args)...));
    }
  }
  template <class... Args>
  iterator emplace_hint(const_iterator, Args&&... args) {
    return emplace(std::forward<Args>(args)...).first;
  }
  /// As insert, but a budget that says no, or memory that is not there, is an answer and no
  /// exception.
  try_result<iterator> try_insert(const Key& key) { return this->try_place(key, whole(key)); }
  try_result<iterator> try_insert(Key&& key) { return this->try_place(key, whole(std::move(key))); }

  // ---- nodes --------------------------------------------------------------------------------

  /// If this throws, the key is still there, unless it can only be moved, and throws doing so.
  node_type extract(const_iterator at) {
    node_type node = parts::leave(*core_->slot(at.place()), [this]<class K>(K&& key) {
      return node_type(core_->allocator_ref(), std::in_place, std::forward<K>(key));
    });
    core_->erase(at.place());
    return node;
  }
  node_type extract(const Key& key) {
    const auto at = this->find(key);
    return at == this->end() ? node_type() : extract(at);
  }
  template <class Q>
  requires(detail::other_key<Q, policy> && !std::is_convertible_v<Q, const_iterator>) node_type
      extract(Q&& key) {
    const auto at = this->find(key);
    return at == this->end() ? node_type() : extract(at);
  }
  /// A node whose key is there keeps it; it comes back, or, with a hint, stays.
  insert_return_type insert(node_type&& node) {
    const auto [at, inserted] = insert_node(node);
    return {at, inserted, std::move(node)};
  }
  iterator insert(const_iterator, node_type&& node) { return insert_node(node).first; }
  /// Takes from `source` what is not here yet. If an insert throws, nothing is lost.
  template <class Hash2, class Eq2>
  void merge(hash_set<Key, Hash2, Eq2, Alloc>& source) {
    if (static_cast<const void*>(&source) == static_cast<const void*>(this)) return;
    for (auto at = source.begin(); at != source.end();) {
      const auto take = [from = const_cast<Key*>(std::addressof(*at))](
                            allocator_type& alloc, void* slot) { policy::take(alloc, slot, from); };
      if (this->place(*at, take).second) {
        at = source.erase(at);
      } else {
        ++at;
      }
    }
  }
  template <class Hash2, class Eq2>
  void merge(hash_set<Key, Hash2, Eq2, Alloc>&& source) {
    merge(source);
  }

  /// Keys compare by their own ==, where they have one: a key that is merely found is not the same.
  friend bool operator==(const hash_set& a, const hash_set& b) {
    if (a.size() != b.size()) return false;
    for (const Key& key : a) {
      const auto at = b.find(key);
      if (at == b.end() || !table::same_key(*at, key)) return false;
    }
    return true;
  }

 private:
  std::pair<iterator, bool> insert_node(node_type& node) {
    if (node.empty()) return {this->end(), false};
    const auto done = insert(static_cast<detail::leaving<Key, parts::kQuiet>>(node.value()));
    if (done.second) node = node_type();
    return done;
  }
  template <class V>
  static auto whole(V&& value) {
    return detail::whole_maker<policy, V&&>{std::forward<V>(value)};
  }
};

/// Erases what `pred(key)` is true of; says how many.
template <class K, class H, class E, class A, class Pred>
std::size_t erase_if(hash_set<K, H, E, A>& set, Pred pred) {
  const std::size_t before = set.size();
  for (auto at = set.begin(); at != set.end();) {
    if (pred(*at)) {
      at = set.erase(at);
    } else {
      ++at;
    }
  }
  return before - set.size();
}

template <detail::reads It, detail::deduced_function Hash = ullage::hash<detail::element_in<It>>,
          detail::deduced_function Eq = ullage::equal_to<detail::element_in<It>>,
          detail::deduced_allocator Alloc = arena_allocator<detail::element_in<It>>>
hash_set(It, It, std::size_t = 0, Hash = Hash(), Eq = Eq(), Alloc = Alloc())
    -> hash_set<detail::element_in<It>, Hash, Eq, Alloc>;
template <detail::reads It, detail::deduced_allocator Alloc>
hash_set(It, It, std::size_t, Alloc)
    -> hash_set<detail::element_in<It>, ullage::hash<detail::element_in<It>>,
                ullage::equal_to<detail::element_in<It>>, Alloc>;
template <detail::reads It, detail::deduced_allocator Alloc>
hash_set(It, It, Alloc) -> hash_set<detail::element_in<It>, ullage::hash<detail::element_in<It>>,
                                    ullage::equal_to<detail::element_in<It>>, Alloc>;
template <detail::reads It, detail::deduced_function Hash, detail::deduced_allocator Alloc>
hash_set(It, It, std::size_t, Hash, Alloc)
    -> hash_set<detail::element_in<It>, Hash, ullage::equal_to<detail::element_in<It>>, Alloc>;
template <class K, detail::deduced_function Hash = ullage::hash<K>,
          detail::deduced_function Eq = ullage::equal_to<K>,
          detail::deduced_allocator Alloc = arena_allocator<K>>
hash_set(std::initializer_list<K>, std::size_t = 0, Hash = Hash(), Eq = Eq(), Alloc = Alloc())
    -> hash_set<K, Hash, Eq, Alloc>;
template <class K, detail::deduced_allocator Alloc>
hash_set(std::initializer_list<K>, std::size_t, Alloc)
    -> hash_set<K, ullage::hash<K>, ullage::equal_to<K>, Alloc>;
template <class K, detail::deduced_allocator Alloc>
hash_set(std::initializer_list<K>, Alloc)
    -> hash_set<K, ullage::hash<K>, ullage::equal_to<K>, Alloc>;
template <class K, detail::deduced_function Hash, detail::deduced_allocator Alloc>
hash_set(std::initializer_list<K>, std::size_t, Hash, Alloc)
    -> hash_set<K, Hash, ullage::equal_to<K>, Alloc>;

namespace pmr {
template <class Key, class Hash = ullage::hash<Key>, class Eq = ullage::equal_to<Key>>
using hash_set = ullage::hash_set<Key, Hash, Eq, std::pmr::polymorphic_allocator<Key>>;
}  // namespace pmr

}  // namespace ullage
