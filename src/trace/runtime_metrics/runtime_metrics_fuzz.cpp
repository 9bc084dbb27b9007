// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as JSON with metrics in it.
#include <cstdint>
#include <cstdlib>

#include "trace/runtime_metrics/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ullage;
  const auto evidence =
      trace::read_runtime_metrics(trace::Input::from_bytes("fuzz", {data, data + size}), {});
  if (!evidence.ok()) {
    if (evidence.error().message.empty()) std::abort();
    return 0;
  }
  const evidence::Incident& incident = evidence->incident;
  if (incident.artefacts.size() != 1 || incident.artefacts[0].records == 0) std::abort();
  for (const evidence::MetricHistogram& h : incident.histograms) {
    if (h.edges.size() != h.counts.size() + 1) std::abort();
    for (std::size_t i = 1; i < h.edges.size(); ++i) {
      if (!(h.edges[i - 1] < h.edges[i])) std::abort();
    }
  }
  return 0;
}
