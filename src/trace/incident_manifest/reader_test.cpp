// SPDX-License-Identifier: Apache-2.0
#include "trace/incident_manifest/reader.h"

#include <gtest/gtest.h>

namespace ullage::trace {
namespace {

constexpr const char* kManifest =
    "ullage incident 1\n"
    "program shop\n"
    "command ./shop --port 80\n"
    "runtime Go\n"
    "started_ns 1700000000000000000\n"
    "pid 12\n"
    "have stderr.log 120 standard error\n"
    "lack cpu.pb.gz was cut off: the recording ended\n"
    "rss 0 1000\n"
    "rss 500000000 3000\n"
    "ended_ns 1700000002000000000\n";

TEST(ManifestReader, KnowsTheProgramItsStartAndItsMemory) {
  const Input input = Input::from_text("x/manifest.txt", kManifest);
  EXPECT_TRUE(sniff_manifest(input.bytes()));
  const Result<evidence::Evidence> read = read_manifest(input, {});
  ASSERT_TRUE(read.ok());
  const evidence::Artefact& artefact = read->incident.artefacts.at(0);
  EXPECT_EQ(read->incident.facts.program, "shop");
  EXPECT_EQ(read->incident.facts.runtime, evidence::Runtime::kGo);
  EXPECT_TRUE(artefact.zero_is_process_start);
  EXPECT_EQ(artefact.wall_ns_at_zero, 1'700'000'000'000'000'000);
  EXPECT_EQ(artefact.last_ns, 2'000'000'000);
  EXPECT_EQ(artefact.records, 10u);
  EXPECT_EQ(artefact.records_unknown, 0u);
  ASSERT_EQ(read->marks.size(), 2u);
  EXPECT_EQ(read->process.rss_peak_bytes, 3000u);
}

TEST(ManifestReader, KnowsTheServerOfTheProfilesInAnySpelling) {
  const auto server = [](const std::string& line) {
    const Input input = Input::from_text("m", "ullage incident 1\n" + line + "\n");
    return read_manifest(input, {})->incident.facts.pprof_url;
  };
  EXPECT_EQ(server("pprof http://localhost:6060"), "http://localhost:6060");
  EXPECT_EQ(server("pprof localhost:6060/debug/pprof/"), "http://localhost:6060");
  EXPECT_EQ(server("pprof https://shop.example/ops/debug/pprof"), "https://shop.example/ops");
  EXPECT_EQ(server("pprof http://x' && rm -r '"), "") << "it goes into a command";
}

TEST(ManifestReader, CountsCallsOfGrowthAndNoOthers) {
  const Input input =
      Input::from_text("m",
                       "ullage incident 1\ncalls runtime.growslice 12345\ncalls main.f 1\n"
                       "calls runtime.copystack -1\n");
  const evidence::Incident incident = read_manifest(input, {})->incident;
  ASSERT_EQ(incident.metrics.size(), 1u);
  EXPECT_EQ(incident.metrics[0].name, "calls:runtime.growslice");
  EXPECT_EQ(incident.metrics[0].value, 12345);
  EXPECT_EQ(incident.artefacts[0].records_unknown, 2u);
}

TEST(ManifestReader, TellsWhatCouldNotBeCollected) {
  const Result<evidence::Evidence> read =
      read_manifest(Input::from_text("manifest.txt", kManifest), {});
  ASSERT_EQ(read->incident.artefacts[0].notes.size(), 1u);
  EXPECT_EQ(read->incident.artefacts[0].notes[0],
            "cpu.pb.gz is missing or cut short: was cut off: the recording ended.");
}

TEST(ManifestReader, CountsLinesOfALaterVersionAndKeepsItsLimit) {
  std::string text = "ullage incident 1\nwhat is this\nrss -1 5\nrss x\n";
  for (std::size_t i = 0; i < kManifestMarksMax + 5; ++i) text += "rss 1 1\n";
  const Result<evidence::Evidence> read = read_manifest(Input::from_text("m", text), {});
  EXPECT_EQ(read->incident.artefacts[0].records_unknown, 3u);
  EXPECT_EQ(read->marks.size(), kManifestMarksMax);
}

}  // namespace
}  // namespace ullage::trace
