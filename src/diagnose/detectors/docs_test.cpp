// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "diagnose/finding.h"

namespace ullage::diagnose {
namespace {

TEST(DetectorDocs, ExplainEveryDetectorInTheOrderOfTheRegistry) {
  std::ifstream in(ULLAGE_SOURCE_DIR "/docs/detectors.md");
  std::stringstream text;
  text << in.rdbuf();
  std::string page = text.str();
  std::size_t headings = 0;
  for (std::size_t at = 0; (at = page.find("\n## ", at)) != std::string::npos; ++at) ++headings;
  EXPECT_EQ(headings, detectors().size());
  for (const Detector& detector : detectors()) {
    const std::string heading = std::string("\n## ") + detector.name + "\n\n" + detector.summary;
    const std::size_t begin = page.find(heading);
    ASSERT_NE(begin, std::string::npos) << detector.name << ": no section, not in order, or its "
                                        << "first line is not the summary of detectors.def";
    page.erase(0, begin + 1);
    const std::string section = page.substr(0, page.find("\n## ", 1));
    for (const char* part :
         {"- **Rule:**", "- **Evidence:**", "- **Remedy:**", "- **Look-alike:**"}) {
      EXPECT_THAT(section, testing::HasSubstr(part)) << detector.name;
    }
  }
}

}  // namespace
}  // namespace ullage::diagnose
