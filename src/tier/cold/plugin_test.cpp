// SPDX-License-Identifier: Apache-2.0
//
// The library is found, loaded and asked as the program does it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tier/cold/store_testing.h"
#include "tier/cold_plugin.h"

namespace ullage::tier::cold {
namespace {

TEST(ColdPlugin, OpensAStoreFromTheLibraryBesideTheProgram) {
  const testing::Folder folder;
  const auto store = open_cold({.directory = folder / "store"});
  ASSERT_TRUE(store.ok()) << store.error().message;
  store.value()->write(0, testing::changes(testing::put(0, "a", "1")), true);
  EXPECT_EQ(testing::value_of(*store.value(), 0, "a"), "1");
}

TEST(ColdPlugin, PassesOnWhyADirectoryIsRefused) {
  const auto store = open_cold({.directory = "/proc/nowhere"});
  ASSERT_FALSE(store.ok());
  EXPECT_THAT(store.error().message, ::testing::HasSubstr("/proc/nowhere: can't be made"));
}

}  // namespace
}  // namespace ullage::tier::cold
