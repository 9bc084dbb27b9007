// SPDX-License-Identifier: Apache-2.0
//
// map_guides: what the deduction guides of hash_map and hash_set ask of their arguments.
#pragma once

#include <ullage/detail/iterators.h>

#include <cstddef>
#include <iterator>
#include <type_traits>
#include <utility>

namespace ullage::detail {

template <class A>
concept deduced_allocator = requires(A& a, std::size_t n) {
  typename A::value_type;
  a.allocate(n);
};
/// Neither a count nor an allocator: a hash or an equality.
template <class F>
concept deduced_function = !std::is_integral_v<F> && !deduced_allocator<F>;

template <class It>
using key_in = std::remove_const_t<typename std::iterator_traits<It>::value_type::first_type>;
template <class It>
using mapped_in = typename std::iterator_traits<It>::value_type::second_type;
template <class It>
using element_in = typename std::iterator_traits<It>::value_type;

}  // namespace ullage::detail
