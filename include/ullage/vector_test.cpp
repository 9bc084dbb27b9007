// SPDX-License-Identifier: Apache-2.0
//
// What every vector promises, std::vector included: the suite runs on it, too, so that a test which
// fails here fails because of us.
#include <gmock/gmock.h>
#include <ullage/vector.h>
#include <ullage/vector_testing.h>

#include <list>
#include <numeric>
#include <span>
#include <sstream>
#include <string>

namespace ullage {
namespace {

using testing::allocator_state;
using testing::counting_allocator;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::moves;
using testing::tracked;

template <class Family>
class VectorContract : public ::testing::Test {
 public:
  template <class T, class Allocator = std::allocator<T>>
  using vec = typename Family::template of<T, Allocator>;
};

using Families =
    ::testing::Types<testing::std_family, testing::family<in_place<>>,
                     testing::family<in_place<testing::kTinyInPlace>>, testing::family<doubling>,
                     testing::family<half_more>, testing::family<go_growth>, testing::family<exact>,
                     testing::family<chunked<256>>>;
TYPED_TEST_SUITE(VectorContract, Families);

#define VEC typename TestFixture::template vec

TYPED_TEST(VectorContract, BeginsEmptyAndOwnsNothing) {
  const VEC<int> v;
  EXPECT_TRUE(v.empty());
  EXPECT_EQ(v.size(), 0U);
  EXPECT_EQ(v.capacity(), 0U);
  EXPECT_EQ(v.begin(), v.end());
  EXPECT_GT(v.max_size(), 1U << 30);
}

struct unassignable {
  int number = 4;
  unassignable() = default;
  unassignable(unassignable&& other) noexcept : number(other.number) {}
  unassignable& operator=(unassignable&&) = delete;
};

TYPED_TEST(VectorContract, ResizesWhatCannotBeAssigned) {
  VEC<unassignable> v;
  v.resize(5);
  v[1].number = 6;
  v.resize(2);
  ASSERT_EQ(v.size(), 2U);
  EXPECT_EQ(v[1].number, 6);
  v.resize(3);
  EXPECT_EQ(v[2].number, 4);
}

TYPED_TEST(VectorContract, IsMadeFromCountsRangesAndLists) {
  EXPECT_THAT(VEC<int>(3), ElementsAre(0, 0, 0));
  EXPECT_THAT(VEC<int>(3, 7), ElementsAre(7, 7, 7));
  EXPECT_THAT((VEC<int>{1, 2, 3}), ElementsAre(1, 2, 3));
  const std::list<int> list{4, 5, 6};
  EXPECT_THAT(VEC<int>(list.begin(), list.end()), ElementsAre(4, 5, 6));
  std::istringstream words("1 2 3 4");
  EXPECT_THAT(VEC<int>(std::istream_iterator<int>(words), std::istream_iterator<int>()),
              ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(VEC<int>(list.begin(), list.begin()), IsEmpty());
}

TYPED_TEST(VectorContract, CopiesAreEqualAndSeparate) {
  VEC<std::string> a{"one", "two", "a string too long for the small buffer of strings"};
  VEC<std::string> b(a);
  EXPECT_EQ(a, b);
  b.push_back("four");
  b[0] = "uno";
  EXPECT_EQ(a.size(), 3U);
  EXPECT_EQ(a[0], "one");
  a = b;
  EXPECT_EQ(a, b);
  const auto& same = a;
  a = same;
  EXPECT_EQ(a, b);
}

TYPED_TEST(VectorContract, MovingTakesTheElementsWhereTheyAre) {
  for (const int count : {3, 1000, 100000}) {
    VEC<int> a(static_cast<std::size_t>(count), 5);
    const int* where = a.data();
    VEC<int> b(std::move(a));
    EXPECT_EQ(b.data(), where);
    EXPECT_TRUE(a.empty());
    VEC<int> c{1, 2};
    c = std::move(b);
    EXPECT_EQ(c.data(), where);
    EXPECT_EQ(c.size(), static_cast<std::size_t>(count));
    a = {1, 2, 3};  // what was moved from can be used again
    EXPECT_THAT(a, ElementsAre(1, 2, 3));
    swap(a, c);
    EXPECT_EQ(a.data(), where);
    EXPECT_THAT(c, ElementsAre(1, 2, 3));
  }
}

TYPED_TEST(VectorContract, GivesElementsAndSaysWhenThereIsNone) {
  VEC<int> v{1, 2, 3};
  EXPECT_EQ(v.front(), 1);
  EXPECT_EQ(v.back(), 3);
  EXPECT_EQ(v.at(1), 2);
  EXPECT_THROW(v.at(3), std::out_of_range);
  EXPECT_THROW(std::as_const(v).at(3), std::out_of_range);
  v[1] = 9;
  EXPECT_EQ(v.data()[1], 9);
  EXPECT_THAT(VEC<int>(v.rbegin(), v.rend()), ElementsAre(3, 9, 1));
  EXPECT_THAT(VEC<int>(v.crbegin(), v.crend()), ElementsAre(3, 9, 1));
}

TYPED_TEST(VectorContract, AppendsItsOwnElementsWhileItGrows) {
  VEC<std::string> v{"first, and long enough to live on the heap"};
  for (int i = 0; i < TypeParam::many / 60; ++i) {
    v.push_back(v.front());
    v.push_back(v[v.size() / 2]);
    v.emplace_back(v.back());
  }
  for (const auto& s : v) ASSERT_EQ(s, "first, and long enough to live on the heap");
  VEC<long> numbers{42};
  for (int i = 0; i < TypeParam::many; ++i) numbers.push_back(numbers[numbers.size() / 2]);
  for (const long n : numbers) ASSERT_EQ(n, 42);
}

TYPED_TEST(VectorContract, InsertsAtAnyPlace) {
  VEC<std::string> v{"a", "b", "c"};
  EXPECT_EQ(*v.insert(v.begin(), "x"), "x");
  EXPECT_EQ(*v.insert(v.end(), "z"), "z");
  EXPECT_EQ(*v.emplace(v.begin() + 2, 3, 'k'), "kkk");
  EXPECT_THAT(v, ElementsAre("x", "a", "kkk", "b", "c", "z"));
  v.reserve(20);
  EXPECT_EQ(v.insert(v.begin() + 1, 2, "two") - v.begin(), 1);
  EXPECT_THAT(v, ElementsAre("x", "two", "two", "a", "kkk", "b", "c", "z"));
  EXPECT_EQ(v.insert(v.begin() + 3, 0, "none") - v.begin(), 3);
  const std::list<std::string> list{"p", "q", "r"};
  v.insert(v.end() - 1, list.begin(), list.end());
  v.insert(v.begin(), {"m", "n"});
  std::istringstream words("s t");
  v.insert(v.begin() + 1, std::istream_iterator<std::string>(words),
           std::istream_iterator<std::string>());
  EXPECT_THAT(v, ElementsAre("m", "s", "t", "n", "x", "two", "two", "a", "kkk", "b", "c", "p", "q",
                             "r", "z"));
}

TYPED_TEST(VectorContract, InsertsItsOwnElements) {
  VEC<std::string> v{"alpha, a string that is not stored inside", "beta", "gamma"};
  for (int i = 0; i < 300; ++i) {
    v.insert(v.begin() + 1, v.front());
    v.insert(v.begin(), v.back());
    v.insert(v.begin() + 2, 2, v[1]);
    v.emplace(v.begin() + 1, v[2]);
  }
  EXPECT_EQ(v.size(), 3U + 5U * 300U);
  EXPECT_EQ(v.back(), "gamma");
}

TYPED_TEST(VectorContract, Erases) {
  VEC<std::string> v{"a", "b", "c", "d", "e"};
  EXPECT_EQ(*v.erase(v.begin() + 1), "c");
  EXPECT_EQ(v.erase(v.begin() + 1, v.begin() + 3) - v.begin(), 1);
  EXPECT_THAT(v, ElementsAre("a", "e"));
  EXPECT_EQ(v.erase(v.begin(), v.begin()), v.begin());
  v.pop_back();
  EXPECT_THAT(v, ElementsAre("a"));
  VEC<int> n{1, 2, 3, 2, 1};
  EXPECT_EQ(erase(n, 2), 2U);
  EXPECT_EQ(erase_if(n, [](int i) { return i == 3; }), 1U);
  EXPECT_THAT(n, ElementsAre(1, 1));
}

TYPED_TEST(VectorContract, Assigns) {
  VEC<std::string> v{"a", "b", "c"};
  v.assign(2, "x");
  EXPECT_THAT(v, ElementsAre("x", "x"));
  v.assign(5, "y");
  EXPECT_THAT(v, ElementsAre("y", "y", "y", "y", "y"));
  const std::list<std::string> list{"p", "q"};
  v.assign(list.begin(), list.end());
  EXPECT_THAT(v, ElementsAre("p", "q"));
  v = {"1", "2", "3"};
  EXPECT_THAT(v, ElementsAre("1", "2", "3"));
  std::istringstream words("s t u v");
  v.assign(std::istream_iterator<std::string>(words), std::istream_iterator<std::string>());
  EXPECT_THAT(v, ElementsAre("s", "t", "u", "v"));
  v.assign({});
  EXPECT_THAT(v, IsEmpty());
  VEC<int> large;
  large.assign(50000, 1);
  large.assign(100000, 2);
  EXPECT_EQ(std::accumulate(large.begin(), large.end(), 0), 200000);
}

TYPED_TEST(VectorContract, ResizesReservesAndShrinks) {
  VEC<int> v{1, 2};
  v.resize(4);
  EXPECT_THAT(v, ElementsAre(1, 2, 0, 0));
  v.resize(5, 9);
  EXPECT_THAT(v, ElementsAre(1, 2, 0, 0, 9));
  v.resize(1);
  EXPECT_THAT(v, ElementsAre(1));
  v.reserve(1000);
  EXPECT_GE(v.capacity(), 1000U);
  const int* where = v.data();
  v.resize(1000, 3);
  EXPECT_EQ(v.data(), where);
  EXPECT_EQ(v.back(), 3);
  v.resize(10);
  v.shrink_to_fit();
  EXPECT_LT(v.capacity(), 5000U);
  EXPECT_EQ(v[9], 3);
  v.clear();
  EXPECT_GT(v.capacity(), 0U);
  v.shrink_to_fit();
  EXPECT_EQ(v.capacity(), 0U);
  EXPECT_THROW(v.reserve(v.max_size() + 1), std::length_error);
  EXPECT_THROW(v.resize(v.max_size() + 1), std::length_error);
  EXPECT_THROW((VEC<int>(v.max_size() + 1)), std::length_error);
  EXPECT_THROW(v.assign(v.max_size() + 1, 1), std::length_error);
}

TYPED_TEST(VectorContract, ResizesWithOneOfItsOwnElements) {
  VEC<long> v{7};
  for (std::size_t n = 2; n < static_cast<std::size_t>(TypeParam::many) * 6; n = n * 3 / 2 + 1)
    v.resize(n, v[v.size() / 2]);
  for (const long n : v) ASSERT_EQ(n, 7);
}

TYPED_TEST(VectorContract, CountsUpAndUpAgain) {
  VEC<int> v;
  for (int i = 0; i < TypeParam::many; ++i) v.push_back(i);
  for (int i = 0; i < TypeParam::many; ++i) ASSERT_EQ(v[static_cast<std::size_t>(i)], i);
  v.clear();
  for (int i = 0; i < TypeParam::many; ++i) v.push_back(-i);
  for (int i = 0; i < TypeParam::many; ++i) ASSERT_EQ(v[static_cast<std::size_t>(i)], -i);
}

TYPED_TEST(VectorContract, Compares) {
  const VEC<int> a{1, 2, 3};
  const VEC<int> b{1, 2, 4};
  const VEC<int> c{1, 2};
  EXPECT_TRUE(a != b && a < b && c < a && b > c && a <= a && a >= a);
  struct only_less {
    int n;
    bool operator<(const only_less& o) const { return n < o.n; }
    bool operator==(const only_less& o) const { return n == o.n; }
  };
  const VEC<only_less> x{{1}, {2}};
  const VEC<only_less> y{{1}, {3}};
  EXPECT_TRUE(x < y && !(y < x) && x == x);
  struct unordered {
    bool operator==(const unordered&) const = default;
  };
  static_assert(!std::three_way_comparable<VEC<unordered>>);  // and asking is no error
}

TYPED_TEST(VectorContract, KeepsElementsThatCanOnlyMove) {
  VEC<std::unique_ptr<int>> v;
  for (int i = 0; i < TypeParam::many / 10; ++i) v.push_back(std::make_unique<int>(i));
  v.insert(v.begin() + 10, std::make_unique<int>(-1));
  v.erase(v.begin());
  EXPECT_EQ(*v[9], -1);
  EXPECT_EQ(*v.back(), TypeParam::many / 10 - 1);
  auto w = std::move(v);
  w.resize(5);
  w.shrink_to_fit();
  EXPECT_EQ(*w[4], 5);
}

TYPED_TEST(VectorContract, BeginsWithElementsThatCanNeverMove) {
  struct rooted {
    rooted() = default;
    rooted(int value) : n(value) {}  // NOLINT
    rooted(rooted&&) = delete;
    rooted& operator=(rooted&&) = delete;
    int n = 7;
  };
  const std::list<int> numbers{1, 2, 3};
  VEC<rooted> counted(5), ranged(numbers.begin(), numbers.end());  // as std::vector<std::mutex>
  EXPECT_EQ(counted.back().n, 7);
  EXPECT_EQ(ranged.back().n, 3);
  const rooted* where = ranged.data();
  VEC<rooted> taken(std::move(ranged));
  EXPECT_EQ(taken.data(), where);
  taken.pop_back();
  EXPECT_EQ(taken.size(), 2U);
}

// An iterator with a comma of its own, which is nobody's business.
struct comma_iterator : std::list<int>::const_iterator {
  explicit comma_iterator(std::list<int>::const_iterator at) : std::list<int>::const_iterator(at) {}
  template <class T>
  void operator,(const T&) = delete;
};

TYPED_TEST(VectorContract, MindsNoOperatorsOfItsIterators) {
  const std::list<int> numbers{1, 2, 3};
  const comma_iterator first(numbers.begin()), last(numbers.end());
  VEC<int> v(first, last);
  v.assign(first, last);
  v.insert(v.begin() + 1, first, last);
  EXPECT_THAT(v, ElementsAre(1, 1, 2, 3, 2, 3));
}

TYPED_TEST(VectorContract, AsksForNoMemoryWhereThereIsRoom) {
  using allocator = counting_allocator<std::string, true>;
  allocator_state state;
  VEC<std::string, allocator> v({"a string too long for the small buffer", "b"}, allocator(state));
  v.reserve(20);
  const long calls = state.calls;
  v.insert(v.begin(), 3, v[0]);
  v.insert(v.begin(), v[1]);
  v.resize(10, v[0]);
  EXPECT_EQ(state.calls, calls);
  EXPECT_EQ(v.front(), v[4]);
}

TYPED_TEST(VectorContract, EndsEveryElementItBegan) {
  using element = tracked<moves::freely>;
  using bytes = tracked<moves::by_bytes>;
  element::reset();
  bytes::reset();
  {
    VEC<element> v;
    VEC<bytes> w;
    for (int i = 0; i < 3000; ++i) {
      v.emplace_back(i);
      w.emplace_back(i);
      if (i % 3 == 0) v.insert(v.begin() + i / 2, i), w.insert(w.begin() + i / 2, i);
      if (i % 7 == 0) v.erase(v.begin()), w.erase(w.begin());
    }
    v.resize(v.size() / 2);
    w.resize(w.size() / 2);
    v.shrink_to_fit();
    w.shrink_to_fit();
    EXPECT_EQ(element::alive, static_cast<long>(v.size()));
    EXPECT_EQ(bytes::alive, static_cast<long>(w.size()));
    ASSERT_EQ(v.size(), w.size());
    for (std::size_t i = 0; i < v.size(); ++i) ASSERT_EQ(v[i].value(), w[i].value());
  }
  EXPECT_EQ(element::alive, 0);
  EXPECT_EQ(bytes::alive, 0);
}

TYPED_TEST(VectorContract, PassesItsAllocatorOnAsTheAllocatorSays) {
  allocator_state one, two;
  using propagating = counting_allocator<int, true>;
  using staying = counting_allocator<int, false>;
  {
    VEC<int, propagating> a({1, 2, 3}, propagating(one));
    VEC<int, propagating> b({4}, propagating(two));
    EXPECT_EQ((VEC<int, propagating>(a).get_allocator().state), &one);
    b = a;
    EXPECT_EQ(b.get_allocator().state, &one);
    EXPECT_EQ(two.blocks, 0);
    VEC<int, propagating> c({5, 6}, propagating(two));
    c = std::move(b);
    EXPECT_EQ(c.get_allocator().state, &one);
    EXPECT_THAT(c, ElementsAre(1, 2, 3));
    VEC<int, propagating> d(a, propagating(two));
    EXPECT_EQ(d.get_allocator().state, &two);
    swap(a, d);
    EXPECT_EQ(a.get_allocator().state, &two);
    VEC<int, propagating> e(std::move(d), propagating(two));
    EXPECT_THAT(e, ElementsAre(1, 2, 3));
    EXPECT_EQ(e.get_allocator().state, &two);

    VEC<int, staying> p({1, 2, 3}, staying(one));
    VEC<int, staying> q({4}, staying(two));
    q = p;
    EXPECT_EQ(q.get_allocator().state, &two);
    q = std::move(p);
    EXPECT_EQ(q.get_allocator().state, &two);
    EXPECT_THAT(q, ElementsAre(1, 2, 3));
  }
  EXPECT_EQ(one.blocks, 0);
  EXPECT_EQ(two.blocks, 0);
}

TYPED_TEST(VectorContract, WorksWithSpansAndRanges) {
  VEC<int> v{3, 1, 2};
  const std::span<int> view(v);
  EXPECT_EQ(view.data(), v.data());
  EXPECT_EQ(view.size(), 3U);
  std::ranges::sort(v);
  EXPECT_THAT(v, ElementsAre(1, 2, 3));
  static_assert(std::ranges::contiguous_range<VEC<int>>);
}

TYPED_TEST(VectorContract, MayHoldItself) {
  struct node {
    VEC<node> children;
    int depth = 0;
  };
  node root;
  root.children.resize(2);
  root.children[1].children.push_back(root);
  EXPECT_EQ(root.children[1].children[0].children.size(), 2U);
}

TYPED_TEST(VectorContract, ComputesAtCompileTime) {
  static_assert([] {
    VEC<int> v;
    for (int i = 0; i < 20; ++i) v.push_back(i);
    v.insert(v.begin() + 3, 100);
    v.insert(v.begin(), 3, 7);
    v.erase(v.begin() + 1);
    v.resize(30, 1);
    v.shrink_to_fit();
    VEC<int> w(v);
    w = std::move(v);
    int sum = 0;
    for (const int i : w) sum += i;
    return sum;
  }() == 190 + 100 + 14 + 7);
}

TEST(Vector, OfBoolIsAnOrdinaryVector) {
  vector<bool> v{true, false};
  bool& first = v[0];
  first = false;
  EXPECT_FALSE(v[0]);
  EXPECT_EQ(std::span<bool>(v).size(), 2U);
  static_assert(std::is_same_v<vector<bool>::reference, bool&>);
}

TEST(Vector, IsAsSmallAsItsDocumentSays) {
  static_assert(sizeof(vector<int>) == 40);
  static_assert(sizeof(vector<int, doubling>) == 40);
  static_assert(std::is_nothrow_move_constructible_v<vector<int>>);
  static_assert(std::is_nothrow_move_assignable_v<vector<int>>);
  static_assert(std::is_nothrow_swappable_v<vector<int>>);
  static_assert(is_trivially_relocatable_v<vector<std::string>>);
  static_assert(!is_trivially_relocatable_v<std::string>);
}

template <class T>
struct given_allocator : std::allocator<T> {
  template <class U>
  struct rebind {
    using other = given_allocator<U>;
  };
  explicit given_allocator(int) {}
  template <class U>
  given_allocator(const given_allocator<U>&) {}
};

TEST(Vector, NeedsNoDefaultAllocatorWhenItIsGivenOne) {
  using given = vector<int, doubling, given_allocator<int>>;
  static_assert(!std::is_nothrow_default_constructible_v<given>);  // it did not even compile
  given v({1, 2}, given_allocator<int>(5));
  v.push_back(3);
  EXPECT_THAT(v, ElementsAre(1, 2, 3));
}

TEST(Vector, DeducesItsTypes) {
  const std::list<long> list{1, 2};
  vector fromRange(list.begin(), list.end());
  vector fromList{1, 2, 3};
  vector fromCount(3, 1.5);
  static_assert(std::is_same_v<decltype(fromRange), vector<long>>);
  static_assert(std::is_same_v<decltype(fromList), vector<int>>);
  static_assert(std::is_same_v<decltype(fromCount), vector<double>>);
}

TEST(Vector, TakesMemoryFromAMemoryResource) {
  std::pmr::monotonic_buffer_resource pool;
  pmr::vector<std::pmr::string> v(&pool);
  for (int i = 0; i < 100; ++i) v.emplace_back("a string that does not fit into itself");
  EXPECT_EQ(v.back().get_allocator().resource(), &pool);
}

}  // namespace
}  // namespace ullage
