// SPDX-License-Identifier: Apache-2.0
//
// Profiles of real programs, where they are at hand: $ULLAGE_SHARED_DATA/go-incidents, or that
// folder beside the source tree. Go's own pprof is the judge of the totals, where a toolchain is
// installed.
#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "trace/pprof/reader.h"
#include "trace/pprof/recover.h"

namespace ullage::trace {
namespace {

namespace fs = std::filesystem;
using evidence::CallKind;
using evidence::CallProof;
using evidence::Incident;

fs::path folder() {
  const char* shared = std::getenv("ULLAGE_SHARED_DATA");
  const fs::path beside = fs::path(ULLAGE_SOURCE_DIR) / ".." / "shared" / "data";
  return (shared != nullptr ? fs::path(shared) : beside) / "go-incidents";
}
#define SKIP_WITHOUT_INCIDENTS() \
  if (!fs::exists(folder())) GTEST_SKIP() << "no " << folder() << " (see ULLAGE_SHARED_DATA)"

Input unpacked(const fs::path& path) {
  std::vector<std::uint8_t> bytes;
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) return Input::from_bytes(path, {});
  std::uint8_t buffer[65536];
  for (int n; (n = gzread(file, buffer, sizeof buffer)) > 0;) {
    bytes.insert(bytes.end(), buffer, buffer + n);
  }
  gzclose(file);
  return Input::from_bytes(path, std::move(bytes));
}

Incident incident_of(const std::string& name, const ReadOptions& options = {}) {
  const Input input = unpacked(folder() / name);
  const bool text = name.ends_with(".txt");
  EXPECT_TRUE((text ? sniff_go_text_profile : sniff_pprof)(
      input.bytes().first(std::min(input.bytes().size(), kSniffBytes))));
  const auto e = text ? read_go_text_profile(input, options) : read_pprof(input, options);
  EXPECT_TRUE(e.ok()) << e.error().message;
  return e.ok() ? e->incident : Incident{};
}

ReadOptions with_binary() {
  ReadOptions options;
  options.go_binaries.push_back(GoBinary::open(unpacked(folder() / "incident-go126.gz")).value());
  return options;
}

TEST(GoIncidents, AppendIsSeenWithItsWasteByEveryToolchain) {
  SKIP_WITHOUT_INCIDENTS();
  for (const std::string go : {"go122", "go123", "go124", "go126"}) {
    for (const std::string form : {".heap", ".heap.txt"}) {
      const Incident i = incident_of("append." + go + form);
      ASSERT_FALSE(i.heap_sites.empty());
      const evidence::HeapSite& site = i.heap_sites[0];
      EXPECT_EQ(site.stack[0].function, "main.appendNo");
      EXPECT_EQ(site.stack[0].line, 26);
      EXPECT_EQ(site.call, CallKind::kAppend) << go << form;
      EXPECT_EQ(site.proof, CallProof::kLadder) << go << form;
      EXPECT_GE(site.rungs.size(), 30u);
      const evidence::Rung& top = site.rungs.back();
      EXPECT_EQ(top.bytes, 258736128u);
      const double waste = static_cast<double>(site.alloc_bytes) /
                           (static_cast<double>(top.bytes) * top.allocated_objects);
      EXPECT_NEAR(waste, 5.0, 0.05) << go << form;
    }
  }
}

TEST(GoIncidents, TextAndProtobufOfOneRunSayTheSame) {
  SKIP_WITHOUT_INCIDENTS();
  std::size_t compared = 0;
  for (const auto& entry : fs::directory_iterator(folder())) {
    const std::string name = entry.path().filename();
    if (!name.ends_with(".heap")) continue;
    const Incident proto = incident_of(name), text = incident_of(name + ".txt");
    // The text was written a moment later: what writing the first allocated is in it.
    EXPECT_NEAR(double(proto.snapshots[0].alloc_bytes), double(text.snapshots[0].alloc_bytes),
                4e6 + 0.001 * double(proto.snapshots[0].alloc_bytes))
        << name;
    EXPECT_EQ(proto.heap_sites[0].alloc_bytes, text.heap_sites[0].alloc_bytes) << name;
    EXPECT_EQ(proto.heap_sites[0].alloc_objects, text.heap_sites[0].alloc_objects) << name;
    EXPECT_EQ(proto.heap_sites[0].rungs.size(), text.heap_sites[0].rungs.size()) << name;
    ++compared;
  }
  EXPECT_GT(compared, 10u);
}

TEST(GoIncidents, TheBinaryTellsWhatEachLineCalled) {
  SKIP_WITHOUT_INCIDENTS();
  const ReadOptions options = with_binary();
  struct Expected {
    const char* mode;
    int line;
    CallKind call;
    std::uint64_t element_bytes;
  };
  for (const Expected& x :
       {Expected{"append", 26, CallKind::kAppend, 24},
        Expected{"appendpre", 31, CallKind::kMake, 24}, Expected{"sub", 41, CallKind::kMake, 1},
        Expected{"defer", 64, CallKind::kMake, 1}, Expected{"defer", 65, CallKind::kDefer, 0},
        Expected{"mapptr", 106, CallKind::kMapAssign, 0},
        Expected{"mapptr", 104, CallKind::kNew, 24}}) {
    for (const std::string form : {".heap", ".heap.txt"}) {
      const Incident i = incident_of(std::string(x.mode) + ".go126" + form, options);
      const auto found = std::find_if(i.heap_sites.begin(), i.heap_sites.end(), [&](const auto& s) {
        return s.stack[0].line == x.line && s.call == x.call &&
               s.stack[0].function.starts_with("main.");
      });
      ASSERT_NE(found, i.heap_sites.end()) << x.mode << form << " line " << x.line;
      EXPECT_EQ(found->element_bytes, x.element_bytes) << x.mode << form;
      EXPECT_EQ(found->proof, form == ".heap" ? CallProof::kCallSite : CallProof::kProgramCounter);
    }
  }
}

TEST(GoIncidents, ABinaryOfAnotherToolchainIsNotBelieved) {
  SKIP_WITHOUT_INCIDENTS();
  const Incident i = incident_of("append.go122.heap", with_binary());
  EXPECT_EQ(i.heap_sites[0].proof, CallProof::kLadder);
  EXPECT_FALSE(i.artefacts[0].notes.empty());
}

TEST(GoIncidents, LeakedGoroutinesAreOneGroup) {
  SKIP_WITHOUT_INCIDENTS();
  const Incident i = incident_of("retry.go126.goroutine");
  EXPECT_EQ(i.goroutines[0].count, 1280u);
  EXPECT_EQ(i.goroutines[0].state, "chan send");
  EXPECT_EQ(i.goroutines[0].stack[3].function, "main.waitForSync.func1");
  EXPECT_EQ(i.goroutines[0].stack[3].line, 143);
}

// Sums of all samples by type, as `go tool pprof -raw` lists them; empty without a toolchain.
std::vector<std::uint64_t> totals_of_go(const fs::path& file) {
  const std::string command =
      "go tool pprof -symbolize=none -raw '" + file.string() + "' 2>/dev/null";
  FILE* pipe = popen(command.c_str(), "r");
  std::string text;
  char buffer[4096];
  for (std::size_t n; pipe != nullptr && (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
    text.append(buffer, n);
  }
  if (pipe != nullptr) pclose(pipe);
  std::vector<std::uint64_t> totals;
  bool samples = false;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line == "Locations") break;
    const std::size_t colon = line.find(": ");
    if (line == "Samples:") {
      samples = true;
    } else if (samples && colon != std::string::npos && line.find('[') == std::string::npos) {
      std::istringstream numbers(line.substr(0, colon));
      std::uint64_t value = 0;
      for (std::size_t i = 0; numbers >> value; ++i) {
        if (totals.size() <= i) totals.resize(i + 1);
        totals[i] += value;
      }
    }
  }
  return totals;
}

TEST(GoIncidents, TotalsAreThoseOfGosOwnPprof) {
  SKIP_WITHOUT_INCIDENTS();
  if (std::system("go version > /dev/null 2>&1") != 0) GTEST_SKIP() << "no go on PATH";
  std::size_t compared = 0;
  for (const auto& entry : fs::directory_iterator(folder())) {
    const std::string name = entry.path().filename();
    const std::string kind = entry.path().extension();
    if (kind != ".heap" && kind != ".cpu" && kind != ".goroutine") continue;
    const auto theirs = totals_of_go(entry.path());
    if (theirs.empty()) GTEST_SKIP() << "go tool pprof does not run here";
    const Incident i = incident_of(name);
    std::vector<std::uint64_t> ours;
    if (kind == ".heap") {
      ours.assign(4, 0);
      for (const auto& s : i.heap_sites) {
        ours[0] += s.alloc_objects, ours[1] += s.alloc_bytes;
        ours[2] += s.inuse_objects, ours[3] += s.inuse_bytes;
      }
    } else if (kind == ".cpu") {
      ours = {i.cpu.samples, i.cpu.cpu_ns};
    } else {
      ours = {i.snapshots[0].goroutines};
    }
    EXPECT_EQ(ours, theirs) << name;
    ++compared;
  }
  EXPECT_GT(compared, 30u);
}

}  // namespace
}  // namespace ullage::trace
