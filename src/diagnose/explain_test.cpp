// SPDX-License-Identifier: Apache-2.0
#include "diagnose/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/text.h"
#include "diagnose/finding.h"

namespace ullage::diagnose {
namespace {

using testing::HasSubstr;

constexpr const char* kSections[] = {"\n## What happens\n", "\n## See it yourself\n",
                                     "\n## Fix it\n", "\n## When to ignore it\n"};

TEST(Explain, HasAPageWithFourSectionsForEveryDetector) {
  for (const Detector& detector : detectors()) {
    const Result<Page> page = page_of(detector.name);
    ASSERT_TRUE(page.ok()) << detector.name << ": write docs/explain/" << detector.name << ".md";
    EXPECT_EQ(page->summary, detector.summary) << detector.name;
  }
}

TEST(Explain, HasSectionsThatSaySomethingOnEveryPage) {
  for (const Page& page : pages()) {
    const std::string text(page.text);
    EXPECT_THAT(text, testing::StartsWith("# " + std::string(page.name) + "\n\n"));
    std::size_t at = 0;
    for (const char* section : kSections) {
      const std::size_t begin = text.find(section, at);
      ASSERT_NE(begin, std::string::npos) << page.name << ": no" << section;
      at = begin + 1;
      const std::size_t body = begin + std::string(section).size();
      const std::size_t end = std::min(text.find("\n## ", body), text.size());
      EXPECT_GE(end - body, 50u) << page.name << ": too little below" << section;
    }
  }
}

TEST(Explain, KeepsTextWithinTheTerminalAndCodeAsItIs) {
  for (const Page& page : pages()) {
    const std::string text = page_text(page, 80, false);
    EXPECT_THAT(text, testing::Not(HasSubstr("```"))) << page.name;
    EXPECT_THAT(text, testing::Not(HasSubstr("\x1b"))) << page.name;
    EXPECT_THAT(text, testing::Not(HasSubstr("\n\n\n"))) << page.name;
  }
  const Page page{"x", "y",
                  "# x\n\nSee [the page](x.md), not `[]T`.\n\n```\na  b\n```\n- one\n  two\n"};
  EXPECT_EQ(page_text(page, 80, false), "x\n\nSee the page, not `[]T`.\n\n      a  b\n- one two\n");
  EXPECT_THAT(page_text(page, 80, true), testing::StartsWith("\x1b[1mx\x1b[0m\n"));
}

TEST(Explain, NamesTheNearestPageWhenThereIsNone) {
  const Result<Page> page = page_of("go-forced-cg");
  ASSERT_FALSE(page.ok());
  EXPECT_THAT(page.error().message, HasSubstr("Did you mean go-forced-gc?"));
}

TEST(Explain, ListsEveryPageOnce) {
  const std::string list = page_list(100);
  std::set<std::string_view> names;
  for (const Page& page : pages()) {
    EXPECT_TRUE(names.insert(page.name).second) << page.name;
    EXPECT_THAT(list, HasSubstr("  " + std::string(page.name) + " "));
  }
}

}  // namespace
}  // namespace ullage::diagnose
