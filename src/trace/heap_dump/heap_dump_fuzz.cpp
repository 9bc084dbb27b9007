// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a Go heap dump.
#include <cstdint>
#include <cstdlib>

#include "trace/heap_dump/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ullage;
  const auto evidence =
      trace::read_heap_dump(trace::Input::from_bytes("fuzz", {data, data + size}), {});
  if (!evidence.ok()) {
    if (evidence.error().message.empty()) std::abort();
    return 0;
  }
  const evidence::Incident& incident = evidence->incident;
  if (incident.artefacts.size() != 1) std::abort();
  if (incident.artefacts[0].cut && incident.artefacts[0].notes.empty()) std::abort();
  if (incident.retentions.size() > evidence::kRetentionsMax) std::abort();
  for (const evidence::Retention& r : incident.retentions) {
    if (r.offset > r.object_bytes || r.length_bytes > r.object_bytes - r.offset) std::abort();
    if (r.length_bytes > r.capacity_bytes || r.wasted_bytes > r.object_bytes) std::abort();
    if (r.holders == 0 || r.root.empty()) std::abort();
  }
  return 0;
}
