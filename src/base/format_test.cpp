// SPDX-License-Identifier: Apache-2.0
#include "base/format.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ullage {
namespace {

TEST(Format, WritesBytesWithThreeDigitsInDecimalUnits) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1 kB");
  EXPECT_EQ(format_bytes(1048576), "1.05 MB");
  EXPECT_EQ(format_bytes(30'600'000), "30.6 MB");
  EXPECT_EQ(format_bytes(412'345'678), "412 MB");
  EXPECT_EQ(format_bytes(UINT64_MAX), "18.4 EB");
}

TEST(Format, NeverPrintsAThousandOfTheSmallerUnit) {
  EXPECT_EQ(format_bytes(999'499), "999 kB");
  EXPECT_EQ(format_bytes(999'500), "1 MB");
  EXPECT_EQ(format_ns(999'500), "1 ms");
  EXPECT_EQ(format_ns(999'999'999), "1 s");
}

TEST(Format, WritesTimesFromNanosecondsToDays) {
  EXPECT_EQ(format_ns(17), "17 ns");
  EXPECT_EQ(format_ns(1'500), "1.5 us");
  EXPECT_EQ(format_ns(412'000'000), "412 ms");
  EXPECT_EQ(format_ns(46'712'345), "46.7 ms");
  EXPECT_EQ(format_ns(58'200'000'000), "58.2 s");
  EXPECT_EQ(format_ns(180'000'000'000), "3 min");
  EXPECT_EQ(format_ns(192'400'000'000), "3 min 12 s");
  EXPECT_EQ(format_ns(11'520'000'000'000), "3 h 12 min");
  EXPECT_EQ(format_ns(200ull * 3600 * 1'000'000'000), "8 days 8 h");
}

TEST(Format, KeepsThousandsApart) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(48'213'991), "48 213 991");
  EXPECT_EQ(format_literal(8192), "8192");
  EXPECT_EQ(format_literal(8'400'000), "8'400'000");
}

TEST(Format, RoundsNeitherAlmostAllToAllNorATraceToNothing) {
  EXPECT_EQ(format_percent(0), "0 %");
  EXPECT_EQ(format_percent(0.391), "39.1 %");
  EXPECT_EQ(format_percent(0.67), "67 %");
  EXPECT_EQ(format_percent(1), "100 %");
  EXPECT_EQ(format_percent(0.99999), "> 99.9 %");
  EXPECT_EQ(format_percent(0.00001), "< 0.1 %");
  EXPECT_EQ(format_percent(std::nan("")), "? %");
}

TEST(Format, CountsOneThingInTheSingular) {
  EXPECT_EQ(format_counted(1, "growth"), "1 growth");
  EXPECT_EQ(format_counted(1500, "growth"), "1 500 growths");
  EXPECT_EQ(format_counted(2, "copy", "copies"), "2 copies");
}

TEST(Format, ReadsSizesAndDurations) {
  EXPECT_EQ(parse_bytes("10MB").value(), 10'000'000u);
  EXPECT_EQ(parse_bytes(" 1.5 GiB ").value(), 1'610'612'736u);
  EXPECT_EQ(parse_bytes("4096").value(), 4096u);
  EXPECT_EQ(parse_duration_ns("5ms").value(), 5'000'000u);
  EXPECT_EQ(parse_duration_ns("0.5 s").value(), 500'000'000u);
  EXPECT_EQ(parse_duration_ns("2min").value(), 120'000'000'000u);
}

TEST(Format, SaysWhatIsWrongWithASizeAndWhatWouldBeRight) {
  EXPECT_EQ(parse_bytes("10 mb").error().message,
            "\"10 mb\": unknown unit \"mb\" (known: B, kB, MB, GB, TB, KiB, MiB, GiB, TiB). "
            "Write a number and a unit, like 10MB.");
  EXPECT_EQ(parse_duration_ns("5").error().message,
            "\"5\": the unit is missing (ns, us, ms, s, min, h). "
            "Write a number and a unit, like 5ms.");
  for (const char* bad : {"", "MB", "-1MB", "1e30GB", "nan", "inf", "0x10"}) {
    EXPECT_FALSE(parse_bytes(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace ullage
