// SPDX-License-Identifier: Apache-2.0
#include "trace/jvm_gc/scan.h"

#include <gtest/gtest.h>

#include "trace/jvm_gc/decorations.h"

namespace ullage::trace::jvm {
namespace {

std::uint64_t duration(std::string_view text) {
  std::uint64_t ns = 0;
  return eat_duration(text, ns) && text.empty() ? ns : UINT64_MAX;
}
std::uint64_t size(std::string_view text) {
  std::uint64_t bytes = 0;
  return eat_size(text, bytes) && text.empty() ? bytes : UINT64_MAX;
}

TEST(JvmScan, ReadsDurationsInEveryUnitAndWithADecimalComma) {
  EXPECT_EQ(duration("257.778ms"), 257'778'000u);
  EXPECT_EQ(duration("0.012s"), 12'000'000u);
  EXPECT_EQ(duration("17us"), 17'000u);
  EXPECT_EQ(duration("4711ns"), 4711u);
  EXPECT_EQ(duration("1,5ms"), 1'500'000u);
  EXPECT_EQ(duration("12"), UINT64_MAX);
  EXPECT_EQ(duration("12secs"), UINT64_MAX);
}

TEST(JvmScan, ReadsSizesAsTheJvmRoundsThem) {
  EXPECT_EQ(size("34M"), 34u << 20);
  EXPECT_EQ(size("8192.0K"), 8u << 20);
  EXPECT_EQ(size("0.0B"), 0u);
  EXPECT_EQ(size("16.5G"), 33ULL << 29);
  EXPECT_EQ(size("34"), UINT64_MAX);
}

TEST(JvmScan, StaysWithinWhatFitsHoweverManyDigitsThereAre) {
  std::string_view text = "99999999999999999999999999999";
  std::uint64_t value = 0;
  EXPECT_TRUE(eat_integer(text, value));
  EXPECT_EQ(value, 1'000'000'000'000'000'000u);
  EXPECT_LE(size("99999999999999999999T"), 1'000'000'000'000'000'000u);
  EXPECT_LE(duration("99999999999999999999s"), 315'360'000'000'000'000u + 999'999'999u);
}

TEST(JvmScan, ReadsHeapChangesWithCapacityOrPercentages) {
  HeapChange change;
  std::string_view text = "34M->33M(380M) rest";
  ASSERT_TRUE(eat_heap_change(text, change));
  EXPECT_EQ(change.before, 34u << 20);
  EXPECT_EQ(change.after, 33u << 20);
  EXPECT_EQ(change.capacity, 380u << 20);
  EXPECT_EQ(text, " rest");
  text = "52M(10%)->36M(7%)";
  ASSERT_TRUE(eat_heap_change(text, change));
  EXPECT_EQ(change.after, 36u << 20);
  EXPECT_EQ(change.capacity, 0u);
  text = "1154K(16384K)->1200K(16640K)";
  ASSERT_TRUE(eat_heap_change(text, change));
  EXPECT_EQ(change.capacity, 16640u << 10);
  text = "34M";
  EXPECT_FALSE(eat_heap_change(text, change));
  EXPECT_EQ(text, "34M");
}

TEST(JvmScan, ReadsWallTimesInTheirZone) {
  std::int64_t ns = 0;
  std::string_view text = "2022-11-10T03:37:29.443-0800]";
  ASSERT_TRUE(eat_wall_time(text, ns));
  EXPECT_EQ(ns, 1'668'080'249'443'000'000);
  EXPECT_EQ(text, "]");
  text = "1970-01-01T00:00:00.001Z";
  ASSERT_TRUE(eat_wall_time(text, ns));
  EXPECT_EQ(ns, 1'000'000);
  text = "2024-02-29T12:00:00.000+0100";
  ASSERT_TRUE(eat_wall_time(text, ns));
  EXPECT_EQ(ns, 1'709'204'400'000'000'000);
  text = "2024-13-29T12:00:00.000";
  EXPECT_FALSE(eat_wall_time(text, ns));
}

TEST(JvmDecorations, FindsUptimeTagsAndMessage) {
  const Decorations d = parse_decorations("[0.617s][info][gc,heap     ] GC(0) Eden regions: 18->0");
  EXPECT_EQ(d.count, 3u);
  EXPECT_TRUE(d.has_uptime);
  EXPECT_FALSE(d.has_wall);
  EXPECT_EQ(d.uptime_ns, 617'000'000);
  EXPECT_EQ(d.tags, "gc,heap");
  EXPECT_EQ(d.message, "GC(0) Eden regions: 18->0");
}

TEST(JvmDecorations, TellsAllTwelveApart) {
  const Decorations d = parse_decorations(
      "[2026-11-27T20:59:12.787+0000][2026-11-27T20:59:12.787+0000][0.004s][1795813152787ms][3ms]"
      "[11963767652945ns][3841768ns][vm][8664][8669][info][gc] Using G1");
  EXPECT_EQ(d.count, 12u);
  EXPECT_EQ(d.uptime_ns, 3'841'768);
  EXPECT_EQ(d.tick_ns, 1u);
  EXPECT_EQ(d.wall_ns, 1'795'813'152'787'000'000);
  EXPECT_TRUE(d.has_level);
  EXPECT_EQ(d.tags, "gc");
  EXPECT_EQ(d.message, "Using G1");
}

TEST(JvmDecorations, LeavesALineWithoutAnyAsItIs) {
  EXPECT_EQ(parse_decorations("GC(0) Pause Remark 1M->1M(8M) 1ms").count, 0u);
  EXPECT_EQ(parse_decorations("[GC (Allocation Failure) 1K->1K(8K), 0.1 secs]").count, 0u);
  EXPECT_EQ(parse_decorations("[").count, 0u);
  EXPECT_EQ(parse_decorations("[]x").count, 0u);
}

}  // namespace
}  // namespace ullage::trace::jvm
