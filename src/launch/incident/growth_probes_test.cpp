// SPDX-License-Identifier: Apache-2.0
#include "launch/incident/growth_probes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <fstream>

namespace ullage::launch {

int counted_calls_for_test = 0;
// What is probed: a function of its own, that no compiler folds into its caller.
__attribute__((noinline)) void grows_for_test() { ++counted_calls_for_test; }

namespace {

using testing::HasSubstr;

// Where in its file the code at an address stands.
std::uint64_t file_offset_of(std::uintptr_t address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uint64_t begin = 0, end = 0, offset = 0;
    const int read =
        std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64, &begin, &end, &offset);
    if (read == 3 && address >= begin && address < end) return offset + (address - begin);
  }
  return 0;
}

TEST(GrowthProbes, CountEveryCall) {
  const auto address = reinterpret_cast<std::uintptr_t>(&grows_for_test);
  Result<GrowthProbes> probes =
      GrowthProbes::open("/proc/self/exe", {{"grows_for_test", file_offset_of(address)}});
  if (!probes.ok()) GTEST_SKIP() << probes.error().message;
  void (*volatile call)() = grows_for_test;
  for (int i = 0; i < 1000; ++i) call();
  const std::vector<GrowthProbes::Count> counts = probes->counts();
  ASSERT_EQ(counts.size(), 1u);
  EXPECT_EQ(counts[0].function, "grows_for_test");
  EXPECT_EQ(counts[0].calls, 1000u);
}

TEST(GrowthProbes, SayWhatIsMissingAndWhatToDo) {
  EXPECT_THAT(probe_error(EPERM, "runtime.growslice").message,
              testing::AllOf(HasSubstr("at runtime.growslice: this user may not"),
                             HasSubstr("setcap cap_perfmon+ep")));
  EXPECT_THAT(probe_error(EMFILE, "f").message, HasSubstr("ulimit -n"));
  EXPECT_FALSE(GrowthProbes::open("/nowhere/at/all", {{"f", 0}}).ok());
}

}  // namespace
}  // namespace ullage::launch
