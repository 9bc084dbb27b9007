// SPDX-License-Identifier: Apache-2.0
//
// Counts of events in public logs, equal to what grep counts. The logs are not ours and not in the
// tree: they lie in ULLAGE_SHARED_DATA, or in ../shared/data beside the source, under jvm-logs/.
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "trace/jvm_gc/reader.h"

namespace ullage::trace {
namespace {

using evidence::Incident;

std::filesystem::path logs() {
  const char* shared = std::getenv("ULLAGE_SHARED_DATA");
  return std::filesystem::path(shared != nullptr ? shared : ULLAGE_SOURCE_DIR "/../shared/data") /
         "jvm-logs";
}

std::string unzipped(const std::filesystem::path& path) {
  const gzFile file = gzopen(path.c_str(), "rb");
  std::string text;
  char buffer[65536];
  int got = 0;
  while (file != nullptr && (got = gzread(file, buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  if (file != nullptr) gzclose(file);
  return text;
}

// "pause X" sums the pauses whose kind begins with X; "cause X" those with that cause; everything
// else is a name in event_counts.
std::uint64_t counted(const Incident& incident, const std::string& what) {
  std::uint64_t sum = 0;
  for (const evidence::PauseKind& kind : incident.pause_kinds) {
    if (what.starts_with("pause ") && kind.kind.starts_with(what.substr(6))) sum += kind.count;
    if (what.starts_with("cause ") && kind.cause == what.substr(6)) sum += kind.count;
    if (what.starts_with("kind ") && kind.kind == what.substr(5)) sum += kind.count;
  }
  for (const auto& [event, times] : incident.event_counts) {
    if (event == what) sum += times;
  }
  return sum;
}

struct Row {
  const char* log;
  const char* what;
  std::uint64_t expected;
  const char* grep;  // zcat LOG.log.gz | grep ... | wc -l
};

constexpr const char* kRac = "preunified-cms-parnew-details-gc.RAC7";
constexpr const char* kCause = "preunified-g1gc-details-g1.details.cause";
constexpr const char* kTenuring = "preunified-g1gc-details-tenuring-180-g1gc";
constexpr const char* kPsCause = "preunified-ps-details-gccause-170-psyoung";
constexpr const char* kLongPause = "preunified-ps-details-long_pause";
constexpr const char* kLeak2 = "preunified-ps-details-memoryleak2";
constexpr const char* kSerial180 = "preunified-serial-defnew-details-tenuring-180-serial180";
constexpr const char* kCorrupted = "preunified-g1gc-corrupted-full_concurrent_mark_failure";
constexpr const char* kSpike = "streaming-gcspike";
constexpr const char* kCms = "unified-cms-gc_trace";
constexpr const char* kNov = "unified-g1gc-jvm-gc-10Nov2022";
constexpr const char* kSerialTip = "unified-serial-factorization-serialgc-tip";

constexpr Row kRows[] = {
    {"preunified-cms-713_gc", "kind GC", 79, R"(-oE '\[GC [0-9]+K->')"},
    {"preunified-cms-713_gc", "kind GC (CMS mark)", 48, R"(-oE '\[GC [0-9]+K\(')"},
    {"preunified-cms-713_gc", "full collection", 5, R"(-oF '[Full GC')"},
    {"preunified-cms-815_gc", "kind GC", 251, R"(-oE '\[GC [0-9]+K->')"},
    {"preunified-cms-815_gc", "kind GC (CMS mark)", 361, R"(-oE '\[GC [0-9]+K\(')"},
    {"preunified-cms-815_gc", "full collection", 26, R"(-oF '[Full GC')"},
    {"preunified-cms-938_par.cms.nd.nt", "kind GC", 3375, R"(-oE '\[GC [0-9]+K->')"},
    {"preunified-cms-938_par.cms.nd.nt", "kind GC (CMS mark)", 36, R"(-oE '\[GC [0-9]+K\(')"},
    {"preunified-cms-938_par.cms.nd.nt", "full collection", 5, R"(-oF '[Full GC')"},
    {kRac, "kind GC", 1873, R"(-oF '[ParNew')"},
    {kRac, "full collection", 2, R"(-oF '[Full GC')"},
    {kRac, "kind CMS-initial-mark", 6, R"(-o 'CMS-initial-mark:')"},
    {kRac, "kind CMS-remark", 6, R"(-o 'CMS-remark:')"},
    {kRac, "concurrent cycle", 6, R"(-o 'CMS-concurrent-mark-start')"},
    {kCause, "pause GC pause", 165, R"(-o 'GC pause')"},
    {kCause, "to-space exhausted", 29, R"(-oF '(to-space exhausted)')"},
    {kCause, "full collection", 22, R"(-o 'Full GC')"},
    {kCause, "kind GC pause (young) (initial-mark)", 33, R"(-oF '(initial-mark)')"},
    {kCause, "kind GC pause (mixed)", 2, R"(-oF '(mixed)')"},
    {kCause, "kind GC remark", 17, R"(-o 'GC remark')"},
    {kCause, "kind GC cleanup", 17, R"(-o 'GC cleanup')"},
    {kCause, "concurrent cycle", 33, R"(-o 'concurrent-mark-start')"},
    {kCause, "concurrent cycle aborted", 16, R"(-o 'concurrent-mark-abort')"},
    {kTenuring, "pause GC pause", 99, R"(-o 'GC pause')"},
    {kTenuring, "kind GC pause (young) (initial-mark)", 18, R"(-oF '(initial-mark)')"},
    {kTenuring, "kind GC pause (mixed)", 16, R"(-oF '(mixed)')"},
    {kTenuring, "kind GC remark", 18, R"(-o 'GC remark')"},
    {kTenuring, "kind GC cleanup", 18, R"(-o 'GC cleanup')"},
    {kTenuring, "concurrent cycle", 18, R"(-o 'concurrent-mark-start')"},
    {kTenuring, "safepoint", 1788, R"(-o 'threads were stopped: ')"},
    {"preunified-g1gc-details-tenuring-server3-gc", "pause GC pause", 16, R"(-o 'GC pause')"},
    {kPsCause, "kind GC", 185, R"(-oF '[GC (')"},
    {kPsCause, "kind Full GC", 288, R"(-oF '[Full GC (System.gc())')"},
    {kLongPause, "kind GC", 21, R"(-oF '[GC (')"},
    {kLongPause, "cause Ergonomics", 1, R"(-oF '[Full GC (Ergonomics)')"},
    {kLongPause, "safepoint", 614, R"(-o 'threads were stopped: ')"},
    {kLeak2, "kind GC", 855, R"(-oF '[GC [')"},
    {kLeak2, "cause System", 8, R"(-oF '[Full GC (System)')"},
    {kSerial180, "kind GC", 35, R"(-oF '[GC (')"},
    {kSerial180, "full collection", 12, R"(-oF '[Full GC (')"},
    {kCorrupted, "pause GC pause", 1, R"(-oF '[GC pause')"},
    {kCorrupted, "full collection", 1, R"(-oF '[Full GC')"},
    {kSpike, "pause GC pause", 265, R"(-o 'GC pause')"},
    {kSpike, "to-space exhausted", 53, R"(-oF '(to-space exhausted)')"},
    {kSpike, "full collection", 24, R"(-o 'Full GC')"},
    {kSpike, "kind GC pause (young) (initial-mark)", 38, R"(-oF '(initial-mark)')"},
    {kSpike, "kind GC remark", 14, R"(-o 'GC remark')"},
    {kSpike, "kind GC cleanup", 14, R"(-o 'GC cleanup')"},
    {kSpike, "concurrent cycle", 38, R"(-o 'concurrent-mark-start')"},
    {kSpike, "concurrent cycle aborted", 24, R"(-o 'concurrent-mark-abort')"},
    {kCms, "pause Pause Young", 592, R"(-E 'Pause Young.*ms$')"},
    {kCms, "pause Pause Full", 3, R"(-E 'Pause Full.*ms$')"},
    {kCms, "pause Pause Initial Mark", 10, R"(-E 'Pause Initial Mark.*ms$')"},
    {kCms, "pause Pause Remark", 7, R"(-E 'Pause Remark.*ms$')"},
    {kCms, "promotion failed", 3, R"(-c 'Promotion failed')"},
    {kCms, "concurrent cycle", 10, R"(-E 'Concurrent Mark$')"},
    {kNov, "pause Pause Young", 6, R"(-E 'Pause Young.*[0-9]ms')"},
    {kNov, "pause Pause Remark", 2, R"(-E 'Pause Remark.*[0-9]ms')"},
    {kNov, "pause Pause Cleanup", 2, R"(-E 'Pause Cleanup.*[0-9]ms')"},
    {kNov, "concurrent cycle", 2, R"(-E 'Concurrent Cycle [0-9.]+ms')"},
    {"unified-g1gc-gc-no-age-timestamp", "pause Pause Young", 2, R"(-E 'Pause Young.*[0-9]ms')"},
    {kSerialTip, "pause Pause Young", 13, R"(-E 'Pause Young.*ms$')"},
    {kSerialTip, "pause Pause Full", 4, R"(-E 'Pause Full.*ms$')"},
    {kSerialTip, "safepoint", 17, R"(-c 'Safepoint "')"},
    {"own-arraylist.UseG1GC", "pause Pause Young", 18, R"(-E 'Pause Young.*ms$')"},
    {"own-arraylist.UseG1GC", "pause Pause Full", 1, R"(-E 'Pause Full.*ms$')"},
    {"own-arraylist.UseG1GC", "humongous allocation", 2, R"(-E 'Humongous Allocation\).*ms$')"},
    {"own-arraylist.UseG1GC", "concurrent cycle", 1, R"(-E 'Concurrent (Mark )?Cycle$')"},
    {"own-arraylist.UseG1GC", "concurrent cycle aborted", 1, R"(-c 'Mark Abort')"},
    {"own-arraylistpre.UseG1GC", "pause Pause Young", 18, R"(-E 'Pause Young.*ms$')"},
    {"own-arraylistpre.UseG1GC", "humongous allocation", 0, R"(-E 'Humongous Allocation\).*ms$')"},
    {"own-arraylistpre.UseG1GC", "full collection", 0, R"(-E 'Pause Full.*ms$')"},
    {"own-hashmap.UseG1GC", "pause Pause Young", 15, R"(-E 'Pause Young.*ms$')"},
    {"own-humongous.UseG1GC", "humongous allocation", 50, R"(-E 'Humongous Allocation\).*ms$')"},
    {"own-humongous.UseG1GC", "pause Pause Remark", 33, R"(-E 'Pause Remark.*ms$')"},
    {"own-humongous.UseG1GC", "concurrent cycle", 50, R"(-E 'Concurrent (Mark |Undo )Cycle$')"},
    {"own-leak.UseG1GC", "pause Pause Young", 22, R"(-E 'Pause Young.*ms$')"},
    {"own-leak.UseG1GC", "pause Pause Full", 3, R"(-E 'Pause Full.*ms$')"},
    {"own-leak.UseG1GC", "concurrent cycle", 3, R"(-E 'Concurrent (Mark |Undo )?Cycle$')"},
    {"own-leak.UseG1GC", "to-space exhausted", 2, R"(-ci 'To-space exhausted')"},
};

TEST(JvmPublicLogs, CountTheSameEventsAsGrep) {
  std::map<std::string, Incident> read;
  std::size_t checked = 0;
  for (const Row& row : kRows) {
    const std::filesystem::path path = logs() / (std::string(row.log) + ".log.gz");
    if (!std::filesystem::exists(path)) continue;
    if (read.find(row.log) == read.end()) {
      auto evidence = read_jvm_gc(Input::from_text(row.log, unzipped(path)), {});
      ASSERT_TRUE(evidence.ok()) << evidence.error().message;
      read[row.log] = std::move(evidence->incident);
    }
    ++checked;
    EXPECT_EQ(counted(read[row.log], row.what), row.expected)
        << row.log << ": " << row.what << "; zcat " << row.log << ".log.gz | grep " << row.grep
        << " | wc -l";
  }
  if (checked == 0) GTEST_SKIP() << "the public logs are not in " << logs();
}

TEST(JvmPublicLogs, AreUnderstoodLineByLine) {
  std::size_t files = 0;
  if (std::filesystem::exists(logs())) {
    for (const auto& entry : std::filesystem::directory_iterator(logs())) {
      if (!entry.path().string().ends_with(".log.gz")) continue;
      const std::string text = unzipped(entry.path());
      auto evidence = read_jvm_gc(Input::from_text(entry.path().filename(), text), {});
      ASSERT_TRUE(evidence.ok()) << evidence.error().message;
      const evidence::Artefact& artefact = evidence->incident.artefacts[0];
      ++files;
      EXPECT_LE(artefact.records_unknown * 1000, artefact.records) << entry.path();
      EXPECT_TRUE(sniff_jvm_gc({reinterpret_cast<const std::uint8_t*>(text.data()),
                                std::min<std::size_t>(text.size(), kSniffBytes)}));
    }
  }
  if (files == 0) GTEST_SKIP() << "the public logs are not in " << logs();
}

}  // namespace
}  // namespace ullage::trace
