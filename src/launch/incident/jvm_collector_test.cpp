// SPDX-License-Identifier: Apache-2.0
#include "launch/incident/jvm_collector.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace ullage::launch {
namespace {

namespace fs = std::filesystem;

std::string text_of(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// A jcmd that answers with what it was asked.
TEST(JvmCollector, AsksForTheLivingOnly) {
  std::string root = fs::temp_directory_path() / "ullage_jcmd.XXXXXX";
  ASSERT_NE(mkdtemp(root.data()), nullptr);
  std::ofstream(root + "/java") << "";
  std::ofstream(root + "/jcmd") << "#!/bin/sh\necho \"$@\"\n";
  fs::permissions(root + "/jcmd", fs::perms::owner_all);
  Result<IncidentFolder> folder = IncidentFolder::create(root + "/x.incident");
  ASSERT_TRUE(folder.ok());
  {
    JvmCollector collector(*folder, root + "/java", 4711);
    collector.start();
    for (int i = 0; i < 1000 && !fs::exists(folder->file("threads.txt")); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  EXPECT_EQ(text_of(folder->file("histogram.1.txt")), "4711 GC.class_histogram\n");
  EXPECT_EQ(text_of(folder->file("threads.txt")), "4711 Thread.print\n");
  fs::remove_all(root);
}

}  // namespace
}  // namespace ullage::launch
