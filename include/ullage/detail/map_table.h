// SPDX-License-Identifier: Apache-2.0
//
// map_table: the interface that hash_map and hash_set share.
#pragma once

#include <ullage/detail/map_arrival.h>
#include <ullage/detail/map_iterator.h>
#include <ullage/detail/map_policy.h>

#include <algorithm>
#include <concepts>
#include <initializer_list>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <ranges>
#include <stdexcept>

namespace ullage {

/// What try_insert and its kin say.
enum class insert_status : std::uint8_t {
  inserted,
  present,    ///< the key was there; nothing changed
  denied,     ///< the growth budget said no; nothing changed
  no_memory,  ///< nothing changed
};

template <class Iterator>
struct try_result {
  Iterator position;  ///< end() when denied or out of memory
  insert_status status;
  bool inserted() const noexcept { return status == insert_status::inserted; }
  bool denied() const noexcept { return status == insert_status::denied; }
  /// True when the key is in the map now.
  explicit operator bool() const noexcept { return status <= insert_status::present; }
};

namespace detail {

/// A key of another type, where hash and equality both are transparent.
template <class Q, class Policy>
concept other_key = !std::is_same_v<std::remove_cvref_t<Q>, typename Policy::key_type> &&
                    transparent_pair<typename Policy::hasher, typename Policy::key_equal>;

/// A map_core whose size is known before its entries' is: of the same core for `StandIn`, whose
/// layout is the same. So a type may hold a map of itself:
///
///   struct node { ullage::hash_map<std::string, node> children; };
template <class Core, class StandIn>
class map_core_box {
 public:
  template <class... Args>
  explicit map_core_box(Args&&... args) {
    static_assert(sizeof(Core) == sizeof(map_core<StandIn>) &&
                  alignof(Core) == alignof(map_core<StandIn>));
    ::new (static_cast<void*>(bytes_)) Core(std::forward<Args>(args)...);
  }
  map_core_box(const map_core_box&) = delete;
  map_core_box& operator=(const map_core_box&) = delete;
  ~map_core_box() { get()->~Core(); }

  Core* get() noexcept { return static_cast<Core*>(static_cast<void*>(bytes_)); }
  const Core* get() const noexcept {
    return static_cast<const Core*>(static_cast<const void*>(bytes_));
  }
  Core* operator->() noexcept { return get(); }
  const Core* operator->() const noexcept { return get(); }
  Core& operator*() noexcept { return *get(); }
  const Core& operator*() const noexcept { return *get(); }

 private:
  alignas(map_core<StandIn>) unsigned char bytes_[sizeof(map_core<StandIn>)];
};

template <class Policy>
class map_table {
  using alloc_traits = std::allocator_traits<typename Policy::allocator_type>;
  static constexpr bool kCopiesQuietly =
      std::is_nothrow_copy_constructible_v<typename Policy::hasher> &&
      std::is_nothrow_copy_constructible_v<typename Policy::key_equal>;

 protected:
  static constexpr bool kSwapsQuietly = std::is_nothrow_swappable_v<typename Policy::hasher> &&
                                        std::is_nothrow_swappable_v<typename Policy::key_equal>;
  static constexpr bool kMovesQuietly =
      kCopiesQuietly && kSwapsQuietly &&
      (alloc_traits::is_always_equal::value ||
       alloc_traits::propagate_on_container_move_assignment::value);

 public:
  using key_type = typename Policy::key_type;
  using value_type = typename Policy::value_type;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using hasher = typename Policy::hasher;
  using key_equal = typename Policy::key_equal;
  using allocator_type = typename Policy::allocator_type;
  using reference = value_type&;
  using const_reference = const value_type&;
  using pointer = value_type*;
  using const_pointer = const value_type*;
  using core_type = map_core<Policy>;
  using const_iterator = map_iterator<core_type, const value_type>;
  using iterator =
      std::conditional_t<Policy::kIsMap, map_iterator<core_type, value_type>, const_iterator>;

  /// Entries that one insert moves at most, whatever the hash does and however large the map is.
  /// (The new one moves, too, when growth has it made aside: its arguments may lie in the map.)
  static constexpr std::size_t max_moves_per_insert() noexcept { return core_type::kMovesMax; }
  /// Pieces of memory that one insert takes at most, the directory's included.
  static constexpr std::size_t max_allocations_per_insert() noexcept {
    return core_type::kAllocationsMax;
  }

  // ---- construction -------------------------------------------------------------------------

  map_table() : map_table(0) {}
  explicit map_table(size_type n, const hasher& hash = hasher(),
                     const key_equal& equal = key_equal(),
                     const allocator_type& alloc = allocator_type())
      : core_(hash, equal, alloc, nullptr) {
    check(core_->reserve_empty(n, growth_cause::construct));
  }
  explicit map_table(const allocator_type& alloc) : map_table(0, hasher(), key_equal(), alloc) {}
  /// Grows in the name of `site`, from the size that its maps usually reach.
  explicit map_table(growth_site& site, const hasher& hash = hasher(),
                     const key_equal& equal = key_equal(),
                     const allocator_type& alloc = allocator_type())
      : core_(hash, equal, alloc, &site) {
    // Denied: then it grows from nothing, as far as it may.
    core_->reserve_empty(static_cast<size_type>(site.expected()), growth_cause::construct,
                         room_for::experience);
  }
  map_table(const map_table& other)
      : map_table(other,
                  alloc_traits::select_on_container_copy_construction(other.get_allocator())) {}
  map_table(const map_table& other, const allocator_type& alloc)
      : map_table(other, alloc, other.core_->site(), growth_cause::construct) {}
  map_table(map_table&& other) noexcept(kCopiesQuietly)
      : core_(other.hash_function(), other.key_eq(), other.get_allocator(), other.core_->site()) {
    core_->swap(*other.core_);
    core_->take_stalls(*other.core_);
  }
  map_table(map_table&& other, const allocator_type& alloc)
      : map_table(std::move(other), alloc, other.core_->site(), growth_cause::construct) {}
  ~map_table() { core_->end_of_life(); }

  /// The copy is made beside what is here, at this map's site: denied, nothing has changed.
  map_table& operator=(const map_table& other) {
    if (this == &other) return *this;
    constexpr bool kTheirs = alloc_traits::propagate_on_container_copy_assignment::value;
    map_table copy(other, kTheirs ? other.get_allocator() : get_allocator(), site(),
                   growth_cause::assign);
    become(copy);
    return *this;
  }
  /// Memory changes hands, and the budgets of both sites are told, not asked: nothing grows.
  map_table& operator=(map_table&& other) noexcept(kMovesQuietly) {
    if (this == &other) return *this;
    constexpr bool kTheirs = alloc_traits::propagate_on_container_move_assignment::value;
    map_table taken(std::move(other), kTheirs ? other.get_allocator() : get_allocator(), site(),
                    growth_cause::assign);
    become(taken);
    return *this;
  }
  void swap(map_table& other) noexcept(kSwapsQuietly) { exchange(other); }

  // ---- walking, size ------------------------------------------------------------------------

  iterator begin() noexcept { return iterator::first(core_.get()); }
  iterator end() noexcept { return iterator(); }
  const_iterator begin() const noexcept { return const_iterator::first(core_.get()); }
  const_iterator end() const noexcept { return const_iterator(); }
  const_iterator cbegin() const noexcept { return begin(); }
  const_iterator cend() const noexcept { return end(); }

  [[nodiscard]] bool empty() const noexcept { return core_->size() == 0; }
  size_type size() const noexcept { return core_->size(); }
  size_type max_size() const noexcept {
    constexpr auto kOurs = std::numeric_limits<difference_type>::max() / sizeof(value_type);
    return std::min<size_type>(kOurs, alloc_traits::max_size(core_->allocator()));
  }
  /// Slots there are.
  size_type capacity() const noexcept { return core_->capacity(); }
  size_type bucket_count() const noexcept { return core_->capacity(); }
  float load_factor() const noexcept {
    return capacity() == 0 ? 0.0f : static_cast<float>(size()) / static_cast<float>(capacity());
  }
  float max_load_factor() const noexcept { return 0.9f; }
  void max_load_factor(float) noexcept {}  // fixed; here because standard maps have it

  // ---- looking up ---------------------------------------------------------------------------

  /// Looks for many keys; tells found(i, iterator) of keys[i], in their order, end() where it is
  /// not there. Sixteen searches at a time wait for memory together: in a map larger than the
  /// caches that takes a fraction of the time that one after the other takes.
  template <std::ranges::random_access_range Keys, class Found>
  void find_many(const Keys& keys, Found found) {
    find_all(keys, [&](std::size_t i, const map_place& at) { found(i, at_place(at)); });
  }
  template <std::ranges::random_access_range Keys, class Found>
  void find_many(const Keys& keys, Found found) const {
    find_all(keys, [&](std::size_t i, const map_place& at) {
      found(i, const_iterator(core_.get(), at));
    });
  }

  /// Asks for the memory that a search for `key` will read, and does not wait for it.
  void prefetch(const key_type& key) const { core_->fetch_for(core_->hash_of(key)); }
  template <other_key<Policy> Q>
  void prefetch(const Q& key) const {
    core_->fetch_for(core_->hash_of(key));
  }

  iterator find(const key_type& key) { return at_place(core_->find(key)); }
  const_iterator find(const key_type& key) const {
    return const_iterator(core_.get(), core_->find(key));
  }
  bool contains(const key_type& key) const { return core_->find(key).group != nullptr; }
  size_type count(const key_type& key) const { return contains(key) ? 1 : 0; }
  std::pair<iterator, iterator> equal_range(const key_type& key) { return range_at(find(key)); }
  std::pair<const_iterator, const_iterator> equal_range(const key_type& key) const {
    return range_at(find(key));
  }

  template <other_key<Policy> Q>
  iterator find(const Q& key) {
    return at_place(core_->find(key));
  }
  template <other_key<Policy> Q>
  const_iterator find(const Q& key) const {
    return const_iterator(core_.get(), core_->find(key));
  }
  template <other_key<Policy> Q>
  bool contains(const Q& key) const {
    return core_->find(key).group != nullptr;
  }
  template <other_key<Policy> Q>
  size_type count(const Q& key) const {
    return contains(key) ? 1 : 0;
  }
  template <other_key<Policy> Q>
  std::pair<iterator, iterator> equal_range(const Q& key) {
    return range_at(find(key));
  }
  template <other_key<Policy> Q>
  std::pair<const_iterator, const_iterator> equal_range(const Q& key) const {
    return range_at(find(key));
  }

  // ---- erasing ------------------------------------------------------------------------------

  /// Moves nothing: all other iterators and references stay valid. What it returns becomes the next
  /// iterator when asked to.
  map_erased<iterator> erase(const_iterator at) {
    core_->erase(at.place());
    return map_erased<iterator>(at_place(at.place()));
  }
  map_erased<iterator> erase(iterator at) requires(Policy::kIsMap) {
    return erase(const_iterator(at));
  }
  iterator erase(const_iterator first, const_iterator last) {
    while (first != last) first = static_cast<iterator>(erase(first));
    return at_place(first.place());
  }
  /// May, once in a while, merge the key's segment with its buddy: as for an insert that splits,
  /// references into those two segments end.
  size_type erase(const key_type& key) { return erase_found(core_->find(key)); }
  template <other_key<Policy> Q>
  requires(!std::is_convertible_v<Q, const_iterator> &&
           !std::is_convertible_v<Q, iterator>) size_type erase(Q&& key) {
    return erase_found(core_->find(key));
  }
  void clear() noexcept {
    core_->remember();
    core_->clear();
  }

  // ---- size ahead of time -------------------------------------------------------------------

  /// Room for n entries in all; inserts up to there grow nothing, but for a segment that chance
  /// favours. Moves all entries when it has to.
  void reserve(size_type n) {
    if (n <= size() || n <= core_->room()) return;
    check(core_->rebuild_all(n, growth_cause::reserve));
  }
  /// rehash(0): the least memory that holds the entries. Else at least n slots.
  void rehash(size_type n) {
    if (n == 0 && size() == 0) {
      clear();
    } else if (n == 0 || n > capacity()) {
      // As many entries as n slots hold: 9/10 of them; all of them in maps of one group.
      check(core_->rebuild_all(std::max({size(), n - n / 10, std::min<size_type>(n, 16)}),
                               growth_cause::reserve));
    }
  }
  /// Gives memory back in steps: moves at most about `budget` entries (and one segment's), and then
  /// has the arena give free pages to the system, of which each counts as 8. True: there is more.
  bool compact(size_type budget) { return core_->compact(budget); }

  // ---- what it is made of -------------------------------------------------------------------

  hasher hash_function() const { return core_->hash_function(); }
  key_equal key_eq() const { return core_->key_eq(); }
  allocator_type get_allocator() const noexcept { return core_->allocator(); }
  growth_site* site() const noexcept { return core_->site(); }

  /// Bytes the map holds, its object included; what its entries own elsewhere is theirs. Of
  /// segments and directory it is what was taken, of small maps what was asked for.
  size_type memory_usage() const noexcept {
    return sizeof(*this) + core_->held_bytes() + core_->stalls_bytes();
  }
  /// O(capacity).
  map_counters counters() const {
    map_counters told = core_->counters();
    told.memory_bytes += sizeof(*this);
    return told;
  }
  /// Times its steps of growth from now on, or stops doing so. Off at first. The histogram is
  /// memory of the map, which its site's budget is told of.
  void record_stalls(bool on) { core_->record_stalls(on); }
  /// null while off.
  const stall_histogram* stalls() const noexcept { return core_->stalls(); }

 protected:
  iterator at_place(const map_place& at) const noexcept { return iterator(core_.get(), at); }
  template <class Iterator>
  static std::pair<Iterator, Iterator> range_at(Iterator first) {
    if (first == Iterator()) return {first, first};
    Iterator last = first;
    ++last;
    return {first, last};
  }
  size_type erase_found(const map_place& at) {
    if (at.group == nullptr) return 0;
    core_->erase(at);
    core_->shrink_after(at);
    return 1;
  }
  static void check(growth_end end) {
    if (end == growth_end::denied) throw growth_denied();
    if (end == growth_end::no_memory) throw std::bad_alloc();
  }

  /// Finds `key` or constructs its entry with make(allocator, slot); says which.
  template <class Q, class Make>
  std::pair<iterator, bool> place(const Q& key, Make make) {
    const map_insertion made = core_->find_or_place(key);
    if (!made.found) {
      if (made.at.group == nullptr) [[unlikely]]
        return {at_place(grown_place(made.at.slot, kept(make))), true};
      make(core_->allocator_ref(), raw_slot(made.at));
      core_->commit(made);
    }
    return {at_place(made.at), !made.found};
  }
  template <class Q, class Make>
  try_result<iterator> try_place(const Q& key, Make make) {
    map_insertion made = core_->find_or_place(key);
    if (made.found) return {at_place(made.at), insert_status::present};
    if (made.at.group == nullptr) {
      made = place_growing(made.at.slot, kept(make));
      if (made.at.group == nullptr) {
        return {iterator(),
                made.end == growth_end::denied ? insert_status::denied : insert_status::no_memory};
      }
    } else {
      make(core_->allocator_ref(), raw_slot(made.at));
      core_->commit(made);
    }
    return {at_place(made.at), insert_status::inserted};
  }
  static bool same_key(const key_type& a, const key_type& b) {
    if constexpr (std::equality_comparable<key_type>) {
      return a == b;
    } else {
      return true;  // the map's own equality said so
    }
  }
  static void* raw_slot(const map_place& at) noexcept {
    return at.slots + at.slot * sizeof(value_type);
  }

  void assign_list(std::initializer_list<value_type> list) {
    map_table fresh(hash_function(), key_eq(), get_allocator(), site());
    fresh.copy_from(list, list.size(), growth_cause::assign);
    become(fresh);
  }

  map_core_box<core_type, typename Policy::stand_in> core_;

 private:
  map_table(const hasher& hash, const key_equal& equal, const allocator_type& alloc,
            growth_site* site)
      : core_(hash, equal, alloc, site) {}
  map_table(const map_table& other, const allocator_type& alloc, growth_site* site,
            growth_cause cause)
      : core_(other.hash_function(), other.key_eq(), alloc, site) {
    copy_from(other, other.size(), cause);
  }
  map_table(map_table&& other, const allocator_type& alloc, growth_site* site, growth_cause cause)
      : core_(other.hash_function(), other.key_eq(), alloc, site) {
    if (alloc == other.get_allocator()) {
      core_->swap(*other.core_);
      return;
    }
    check(core_->reserve_empty(other.size(), cause));
    core_->take_all(*other.core_);
    other.core_->clear();
  }
  template <class Make>
  static auto kept(Make& make) {
    if constexpr (requires { make.kept(); }) {
      return make.kept();
    } else {
      return make;
    }
  }
  template <class Make>
  [[gnu::noinline]] map_place grown_place(std::uint64_t hash, Make make) {
    const map_insertion grown = place_growing(hash, std::move(make));
    if (grown.at.group == nullptr) fail(grown.end);
    return grown.at;
  }
  template <class Make>
  [[gnu::noinline]] map_insertion place_growing(std::uint64_t hash, Make make) {
    const auto grow = [&](auto& who) {
      const map_insertion grown = core_->place_slow(who);
      if (grown.at.group != nullptr) {
        who.enter(raw_slot(grown.at));
        core_->commit(grown);
      }
      return grown;
    };
    if constexpr (core_type::kAsideOnStack) {
      map_arrival<core_type, Policy, Make> who(core_->allocator_ref(), hash, make);
      return grow(who);
    } else {
      std::optional<map_arrival<core_type, Policy, Make>> who;
      try {
        who.emplace(core_->allocator_ref(), hash, make);
      } catch (const std::bad_alloc&) {
        return {{}, 0, false, growth_end::no_memory};
      }
      return grow(*who);
    }
  }
  template <class Keys, class Found>
  void find_all(const Keys& keys, Found found) const {
    constexpr std::size_t kTogether = 16;
    std::uint64_t hashes[kTogether];
    const auto count = static_cast<std::size_t>(std::ranges::size(keys));
    const auto first = std::ranges::begin(keys);
    using step = std::ranges::range_difference_t<Keys>;
    for (std::size_t from = 0; from < count; from += kTogether) {
      const std::size_t n = std::min(kTogether, count - from);
      for (std::size_t i = 0; i < n; ++i) {
        hashes[i] = core_->hash_of(first[static_cast<step>(from + i)]);
        core_->fetch_for(hashes[i]);
      }
      for (std::size_t i = 0; i < n; ++i) {
        found(from + i, core_->find(first[static_cast<step>(from + i)], hashes[i]));
      }
    }
  }
  void exchange(map_table& other) noexcept(kSwapsQuietly) {
    static_assert((std::is_swappable_v<hasher> || std::is_empty_v<hasher>)&&(
                      std::is_swappable_v<key_equal> || std::is_empty_v<key_equal>),
                  "to assign or swap maps, hash and equality must be assignable, too");
    core_->exchange_all(*other.core_);
  }
  // What was here ends at the site of this map, not at that of `fresh`.
  void become(map_table& fresh) noexcept(kSwapsQuietly) {
    core_->remember();
    exchange(fresh);
    fresh.core_->clear();
  }
  [[noreturn]] static void fail(growth_end end) {
    check(end);
    throw std::bad_alloc();
  }
  template <class Values>
  void copy_from(const Values& values, size_type n, growth_cause cause) {
    check(core_->reserve_empty(n, cause));
    for (const value_type& value : values) {
      place(Policy::key(value),
            [&](allocator_type& alloc, void* at) { Policy::construct(alloc, at, value); });
    }
  }
};

}  // namespace detail
}  // namespace ullage
