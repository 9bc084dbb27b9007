// SPDX-License-Identifier: Apache-2.0
#include "trace/native/sites.h"

#include <gtest/gtest.h>

#include "trace/native/names.h"

namespace ullage::trace {
namespace {

struct Shown {
  std::vector<evidence::Frame> frames;
  std::vector<Unfolded> unfolded;
  // Names, innermost first; "[lib]" marks library code, "~" a guess.
  explicit Shown(const std::vector<std::string>& names) {
    frames.reserve(names.size());
    for (std::string name : names) {
      evidence::Frame f;
      if (name.starts_with("[lib]")) {
        f.library = true;
        name.erase(0, 5);
      }
      if (name.starts_with("~")) {
        f.exact = false;
        name.erase(0, 1);
      }
      f.function = name;
      frames.push_back(f);
      unfolded.push_back({&frames.back(), static_cast<std::uint32_t>(frames.size()),
                          static_cast<std::uint32_t>(frames.size() - 1)});
    }
  }
  std::string growth() const { return frames[find_growth_frame(unfolded).index].function; }
  std::string user() const {
    return frames[find_user_frame(unfolded, find_growth_frame(unfolded).index)].function;
  }
};

TEST(GrowthFrame, IsTheKnownGrowthFunctionAndTheUserIsWhoCalledTheLibrary) {
  const Shown s({"[lib]std::vector<Order>::_M_realloc_insert<Order>",
                 "[lib]std::vector<Order>::push_back", "load_orders", "main"});
  EXPECT_EQ(s.growth(), "std::vector<Order>::_M_realloc_insert<Order>");
  EXPECT_EQ(s.user(), "load_orders");
}

TEST(GrowthFrame, StepsOverFunctionsThatOnlyPassAReallocOn) {
  const Shown s({"[lib]xrealloc", "[lib]my_realloc_or_die", "append_row", "main"});
  EXPECT_EQ(s.growth(), "append_row");
  EXPECT_EQ(s.user(), "append_row");
}

TEST(GrowthFrame, StepsOverAnUnnamedFunctionThatAWrapperCalls) {
  const Shown s({"~nearest_export", "[lib]sqlite3Realloc", "~other_export", "sqlite3_step"});
  EXPECT_EQ(s.growth(), "other_export");
}

TEST(GrowthFrame, IsTheFunctionItselfWhenNothingIsKnown) {
  const Shown s({"fill", "work", "main"});
  EXPECT_EQ(s.growth(), "fill");
  EXPECT_EQ(s.user(), "fill");
}

TEST(GrowthFrame, OfLibraryCodeOnlyIsItsOwnUser) {
  const Shown s({"[lib]std::__work", "[lib]start_thread"});
  EXPECT_EQ(s.user(), "std::__work");
}

TEST(UserFrame, OfAStrippedLibraryIsTheNearestCallerThatHasAName) {
  Shown s({"~nearest_export", "~other_export", "library_call", "main"});
  EXPECT_EQ(s.growth(), "nearest_export");
  EXPECT_EQ(s.user(), "library_call");
  s.frames[2].module = "another binary";
  EXPECT_EQ(s.user(), "nearest_export");
}

TEST(AllocatorWrapper, IsKnownByTheLastPartOfItsName) {
  EXPECT_TRUE(allocator_wrapper("std::__new_allocator<Order>::allocate"));
  EXPECT_TRUE(allocator_wrapper("std::_Vector_base<int, std::allocator<int>>::_M_allocate"));
  EXPECT_TRUE(allocator_wrapper("sqlite3DbReallocOrFree"));
  EXPECT_TRUE(allocator_wrapper("PyMem_RawRealloc"));
  EXPECT_TRUE(allocator_wrapper("g_malloc"));
  EXPECT_TRUE(allocator_wrapper("operator new"));
  EXPECT_FALSE(allocator_wrapper("std::vector<int, std::allocator<int>>::push_back"));
  EXPECT_FALSE(allocator_wrapper("Allocator::grow"));
  EXPECT_FALSE(allocator_wrapper("load_orders"));
}

TEST(FoldRecursion, ShowsACycleOnce) {
  const auto fold = [](std::string s) {
    std::vector<char> v(s.begin(), s.end());
    fold_recursion(v, [](char a, char b) { return a == b; });
    return std::string(v.begin(), v.end());
  };
  EXPECT_EQ(fold("abcd"), "abcd");
  EXPECT_EQ(fold("aaaab"), "ab");
  EXPECT_EQ(fold("xabababz"), "xabz");
  EXPECT_EQ(fold("abcdabcdabcde"), "abcde");
  EXPECT_EQ(fold("abcdeabcde"), "abcdeabcde") << "longer than the longest cycle";
}

}  // namespace
}  // namespace ullage::trace
