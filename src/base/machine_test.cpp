// SPDX-License-Identifier: Apache-2.0
#include "base/machine.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace ullage {
namespace {

namespace fs = std::filesystem;

TEST(MemoryLimit, IsTheSmallestOfAllCgroupsAboveTheProcess) {
  std::string mount = fs::temp_directory_path() / "ullage_cgroup.XXXXXX";
  ASSERT_NE(mkdtemp(mount.data()), nullptr);
  fs::create_directories(mount + "/a/b/c");
  fs::create_directories(mount + "/memory/docker/x");
  const auto write = [&](const std::string& path, const char* text) {
    std::ofstream(mount + path) << text << "\n";
  };
  EXPECT_EQ(memory_limit("0::/a/b/c\n", mount), 0u);
  write("/a/b/c/memory.max", "max");
  EXPECT_EQ(memory_limit("0::/a/b/c\n", mount), 0u);
  write("/a/memory.max", "1000000");
  write("/a/b/memory.max", "5000000");
  EXPECT_EQ(memory_limit("0::/a/b/c\n", mount), 1000000u);
  EXPECT_EQ(memory_limit("0::/\n", mount), 0u);
  write("/memory/docker/x/memory.limit_in_bytes", "9223372036854771712");
  EXPECT_EQ(memory_limit("7:cpu:/z\n5:memory:/docker/x\n", mount), 0u);
  write("/memory/docker/memory.limit_in_bytes", "4096000");
  EXPECT_EQ(memory_limit("7:cpu:/z\n5:memory:/docker/x\n", mount), 4096000u);
  EXPECT_EQ(memory_limit("5:memory:/docker/x\n0::/a/b/c\n", mount), 1000000u);
  EXPECT_EQ(memory_limit("", mount), 0u);
  EXPECT_EQ(memory_limit("garbage\n0::/../../etc\n", mount), 0u);
  // In a container the path of the host does not exist; its own limit is at the mount.
  write("/memory.max", "777");
  EXPECT_EQ(memory_limit("0::/not/here\n", mount), 777u);
  fs::remove_all(mount);
}

TEST(ProcessorQuota, IsTheSmallestOfAllCgroupsAboveTheProcess) {
  std::string mount = fs::temp_directory_path() / "ullage_cgroup.XXXXXX";
  ASSERT_NE(mkdtemp(mount.data()), nullptr);
  fs::create_directories(mount + "/a/b");
  fs::create_directories(mount + "/cpu/docker/x");
  const auto write = [&](const std::string& path, const char* text) {
    std::ofstream(mount + path) << text << "\n";
  };
  EXPECT_EQ(processor_quota("0::/a/b\n", mount), 0);
  write("/a/b/cpu.max", "max 100000");
  EXPECT_EQ(processor_quota("0::/a/b\n", mount), 0);
  write("/a/cpu.max", "250000 100000");
  EXPECT_EQ(processor_quota("0::/a/b\n", mount), 2.5);
  write("/a/b/cpu.max", "50000 100000");
  EXPECT_EQ(processor_quota("0::/a/b\n", mount), 0.5);
  write("/cpu/docker/x/cpu.cfs_quota_us", "-1");
  write("/cpu/docker/x/cpu.cfs_period_us", "100000");
  EXPECT_EQ(processor_quota("5:memory:/z\n3:cpu,cpuacct:/docker/x\n", mount), 0);
  write("/cpu/docker/x/cpu.cfs_quota_us", "400000");
  EXPECT_EQ(processor_quota("5:memory:/z\n3:cpu,cpuacct:/docker/x\n", mount), 4);
  EXPECT_EQ(processor_quota("", mount), 0);
  write("/cpu.max", "nonsense");
  EXPECT_EQ(processor_quota("0::/\n", mount), 0);
  fs::remove_all(mount);
}

TEST(Machine, KnowsItsMemoryAndTakesTheSmallerOfTheTwo) {
  const Machine here = this_machine();
  EXPECT_GT(here.memory_bytes, 1u << 20);
  EXPECT_GE(here.processors, 1u);
  EXPECT_EQ((Machine{.memory_bytes = 100, .limit_bytes = 30}).usable_bytes(), 30u);
  EXPECT_EQ((Machine{.memory_bytes = 100, .limit_bytes = 0}).usable_bytes(), 100u);
  EXPECT_EQ((Machine{.memory_bytes = 0, .limit_bytes = 30}).usable_bytes(), 30u);
}

}  // namespace
}  // namespace ullage
