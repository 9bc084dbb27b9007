// SPDX-License-Identifier: Apache-2.0
#include "trace/heap_dump/reader.h"

#include <cstring>

#include "base/format.h"
#include "base/text.h"
#include "trace/heap_dump/facts.h"

namespace ullage::trace {
namespace {

// Share of reading that decoding takes; following pointers is the rest.
constexpr double kDecodeShare = 0.5;

struct Progress {
  const ReadOptions& options;
  std::uint64_t bytes = 0;
};

void step(void* context, std::uint64_t at) {
  const auto& p = *static_cast<const Progress*>(context);
  if (p.options.progress) {
    p.options.progress(kDecodeShare * static_cast<double>(at) / static_cast<double>(p.bytes));
  }
}

evidence::Artefact& add_artefact(const Input& input, const heap_dump::Dump& dump,
                                 evidence::Incident& incident) {
  evidence::Artefact& a = incident.artefacts.emplace_back();
  a.name = input.name();
  a.format = "Go heap dump";
  a.version = clean_utf8(dump.version);
  a.bytes = input.bytes().size();
  a.records = dump.objects.size();
  a.unit = "objects";
  a.bytes_skipped = a.bytes - dump.understood;
  a.cut = !dump.complete;
  if (a.cut) {
    a.notes.push_back("Read up to byte " + format_count(dump.understood) + ": " + dump.stopped +
                      ".");
  }
  return a;
}

}  // namespace

bool sniff_heap_dump(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= heap_dump::kMagic.size() &&
         std::memcmp(bytes.data(), heap_dump::kMagic.data(), heap_dump::kMagic.size()) == 0;
}

Result<evidence::Evidence> read_heap_dump(const Input& input, const ReadOptions& options) {
  if (!sniff_heap_dump(input.bytes())) {
    return Error{Code::kInvalid, input.name() +
                                     ": no Go heap dump.\n  Expected \"go1.7 heap dump\" as its "
                                     "first line, as debug.WriteHeapDump writes it."};
  }
  Progress progress{options, input.bytes().size()};
  const heap_dump::Dump dump = heap_dump::decode(input.bytes(), step, &progress);
  if (dump.objects.empty() && dump.goroutines.empty()) {
    return Error{Code::kInvalid, input.name() + ": holds no objects" +
                                     (dump.complete ? "" : ": " + dump.stopped) +
                                     ".\n  Take the dump again with debug.WriteHeapDump."};
  }
  evidence::Evidence evidence;
  evidence::Incident& incident = evidence.incident;
  evidence::Artefact& artefact = add_artefact(input, dump, incident);
  incident.facts.runtime = evidence::Runtime::kGo;
  incident.facts.version = artefact.version;
  incident.facts.processors = dump.processors;
  incident.snapshots.push_back({0, "heap dump", 0, false, 0, 0, 0});

  heap_dump::add_goroutines(dump, incident);
  heap_dump::add_metrics(dump, incident);
  const std::uint64_t period = heap_dump::add_heap_sites(dump, incident);
  if (period > 1) {
    artefact.notes.push_back("Its profile counts samples; scaled up for one in " +
                             format_bytes(period) + ", as runtime.MemProfileRate is by default.");
  }
  if (heap_dump::lines_are_late(dump)) {
    artefact.notes.push_back(
        "Its profile has no frames of the runtime (before Go 1.25): the line of an allocation may "
        "be "
        "that of the statement after it.");
  }
  if (dump.roots_seen) {
    const heap_dump::Graph graph(dump, input.bytes());
    heap_dump::add_retentions(dump, graph, input.bytes(), incident);
    if (graph.unreached_bytes() > 0) {
      artefact.notes.push_back(
          format_counted(dump.objects.size() - graph.reached_objects(), "object") + " (" +
          format_bytes(graph.unreached_bytes()) +
          ") can't be reached: garbage since the last collection.");
    }
    if (graph.views_dropped() > 0) {
      artefact.notes.push_back(format_count(graph.views_dropped()) +
                               " slices of large objects were too many to keep; their objects are "
                               "not judged.");
    }
  } else {
    artefact.notes.push_back("Cut before the roots: what keeps objects alive is not known.");
  }
  if (options.progress) options.progress(1);
  return evidence;
}

}  // namespace ullage::trace
