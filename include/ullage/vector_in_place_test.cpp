// SPDX-License-Identifier: Apache-2.0
//
// Large arrays that grow where they are: what stays, what goes back, and what happens where address
// space is short.
#include <gtest/gtest.h>
#include <ullage/reserved_memory.h>
#include <ullage/vector.h>
#include <ullage/vector_testing.h>

#include <string>
#include <vector>

#if ULLAGE_RESERVED_MEMORY

namespace ullage {
namespace {

using testing::kTinyInPlace;
using testing::moves;
using testing::tracked;

// Pages of [first, last) that have memory.
std::size_t resident_pages(const void* first, std::size_t bytes) {
  const std::size_t page = reserved_memory::page_bytes();
  auto from = reinterpret_cast<std::uintptr_t>(first) / page * page;
  const auto to = (reinterpret_cast<std::uintptr_t>(first) + bytes + page - 1) / page * page;
  std::vector<unsigned char> there((to - from) / page);
  EXPECT_EQ(::mincore(reinterpret_cast<void*>(from), to - from, there.data()), 0);
  std::size_t count = 0;
  for (const unsigned char c : there) count += c & 1U;
  return count;
}

// No address space for anybody while this lives.
struct without_address_space {
  std::size_t before = reserved_memory::address_space_limit();
  without_address_space() { reserved_memory::limit_address_space(0); }
  ~without_address_space() { reserved_memory::limit_address_space(before); }
};

struct kind_counter final : growth_sink {
  void on_growth(const growth_event& e) noexcept override {
    ++counts[static_cast<std::size_t>(e.kind)];
    moved += e.moved;
  }
  std::size_t of(growth_kind kind) const { return counts[static_cast<std::size_t>(kind)]; }
  std::size_t counts[32] = {};
  std::uint64_t moved = 0;
};

TEST(VectorInPlace, ALargeArrayKeepsItsAddressWhileItGrows) {
  vector<std::string> v;
  while (!v.is_in_place()) v.push_back("x");
  const std::string* const where = v.data();
  const std::string& first = v.front();
  while (v.size() < 300000) v.push_back("y");
  EXPECT_EQ(v.data(), where);
  EXPECT_EQ(first, "x");
  EXPECT_GE(v.capacity_in_place(), std::size_t{1} << 30);  // of 32 bytes, in up to 64 GiB
}

TEST(VectorInPlace, HoldsNoMoreMemoryThanItsElementsAndAStep) {
  vector<std::uint64_t> v;
  for (std::uint64_t i = 0; i < 4'000'000; ++i) v.push_back(i);
  const std::size_t data_pages = v.size() * 8 / reserved_memory::page_bytes();
  const std::size_t step_pages = (std::size_t{256} << 10) / reserved_memory::page_bytes();
  EXPECT_LE(resident_pages(v.data(), v.memory_bytes() - 4096), data_pages + step_pages + 1);
}

TEST(VectorInPlace, ReservingCostsNoMemoryUntilItIsUsed) {
  vector<std::uint64_t> v;
  v.reserve(10'000'000);
  EXPECT_GE(v.capacity(), 10'000'000U);
  EXPECT_LE(resident_pages(v.data(), 80'000'000), 20U);
  const auto* const where = v.data();
  for (std::uint64_t i = 0; i < 100'000; ++i) v.push_back(i);
  EXPECT_EQ(v.data(), where);
  EXPECT_LE(resident_pages(v.data(), 80'000'000), 200U + 64U);
}

TEST(VectorInPlace, ShrinkingGivesPagesBackAndMovesNothing) {
  vector<std::uint64_t> v(4'000'000, 7);
  const auto* const where = v.data();
  const std::size_t held = v.memory_bytes();
  v.resize(1000);
  EXPECT_EQ(v.memory_bytes(), held);
  v.shrink_to_fit();
  EXPECT_EQ(v.data(), where);
  EXPECT_LE(v.memory_bytes(), 3 * reserved_memory::page_bytes());
  EXPECT_EQ(v[999], 7U);
  v.resize(4'000'000, 9);
  EXPECT_EQ(v.data(), where);
  EXPECT_EQ(v.back(), 9U);
}

TEST(VectorInPlace, ClearingKeepsTheCapacityAndGivesBackPagesBeyondItsBound) {
  using vec = vector<std::uint64_t, in_place<kTinyInPlace>>;
  vec v(100'000, 7);
  const auto* const where = v.data();
  const std::size_t capacity = v.capacity();
  v.clear();
  EXPECT_EQ(v.capacity(), capacity);
  EXPECT_EQ(v.data(), where);
  EXPECT_LE(resident_pages(where, capacity * 8),
            kTinyInPlace.kept_on_clear_bytes / reserved_memory::page_bytes());
  for (std::uint64_t i = 0; i < capacity; ++i) v.push_back(i);
  EXPECT_EQ(v.data(), where);
  EXPECT_EQ(v.back(), capacity - 1);
}

TEST(VectorInPlace, OutgrowingTheReservationIsReportedAndMovesPagesNotElements) {
  kind_counter seen;
  growth_site site("vector_in_place_test.exhausted");
  site.listen(&seen);
  vector<std::uint64_t, in_place<kTinyInPlace>> v(site);
  for (std::uint64_t i = 0; i < 1'000'000; ++i) v.push_back(i);
  EXPECT_GE(seen.of(growth_kind::exhausted), 1U);
  EXPECT_EQ(seen.moved, 15U);  // 1 + 2 + 4 + 8: what fits into 64 bytes of heap
  for (std::uint64_t i = 0; i < 1'000'000; ++i) ASSERT_EQ(v[i], i);
}

TEST(VectorInPlace, ElementsThatCannotBeMovedByBytesMoveWhenTheReservationIsOutgrown) {
  using element = tracked<moves::freely>;
  element::reset();
  {
    kind_counter seen;
    growth_site site("vector_in_place_test.exhausted_moves");
    site.listen(&seen);
    vector<element, in_place<kTinyInPlace>> v(site);
    for (int i = 0; i < 200'000; ++i) v.emplace_back(i);
    EXPECT_GE(seen.of(growth_kind::exhausted), 1U);
    EXPECT_EQ(element::copied, 0);
    for (int i = 0; i < 200'000; ++i) ASSERT_EQ(v[static_cast<std::size_t>(i)].value(), i);
  }
  EXPECT_EQ(element::alive, 0);
}

TEST(VectorInPlace, WithoutAddressSpacePagesMoveInsteadOfElements) {
  const without_address_space none;
  kind_counter seen;
  growth_site site("vector_in_place_test.no_space");
  site.listen(&seen);
  const std::size_t taken = reserved_memory::address_space_taken();
  vector<std::uint64_t> v(site);
  v.push_back(0);
  for (std::uint64_t i = 1; i < 2'000'000; ++i) v.push_back(v[i - 1] + 1);
  EXPECT_TRUE(v.is_in_place());
  EXPECT_EQ(reserved_memory::address_space_taken(), taken);
  EXPECT_EQ(v.capacity_in_place(), v.capacity());
  EXPECT_EQ(seen.moved, 16383U);  // on the heap, below 64 KiB
  for (std::uint64_t i = 0; i < 2'000'000; ++i) ASSERT_EQ(v[i], i);
  v.resize(10);
  v.shrink_to_fit();
  v.resize(1'000'000, v[5]);
  EXPECT_EQ(v.back(), 5U);
}

TEST(VectorInPlace, AnAssignedValueMayBeAnElementOfAPageThatMoves) {
  const without_address_space none;
  vector<std::uint64_t> v(100'000, 1);
  v[50'000] = 7;
  v.assign(v.capacity() * 20, v[50'000]);
  EXPECT_TRUE(v.is_in_place());
  EXPECT_EQ(v.front(), 7U);
  EXPECT_EQ(v.back(), 7U);
}

TEST(VectorInPlace, WithoutAddressSpaceOtherElementsStayOnTheHeap) {
  const without_address_space none;
  vector<std::string> v;
  for (int i = 0; i < 20'000; ++i) v.push_back(std::to_string(i));
  EXPECT_FALSE(v.is_in_place());
  EXPECT_EQ(v[19'999], "19999");
}

TEST(VectorInPlace, GivesItsAddressSpaceBack) {
  const std::size_t before = reserved_memory::address_space_taken();
  {
    vector<long> v(100'000);
    vector<long> w(v);
    EXPECT_GT(reserved_memory::address_space_taken(), before);
    v = std::move(w);
  }
  EXPECT_EQ(reserved_memory::address_space_taken(), before);
}

TEST(VectorInPlace, ManyLargeArraysDoNotUseUpTheAddressSpace) {
  std::vector<vector<char>> many;
  for (int i = 0; i < 2000; ++i) many.emplace_back(100'000, 'x');
  EXPECT_LT(reserved_memory::address_space_taken(), reserved_memory::address_space_limit());
  for (auto& v : many) v.resize(200'000, 'y');
  EXPECT_EQ(many.back()[150'000], 'y');
  EXPECT_EQ(many.back()[50'000], 'x');
}

TEST(VectorInPlace, KeepsTheAlignmentOfItsElements) {
  struct alignas(256) wide {
    char c = 0;
  };
  vector<wide> v(10'000);
  EXPECT_TRUE(v.is_in_place());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(v.data()) % 256, 0U);
}

TEST(VectorInPlace, HoldsUpWithHugePagesWhereverTheyComeFrom) {
  vector<std::uint64_t, in_place<in_place_options{.huge_pages = true}>> v;
  for (std::uint64_t i = 0; i < 1'000'000; ++i) v.push_back(i);
  for (std::uint64_t i = 0; i < 1'000'000; ++i) ASSERT_EQ(v[i], i);
  v.resize(10);
  v.shrink_to_fit();
  EXPECT_EQ(v.memory_bytes(), std::size_t{2} << 20);
}

// A sanitizer needs address space and memory of its own, and ends the program when it gets none.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ULLAGE_TEST_LIMITS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ULLAGE_TEST_LIMITS 0
#endif
#endif
#if !defined(ULLAGE_TEST_LIMITS)
// In a child, as the limit is the process's own.
void limit(decltype(RLIMIT_AS) which, std::size_t bytes) {
  const rlimit to{bytes, bytes};
  if (::setrlimit(which, &to) != 0) _exit(2);
}

TEST(VectorInPlaceDeathTest, UnderAnAddressSpaceLimitItGrowsUntilThereIsNoMore) {
  EXPECT_EXIT(
      {
        limit(RLIMIT_AS, std::size_t{1} << 30);
        vector<std::uint64_t> v;
        try {
          for (std::uint64_t i = 0;; ++i) v.push_back(i);
        } catch (const std::bad_alloc&) {
        }
        // std::vector would have stopped where old and new no longer fit: at a third.
        bool right = v.size() * 8 > std::size_t{700} << 20;
        for (std::uint64_t i = 0; i < v.size(); ++i) right = right && v[i] == i;
        _exit(right ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(VectorInPlaceDeathTest, WhenTheSystemRefusesMemoryTheVectorIsAsItWas) {
  EXPECT_EXIT(
      {
        vector<std::uint64_t> v(20'000, 3);
        limit(RLIMIT_DATA, std::size_t{64} << 20);
        bool right = false;
        try {
          for (;;) v.push_back(3);
        } catch (const std::bad_alloc&) {
          right = v.is_in_place() && v.size() > 1'000'000;
        }
        for (const std::uint64_t n : v) right = right && n == 3;
        _exit(right ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}
#endif

TEST(ReservedMemory, ExtendsInPlaceUntilItsEnd) {
  reserved_memory* memory =
      reserved_memory::obtain({.usable_bytes = 4096, .reserve_bytes = 1 << 20, .alignment = 8});
  ASSERT_NE(memory, nullptr);
  EXPECT_TRUE(memory->stays());
  EXPECT_EQ(memory->reserved_bytes(), std::size_t{1} << 20);
  EXPECT_EQ(reserved_memory::of(memory->data()), memory);
  EXPECT_TRUE(memory->extend(1 << 20));
  EXPECT_FALSE(memory->extend((1 << 20) + 1));
  memory->data()[(1 << 20) - 65] = std::byte{1};
  EXPECT_EQ(memory->give_back(4096), (std::size_t{1} << 20) - 4096);
  EXPECT_EQ(memory->data()[(1 << 20) - 65], std::byte{0});
  memory->shrink(8192);
  EXPECT_EQ(memory->usable_bytes(), 8192U);
  memory->data()[100] = std::byte{5};
  reserved_memory* moved = reserved_memory::move(memory, 4 << 20, 8 << 20);
  ASSERT_NE(moved, nullptr);
  EXPECT_EQ(moved->data()[100], std::byte{5});
  EXPECT_EQ(moved->reserved_bytes(), std::size_t{8} << 20);
  reserved_memory::release(moved);
}

}  // namespace
}  // namespace ullage

#endif
