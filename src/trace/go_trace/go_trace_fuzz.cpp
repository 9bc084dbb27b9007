// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a Go execution trace, by both readers: errors or what could be read, within bounds.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "trace/go_trace/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ullage;
  // What is larger only takes longer.
  if (size > 1 << 16) return 0;
  const trace::Input input = trace::Input::from_bytes("fuzz", {data, data + size});
  trace::ReadOptions options;
  options.threads = size % 2 == 0 ? 1 : 2;
  const auto evidence = trace::read_go_trace(input, options);
  if (!evidence.ok()) {
    if (evidence.error().message.empty()) std::abort();
  } else {
    const evidence::Incident& incident = evidence->incident;
    if (incident.artefacts.size() != 1) std::abort();
    const evidence::Artefact& artefact = incident.artefacts[0];
    if (artefact.bytes_skipped > artefact.bytes) std::abort();
    if (artefact.bytes_skipped != 0 && artefact.notes.empty()) std::abort();
    // No event is shorter than two bytes.
    if (artefact.records > size / 2) std::abort();
    if (incident.pauses.size() > evidence::kPausesMax) std::abort();
    for (const evidence::Pause& pause : incident.pauses) {
      if (pause.stopping_ns > pause.duration_ns || pause.where.at >= size) std::abort();
    }
    for (const evidence::AssistSite& site : incident.assist_sites) {
      if (site.max_ns > site.total_ns || site.count == 0) std::abort();
    }
    for (const evidence::GoroutineGroup& group : incident.goroutines) {
      if (group.ended > group.created + size) std::abort();
    }
  }
  options.verify = true;
  const auto strict = trace::read_go_trace(input, options);
  // Two readings of one trace that contradict each other are our own mistake, unless it is told.
  if (!strict.ok() && strict.error().message.empty()) std::abort();
  if (!evidence.ok() && strict.ok()) std::abort();
  return 0;
}
