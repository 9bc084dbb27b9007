// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a log with lines of gctrace in it.
#include <cstdint>
#include <cstdlib>

#include "trace/gctrace/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ullage;
  const trace::Input input = trace::Input::from_bytes("fuzz", {data, data + size});
  const auto evidence = trace::read_gctrace(input, {});
  if (evidence.ok() != trace::sniff_gctrace(input.bytes())) std::abort();
  if (!evidence.ok()) return 0;
  const evidence::Incident& incident = evidence->incident;
  if (incident.artefacts.size() != 1 || incident.cycles.empty()) std::abort();
  if (incident.cycles.size() > incident.artefacts[0].records) std::abort();
  for (std::size_t i = 1; i < incident.cycles.size(); ++i) {
    if (incident.cycles[i].ordinal <= incident.cycles[i - 1].ordinal) std::abort();
    if (incident.cycles[i].start_ns < incident.cycles[i - 1].start_ns) std::abort();
  }
  return 0;
}
