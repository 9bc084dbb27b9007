// SPDX-License-Identifier: Apache-2.0
//
// iterators: what ranges the containers take: those of the standard's iterator concepts, and those
// that only name their category, as iterators did before there were concepts.
#pragma once

#include <concepts>
#include <iterator>

namespace ullage::detail {

template <class It, class Tag>
concept of_category = requires {
  requires std::derived_from<typename std::iterator_traits<It>::iterator_category, Tag>;
};

/// Gives elements.
template <class It>
concept reads = std::input_iterator<It> || of_category<It, std::input_iterator_tag>;
/// Gives them as often as one likes.
template <class It>
concept reads_again = std::forward_iterator<It> || of_category<It, std::forward_iterator_tag>;

}  // namespace ullage::detail
