// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <ullage/growth_policy.h>

#include <limits>
#include <vector>

namespace ullage {
namespace {

using ::testing::ElementsAreArray;

template <class Policy>
std::vector<std::size_t> capacities(std::size_t count, std::size_t element_bytes) {
  std::vector<std::size_t> seen;
  for (std::size_t capacity = 0; capacity < count;) {
    capacity = Policy::next_capacity(capacity, capacity + 1, element_bytes);
    seen.push_back(capacity);
  }
  return seen;
}

// What cap() said in a loop of append under Go 1.19 (linux/amd64), elements without pointers.
TEST(GrowthPolicy, GoGrowthIsWhatGoDoes) {
  const std::vector<std::size_t> bytes = {
      8,    16,   32,    64,    128,   256,   512,   896,   1408,  2048,  3072,   4096,   5376,
      6912, 9472, 12288, 16384, 21760, 28672, 40960, 57344, 73728, 98304, 131072, 172032, 221184};
  EXPECT_THAT(capacities<go_growth>(200000, 1), ElementsAreArray(bytes));
  const std::vector<std::size_t> threes = {2,    5,    10,    21,    42,   85,   170,
                                           341,  682,  1066,  1621,  2261, 3157, 4522,
                                           6144, 8192, 10922, 16384, 21845};
  EXPECT_THAT(capacities<go_growth>(20000, 3), ElementsAreArray(threes));
  const std::vector<std::size_t> words = {1,     2,     4,     8,      16,     32,     64,    128,
                                          256,   512,   848,   1280,   1792,   2560,   3408,  5120,
                                          7168,  9216,  12288, 16384,  21504,  27648,  34816, 44032,
                                          55296, 69632, 88064, 110592, 139264, 175104, 219136};
  EXPECT_THAT(capacities<go_growth>(200000, 8), ElementsAreArray(words));
  const std::vector<std::size_t> pairs = {1,    2,    4,     8,     16,    32,   64,   128,
                                          256,  512,  848,   1280,  1792,  2560, 3584, 5120,
                                          6656, 8704, 11264, 14336, 18432, 23552};
  EXPECT_THAT(capacities<go_growth>(20000, 16), ElementsAreArray(pairs));
  const std::vector<std::size_t> triples = {1,    2,    4,     8,     16,    32,   64,   128,
                                            256,  512,  853,   1365,  2048,  3072, 4096, 5461,
                                            7168, 9216, 11946, 15360, 19456, 24576};
  EXPECT_THAT(capacities<go_growth>(20000, 24), ElementsAreArray(triples));
  const std::vector<std::size_t> fives = {1,    2,    4,     8,     16,    32,   67,   134,
                                          272,  544,  1024,  1638,  2252,  3072, 4096, 5324,
                                          6963, 9011, 11468, 14540, 18432, 23347};
  EXPECT_THAT(capacities<go_growth>(20000, 40), ElementsAreArray(fives));
  const std::vector<std::size_t> thousands = {1,   2,   4,   8,   16,   32,   65,
                                              131, 262, 524, 851, 1261, 1769, 2408};
  EXPECT_THAT(capacities<go_growth>(2000, 1000), ElementsAreArray(thousands));
}

TEST(GrowthPolicy, GoGrowthOfManyAtOnceIsWhatGoDoes) {
  EXPECT_EQ(go_growth::next_capacity(0, 5, 8), 6U);  // append(nil, 1, 2, 3, 4, 5)
  EXPECT_EQ(go_growth::next_capacity(3, 10, 8), 10U);
  EXPECT_EQ(go_growth::next_capacity(4000, 4010, 8), 6144U);
  EXPECT_EQ(go_growth::next_capacity(1000, 1900, 8), 2048U);
}

TEST(GrowthPolicy, TheOldGoRuleDoublesUpTo1024AndThenAddsAQuarter) {
  EXPECT_EQ(go_growth_old::next_capacity(512, 513, 8), 1024U);
  EXPECT_EQ(go_growth_old::next_capacity(1024, 1025, 8), 1280U);
  EXPECT_EQ(go_growth_old::next_capacity(1280, 1281, 8), 1696U);  // 1600, in 13568 bytes
  EXPECT_EQ(go_growth::next_capacity(512, 513, 8), 848U);
}

TEST(GrowthPolicy, RoundsToGoSizeClassesAndThenToPages) {
  EXPECT_EQ(detail::go_round_up(1), 8U);
  EXPECT_EQ(detail::go_round_up(17), 24U);
  EXPECT_EQ(detail::go_round_up(32768), 32768U);
  EXPECT_EQ(detail::go_round_up(32769), 40960U);
}

TEST(GrowthPolicy, ExactAndChunkedTakeNoMoreThanTheySay) {
  EXPECT_EQ(exact::next_capacity(100, 101, 8), 101U);
  EXPECT_EQ(chunked<4096>::next_capacity(0, 1, 8), 512U);
  EXPECT_EQ(chunked<4096>::next_capacity(512, 513, 8), 1024U);
  EXPECT_EQ(chunked<4096>::next_capacity(0, 1, 5000), 1U);  // two chunks, one element
  EXPECT_EQ(half_more::next_capacity(10, 11, 8), 15U);
  EXPECT_EQ(half_more::next_capacity(1, 2, 8), 2U);
}

template <class Policy>
class EveryGrowthPolicy : public ::testing::Test {};
using Policies = ::testing::Types<doubling, half_more, go_growth, go_growth_old, exact, chunked<>,
                                  chunked<1>, in_place<>>;
TYPED_TEST_SUITE(EveryGrowthPolicy, Policies);

TYPED_TEST(EveryGrowthPolicy, GivesAtLeastWhatIsNeeded) {
  for (const std::size_t bytes : {1, 3, 8, 24, 4096, 100000}) {
    for (std::size_t capacity : {0, 1, 2, 7, 255, 256, 257, 1023, 1024, 1000000}) {
      for (std::size_t more : {1, 2, 100, 1000000}) {
        const std::size_t needed = capacity + more;
        EXPECT_GE(TypeParam::next_capacity(capacity, needed, bytes), needed)
            << capacity << " + " << more << " of " << bytes;
      }
    }
  }
}

TYPED_TEST(EveryGrowthPolicy, DoesNotOverflow) {
  constexpr std::size_t kMax = std::numeric_limits<std::size_t>::max();
  for (const std::size_t bytes : {1, 8, 1000}) {
    for (const std::size_t capacity : {kMax / 4 * 3, kMax / 2, kMax / 2 + 1, kMax - 1}) {
      EXPECT_GT(TypeParam::next_capacity(capacity, capacity + 1, bytes), capacity) << bytes;
    }
  }
}

TYPED_TEST(EveryGrowthPolicy, MovesNoMorePerElementThanItSays) {
  if (TypeParam::moves_per_element_max == 0) {
    EXPECT_GT(moves_to<TypeParam>(10000, 8), 5 * 10000U) << "a bound could be named";
    return;
  }
  for (const std::size_t bytes : {1, 8, 24, 1000}) {
    std::size_t moves = 0;
    std::size_t capacity = 0;
    while (capacity < 20'000'000) {  // the worst moment is right after a growth
      moves += capacity;
      const std::size_t size = capacity + 1;
      EXPECT_LE(moves, TypeParam::moves_per_element_max * size) << size << " of " << bytes;
      capacity = TypeParam::next_capacity(capacity, size, bytes);
    }
  }
}

static_assert(growths_to<doubling>(1'000'000, 8) == 21);
static_assert(moves_to<doubling>(1'000'000, 8) == (1 << 20) - 1);

// The table of docs/containers/vector.md: growths and moves in all; what the last growth moves, and
// tenths of a megabyte that are held meanwhile and afterwards.
template <class Policy>
constexpr bool costs(std::size_t growths, std::size_t moves) {
  return growths_to<Policy>(1'000'000, 8) == growths && moves_to<Policy>(1'000'000, 8) == moves;
}
template <class Policy>
constexpr bool ends(std::size_t moved, std::size_t held, std::size_t after) {
  std::size_t last = 0, capacity = 0;
  while (capacity < 1'000'000) {
    last = capacity;
    capacity = Policy::next_capacity(capacity, capacity + 1, 8);
  }
  const auto tenths = [](std::size_t elements) { return (elements * 8 + 50'000) / 100'000; };
  return last == moved && tenths(last + capacity) == held && tenths(capacity) == after;
}
static_assert(costs<doubling>(21, 1'048'575) && ends<doubling>(524'288, 126, 84));
static_assert(costs<half_more>(34, 2'099'719) && ends<half_more>(699'912, 140, 84));
static_assert(costs<go_growth>(38, 4'154'015) && ends<go_growth>(843'776, 152, 84));
static_assert(costs<go_growth_old>(40, 4'511'903) && ends<go_growth_old>(909'312, 164, 91));
static_assert(costs<chunked<65536>>(123, 61'464'576) && ends<chunked<65536>>(999'424, 161, 81));
static_assert(growths_to<exact>(1000, 8) == 1000 && moves_to<exact>(1000, 8) == 999 * 1000 / 2);
// in_place: 64 KiB on the heap, and one move out of it.
static_assert(growths_to<in_place<>>(8192, 8) == 14);
static_assert(moves_to<in_place<>>(8192, 8) + 8192 == 16'383);
static_assert(in_place<>::options.heap_bytes_max == 8192 * 8 &&
              in_place<>::options.ready_bytes_step == std::size_t{256} << 10 &&
              in_place<>::options.kept_on_clear_bytes == std::size_t{64} << 20 &&
              in_place<>::options.reserve_bytes == std::size_t{64} << 30);

}  // namespace
}  // namespace ullage
