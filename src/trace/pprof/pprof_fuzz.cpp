// SPDX-License-Identifier: Apache-2.0
//
// Any bytes, read as a pprof profile.
#include <cstdint>
#include <cstdlib>

#include "trace/pprof/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ullage;
  trace::sniff_pprof({data, size});
  const auto e = trace::read_pprof(trace::Input::from_bytes("fuzz", {data, data + size}), {});
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
    for (std::size_t k = 1; k < site.rungs.size(); ++k) {
      if (site.rungs[k].bytes <= site.rungs[k - 1].bytes) std::abort();
    }
  }
  for (std::size_t k = 1; k < i.cpu_sites.size(); ++k) {
    if (i.cpu_sites[k].samples > i.cpu_sites[k - 1].samples) std::abort();
  }
  return 0;
}
