// SPDX-License-Identifier: Apache-2.0
#include "trace/go_trace/reader.h"

#include <algorithm>
#include <thread>

#include "trace/go_trace/scan.h"
#include "trace/go_trace/strict.h"
#include "trace/go_trace/wire.h"

namespace ullage::trace {
namespace {

// More threads than this wait for each other: a window holds two dozen batches for each of them.
constexpr unsigned kThreadsMax = 16;

const char* writers_of(int version) {
  switch (version) {
    case 22:
      return "go1.22";
    case 23:
      return "go1.23 or go1.24";
    case 25:
      return "go1.25";
    default:
      return "go1.26 or later";
  }
}

std::string seconds(std::uint64_t ns) {
  const std::uint64_t tenths = (ns + 50'000'000) / 100'000'000;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

void describe(const go::ScanReport& report, int version, const Input& input,
              evidence::Incident& incident) {
  evidence::Artefact artefact;
  artefact.name = input.name();
  artefact.format = "Go execution trace";
  artefact.version = writers_of(version);
  artefact.bytes = input.bytes().size();
  artefact.records = report.events + report.damaged_batches;  // one event ended each of these
  artefact.unit = "events";
  artefact.records_unknown = report.damaged_batches;
  artefact.bytes_skipped = report.bytes_skipped;
  artefact.cut = report.cut;
  artefact.has_times = true;
  artefact.last_ns = static_cast<std::int64_t>(report.end_ns - report.begin_ns);
  artefact.wall_ns_at_zero = report.has_wall ? report.wall_ns_at_begin : 0;
  artefact.tick_ns = std::max<std::uint64_t>(1'000'000'000 / report.ticks_per_second, 1);
  if (!report.problem.empty()) {
    artefact.notes.push_back("Stopped at byte " + std::to_string(report.problem_at) + ": " +
                             report.problem + ". " + std::to_string(report.generations) +
                             " generations (" + seconds(report.end_ns - report.begin_ns) +
                             ") were analysed.");
  }
  if (report.without_clock) {
    artefact.notes.emplace_back(
        "The first generations do not tell how long a tick is, and were skipped.");
  }
  if (report.last_incomplete) {
    artefact.notes.emplace_back(
        "The last generation is not complete: some of its stacks and strings may be missing.");
  }
  if (report.damaged_batches != 0) {
    artefact.notes.push_back(std::to_string(report.damaged_batches) +
                             " batches were read in part. The first: " + report.first_damage);
  }
  if (report.unmatched != 0) {
    artefact.notes.push_back(std::to_string(report.unmatched) +
                             " events contradict what came before them, or what they refer to is "
                             "missing; --verify says which comes first.");
  }
  if (report.dropped != 0) {
    artefact.notes.push_back(std::to_string(report.dropped) +
                             " facts were left out: more goroutines or stacks than are kept.");
  }
  incident.artefacts.push_back(std::move(artefact));
  incident.end_ns = incident.artefacts[0].last_ns;
  incident.facts.runtime = evidence::Runtime::kGo;
  incident.facts.version = writers_of(version);
}

using Progress = std::function<void(double)>;

// Of a whole that begins at `from` and is `share` long.
Progress part_of(const Progress& whole, double from, double share) {
  if (!whole) return {};
  return [whole, from, share](double fraction) { whole(from + share * fraction); };
}

// Reads it again, strictly; what the scan found must stand.
Result<evidence::Evidence> verified(evidence::Evidence evidence, int version, const Input& input,
                                    const ReadOptions& options) {
  Result<go::StrictReport> strict =
      go::read_strictly(input, version, part_of(options.progress, 0.5, 0.5));
  if (!strict.ok()) return strict.error();
  evidence::Artefact& artefact = evidence.incident.artefacts[0];
  if (!strict->left_out.empty()) {
    artefact.notes.push_back(strict->left_out);
    return evidence;
  }
  const std::string difference = go::Totals::of(evidence.incident).difference(strict->totals);
  if (!difference.empty()) {
    return Error{Code::kInvalid, input.name() +
                                     ": the fast scan and the strict reader do not agree: " +
                                     difference + ".\n  Please report it, with the trace."};
  }
  artefact.notes.emplace_back(
      "Verified: every event is where its sequence number wants it, and both readings agree.");
  return evidence;
}

}  // namespace

bool sniff_go_trace(std::span<const std::uint8_t> first_bytes) {
  return go::is_go_trace(first_bytes);
}

Result<evidence::Evidence> read_go_trace(const Input& input, const ReadOptions& options) {
  const Result<int> version = go::read_version(input.name(), input.bytes());
  if (!version.ok()) return version.error();
  unsigned threads = options.threads;
  if (threads == 0) threads = std::max(std::thread::hardware_concurrency(), 1U);
  threads = std::min(threads, kThreadsMax);
  evidence::Evidence evidence;
  const auto progress = part_of(options.progress, 0, options.verify ? 0.5 : 1);
  go::Scan scan(input, version.value(), {threads, progress});
  const go::ScanReport report = scan.run(evidence.incident);
  if (report.generations == 0) {
    const std::string why =
        !report.problem.empty()
            ? "stopped at byte " + std::to_string(report.problem_at) + ": " + report.problem
        : report.without_clock
            ? "the length of a tick is missing, so the trace ends before its first generation does"
            : "no generation in it";
    return Error{Code::kInvalid, input.name() + ": " + why +
                                     ".\n  Nothing could be analysed; record it again, and let the "
                                     "program call trace.Stop before it ends."};
  }
  describe(report, version.value(), input, evidence.incident);
  if (options.verify) return verified(std::move(evidence), version.value(), input, options);
  return evidence;
}

}  // namespace ullage::trace
