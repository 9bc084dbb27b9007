// SPDX-License-Identifier: Apache-2.0
//
// map_arrival: how an entry comes into a map whose growth may move what its arguments refer to. The
// arguments are kept (entry_maker, whole_maker); where a step of growth is due the entry is made
// aside first (map_newcomer in map_storage.h, map_arrival), else in its slot.
#pragma once

#include <ullage/detail/map_core.h>

#include <tuple>
#include <type_traits>
#include <utility>

namespace ullage::detail {

/// True when a Target made from an Arg may as well be made from a copy of it: nobody sees its
/// address, and the copy costs nothing.
template <class Target, class Arg, class Plain = std::remove_cvref_t<Arg>>
inline constexpr bool kTakesCopy = (std::is_arithmetic_v<Plain> && std::is_arithmetic_v<Target>) ||
                                   (std::is_same_v<Plain, Target> && sizeof(Plain) <= 16 &&
                                    !std::is_array_v<Plain> &&
                                    std::is_trivially_constructible_v<Plain, Arg> &&
                                    std::is_trivially_move_constructible_v<Plain> &&
                                    std::is_trivially_destructible_v<Plain>);
template <class Target, class Arg>
using kept = std::conditional_t<kTakesCopy<Target, Arg>, std::remove_cvref_t<Arg>, Arg&&>;

/// Makes an entry from what is, or may be, a reference to its arguments. kept() is for the path
/// that grows: small arguments are copied there, so that they may live in registers up to then.
template <class Policy, class Q, class... Args>
struct entry_maker {
  Q key;
  std::tuple<Args...> rest;

  void operator()(typename Policy::allocator_type& alloc, void* at) {
    std::apply(
        [&](auto&... arg) {
          Policy::construct(alloc, at, std::piecewise_construct,
                            std::forward_as_tuple(static_cast<Q&&>(key)),
                            std::forward_as_tuple(static_cast<Args&&>(arg)...));
        },
        rest);
  }
  auto kept() {
    using value_type = typename Policy::value_type;
    using mapped = typename value_type::second_type;
    using kept_key = detail::kept<typename Policy::key_type, Q>;
    return std::apply(
        [&](auto&... arg) {
          if constexpr (sizeof...(Args) == 1) {
            return entry_maker<Policy, kept_key, detail::kept<mapped, Args>...>{
                static_cast<Q&&>(key), {static_cast<Args&&>(arg)...}};
          } else {
            return entry_maker<Policy, kept_key, Args...>{static_cast<Q&&>(key),
                                                          {static_cast<Args&&>(arg)...}};
          }
        },
        rest);
  }
};
/// The same from one value.
template <class Policy, class V>
struct whole_maker {
  V value;

  void operator()(typename Policy::allocator_type& alloc, void* at) {
    Policy::construct(alloc, at, static_cast<V&&>(value));
  }
  auto kept() {
    return whole_maker<Policy, detail::kept<typename Policy::value_type, V>>{
        static_cast<V&&>(value)};
  }
};

/// An entry that is made aside when growth moves what its arguments may refer to (map_newcomer).
template <class Core, class Policy, class Make>
struct map_arrival : map_newcomer {
  using allocator_type = typename Policy::allocator_type;
  using value_type = typename Policy::value_type;
  using raw = typename Core::raw;
  static constexpr bool kHere = Core::kAsideOnStack;

  allocator_type& alloc;
  Make& maker;
  alignas(kHere ? alignof(value_type) : 1) unsigned char here[kHere ? sizeof(value_type) : 1];
  unsigned char* aside = here;

  map_arrival(allocator_type& from, std::uint64_t h, Make& with) : alloc(from), maker(with) {
    if constexpr (!kHere) aside = raw::get(alloc, sizeof(value_type));
    hash = h;
    make = [](map_newcomer& self) {
      auto& me = static_cast<map_arrival&>(self);
      me.maker(me.alloc, me.aside);
    };
  }
  map_arrival(const map_arrival&) = delete;
  map_arrival& operator=(const map_arrival&) = delete;
  ~map_arrival() {
    if (made) Policy::destroy(alloc, entry());
    if constexpr (!kHere) raw::put(alloc, aside, sizeof(value_type));
  }
  value_type* entry() noexcept { return Core::slot_at(aside, 0); }
  void enter(void* slot) {
    if (!made) {
      maker(alloc, slot);
    } else if constexpr (Policy::kMovesSafely) {
      Policy::relocate(alloc, slot, entry());
      made = false;
    } else {
      Policy::copy_or_move(alloc, slot, entry());
    }
  }
};

}  // namespace ullage::detail
