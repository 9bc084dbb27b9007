// SPDX-License-Identifier: Apache-2.0
//
// hash_map: a hash map whose slowest insert is bounded, whatever its size.
//
// An ordinary map doubles by moving every entry inside one unlucky insert. hash_map is a directory
// of small segments: a full segment gets a little more room or splits in two, and nothing else
// moves, so growth is paid in small, equal coins (extendible hashing: Fagin et al., 1979).
//
//   inline ullage::growth_site orders_by_id{"orders.by_id"};
//   ullage::hash_map<order_id, order> orders{orders_by_id};
//   orders.try_emplace(id, order);
//   if (orders.try_insert({id, order}).denied()) ...       // the budget of the site said no
//
// Cost         find O(1): one directory load, one group probed. insert moves at most
//              max_moves_per_insert() entries, not amortised: whatever the hash does, and however
//              large the map is. How many keys it compares is up to the hash, as in any table:
//              those that hash alike are searched one after another.
// Memory       22.9 B on average for a 16 B entry, also while growing; 23.4 by resident pages
//              (docs/containers/hash_map.md).
// Stability    A reference or iterator is valid until its own segment splits, stretches or merges:
//              take any insert, erase(key), reserve, rehash or compact as its end. find and
//              erase(iterator) move nothing. Moving a map keeps references to its entries.
// Threads      One writer or many readers.
// Exceptions   An insert that throws (hash, equality, copy, move, allocator, budget) leaves the map
//              as it was; for types that can only be moved and throw doing so, as std::vector:
//              unspecified.
// Reports      One growth event per step of growth. Nothing on the path that does not grow.
// Stands in for std::unordered_map, less buckets and node stability; erase(iterator) returns
//              something that becomes an iterator when asked, and the maximal load is fixed.
#pragma once

#include <ullage/arena.h>
#include <ullage/detail/map_guides.h>
#include <ullage/detail/map_node.h>
#include <ullage/detail/map_table.h>

#include <functional>
#include <memory_resource>
#include <ranges>
#include <tuple>

namespace ullage {

template <class Key, class Value, class Hash = ullage::hash<Key>, class Eq = ullage::equal_to<Key>,
          class Alloc = arena_allocator<std::pair<const Key, Value>>>
class hash_map
    : public detail::map_table<
          detail::map_policy<Key, std::pair<const Key, Value>, Hash, Eq,
                             typename std::allocator_traits<Alloc>::template rebind_alloc<
                                 std::pair<const Key, Value>>>> {
  using policy = detail::map_policy<
      Key, std::pair<const Key, Value>, Hash, Eq,
      typename std::allocator_traits<Alloc>::template rebind_alloc<std::pair<const Key, Value>>>;
  using table = detail::map_table<policy>;
  using parts = detail::entry_parts<std::pair<const Key, Value>>;
  using table::core_;

 public:
  using mapped_type = Value;
  using typename table::allocator_type;
  using typename table::const_iterator;
  using typename table::hasher;
  using typename table::iterator;
  using typename table::key_equal;
  using typename table::key_type;
  using typename table::size_type;
  using typename table::value_type;
  using node_type = detail::map_node<Key, Value, allocator_type>;
  using insert_return_type = detail::map_node_inserted<iterator, node_type>;

  // ---- construction -------------------------------------------------------------------------

  using table::table;
  hash_map() = default;
  hash_map(size_type n, const allocator_type& alloc) : table(n, hasher(), key_equal(), alloc) {}
  hash_map(size_type n, const hasher& hash, const allocator_type& alloc)
      : table(n, hash, key_equal(), alloc) {}
  template <detail::reads It>
  hash_map(It first, It last, size_type n = 0, const hasher& hash = hasher(),
           const key_equal& equal = key_equal(), const allocator_type& alloc = allocator_type())
      : table(n, hash, equal, alloc) {
    insert(first, last);
  }
  template <detail::reads It>
  hash_map(It first, It last, size_type n, const allocator_type& alloc)
      : hash_map(first, last, n, hasher(), key_equal(), alloc) {}
  template <detail::reads It>
  hash_map(It first, It last, size_type n, const hasher& hash, const allocator_type& alloc)
      : hash_map(first, last, n, hash, key_equal(), alloc) {}
  template <detail::reads It>
  hash_map(It first, It last, const allocator_type& alloc)
      : hash_map(first, last, 0, hasher(), key_equal(), alloc) {}
  hash_map(std::initializer_list<value_type> list, size_type n = 0, const hasher& hash = hasher(),
           const key_equal& equal = key_equal(), const allocator_type& alloc = allocator_type())
      : hash_map(list.begin(), list.end(), std::max(n, list.size()), hash, equal, alloc) {}
  hash_map(std::initializer_list<value_type> list, size_type n, const allocator_type& alloc)
      : hash_map(list, n, hasher(), key_equal(), alloc) {}
  hash_map(std::initializer_list<value_type> list, size_type n, const hasher& hash,
           const allocator_type& alloc)
      : hash_map(list, n, hash, key_equal(), alloc) {}
  hash_map(std::initializer_list<value_type> list, const allocator_type& alloc)
      : hash_map(list, 0, hasher(), key_equal(), alloc) {}
  hash_map(const hash_map& other) = default;
  hash_map(hash_map&& other) = default;
  hash_map(const hash_map& other, const allocator_type& alloc) : table(other, alloc) {}
  hash_map(hash_map&& other, const allocator_type& alloc) : table(std::move(other), alloc) {}
  hash_map& operator=(const hash_map& other) = default;
  hash_map& operator=(hash_map&& other) = default;
  hash_map& operator=(std::initializer_list<value_type> list) {
    this->assign_list(list);
    return *this;
  }
  ~hash_map() = default;
  void swap(hash_map& other) noexcept(table::kSwapsQuietly) { table::swap(other); }
  friend void swap(hash_map& a, hash_map& b) noexcept(table::kSwapsQuietly) { a.swap(b); }

  // ---- reaching values ----------------------------------------------------------------------

  template <class Q>
  requires detail::other_key<Q, policy> Value& at(const Q& key) {
    return found(this->find(key)).second;
  }
  template <class Q>
  requires detail::other_key<Q, policy>
  const Value& at(const Q& key) const { return found(this->find(key)).second; }
  Value& at(const Key& key) { return found(this->find(key)).second; }
  const Value& at(const Key& key) const { return found(this->find(key)).second; }
  Value& operator[](const Key& key) { return try_emplace(key).first->second; }
  Value& operator[](Key&& key) { return try_emplace(std::move(key)).first->second; }
  template <class Q>
  requires(detail::other_key<Q, policy>&& std::is_constructible_v<Key, Q&&>) Value& operator[](
      Q&& key) {
    return try_emplace(std::forward<Q>(key)).first->second;
  }

  // ---- inserting ----------------------------------------------------------------------------

  template <class... Args>
  std::pair<iterator, bool> try_emplace(const Key& key, Args&&... args) {
    return this->place(key, maker(key, std::forward<Args>(args)...));
  }
  template <class... Args>
  std::pair<iterator, bool> try_emplace(Key&& key, Args&&... args) {
    return this->place(key, maker(std::move(key), std::forward<Args>(args)...));
  }
  template <class Q, class... Args>
  requires(detail::other_key<Q, policy>&& std::is_constructible_v<Key, Q&&> &&
           !std::is_convertible_v<Q, const_iterator> && !std::is_convertible_v<Q, iterator>)
      std::pair<iterator, bool> try_emplace(Q&& key, Args&&... args) {
    return this->place(key, maker(std::forward<Q>(key), std::forward<Args>(args)...));
  }
  template <class... Args>
  iterator try_emplace(const_iterator, const Key& key, Args&&... args) {
    return try_emplace(key, std::forward<Args>(args)...).first;
  }
  template <class... Args>
  iterator try_emplace(const_iterator, Key&& key, Args&&... args) {
    return try_emplace(std::move(key), std::forward<Args>(args)...).first;
  }

  template <class Q, class... Args>
  requires(detail::other_key<Q, policy>&& std::is_constructible_v<Key, Q&&>) iterator
      try_emplace(const_iterator, Q&& key, Args&&... args) {
    return try_emplace(std::forward<Q>(key), std::forward<Args>(args)...).first;
  }

  std::pair<iterator, bool> insert(const value_type& value) {
    return this->place(value.first, whole(value));
  }
  std::pair<iterator, bool> insert(value_type&& value) {
    return this->place(value.first, whole(std::move(value)));
  }
  template <class P>
  requires(std::is_constructible_v<value_type, P&&> &&
           !std::is_same_v<std::remove_cvref_t<P>, value_type>)
      std::pair<iterator, bool> insert(P&& value) {
    return emplace(std::forward<P>(value));
  }
  template <class P>
  requires std::is_constructible_v<value_type, P&&> iterator insert(const_iterator, P&& value) {
    return insert(std::forward<P>(value)).first;
  }
  iterator insert(const_iterator, value_type&& value) { return insert(std::move(value)).first; }
  template <detail::reads It>
  void insert(It first, It last) {
    for (; first != last; ++first) emplace(*first);
  }
  void insert(std::initializer_list<value_type> list) { insert(list.begin(), list.end()); }
  template <std::ranges::input_range R>
  void insert_range(R&& range) {
    for (auto&& value : range) emplace(std::forward<decltype(value)>(value));
  }

  template <class... Args>
  std::pair<iterator, bool> emplace(Args&&... args) {
    if constexpr (detail::kIsKeyAndValue<Key, Args...>) {
      return try_emplace(std::forward<Args>(args)...);
    } else if constexpr (detail::kIsPairWithKey<Key, Args...>) {
      return from_pair(std::forward<Args>(args)...);
    } else {
      node_type node = aside(std::forward<Args>(args)...);
      return this->place(node.key(), maker(std::move(node.key()), std::move(node.mapped())));
    }
  }
  template <class... Args>
  iterator emplace_hint(const_iterator, Args&&... args) {
    return emplace(std::forward<Args>(args)...).first;
  }

  template <class M>
  std::pair<iterator, bool> insert_or_assign(const Key& key, M&& value) {
    return assign(key, key, std::forward<M>(value));
  }
  template <class M>
  std::pair<iterator, bool> insert_or_assign(Key&& key, M&& value) {
    return assign(key, std::move(key), std::forward<M>(value));
  }
  template <class Q, class M>
  requires(detail::other_key<Q, policy>&& std::is_constructible_v<Key, Q&&>)
      std::pair<iterator, bool> insert_or_assign(Q&& key, M&& value) {
    return assign(key, std::forward<Q>(key), std::forward<M>(value));
  }
  template <class M>
  iterator insert_or_assign(const_iterator, const Key& key, M&& value) {
    return insert_or_assign(key, std::forward<M>(value)).first;
  }
  template <class M>
  iterator insert_or_assign(const_iterator, Key&& key, M&& value) {
    return insert_or_assign(std::move(key), std::forward<M>(value)).first;
  }

  template <class Q, class M>
  requires(detail::other_key<Q, policy>&& std::is_constructible_v<Key, Q&&>) iterator
      insert_or_assign(const_iterator, Q&& key, M&& value) {
    return insert_or_assign(std::forward<Q>(key), std::forward<M>(value)).first;
  }

  /// As insert, but a budget that says no, or memory that is not there, is an answer and no
  /// exception.
  try_result<iterator> try_insert(const value_type& value) {
    return this->try_place(value.first, whole(value));
  }
  try_result<iterator> try_insert(value_type&& value) {
    return this->try_place(value.first, whole(std::move(value)));
  }
  template <class Q, class... Args>
  requires std::is_constructible_v<Key, Q&&> try_result<iterator> try_insert_key(Q&& key,
                                                                                 Args&&... args) {
    return this->try_place(key, maker(std::forward<Q>(key), std::forward<Args>(args)...));
  }

  // ---- nodes --------------------------------------------------------------------------------

  /// If this throws, the entry is still there. (Where moving can throw, entries are copied; what
  /// can only be moved, and throws doing so, is as it left it.)
  node_type extract(const_iterator at) {
    value_type& entry = *core_->slot(at.place());
    node_type node = parts::leave(entry, [this]<class K, class V>(K&& key, V&& value) {
      return node_type(core_->allocator_ref(), std::in_place, std::forward<K>(key),
                       std::forward<V>(value));
    });
    core_->erase(at.place());
    return node;
  }
  node_type extract(const Key& key) {
    const auto at = this->find(key);
    return at == this->end() ? node_type() : extract(const_iterator(at));
  }
  template <class Q>
  requires(detail::other_key<Q, policy> && !std::is_convertible_v<Q, const_iterator> &&
           !std::is_convertible_v<Q, iterator>) node_type extract(Q&& key) {
    const auto at = this->find(key);
    return at == this->end() ? node_type() : extract(const_iterator(at));
  }
  /// A node whose key is there keeps its entry; it comes back, or, with a hint, stays. So does one
  /// whose insertion throws.
  insert_return_type insert(node_type&& node) {
    const auto [at, inserted] = insert_node(node);
    return {at, inserted, std::move(node)};
  }
  iterator insert(const_iterator, node_type&& node) { return insert_node(node).first; }
  /// Takes from `source` what is not here yet. If an insert throws, nothing is lost.
  template <class Hash2, class Eq2>
  void merge(hash_map<Key, Value, Hash2, Eq2, Alloc>& source) {
    if (static_cast<const void*>(&source) == static_cast<const void*>(this)) return;
    for (auto at = source.begin(); at != source.end();) {
      const auto take = [from = &*at](allocator_type& alloc, void* slot) {
        policy::take(alloc, slot, from);
      };
      if (this->place(at->first, take).second) {
        at = source.erase(at);
      } else {
        ++at;
      }
    }
  }
  template <class Hash2, class Eq2>
  void merge(hash_map<Key, Value, Hash2, Eq2, Alloc>&& source) {
    merge(source);
  }

  /// Keys compare by their own ==, where they have one: a key that is merely found is not the same.
  friend bool operator==(const hash_map& a, const hash_map& b) {
    if (a.size() != b.size()) return false;
    for (const auto& entry : a) {
      const auto at = b.find(entry.first);
      if (at == b.end() || !table::same_key(at->first, entry.first)) return false;
      if (!(at->second == entry.second)) return false;
    }
    return true;
  }

 private:
  // An entry from what a pair is made of, or from something that becomes one.
  template <class... Args>
  node_type aside(Args&&... args) {
    const allocator_type& alloc = core_->allocator_ref();
    if constexpr (requires {
                    std::uses_allocator_construction_args<std::pair<Key, Value>>(
                        alloc, std::forward<Args>(args)...);
                  }) {
      return node_type(alloc, std::in_place, std::forward<Args>(args)...);
    } else {
      value_type entry(std::forward<Args>(args)...);
      return node_type(alloc, std::in_place, std::move(const_cast<Key&>(entry.first)),
                       std::move(entry.second));
    }
  }
  std::pair<iterator, bool> insert_node(node_type& node) {
    if (node.empty()) return {this->end(), false};
    const auto done = this->place(
        node.key(), maker(static_cast<detail::leaving<Key, parts::kQuiet>>(node.key()),
                          static_cast<detail::leaving<Value, parts::kQuiet>>(node.mapped())));
    if (done.second) node = node_type();
    return done;
  }
  template <class Iterator>
  auto& found(Iterator at) const {
    if (at == Iterator()) throw std::out_of_range("ullage::hash_map::at: there is no such key");
    return *at;
  }
  template <class Q, class... Args>
  static auto maker(Q&& key, Args&&... args) {
    return detail::entry_maker<policy, Q&&, Args&&...>{std::forward<Q>(key),
                                                       {std::forward<Args>(args)...}};
  }
  template <class V>
  static auto whole(V&& value) {
    return detail::whole_maker<policy, V&&>{std::forward<V>(value)};
  }
  template <class P>
  std::pair<iterator, bool> from_pair(P&& pair) {
    return this->place(pair.first, whole(std::forward<P>(pair)));
  }
  template <class Q, class NewKey, class M>
  std::pair<iterator, bool> assign(const Q& key, NewKey&& fresh, M&& value) {
    auto done = this->place(key, maker(std::forward<NewKey>(fresh), std::forward<M>(value)));
    if (!done.second) done.first->second = std::forward<M>(value);
    return done;
  }
};

/// Erases what `pred(entry)` is true of; says how many.
template <class K, class V, class H, class E, class A, class Pred>
std::size_t erase_if(hash_map<K, V, H, E, A>& map, Pred pred) {
  const std::size_t before = map.size();
  for (auto at = map.begin(); at != map.end();) {
    if (pred(*at)) {
      at = map.erase(at);
    } else {
      ++at;
    }
  }
  return before - map.size();
}

template <detail::reads It, detail::deduced_function Hash = ullage::hash<detail::key_in<It>>,
          detail::deduced_function Eq = ullage::equal_to<detail::key_in<It>>,
          detail::deduced_allocator Alloc =
              arena_allocator<std::pair<const detail::key_in<It>, detail::mapped_in<It>>>>
hash_map(It, It, std::size_t = 0, Hash = Hash(), Eq = Eq(), Alloc = Alloc())
    -> hash_map<detail::key_in<It>, detail::mapped_in<It>, Hash, Eq, Alloc>;
template <detail::reads It, detail::deduced_allocator Alloc>
hash_map(It, It, std::size_t, Alloc)
    -> hash_map<detail::key_in<It>, detail::mapped_in<It>, ullage::hash<detail::key_in<It>>,
                ullage::equal_to<detail::key_in<It>>, Alloc>;
template <detail::reads It, detail::deduced_allocator Alloc>
hash_map(It, It, Alloc)
    -> hash_map<detail::key_in<It>, detail::mapped_in<It>, ullage::hash<detail::key_in<It>>,
                ullage::equal_to<detail::key_in<It>>, Alloc>;
template <detail::reads It, detail::deduced_function Hash, detail::deduced_allocator Alloc>
hash_map(It, It, std::size_t, Hash, Alloc)
    -> hash_map<detail::key_in<It>, detail::mapped_in<It>, Hash,
                ullage::equal_to<detail::key_in<It>>, Alloc>;
template <class K, class V, detail::deduced_function Hash = ullage::hash<std::remove_const_t<K>>,
          detail::deduced_function Eq = ullage::equal_to<std::remove_const_t<K>>,
          detail::deduced_allocator Alloc = arena_allocator<std::pair<const K, V>>>
hash_map(std::initializer_list<std::pair<K, V>>, std::size_t = 0, Hash = Hash(), Eq = Eq(),
         Alloc = Alloc()) -> hash_map<std::remove_const_t<K>, V, Hash, Eq, Alloc>;
template <class K, class V, detail::deduced_allocator Alloc>
hash_map(std::initializer_list<std::pair<K, V>>, std::size_t, Alloc)
    -> hash_map<std::remove_const_t<K>, V, ullage::hash<std::remove_const_t<K>>,
                ullage::equal_to<std::remove_const_t<K>>, Alloc>;
template <class K, class V, detail::deduced_allocator Alloc>
hash_map(std::initializer_list<std::pair<K, V>>, Alloc)
    -> hash_map<std::remove_const_t<K>, V, ullage::hash<std::remove_const_t<K>>,
                ullage::equal_to<std::remove_const_t<K>>, Alloc>;
template <class K, class V, detail::deduced_function Hash, detail::deduced_allocator Alloc>
hash_map(std::initializer_list<std::pair<K, V>>, std::size_t, Hash, Alloc)
    -> hash_map<std::remove_const_t<K>, V, Hash, ullage::equal_to<std::remove_const_t<K>>, Alloc>;

namespace pmr {
template <class Key, class Value, class Hash = ullage::hash<Key>, class Eq = ullage::equal_to<Key>>
using hash_map = ullage::hash_map<Key, Value, Hash, Eq,
                                  std::pmr::polymorphic_allocator<std::pair<const Key, Value>>>;
}  // namespace pmr

}  // namespace ullage
