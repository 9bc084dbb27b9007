// SPDX-License-Identifier: Apache-2.0
//
// The work that growing may do, counted: moves, allocator calls, events. No clocks.
#include <gtest/gtest.h>
#include <ullage/vector.h>
#include <ullage/vector_testing.h>

#include <algorithm>

namespace ullage {
namespace {

using testing::counting_allocator;
using testing::moves;
using testing::tracked;

template <class Policy>
class VectorWork : public ::testing::Test {};
using Policies = ::testing::Types<doubling, half_more, go_growth, go_growth_old, exact, chunked<>,
                                  in_place<>, in_place<testing::kTinyInPlace>>;
TYPED_TEST_SUITE(VectorWork, Policies);

// With an allocator of its own every policy is on the heap, where each move is an element's.
TYPED_TEST(VectorWork, MovesAndAllocatesExactlyWhatThePolicyComputes) {
  using element = tracked<moves::freely>;
  using allocator = counting_allocator<element, true, true>;
  element::reset();
  allocator::shared = {};
  {
    vector<element, TypeParam, allocator> v;
    for (std::size_t n = 1; n <= 3000; ++n) {
      v.emplace_back(1);
      ASSERT_EQ(static_cast<std::size_t>(element::moved), moves_to<TypeParam>(n, sizeof(element)));
      ASSERT_EQ(static_cast<std::size_t>(allocator::shared.calls),
                growths_to<TypeParam>(n, sizeof(element)));
      ASSERT_EQ(allocator::shared.blocks, 1);
      if (TypeParam::moves_per_element_max != 0) {
        ASSERT_LE(static_cast<std::size_t>(element::moved), TypeParam::moves_per_element_max * n);
      }
    }
    EXPECT_EQ(element::copied, 0);
  }
}

template <class Vec>
std::pair<long, long> most_and_all_moves(std::size_t count) {
  using element = typename Vec::value_type;
  element::reset();
  Vec v;
  long most = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const long before = element::moved;
    v.emplace_back(1);
    most = std::max(most, element::moved - before);
  }
  EXPECT_EQ(element::copied, 0);
  return {most, element::moved};
}

TEST(VectorWorkInPlace, NoPushBackMovesMoreThanItsBoundWhateverTheSize) {
  using vec = vector<tracked<moves::freely>>;
  if (!vec::grows_in_place()) GTEST_SKIP() << "no reserved memory here";
  static_assert(vec::max_moves_per_push_back() == 4096);  // 64 KiB of 16 bytes
  const auto [most_small, all_small] = most_and_all_moves<vec>(10'000);
  const auto [most_large, all_large] = most_and_all_moves<vec>(1'000'000);
  EXPECT_EQ(most_large, static_cast<long>(vec::max_moves_per_push_back()));
  EXPECT_EQ(most_small, most_large);
  EXPECT_EQ(all_small, all_large);  // all there will ever be: 1 + 2 + ... + 4096
  EXPECT_EQ(all_large, 2 * 4096 - 1);
}

TEST(VectorWorkInPlace, InsertingInTheMiddleMovesTheTailOnce) {
  using element = tracked<moves::freely>;
  vector<element> v;
  v.reserve(1000);
  for (int i = 0; i < 100; ++i) v.emplace_back(i);
  element::reset();
  v.insert(v.begin() + 40, 5, element(7));
  EXPECT_EQ(element::moved, 60);
  EXPECT_EQ(element::copied, 6);  // five, and one aside because it could be an element
  element::reset();
  const std::vector<int> more{1, 2, 3};
  v.insert(v.begin() + 100, more.begin(), more.end());
  EXPECT_EQ(element::moved, 5);
}

}  // namespace
}  // namespace ullage
