// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <ullage/experience.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

using testing::HasSubstr;
using ullage::experience_policy;
using ullage::growth_site;

class Experience : public testing::Test {
 protected:
  Experience() {
    char name[] = "/tmp/ullage-experience.XXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ + "/app.sizes";
  }
  ~Experience() override { std::filesystem::remove_all(folder_); }

  static std::string read(const std::string& path) {
    std::ostringstream s;
    s << std::ifstream(path).rdbuf();
    return s.str();
  }
  void write(const std::string& text) const { std::ofstream(path_) << text; }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      names.push_back(entry.path().filename());
    }
    return names;
  }
  ullage::detail::size_profile profile() const {
    ullage::detail::size_profile p;
    ullage::detail::profile_error error;
    EXPECT_TRUE(p.parse(read(path_), error)) << error.line << ": " << error.text;
    return p;
  }
  // Runs `act` in a child of its own, with its exit handlers and static destructors, as a process
  // of the program would; returns what it wrote to stderr.
  template <class Act>
  std::string in_child(Act act) const {
    const std::string out = folder_ + "/stderr";
    const pid_t child = ::fork();
    if (child == 0) {
      if (std::freopen(out.c_str(), "w", stderr) == nullptr) std::_Exit(9);
      act();
      std::exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    const std::string text = read(out);
    std::filesystem::remove(out);
    return text;
  }

  std::string folder_, path_;
};

// The table of docs/containers/growth.md.
static_assert(experience_policy{}.quantile == 0.95 && experience_policy{}.waste_max == 4 &&
              experience_policy{}.bytes_max == std::uint64_t{256} << 20);

TEST_F(Experience, WhatOneProcessSawTheNextExpects) {
  EXPECT_EQ(in_child([&] {
              ullage::use_experience(path_.c_str());
              static growth_site site("loop.orders");
              EXPECT_EQ(site.expected(), 0u);
              for (std::uint64_t i = 1; i <= 100; ++i) site.remember(i);
            }),
            "");
  EXPECT_EQ(in_child([&] {
              growth_site early("loop.orders");
              ullage::use_experience(path_.c_str());
              growth_site late("loop.orders"), other("loop.other");
              growth_site below(late);
              for (const growth_site* site : {&early, &late, &below}) {
                if (site->expected() < 95 || site->expected() > 100) std::_Exit(2);
                const ullage::size_origin* origin = site->provenance();
                if (origin == nullptr || origin->file != path_) std::_Exit(3);
                if (origin->runs != 1 || origin->containers != 100 || origin->quantile != 0.95) {
                  std::_Exit(4);
                }
              }
              if (other.expected() != 0 || other.provenance() != nullptr) std::_Exit(5);
            }),
            "");
}

TEST_F(Experience, WasteIsBoundedByTheMedianAndByBytes) {
  ullage::detail::site_profile site;
  site.weights = {{100, 90}, {200, 10}};
  site.max = ullage::size_sketch::upper_end(200);
  site.element_bytes = 16;
  const auto median = ullage::size_sketch::upper_end(100);
  auto o = ullage::detail::expectation(site, {});
  EXPECT_EQ(o.wanted, site.max);
  EXPECT_EQ(o.median, median);
  EXPECT_EQ(o.expected, static_cast<std::uint64_t>(ullage::kExperienceWasteMax) * median);
  o = ullage::detail::expectation(site, {.waste_max = 1e30});
  EXPECT_EQ(o.expected, ullage::kExperienceBytesMax / 16) << "and never above the byte cap";
  o = ullage::detail::expectation(site, {.quantile = 0.5});
  EXPECT_EQ(o.expected, median);
  site.weights = {{0, 90}, {100, 10}};
  o = ullage::detail::expectation(site, {});
  EXPECT_EQ(o.expected, 0u) << "where half of the containers stay empty nothing is reserved";
}

TEST_F(Experience, SavesOnDemandWithoutCountingTwice) {
  in_child([&] {
    ullage::use_experience(path_.c_str());
    static growth_site site("demand.site");
    site.remember(10);
    if (!ullage::save_experience()) std::_Exit(2);
    if (!ullage::save_experience()) std::_Exit(3);
    site.remember(20);
    {
      growth_site gone("demand.gone");
      gone.remember(5);
      if (!ullage::save_experience()) std::_Exit(4);
      gone.remember(6);
    }
    growth_site again("demand.gone");
    again.remember(7);
  });
  const auto p = profile();
  EXPECT_EQ(p.find("demand.site")->containers, 2u);
  EXPECT_EQ(p.find("demand.site")->runs, 2u);
  EXPECT_EQ(p.find("demand.gone")->containers, 3u);
  EXPECT_EQ(p.find("demand.gone")->max, 7u);
  EXPECT_EQ(p.saves, 3u) << "a save with nothing new is none";
}

TEST_F(Experience, ASiteWhoseContainersNeverEndCountsItsLargestCapacityOnce) {
  in_child([&] {
    ullage::use_experience(path_.c_str());
    static growth_site site("forever.map");
    ullage::growth_event event;
    event.kind = ullage::growth_kind::moved;
    event.capacity_after = 4096;
    event.element_bytes = 24;
    ullage::report_growth(&site, event, 0);
    ullage::save_experience();
  });
  const auto p = profile();
  EXPECT_EQ(p.find("forever.map")->containers, 1u);
  EXPECT_EQ(p.find("forever.map")->max, 4096u);
  EXPECT_EQ(p.find("forever.map")->element_bytes, 24u);
}

TEST_F(Experience, ManyProcessesAddToOneProfileAtOnce) {
  constexpr int kProcesses = 16;
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      static growth_site site("many.site");
      site.remember(static_cast<std::uint64_t>(i) + 1);
      std::_Exit(ullage::save_experience(path_.c_str()) ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(profile().saves, kProcesses + 0u);
  EXPECT_EQ(profile().find("many.site")->containers, kProcesses + 0u);
  EXPECT_EQ(files(), std::vector<std::string>{"app.sizes"}) << "nothing else is left behind";
}

TEST_F(Experience, ABadProfileIsSaidOnceLeftAloneAndStopsNothing) {
  write("ullage-experience 1\nsaves x\n");
  const std::string said = in_child([&] {
    if (ullage::use_experience(path_.c_str())) std::_Exit(2);
    static growth_site site("bad.site");
    site.remember(3);
    if (site.expected() != 0) std::_Exit(3);
  });
  EXPECT_THAT(said, HasSubstr(path_ + ":2: expected \"saves NUMBER\""));
  EXPECT_THAT(said, HasSubstr("Delete it to start anew"));
  EXPECT_EQ(said.find("ullage: "), said.rfind("ullage: "));
  EXPECT_EQ(read(path_), "ullage-experience 1\nsaves x\n");
  std::string why;
  growth_site site("bad.site");
  site.remember(1);
  EXPECT_FALSE(ullage::save_experience(path_.c_str(), &why));
  EXPECT_THAT(why, HasSubstr(":2: expected"));
  EXPECT_EQ(read(path_), "ullage-experience 1\nsaves x\n");
  EXPECT_EQ(files(), std::vector<std::string>{"app.sizes"});
}

TEST_F(Experience, SaysWhyItCannotReadOrWrite) {
  std::string why;
  EXPECT_FALSE(ullage::use_experience(folder_.c_str(), {}, &why));
  EXPECT_THAT(why, HasSubstr("not a regular file"));
  EXPECT_FALSE(ullage::use_experience("/dev/null", {}, &why));
  EXPECT_THAT(why, HasSubstr("not a regular file"));
  growth_site site("why.site");
  site.remember(1);
  EXPECT_FALSE(ullage::save_experience((folder_ + "/no/such/folder").c_str(), &why));
  EXPECT_THAT(why, HasSubstr("were not saved: No such file"));
  EXPECT_FALSE(ullage::save_experience(nullptr, &why));
  EXPECT_THAT(why, HasSubstr("no profile is in use"));
}

TEST_F(Experience, KeepsTheModeOfAProfileAndTheLinkThatLeadsToIt) {
  write("");
  ::chmod(path_.c_str(), 0640);
  const std::string link = folder_ + "/link";
  ASSERT_EQ(::symlink(path_.c_str(), link.c_str()), 0);
  growth_site site("link.site");
  site.remember(1);
  ASSERT_TRUE(ullage::save_experience(link.c_str()));
  struct stat info {};
  ASSERT_EQ(::lstat(link.c_str(), &info), 0);
  EXPECT_TRUE(S_ISLNK(info.st_mode));
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640u);
  EXPECT_NE(profile().find("link.site"), nullptr);
}

TEST_F(Experience, ALinkToAProfileThatIsNotThereYetLeadsToItThen) {
  const std::string link = folder_ + "/link";
  ASSERT_EQ(::symlink(path_.c_str(), link.c_str()), 0);
  growth_site site("link.new");
  site.remember(3);
  ASSERT_TRUE(ullage::save_experience(link.c_str()));
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_NE(profile().find("link.new"), nullptr);
}

TEST_F(Experience, ALinkInPlaceOfTheFreshFileIsNotFollowed) {
  const std::string precious = folder_ + "/precious";
  std::ofstream(precious) << "precious";
  ASSERT_EQ(::symlink(precious.c_str(), (path_ + ".new").c_str()), 0);
  growth_site site("link.fresh");
  site.remember(3);
  ASSERT_TRUE(ullage::save_experience(path_.c_str()));
  EXPECT_EQ(read(precious), "precious");
  EXPECT_FALSE(std::filesystem::is_symlink(path_));
  EXPECT_NE(profile().find("link.fresh"), nullptr);
}

TEST_F(Experience, SitesThatAProfileCannotTellApartCountAsOneRun) {
  const std::string stem(ullage::detail::kProfileNameBytesMax, 'n');
  const std::string one = stem + "1", other = stem + "2";
  growth_site first(one.c_str()), second(other.c_str());
  first.remember(10);
  second.remember(1000);
  ASSERT_TRUE(ullage::save_experience(path_.c_str()));
  ASSERT_NE(profile().find(stem), nullptr);
  EXPECT_EQ(profile().find(stem)->runs, 1u);
  EXPECT_EQ(profile().find(stem)->containers, 2u);
}

TEST_F(Experience, AChildOfForkDoesNotSaveWhatItsParentSaw) {
  in_child([&] {
    ullage::use_experience(path_.c_str());
    static growth_site site("fork.site");
    site.remember(8);
    const pid_t child = ::fork();
    if (child == 0) std::exit(0);
    ::waitpid(child, nullptr, 0);
  });
  EXPECT_EQ(profile().saves, 1u);
}

TEST_F(Experience, AnotherProfileReplacesTheFirst) {
  in_child([&] {
    growth_site a("switch.a");
    a.remember(50);
    ullage::save_experience(path_.c_str());
    ullage::use_experience(path_.c_str(), {.save_at_exit = false});
    if (a.expected() != 50) std::_Exit(2);
    ullage::use_experience((path_ + ".none").c_str(), {.save_at_exit = false});
    if (a.expected() != 0 || a.provenance() != nullptr) std::_Exit(3);
    a.expect(7);
    ullage::use_experience((path_ + ".none").c_str(), {.save_at_exit = false});
    if (a.expected() != 7) std::_Exit(4);  // the program's own word stays
  });
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

TEST_F(Experience, ForkWhileThreadsMakeSitesAndSaveLeavesAChildThatWorks) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer's allocator has locks of its own that fork tears";
  in_child([&] {
    ullage::use_experience(path_.c_str());
    static std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([] {
        while (!stop) {
          growth_site brief("forks.brief");
          brief.remember(1);
          ullage::save_experience();
        }
      });
    }
    int failed = 0;
    for (int i = 0; i < 20; ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        ::alarm(20);  // a lock that nobody holds any more would hang it
        growth_site mine("forks.child");
        mine.remember(2);
        std::exit(0);
      }
      int status = 0;
      ::waitpid(child, &status, 0);
      failed += status != 0;
    }
    stop = true;
    for (auto& thread : threads) thread.join();
    if (failed != 0) std::_Exit(5);
  });
}

TEST_F(Experience, SavesWhileThreadsRememberLoseNothing) {
  in_child([&] {
    ullage::use_experience(path_.c_str());
    static growth_site site("threads.site");
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([] {
        for (std::uint64_t i = 0; i < 3000; ++i) {
          site.remember(i);
          growth_site brief("threads.brief");
          brief.remember(1);
        }
      });
    }
    for (int i = 0; i < 5; ++i) ullage::save_experience();
    for (auto& thread : threads) thread.join();
  });
  EXPECT_EQ(profile().find("threads.site")->containers, 9000u);
  EXPECT_EQ(profile().find("threads.brief")->containers, 9000u);
}

}  // namespace
