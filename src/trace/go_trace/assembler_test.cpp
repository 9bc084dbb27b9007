// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "trace/go_trace/assembler_testing.h"
#include "trace/go_trace/id_table.h"
#include "trace/go_trace/workers.h"

namespace ullage::trace::go {

std::vector<std::uint8_t> read_file(const std::filesystem::path& path) {
  std::vector<std::uint8_t> bytes;
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) return bytes;
  std::uint8_t buffer[4096];
  for (int n = 0; (n = gzread(file, buffer, sizeof buffer)) > 0;) {
    bytes.insert(bytes.end(), buffer, buffer + n);
  }
  gzclose(file);
  return bytes;
}

namespace {

TEST(Assembler, WritesBatchesAsTheFormatHasThem) {
  const std::vector<std::uint8_t> bytes = assemble(
      "Trace Go1.26\nEventBatch gen=3 m=2 time=300\nGoStart dt=1 g=7 g_seq=200\n"
      "EndOfGeneration\n");
  const std::vector<std::uint8_t> after_header(bytes.begin() + kHeaderBytes, bytes.end());
  EXPECT_THAT(after_header,
              testing::ElementsAre(1, 3, 2, 0xac, 2, 5, 16, 1, 7, 0xc8, 1, kEndOfGeneration));
  EXPECT_EQ(std::string(bytes.begin(), bytes.begin() + 13), "go 1.26 trace");
}

TEST(Varint, ReadsUpToSixtyFourBitsAndRefusesMore) {
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128},
                                    std::uint64_t{1} << 14, std::uint64_t{1} << 35, UINT64_MAX}) {
    std::vector<std::uint8_t> bytes =
        assemble("Trace Go1.22\nEventBatch gen=" + std::to_string(value) + " m=0 time=0\n");
    bytes.resize(bytes.size() + kEventBytesMax);
    const std::uint8_t* p = bytes.data() + kHeaderBytes + 1;
    const std::uint8_t* q = p;
    bool bad = false;
    EXPECT_EQ(varint(p, bad), value);
    EXPECT_FALSE(bad);
    std::uint64_t read = 1;
    EXPECT_TRUE(read_varint(q, bytes.data() + bytes.size(), read));
    EXPECT_EQ(read, value);
    EXPECT_EQ(p, q);
  }
  const std::vector<std::uint8_t> endless(32, 0xff);
  const std::uint8_t* p = endless.data();
  bool bad = false;
  varint(p, bad);
  EXPECT_TRUE(bad);
}

TEST(Clock, TruncatesEachDifferenceAsGoDoes) {
  EXPECT_EQ(Clock::of_frequency(15625000).ns(10), 640U);
  EXPECT_EQ(Clock::of_frequency(15625000).whole, 64U);
  const Clock odd = Clock::of_frequency(24000000);  // 41.66 ns
  EXPECT_EQ(odd.whole, 0U);
  EXPECT_EQ(odd.ns(3), 125U);
  EXPECT_EQ(odd.ns(1), 41U);
}

TEST(Container, KeepsTheBatchesOfAThreadInOrderWhateverItsClockSays) {
  std::vector<Batch> timed(4);
  timed[0] = {1, 500, 10, 0, 0, 0};
  timed[1] = {2, 100, 20, 0, 0, 0};
  timed[2] = {1, 50, 30, 0, 0, 0};  // goes back
  timed[3] = {2, 600, 40, 0, 0, 0};
  order_by_time(timed);
  EXPECT_EQ(timed[0].offset, 20U);
  EXPECT_EQ(timed[1].offset, 10U);
  EXPECT_EQ(timed[2].offset, 30U);
  EXPECT_EQ(timed[3].offset, 40U);
}

struct State {
  std::uint64_t id = 0, value = 0;
};

TEST(IdTable, FindsWhatIsThereAfterManyWereErased) {
  IdTable<State> table;
  for (std::uint64_t id = 1; id <= 5000; ++id) table[table.add(id * 7)].value = id;
  for (std::uint64_t id = 1; id <= 5000; id += 2) table.erase(table.find(id * 7));
  for (std::uint64_t id = 1; id <= 5000; ++id) {
    const std::uint32_t place = table.find(id * 7);
    ASSERT_EQ(place == IdTable<State>::kAbsent, id % 2 == 1) << id;
    if (id % 2 == 1) continue;
    EXPECT_EQ(table[place].value, id);
  }
  EXPECT_EQ(table.used(), 2500U);
  const std::size_t places = table.places();
  table.add(1);
  EXPECT_EQ(table.places(), places);  // one of those that were erased
}

TEST(Workers, RunEachTaskOnce) {
  Workers workers(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::atomic<int>> ran(97);
    workers.run(ran.size(), [&](unsigned worker, std::size_t task) {
      EXPECT_LT(worker, 3U);
      ++ran[task];
    });
    for (const auto& count : ran) EXPECT_EQ(count, 1);
  }
}

}  // namespace
}  // namespace ullage::trace::go
