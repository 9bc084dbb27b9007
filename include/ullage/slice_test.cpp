// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <ullage/budget.h>
#include <ullage/slice.h>
#include <ullage/vector_testing.h>

#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace ullage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::moves;
using testing::tracked;

class recording_sink final : public growth_sink {
 public:
  void on_growth(const growth_event& event) noexcept override { events.push_back(event); }
  std::size_t count(growth_kind kind) const {
    return static_cast<std::size_t>(std::count_if(
        events.begin(), events.end(), [&](const growth_event& e) { return e.kind == kind; }));
  }
  std::vector<growth_event> events;
};

// The examples that every article about slices has, with what happens here.

TEST(SliceAliasing, AWriteThroughASubSliceShowsInTheWhole) {
  slice<int> whole{1, 2, 3, 4, 5};
  slice<int> part = whole.sub(1, 3);
  part[0] = 99;
  EXPECT_THAT(whole, ElementsAre(1, 99, 3, 4, 5));
  EXPECT_TRUE(part.shares_with(whole));
  EXPECT_TRUE(part.overlaps(whole.sub(2, 5)));
  EXPECT_FALSE(part.overlaps(whole.sub(3, 5)));
}

TEST(SliceAliasing, AnAppendToASubSliceDoesNotOverwriteTheWhole) {
  slice<int> whole{1, 2, 3, 4, 5};
  slice<int> part = whole.sub(0, 2);
  EXPECT_EQ(part.capacity(), whole.capacity());  // in Go, append(part, 99) would overwrite the 3
  EXPECT_FALSE(part.owns_tail());
  EXPECT_EQ(part.append(99), slice_append::detached);
  EXPECT_THAT(part, ElementsAre(1, 2, 99));
  EXPECT_THAT(whole, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_FALSE(part.shares_with(whole));
}

TEST(SliceAliasing, TwoSlicesThatAppendBehindTheSameEndBothKeepWhatTheyAppended) {
  slice<int> base = slice<int>::make(0, 10);
  base.append({1, 2, 3});
  slice<int> a = base;
  slice<int> b = base;
  EXPECT_EQ(a.append(4), slice_append::in_place);  // the first has the room
  EXPECT_EQ(b.append(5), slice_append::detached);  // in Go, a[3] would now be 5
  EXPECT_THAT(a, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(b, ElementsAre(1, 2, 3, 5));
  EXPECT_THAT(base, ElementsAre(1, 2, 3));
}

TEST(SliceAliasing, AFunctionGetsACopyOfTheViewAndTheSameElements) {
  const auto change = [](slice<int> view) {
    view[0] = 7;
    return view.append(8);
  };
  slice<int> mine = slice<int>::make(2, 8);
  EXPECT_EQ(change(mine), slice_append::in_place);
  EXPECT_THAT(mine, ElementsAre(7, 0));               // the write shows, the append does not
  EXPECT_EQ(mine.append(9), slice_append::in_place);  // nobody is left who shows the 8
  EXPECT_THAT(mine, ElementsAre(7, 0, 9));
}

TEST(SliceAliasing, AThreeIndexSliceCannotReachBehindItsLimit) {
  slice<int> whole{1, 2, 3, 4, 5};
  slice<int> part = whole.sub(0, 2, 2);
  EXPECT_EQ(part.capacity(), 2U);
  whole = slice<int>();  // even as the only one left
  EXPECT_EQ(part.append(9), slice_append::grown);
  EXPECT_THAT(part, ElementsAre(1, 2, 9));
}

TEST(SliceSeparation, AfterGrowthASliceNoLongerSeesItsOrigin) {
  slice<int> origin{1, 2, 3};
  slice<int> copy = origin;
  EXPECT_EQ(copy.append(4), slice_append::detached);
  copy[0] = 100;
  EXPECT_EQ(origin[0], 1);
  EXPECT_FALSE(copy.shares_with(origin));
  origin[1] = 200;
  EXPECT_EQ(copy[1], 2);
}

TEST(SliceSeparation, BeforeGrowthItStillDoes) {
  slice<int> origin = slice<int>::make(3, 8);
  slice<int> longer = origin;
  EXPECT_EQ(longer.append(4), slice_append::in_place);
  longer[0] = 100;
  EXPECT_EQ(origin[0], 100);
  EXPECT_EQ(origin.size(), 3U);
}

TEST(SliceSeparation, TheAnswerSaysWhatHappened) {
  slice<int> s = slice<int>::make(0, 2);
  EXPECT_EQ(s.append(1), slice_append::in_place);
  EXPECT_EQ(s.append(2), slice_append::in_place);
  EXPECT_EQ(s.append(3), slice_append::grown);
  const slice<int> other = s;
  s.append(4);
  EXPECT_EQ(s.capacity(), 4U);
  EXPECT_EQ(s.append(5), slice_append::detached);
}

TEST(SliceRetention, ASmallSliceKeepsALargeArrayAliveUntilItIsCompacted) {
  slice<char> file = slice<char>::make(1 << 20);
  slice<char> header = file.sub(0, 16);
  file = slice<char>();
  EXPECT_EQ(header.used_bytes(), 16U);
  EXPECT_GE(header.retained_bytes(), std::size_t{1} << 20);
  EXPECT_TRUE(header.compact());
  EXPECT_LT(header.retained_bytes(), 128U);
  EXPECT_FALSE(header.compact());
}

TEST(SliceRetention, ACloneHoldsWhatItShowsAndSharesNothing) {
  slice<char> file = slice<char>::make(1 << 20);
  slice<char> header = file.sub(0, 16);
  slice<char> kept = header.clone();
  EXPECT_EQ(kept, header);
  EXPECT_FALSE(kept.shares_with(file));
  EXPECT_EQ(kept.capacity(), 16U);
  EXPECT_LT(kept.retained_bytes(), 128U);
  kept[0] = 'x';
  EXPECT_EQ(file[0], '\0');
  file = header = slice<char>();
  EXPECT_EQ(kept.use_count(), 1U);
  EXPECT_THAT(slice<char>().clone(), IsEmpty());
}

TEST(SliceRetention, IsReportedOnceWhenTheLastLargeSliceGoes) {
  recording_sink sink;
  growth_site site("slice_test.retention");
  site.listen(&sink);
  slice<char> file = slice<char>::make(1 << 20, 1 << 20, &site);
  slice<char> header = file.sub(0, 16);
  slice<char> trailer = file.sub(100, 200);
  EXPECT_EQ(sink.count(growth_kind::retained), 0U);
  file = slice<char>();
  ASSERT_EQ(sink.count(growth_kind::retained), 1U);
  EXPECT_GE(sink.events.back().bytes_after, std::uint64_t{1} << 20);
  EXPECT_EQ(sink.events.back().elements, 116U);  // what is still shown
  trailer = slice<char>();
  EXPECT_EQ(sink.count(growth_kind::retained), 1U);
}

TEST(SliceRetention, IsReportedWhenTheOnlySliceIsCutDown) {
  recording_sink sink;
  growth_site site("slice_test.cut");
  site.listen(&sink);
  slice<char> log = slice<char>::make(1 << 17, 1 << 17, &site);
  log = std::move(log).sub(0, 1 << 16);
  EXPECT_EQ(sink.count(growth_kind::retained), 0U);
  log = std::move(log).sub(0, 100);
  EXPECT_EQ(sink.count(growth_kind::retained), 1U);
}

TEST(SliceRetention, IsNoMatterWhileManySmallSlicesShowMostOfTheArray) {
  recording_sink sink;
  growth_site site("slice_test.tokens");
  site.listen(&sink);
  std::vector<slice<char>> tokens;
  {
    slice<char> text = slice<char>::make(1 << 17, 1 << 17, &site);
    for (std::size_t i = 0; i < text.size(); i += 256) tokens.push_back(text.sub(i, i + 200));
  }
  EXPECT_EQ(sink.count(growth_kind::retained), 0U);
  tokens.resize(tokens.size() / 8);
  EXPECT_EQ(sink.count(growth_kind::retained), 1U);
}

TEST(SliceRetention, IsNotWatchedInSmallArrays) {
  recording_sink sink;
  growth_site site("slice_test.small");
  site.listen(&sink);
  slice<char> file = slice<char>::make(kRetainedBytesMin - 1, kRetainedBytesMin - 1, &site);
  const slice<char> header = file.sub(0, 16);
  file = slice<char>();
  EXPECT_EQ(sink.count(growth_kind::retained), 0U);
}

TEST(SliceDepth, TenMillionNestedSlicesShareOneArrayAndUseNoStack) {
  constexpr std::size_t kDepth = 10'000'000;
  slice<char> s = slice<char>::make(kDepth);
  const char* const root = s.data();
  for (std::size_t i = 0; i < kDepth - 1; ++i) s = s.sub(1, s.size());
  EXPECT_EQ(s.size(), 1U);
  EXPECT_EQ(s.data(), root + kDepth - 1);
  EXPECT_EQ(s.use_count(), 1U);  // no parent is kept
}

TEST(SliceDepth, MillionsOfNestedSlicesKeptTogetherEndOneByOne) {
  std::vector<slice<char>> all;
  all.push_back(slice<char>::make(2'000'000));
  while (all.size() < 2'000'000) all.push_back(all.back().sub(1, all.back().size()));
  EXPECT_EQ(all.front().use_count(), all.size());
  all.erase(all.begin(), all.end() - 1);
  EXPECT_EQ(all.front().use_count(), 1U);
}

TEST(Slice, BeginsEmptyAndOwnsNothing) {
  slice<int> s;
  EXPECT_TRUE(s.empty());
  EXPECT_TRUE(s.owns_tail());
  EXPECT_EQ(s.retained_bytes(), 0U);
  EXPECT_EQ(s.use_count(), 0U);
  EXPECT_THAT(s.sub(0, 0), IsEmpty());
  EXPECT_FALSE(s.compact());
  EXPECT_EQ(s.append(std::span<const int>()), slice_append::in_place);
  EXPECT_EQ(s.append(7), slice_append::grown);
  static_assert(sizeof(slice<int>) == 32);
  static_assert(detail::slice_array<int, std::allocator<int>>::header_bytes == 64);
  static_assert(kRetainedBytesMin == 65536 && kRetainedShareMax == 8);
  static_assert(go_growth::moves_per_element_max == 5);
}

TEST(Slice, RefusesWhatIsNotInIt) {
  slice<int> s = slice<int>::make(3, 8);
  EXPECT_THROW(s.sub(0, 4), std::out_of_range);  // in Go, up to the capacity
  EXPECT_THROW(s.sub(2, 1), std::out_of_range);
  EXPECT_THROW(s.sub(0, 3, 9), std::out_of_range);
  EXPECT_THROW(s.sub(0, 3, 2), std::out_of_range);
  EXPECT_THROW(s.at(3), std::out_of_range);
  EXPECT_THROW(slice<int>::make(3, 2), std::out_of_range);
  EXPECT_EQ(s.size(), 3U);
}

TEST(Slice, GrowsByGosRuleUnlessToldOtherwise) {
  slice<long> s;
  std::vector<std::size_t> capacities;
  for (long i = 0; i < 2000; ++i) {
    if (s.append(i) != slice_append::in_place) capacities.push_back(s.capacity());
  }
  EXPECT_THAT(capacities,
              ElementsAre(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 848, 1280, 1792, 2560));
  slice<long, doubling> d;
  for (long i = 0; i < 1000; ++i) d.append(i);
  EXPECT_EQ(d.capacity(), 1024U);
}

// Of a machine with little memory.
template <class T>
struct scarce_allocator : std::allocator<T> {
  using value_type = T;
  scarce_allocator() = default;
  template <class U>
  scarce_allocator(const scarce_allocator<U>&) noexcept {}  // NOLINT: as all allocators
  T* allocate(std::size_t n) {
    if (n > 100'000 / sizeof(T)) throw std::bad_alloc();
    return std::allocator<T>::allocate(n);
  }
};

TEST(Slice, ExperienceIsForgoneWhereBudgetOrMemoryDoNotAllowIt) {
  using ints = slice<int, go_growth, scarce_allocator<int>>;
  growth_site site("slice_test.advice");
  byte_budget budget(4096);
  site.expect(1'000'000);
  for (growth_budget* const limit : {static_cast<growth_budget*>(&budget), {}}) {
    site.limit(limit);
    ints s(site);
    EXPECT_EQ(s.capacity(), 0U);
    s.append(1);
    EXPECT_EQ(ints(site, {1, 2, 3}).size(), 3U);
    EXPECT_THROW(ints::make(0, 1'000'000, &site), std::bad_alloc) << "that was asked for";
  }
  site.limit(&budget);
  site.expect(100);
  EXPECT_EQ(ints(site).capacity(), 100U);
}

TEST(Slice, AppendsItself) {
  slice<std::string> s{"a string that is long enough for the heap", "b"};
  s.append(s);
  s.append(s[0]);
  s.append(s.sub(1, 3));
  s.append(std::span<const std::string>(s.data(), 2));
  EXPECT_EQ(s.size(), 9U);
  EXPECT_EQ(s[4], s[0]);
  EXPECT_EQ(s[7], s[0]);
}

TEST(Slice, ReusesTheRoomBehindItWhenNobodyElseIsLeft) {
  slice<std::string> s{"one", "two", "three", "four"};
  const std::string* where = s.data();
  s = s.sub(0, 1);
  EXPECT_TRUE(s.owns_tail());
  EXPECT_EQ(s.append("2"), slice_append::in_place);
  EXPECT_EQ(s.data(), where);
  EXPECT_THAT(s, ElementsAre("one", "2"));
}

TEST(Slice, CopiesOnlyWhatItShows) {
  using element = tracked<moves::freely>;
  element::reset();
  {
    slice<element> s = slice<element>::make(1000);
    slice<element> part = s.sub(500, 510);
    element::reset();
    part.append(element(1));
    EXPECT_EQ(element::copied, 10);
    EXPECT_EQ(element::moved, 1);
    element::alive = 1011;
  }
  EXPECT_EQ(element::alive, 0);
}

template <class T>
class SliceElements : public ::testing::Test {};
using Elements =
    ::testing::Types<tracked<moves::freely>, tracked<moves::throwing>, tracked<moves::by_bytes>>;
TYPED_TEST_SUITE(SliceElements, Elements);

// A long sequence of operations, with a fault at the n-th chance for every n: whatever happens, no
// slice shows anything but what it should, and everything ends.
TYPED_TEST(SliceElements, SurviveAFaultAtEveryPoint) {
  using testing::counting_allocator;
  using testing::faults;
  using the_slice = slice<TypeParam, go_growth, counting_allocator<TypeParam, true, true>>;
  TypeParam::reset();
  long n = 0;
  for (bool finished = false; !finished; ++n) {
    ASSERT_LT(n, 5000);
    {
      std::vector<the_slice> slices(1);
      std::vector<std::vector<int>> models(1);
      faults::left = n;
      try {
        for (int i = 0; i < 24; ++i) {
          const std::size_t k = static_cast<std::size_t>(i * 7) % slices.size();
          TypeParam value(i);
          slices[k].append(value);
          models[k].push_back(i);
          if (i % 3 == 0) {
            const std::size_t cut = models[k].size() / 2;
            slices.reserve(slices.size() + 1);
            slices.push_back(slices[k].sub(0, cut));
            models.emplace_back(models[k].begin(), models[k].begin() + static_cast<long>(cut));
          }
          if (i % 5 == 0) slices[k].compact();
        }
        finished = true;
      } catch (const testing::injected&) {
      } catch (const std::bad_alloc&) {
      }
      faults::left = -1;
      for (std::size_t k = 0; k < slices.size(); ++k) {
        ASSERT_EQ(slices[k].size(), models[k].size()) << "fault at " << n;
        for (std::size_t i = 0; i < models[k].size(); ++i) {
          ASSERT_EQ(slices[k][i].value(), models[k][i]) << "fault at " << n;
        }
      }
    }
    ASSERT_EQ(TypeParam::alive, 0) << "fault at " << n;
  }
  EXPECT_GT(n, 20);
}

class fixed_budget final : public growth_budget {
 public:
  explicit fixed_budget(std::int64_t bytes) : left(bytes) {}
  growth_answer ask(const growth_request& r) noexcept override {
    const auto more = static_cast<std::int64_t>(r.bytes_wanted - r.bytes_now);
    if (more > left) return growth_answer::deny;
    left -= more;
    return growth_answer::admit;
  }
  void adjust(std::int64_t bytes) noexcept override { left -= bytes; }
  std::int64_t left;
};

TEST(SliceBudget, ADeniedAppendKeepsEverythingAndSaysSo) {
  fixed_budget budget(1000);
  growth_site site("slice_test.budget");
  site.limit(&budget);
  {
    slice<long> s(site);
    while (s.try_append(7) != slice_append::denied) {
    }
    const std::size_t size = s.size();
    EXPECT_GT(size, 10U);
    EXPECT_THROW(s.append(7), growth_denied);
    EXPECT_EQ(s.size(), size);
    EXPECT_EQ(s.back(), 7);
    EXPECT_EQ(site.denials(), 2U);
    EXPECT_EQ(budget.left, 1000 - static_cast<std::int64_t>(s.retained_bytes()));
  }
  EXPECT_EQ(budget.left, 1000);
  EXPECT_EQ(site.sizes().count(), 1U);
}

TEST(SliceExperience, BeginsWithRoomForWhatEarlierOnesNeeded) {
  growth_site site("slice_test.experience");
  site.expect(100);
  slice<int> s(site);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(s.append(i), slice_append::in_place);
}

TEST(SliceThreads, ManyMayCopyCutAndAppendToOneArray) {
  constexpr int kThreads = 4;
  slice<int> shared = slice<int>::make(64, 100000);
  std::iota(shared.begin(), shared.end(), 0);
  std::atomic<int> in_place{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t, mine = shared]() mutable {
      for (int i = 0; i < 500; ++i) {
        slice<int> part = mine.sub(static_cast<std::size_t>(i) % 32, 64);
        if (part.append(t) == slice_append::in_place) in_place.fetch_add(1);
        ASSERT_EQ(part.back(), t);
        ASSERT_EQ(part[part.size() - 2], 63);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_LE(in_place.load(), 1);
  EXPECT_EQ(shared.use_count(), 1U);
}

}  // namespace
}  // namespace ullage
