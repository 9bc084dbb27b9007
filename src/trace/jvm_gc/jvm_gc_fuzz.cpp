// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a garbage collection log: an Incident within the bounds of the model, or an error.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "trace/jvm_gc/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ullage;
  const trace::Input input =
      trace::Input::from_text("fuzz", {reinterpret_cast<const char*>(data), size});
  trace::sniff_jvm_gc(input.bytes());
  const auto evidence = trace::read_jvm_gc(input, {});
  if (!evidence.ok()) {
    if (evidence.error().message.empty()) std::abort();
    return 0;
  }
  const evidence::Incident& i = evidence->incident;
  if (i.artefacts.size() != 1 || i.artefacts[0].records_unknown > i.artefacts[0].records + 1) {
    std::abort();
  }
  if (i.pauses.size() > evidence::kPausesMax || i.heap.size() > evidence::kHeapPointsMax) {
    std::abort();
  }
  std::uint64_t kinds = 0;
  for (const evidence::PauseKind& kind : i.pause_kinds) kinds += kind.count;
  if (kinds < i.pauses.size()) std::abort();
  for (const evidence::Pause& p : i.pauses) {
    if (p.stopping_ns > p.duration_ns || p.kind.empty()) std::abort();
  }
  for (const evidence::GcCycle& c : i.cycles) {
    if (c.kind.empty()) std::abort();
  }
  return 0;
}
