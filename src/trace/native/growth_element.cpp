// SPDX-License-Identifier: Apache-2.0
#include "trace/native/growth_element.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

namespace ullage::trace {
namespace {

// Votes, in percent of all, that must be multiples of the element: the rest is foreign.
constexpr std::uint64_t kAgreePercent = 95;
// And votes that must be for the very element. Below it, it is what different types share.
constexpr std::uint64_t kOwnPercent = 50;
// Divisors with the most votes that the search starts from, so that a foreign one may be among
// them.
constexpr std::size_t kSeeds = 8;

using Votes = std::vector<std::pair<std::uint64_t, std::uint64_t>>;  // divisor, votes

std::uint64_t multiples_of(std::uint64_t element, const Votes& votes) {
  std::uint64_t sum = 0;
  for (const auto& [divisor, count] : votes) sum += divisor % element == 0 ? count : 0;
  return sum;
}

// The greatest divisor of `seed` that enough agree on, going down by what wins most votes.
std::uint64_t descend(std::uint64_t seed, const Votes& votes, std::uint64_t enough) {
  std::uint64_t element = seed;
  while (multiples_of(element, votes) < enough) {
    std::set<std::uint64_t> lower;
    for (const auto& [divisor, count] : votes) {
      if (divisor % element != 0) lower.insert(std::gcd(element, divisor));
    }
    std::uint64_t most = 0;
    for (const std::uint64_t candidate : lower) {  // ascending: of equals the greatest
      const std::uint64_t sum = multiples_of(candidate, votes);
      if (sum >= most) most = sum, element = candidate;
    }
  }
  return element;
}

}  // namespace

std::uint64_t common_element(const Histogram& divisors) {
  Votes votes = divisors.exact_values();
  std::erase_if(votes, [](const auto& vote) { return vote.first == 0; });
  if (votes.empty()) return 0;
  std::stable_sort(votes.begin(), votes.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::uint64_t all = 0;
  for (const auto& [divisor, count] : votes) all += count;
  const std::uint64_t enough = all - all * (100 - kAgreePercent) / 100;
  std::uint64_t element = 0;
  for (std::size_t i = 0; i < std::min(votes.size(), kSeeds); ++i) {
    element = std::max(element, descend(votes[i].first, votes, enough));
  }
  const auto own = std::find_if(votes.begin(), votes.end(),
                                [&](const auto& vote) { return vote.first == element; });
  return own != votes.end() && own->second >= all - all * (100 - kOwnPercent) / 100 ? element : 0;
}

}  // namespace ullage::trace
