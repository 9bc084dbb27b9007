// SPDX-License-Identifier: Apache-2.0
#include "trace/native/names_tidy.h"

#include <gtest/gtest.h>

#include "trace/native/names_brackets.h"

namespace ullage::trace {
namespace {

TEST(Demangle, LeavesOutArgumentsReturnTypesAndDefaultAllocators) {
  EXPECT_EQ(demangle("_ZNSt6vectorIiSaIiEE9push_backERKi"), "std::vector<int>::push_back");
  EXPECT_EQ(
      demangle("_ZNSt6vectorINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEESaIS5_EE17_M_"
               "realloc_insertIJRKS5_EEEvN9__gnu_cxx17__normal_iteratorIPS5_S7_EEDpOT_"),
      "std::vector<std::string>::_M_realloc_insert<std::string const&>");
  EXPECT_EQ(demangle("_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE9_M_mutateEmmPKcm"),
            "std::string::_M_mutate");
  EXPECT_EQ(demangle("_Znwm"), "operator new");
  EXPECT_EQ(demangle("_ZN3FoocvmEv"), "Foo::operator unsigned long");
  EXPECT_EQ(demangle("main"), "main");
}

TEST(TidyType, LeavesOutTheDefaultsOfTypesInAnonymousNamespaces) {
  EXPECT_EQ(tidy_type("std::vector<(anonymous namespace)::Order, "
                      "std::allocator<(anonymous namespace)::Order> >"),
            "std::vector<(anonymous namespace)::Order>");
  EXPECT_EQ(tidy_type("absl::debian3::container_internal::raw_hash_set<P<int, int>, H, E, A>"),
            "absl::container_internal::raw_hash_set<P<int, int>>");
}

TEST(Demangle, DropsCloneSuffixesAndSymbolVersions) {
  EXPECT_EQ(demangle("_Z3fooi.isra.0"), "foo");
  EXPECT_EQ(demangle("_Z3fooi.cold"), "foo");
  EXPECT_EQ(demangle("resize.part.3.constprop.1"), "resize");
  EXPECT_EQ(demangle("malloc@@GLIBC_2.2.5"), "malloc");
}

TEST(Demangle, ShowsLambdasWithoutTheirArguments) {
  EXPECT_EQ(demangle("_ZZ4mainENKUliE_clEi"), "main::{lambda#1}::operator()");
  EXPECT_EQ(demangle("_ZZ3fooiENKUlvE0_clEv"), "foo::{lambda#2}::operator()");
  EXPECT_EQ(demangle("_ZZN12_GLOBAL__N_13fooEiENKUlvE_clEv"),
            "(anonymous namespace)::foo::{lambda#1}::operator()");
}

TEST(Demangle, ReadsLegacyRust) {
  EXPECT_EQ(demangle("_ZN5alloc7raw_vec19RawVec$LT$T$C$A$GT$8grow_one17h0123456789abcdefE"),
            "alloc::raw_vec::RawVec<T,A>::grow_one");
  EXPECT_EQ(demangle("_ZN62_$LT$alloc..vec..Vec$LT$T$C$A$GT$$u20$as$u20$core..ops..Drop$GT$4drop17h"
                     "0123456789abcdefE"),
            "_ZN62_$LT$alloc..vec..Vec$LT$T$C$A$GT$$u20$as$u20$core..ops..Drop$GT$4drop17h"
            "0123456789abcdefE")
      << "a wrong length is no Rust symbol";
  EXPECT_EQ(demangle("_ZN64_$LT$alloc..vec..Vec$LT$T$C$A$GT$$u20$as$u20$core..ops..Drop$GT$4drop17h"
                     "0123456789abcdefE"),
            "<alloc::vec::Vec<T,A> as core::ops::Drop>::drop");
}

TEST(Demangle, ReadsRustV0) {
  EXPECT_EQ(demangle("_RNvC6_123foo3bar"), "123foo::bar");
  EXPECT_EQ(demangle("_RNvNtCs1234_7mycrate3foo3bar"), "mycrate::foo::bar");
  EXPECT_EQ(demangle("_RNCNvC1a1b0"), "a::b::{closure#0}");
  EXPECT_EQ(demangle("_RINvNtC3std3mem8align_ofdE"), "std::mem::align_of<f64>");
  EXPECT_EQ(demangle("_RNvMs_NtC5alloc7raw_vecINtB4_6RawVecjE8grow_one"),
            "alloc::raw_vec::RawVec<usize>::grow_one");
}

TEST(Demangle, GivesBackWhatItDoesNotUnderstand) {
  EXPECT_EQ(demangle("_Zgarbage"), "_Zgarbage");
  EXPECT_EQ(demangle("_RNvB_9"), "_RNvB_9");
  EXPECT_EQ(demangle(""), "");
}

TEST(Demangle, StopsAtASymbolThatWouldUnfoldWithoutEnd) {
  // Each pair holds the one before it twice: 2^60 leaves.
  std::string bomb = "_Z1f";
  bomb += "1AIiiE";
  for (int i = 0; i < 60; ++i) {
    constexpr char kDigits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const std::string last =
        (i < 36 ? "S" : "S" + std::string(1, kDigits[i / 36])) + kDigits[i % 36] + "_";
    bomb += "S_I" + last + last + "E";
  }
  EXPECT_LE(demangle(bomb).size(), kNameBytesMax);
}

TEST(TidyFunction, KeepsOperatorsWhole) {
  EXPECT_EQ(tidy_function("std::ostream& operator<< <int>(std::ostream&, Foo<int> const&)"),
            "operator<< <int>");
  EXPECT_EQ(tidy_function("bool operator< <int>(A<int> const&, A<int> const&)"), "operator< <int>");
  EXPECT_EQ(tidy_function("A::operator()(int) const"), "A::operator()");
  EXPECT_EQ(tidy_function("A::operator->() const"), "A::operator->");
  EXPECT_EQ(tidy_function("operator new[](unsigned long)"), "operator new[]");
  EXPECT_EQ(tidy_function("std::function<void (int)>::operator()(int) const"),
            "std::function<void (int)>::operator()");
}

TEST(TidyFunction, UnderstandsReturnTypesWithSpaces) {
  EXPECT_EQ(tidy_function("unsigned long const& std::max<unsigned long>(unsigned long const&)"),
            "std::max<unsigned long>");
  EXPECT_EQ(tidy_function("decltype (f(x)) call<int>(int)"), "call<int>");
  EXPECT_EQ(
      tidy_function("std::map<int, A, std::less<int>, std::allocator<std::pair<int const, A> > "
                    "> make<A>(int)"),
      "make<A>");
}

TEST(TidyType, DropsDefaultsOfMapsAndSets) {
  EXPECT_EQ(
      tidy_type("std::map<int, A, std::less<int>, std::allocator<std::pair<int const, A> > >"),
      "std::map<int, A>");
  EXPECT_EQ(tidy_type("std::unordered_map<std::__cxx11::basic_string<char, std::char_traits<char>, "
                      "std::allocator<char> >, int, std::hash<std::__cxx11::basic_string<char, "
                      "std::char_traits<char>, std::allocator<char> > >, "
                      "std::equal_to<std::__cxx11::basic_string<char, std::char_traits<char>, "
                      "std::allocator<char> > >, std::allocator<std::pair<int const, int> > >"),
            "std::unordered_map<std::string, int>");
  EXPECT_EQ(tidy_type("std::set<int, std::greater<int>, std::allocator<int> >"),
            "std::set<int, std::greater<int>>");
  EXPECT_EQ(tidy_type("std::vector<int, MyAllocator<int> >"), "std::vector<int, MyAllocator<int>>");
  EXPECT_EQ(tidy_type("std::unique_ptr<A, std::default_delete<A> >"), "std::unique_ptr<A>");
  EXPECT_EQ(tidy_type("std::pair<int, std::less<int> >"), "std::pair<int, std::less<int>>");
}

TEST(TidyType, HidesInlineNamespacesOfLibcxxAndAbseil) {
  EXPECT_EQ(tidy_type("std::__1::vector<std::__1::basic_string<char, std::__1::char_traits<char>, "
                      "std::__1::allocator<char> >, std::__1::allocator<int> >"),
            "std::vector<std::string>");
  EXPECT_EQ(tidy_type("absl::lts_20220623::container_internal::raw_hash_set<int>"),
            "absl::container_internal::raw_hash_set<int>");
  EXPECT_EQ(tidy_type("absl::lts_x::y"), "absl::lts_x::y");
}

TEST(TidyType, SurvivesHostileNesting) {
  EXPECT_EQ(tidy_type(std::string(100'000, '<')).size(), kNameBytesMax);
  const std::string deep = [] {
    std::string text;
    for (int i = 0; i < 5'000; ++i) text += "a<";
    text += "int";
    for (int i = 0; i < 5'000; ++i) text += " >";
    return text;
  }();
  EXPECT_FALSE(tidy_type(deep).empty());
}

TEST(TemplateArguments, SplitsAtTheOutermostCommas) {
  const auto arguments = template_arguments("std::map<std::pair<int, char>, A<B>>");
  ASSERT_EQ(arguments.size(), 2U);
  EXPECT_EQ(arguments[0], "std::pair<int, char>");
  EXPECT_EQ(arguments[1], "A<B>");
  EXPECT_TRUE(template_arguments("int").empty());
}

TEST(Brackets, PairsAroundOperatorSignsAndStrayComparisons) {
  const std::string_view text = "a<(b<c)>";
  const Brackets brackets(text);
  EXPECT_EQ(brackets.closer(1), 7U);
  EXPECT_EQ(brackets.closer(2), 6U);
  EXPECT_EQ(brackets.closer(4), 0U);
}

}  // namespace
}  // namespace ullage::trace
