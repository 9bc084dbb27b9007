// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the tests of the JVM detectors share: evidence written in a few words.

#include <optional>
#include <string>

#include "diagnose/finding.h"

namespace ullage::diagnose::jvm_testing {

using evidence::Evidence;
using evidence::GcCycle;
using evidence::Position;

inline constexpr std::uint64_t kMb = 1 << 20;
inline constexpr std::uint64_t kMs = 1'000'000;

inline Evidence of_jvm(const std::string& collector) {
  Evidence evidence;
  evidence.incident.facts.runtime = evidence::Runtime::kJvm;
  evidence.incident.facts.collector = collector;
  evidence.incident.facts.heap_max_bytes = 256 * kMb;
  evidence.incident.facts.region_bytes = collector == "G1" ? kMb : 0;
  evidence.incident.facts.processors = 8;
  evidence.incident.artefacts.emplace_back();
  evidence.incident.artefacts[0].name = "gc.log";
  evidence.incident.artefacts[0].format = "JVM GC log (unified)";
  evidence.incident.artefacts[0].has_times = true;
  return evidence;
}

inline GcCycle& add(Evidence& evidence, const std::string& kind, std::uint64_t ms) {
  std::vector<GcCycle>& cycles = evidence.incident.cycles;
  cycles.emplace_back();
  GcCycle& cycle = cycles.back();
  cycle.kind = kind;
  cycle.ordinal = cycles.size();
  cycle.start_ns = static_cast<std::int64_t>(cycles.size()) * 1'000'000'000;
  cycle.duration_ns = ms * kMs;
  cycle.where = {0, Position::Unit::kLine, cycles.size() * 10};
  return cycle;
}

inline GcCycle& heap(GcCycle& cycle, std::uint64_t before_mb, std::uint64_t after_mb,
                     std::uint64_t capacity_mb) {
  cycle.heap_known = true;
  cycle.heap_start_bytes = before_mb * kMb;
  cycle.heap_end_bytes = after_mb * kMb;
  cycle.goal_bytes = capacity_mb * kMb;
  return cycle;
}

inline void humongous(Evidence& evidence, std::int64_t before, std::int64_t after,
                      const std::string& cause = "G1 Evacuation Pause") {
  GcCycle& cycle = add(evidence, "Young", 5);
  cycle.humongous_before = before;
  cycle.humongous_after = after;
  cycle.cause = cause;
}

inline std::optional<Finding> find(const Evidence& evidence, const std::string& detector) {
  for (Finding& finding : diagnose(evidence, {})) {
    if (finding.detector == detector) return finding;
  }
  return std::nullopt;
}

inline std::string said(const Finding& finding) {
  std::string text = finding.title + "\n";
  for (const std::string& sentence : finding.evidence) text += sentence + "\n";
  return text + finding.remedy + "\n" + finding.check;
}

}  // namespace ullage::diagnose::jvm_testing
