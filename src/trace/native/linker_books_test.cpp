// SPDX-License-Identifier: Apache-2.0
// What the linker keeps besides links: weights under sampling, live bytes, lifetimes.
#include <gtest/gtest.h>

#include <cmath>

#include "trace/native/linker.h"
#include "trace/native/script_for_tests.h"

namespace ullage::trace {
namespace {

using record::Tag;

// Functions of the programs below.
enum : std::uint64_t { kMain = 1, kGrow = 2 };

struct Vector : Script {
  std::uint32_t push = stack({{kMain, 1}, {kGrow, 1}});
};

TEST(Linker, SampledAllocationsStandForThosePassedOver) {
  Vector s;
  s.sample(1 << 20);
  const double weight = 1.0 / (1.0 - std::exp(-1024.0 / (1 << 20)));
  s.alloc(0x1000, 1024, s.push);
  s.alloc(0x2000, 1024, s.push, Tag::kAllocFull);
  Linker& linker = s.run();
  ASSERT_EQ(linker.allocations().places().size(), 1u);
  EXPECT_NEAR(linker.allocations().places()[0].allocations, weight + 1, 1e-6);
  EXPECT_NEAR(static_cast<double>(linker.allocations().bytes()), 1024 * weight + 1024, 1.0);
}

TEST(Linker, LiveBytesReturnToZeroWhenEverythingSampledIsFreed) {
  Vector s;
  s.sample(4096);
  for (std::uint64_t i = 1; i <= 100; ++i) s.alloc(i * 0x1000, i * 7, s.push);
  for (std::uint64_t i = 1; i <= 100; ++i) s.free(i * 0x1000);
  EXPECT_EQ(s.run().allocations().live_bytes(), 0u);
}

TEST(Linker, LifetimesFallIntoTheirClasses) {
  Vector s;
  s.alloc(0x1000, 10, s.push);
  s.free(0x1000);  // 80 ns later
  s.alloc(0x2000, 20, s.push);
  s.wait(50'000'000);
  s.free(0x2000);
  s.alloc(0x3000, 30, s.push);
  const evidence::Lifetimes& l = s.run().allocations().lifetimes();
  EXPECT_EQ(l.bytes[0], 10u);
  EXPECT_EQ(l.bytes[2], 20u);
  EXPECT_EQ(l.bytes[evidence::kLifetimeClasses - 1], 30u);
}

TEST(Linker, LiveSeriesHoldTheBytesAtTheEndOfEachSlice) {
  Script s;
  const auto make = s.stack({{kMain, 1}});
  for (std::uint64_t i = 1; i <= evidence::kSlices; ++i) s.alloc(i * 0x1000, 100, make);
  const Allocations& book = s.run().allocations();
  EXPECT_EQ(book.live_series()[0], 0u);  // the event at the very end of a slice is of the next
  EXPECT_EQ(book.live_series()[31], 3100u);
  EXPECT_EQ(book.live_series()[63], 6400u);
  EXPECT_EQ(book.live_max_series()[63], 6400u);
}

}  // namespace
}  // namespace ullage::trace
