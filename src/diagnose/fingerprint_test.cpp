// SPDX-License-Identifier: Apache-2.0
#include "diagnose/fingerprint.h"

#include <gtest/gtest.h>

namespace ullage::diagnose {
namespace {

using evidence::Frame;

Frame named(const std::string& function) {
  Frame frame;
  frame.function = function;
  frame.module = "shop";
  return frame;
}

TEST(Fingerprint, StaysTheSameWhenLinesAddressesAndFoldersMove) {
  Frame before = named("load_orders");
  before.file = "/build/a/orders.cpp";
  before.line = 88;
  before.offset = 0x1234;
  Frame after = named("load_orders");
  after.file = "/build/b/orders.cpp";
  after.line = 131;
  after.offset = 0x9876;
  after.module = "shop-2.1";
  const Frame growth = named("std::vector<Order>::_M_realloc_insert");
  EXPECT_EQ(fingerprint("repeated-growth", growth, before, {}),
            fingerprint("repeated-growth", growth, after, {}));
}

TEST(Fingerprint, IsPinnedBecausePeopleStoreItInBaselines) {
  EXPECT_EQ(fingerprint("repeated-growth", named("grow"), named("main"), {}), "7bece9b21336b8b6");
}

TEST(Fingerprint, TellsDetectorsGrowthFunctionsAndUsersApart) {
  const std::string base = fingerprint("repeated-growth", named("grow"), named("main"), {});
  EXPECT_NE(base, fingerprint("growth-stall", named("grow"), named("main"), {}));
  EXPECT_NE(base, fingerprint("repeated-growth", named("resize"), named("main"), {}));
  EXPECT_NE(base, fingerprint("repeated-growth", named("grow"), named("load"), {}));
  EXPECT_NE(base, nth_fingerprint(base, 2));
  EXPECT_NE(nth_fingerprint(base, 2), nth_fingerprint(base, 3));
}

TEST(Fingerprint, UsesTheModuleAndTheFirstNamedCallerWhereASymbolIsOnlyGuessed) {
  Frame guess = named("callDefaultCtor");
  guess.exact = false;
  guess.module = "libclang.so";
  Frame other_guess = guess;
  other_guess.function = "someOtherNeighbour";
  const evidence::Stack from_parse = {guess, named("parse")};
  const evidence::Stack from_sema = {guess, named("sema")};
  EXPECT_EQ(fingerprint("x", guess, guess, from_parse),
            fingerprint("x", other_guess, other_guess, from_parse));
  EXPECT_NE(fingerprint("x", guess, guess, from_parse), fingerprint("x", guess, guess, from_sema));
}

TEST(Fingerprint, ForgetsWhatTheCompilerAddsToANameAndNothingElse) {
  EXPECT_EQ(stable_name("grow.isra.0"), "grow");
  EXPECT_EQ(stable_name("grow.constprop.0.part.3"), "grow");
  EXPECT_EQ(stable_name("grow.llvm.1234567890"), "grow");
  EXPECT_EQ(stable_name("grow [clone .cold]"), "grow");
  EXPECT_EQ(stable_name("alloc::raw_vec::RawVec<T>::grow::h0123456789abcdef"),
            "alloc::raw_vec::RawVec<T>::grow");
  EXPECT_EQ(stable_name("std::string::append[abi:cxx11]"), "std::string::append");
  EXPECT_EQ(stable_name("map<int, vector<int> >"), stable_name("map<int,vector<int>>"));
  EXPECT_EQ(stable_name("runtime.growslice"), "runtime.growslice");
  EXPECT_EQ(stable_name(".0"), ".0");
  EXPECT_EQ(stable_name(""), "");
}

}  // namespace
}  // namespace ullage::diagnose
