// SPDX-License-Identifier: Apache-2.0
//
// Any bytes, read as the text of a Go profile, a goroutine dump or a crash.
#include <cstdint>
#include <cstdlib>

#include "trace/pprof/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ullage;
  trace::sniff_go_text_profile({data, size});
  const auto e =
      trace::read_go_text_profile(trace::Input::from_bytes("fuzz", {data, data + size}), {});
  if (!e.ok()) {
    if (e.error().message.empty()) std::abort();
    return 0;
  }
  const evidence::Incident& i = e->incident;
  if (i.artefacts.size() != 1 || e->understood.bytes_used > size) std::abort();
  if (i.artefacts[0].records_unknown > i.artefacts[0].records) std::abort();
  for (const evidence::HeapSite& site : i.heap_sites) {
    if (site.rungs.size() > evidence::kRungsMax || site.snapshot >= i.snapshots.size())
      std::abort();
  }
  for (const evidence::Recursion& r : i.recursions) {
    if (r.cycle.empty() || r.cycle.size() > 4 || r.frames < r.repeats) std::abort();
  }
  return 0;
}
