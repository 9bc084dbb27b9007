// SPDX-License-Identifier: Apache-2.0
#pragma once

// The incident that the report tests print: a Go program whose trace, log and heap profile were
// read together. Tests only.

#include <cstdint>
#include <string>
#include <vector>

#include "diagnose/finding.h"
#include "evidence/incident.h"
#include "evidence/merge.h"

namespace ullage::diagnose {

inline evidence::Frame go_frame(const std::string& function, const std::string& file, int line) {
  evidence::Frame frame;
  frame.function = function;
  frame.module = "shop";
  frame.file = file;
  frame.line = line;
  frame.library = evidence::is_go_runtime(function);
  return frame;
}

inline evidence::Evidence sample_incident() {
  constexpr std::int64_t kMs = 1'000'000;
  evidence::Evidence evidence;
  evidence::Incident& incident = evidence.incident;
  evidence.process.program = "shop";
  evidence.process.format = "incident";
  evidence.process.source = "shop.trace, shop.gctrace, shop.heap";
  incident.facts.runtime = evidence::Runtime::kGo;
  incident.facts.version = "go1.26.10";
  incident.facts.program = "shop";
  incident.facts.processors = 8;
  incident.facts.gogc = 100;
  incident.facts.memory_limit = std::uint64_t{4} << 30;
  incident.end_ns = 2000 * kMs;
  evidence.process.duration_ns = 2'000'000'000;

  evidence::Artefact trace, log, heap;
  trace.name = "shop.trace";
  trace.format = "Go execution trace";
  trace.version = "go1.26";
  trace.records = 60123;
  trace.unit = "events";
  trace.has_times = true;
  trace.alignment.how = evidence::Alignment::How::kReference;
  log.name = "shop.gctrace";
  log.format = "gctrace";
  log.records = 83;
  log.records_unknown = 2;
  log.unit = "lines";
  log.has_times = true;
  log.alignment = {evidence::Alignment::How::kGcOrdinal, -30 * kMs, 1'000'000};
  heap.name = "shop.heap";
  heap.format = "pprof heap profile";
  heap.records = 12;
  heap.unit = "samples";
  heap.bytes = 1000;
  heap.bytes_skipped = 100;
  heap.cut = true;
  heap.notes = {"It ends in the middle of a sample."};
  incident.artefacts = {trace, log, heap};

  const evidence::Stack grow = {go_frame("runtime.growslice", "slice.go", 178),
                                go_frame("main.load", "/src/shop/load.go", 41),
                                go_frame("main.main", "/src/shop/main.go", 12)};
  const evidence::Stack handle = {go_frame("main.handle", "/src/shop/handle.go", 7),
                                  go_frame("main.serve", "/src/shop/main.go", 30)};
  for (std::uint64_t i = 1; i <= 8; ++i) {
    evidence::GcCycle cycle;
    cycle.ordinal = i;
    cycle.start_ns = static_cast<std::int64_t>(i) * 200 * kMs;
    cycle.duration_ns = 40'000'000;
    cycle.heap_known = true;
    cycle.heap_start_bytes = i * 40'000'000;
    cycle.live_bytes = i * 30'000'000;
    cycle.goal_bytes = i * 60'000'000;
    cycle.growth_samples = i == 5 ? 9 : 0;
    if (i == 5) cycle.growth_stack = grow;
    incident.cycles.push_back(cycle);
    incident.heap.push_back({cycle.start_ns, cycle.live_bytes, cycle.goal_bytes});
    evidence::Pause pause;
    pause.kind = "GC sweep termination";
    pause.gc = i;
    pause.start_ns = cycle.start_ns - kMs;
    pause.duration_ns = i == 5 ? 33'600'000 : 100'000;
    if (i == 5) {
      pause.reason = evidence::PauseReason::kWaitedForOne;
      pause.culprit = 24;
      pause.culprit_offset_ns = 33'500'000;
      pause.culprit_stack = grow;
      pause.culprit_grew = true;
      pause.stopping_ns = 33'500'000;
      pause.stopping_known = true;
    }
    incident.pauses.push_back(pause);
  }
  incident.pause_kinds = {
      {"GC sweep termination", "", 8, 34'300'000, 33'600'000, 199 * kMs, 1599 * kMs},
      {"read mem stats", "", 2, 400'000, 300'000, 50 * kMs, 60 * kMs}};
  evidence::AssistSite site;
  site.stack = handle;
  site.count = 120;
  site.total_ns = 900'000'000;
  site.max_ns = 25'000'000;
  site.first_ns = 1000 * kMs;
  site.last_ns = 1050 * kMs;
  incident.assist_sites = {site};
  incident.assist_count = 120;
  incident.assist_total_ns = 900'000'000;
  incident.assist_max_ns = 25'000'000;

  incident.snapshots.push_back({2, "heap", 1500 * kMs, false, 500'000'000, 90'000'000, 0});
  evidence::HeapSite bytes;
  bytes.stack = {grow[1], grow[2]};
  bytes.hidden = {grow[0]};
  bytes.call = evidence::CallKind::kAppend;
  bytes.proof = evidence::CallProof::kLadder;
  bytes.rungs = {{1'000'000, 2, 0}, {2'000'000, 2, 1}};
  bytes.alloc_bytes = 400'000'000;
  bytes.alloc_objects = 33;
  bytes.inuse_bytes = 80'000'000;
  bytes.inuse_objects = 1;
  bytes.where.artefact = 2;
  incident.heap_sites = {bytes};
  evidence::CpuSite cpu;
  cpu.stack = grow;
  cpu.call = evidence::CallKind::kAppend;
  cpu.samples = 40;
  cpu.cpu_ns = 400'000'000;
  incident.cpu_sites = {cpu};
  incident.cpu.samples = 100;
  incident.cpu.cpu_ns = 1'000'000'000;
  incident.cpu.slice_growth_samples = 40;
  evidence::Wait wait;
  wait.stack = handle;
  wait.reason = "sync";
  wait.released_by = {grow[1], grow[2]};
  wait.count = 12;
  wait.total_ns = 300'000'000;
  wait.max_ns = 33'000'000;
  wait.first_ns = 990 * kMs;
  wait.last_ns = 1040 * kMs;
  incident.waits = {wait};
  return evidence;
}

// Findings as detectors would make them: one with a moment in the timeline, one without.
inline std::vector<Finding> sample_incident_findings() {
  Finding pause;
  pause.detector = "growth-delays-stop";
  pause.severity = Severity::kError;
  pause.title = "a growing slice kept the world waiting for 33.6 ms";
  pause.where = go_frame("main.load", "/src/shop/load.go", 41);
  pause.growth = go_frame("runtime.growslice", "slice.go", 178);
  pause.stack = {pause.growth, pause.where, go_frame("main.main", "/src/shop/main.go", 12)};
  pause.cost.stall_ns = pause.cost.stall_ns_max = 33'600'000;
  pause.cost.events = 1;
  pause.cost.events_unit = "pauses";
  pause.evidence = {"The last goroutine to stop, 24, was copying for 33.5 ms (shop.trace)."};
  pause.remedy = "give it its size at birth: make([]Order, 0, 250_000).";
  pause.check = "ullage diagnose shop.trace --html=report.html";
  pause.fingerprint = "00112233aabbccdd";
  Finding assist;
  assist.detector = "assist-storm";
  assist.title = "allocating goroutines marked for 900 ms";
  assist.where = go_frame("main.handle", "/src/shop/handle.go", 7);
  assist.stack = {assist.where};
  assist.cost.stall_ns = 900'000'000;
  assist.cost.stall_ns_max = 25'000'000;
  assist.cost.events = 120;
  assist.cost.events_unit = "assists";
  assist.evidence = {"120 assists took 900 ms."};
  assist.remedy = "allocate less here.";
  assist.fingerprint = "ffeeddccbbaa0099";
  return {assist, pause};
}

}  // namespace ullage::diagnose
