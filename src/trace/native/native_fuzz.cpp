// SPDX-License-Identifier: Apache-2.0
//
// Any bytes, read as a recording and linked into evidence, without symbols: what the files of other
// people may do to `ullage diagnose`.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "record/reader.h"
#include "trace/native/native.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ullage;
  std::string error;
  const auto recording = record::Recording::from_bytes({data, data + size}, "fuzz", error);
  if (recording == nullptr) return 0;
  trace::ReadOptions options;
  options.symbolize = false;
  const auto evidence = trace::read_recording(*recording, options);
  if (!evidence.ok()) {
    if (evidence.error().message.empty()) std::abort();
    return 0;
  }
  const evidence::Evidence& e = *evidence;
  if (e.understood.bytes_used > e.understood.bytes_total) std::abort();
  if (e.understood.segments_damaged != 0 && e.understood.notes.empty()) std::abort();
  if (e.allocation_sites.size() > evidence::kAllocationSites) std::abort();
  for (const evidence::GrowthSite& s : e.growth_sites) {
    if (s.links < s.chains || s.links < s.moved_links || s.content_links > s.links) std::abort();
    if (s.stack.empty()) std::abort();
  }
  for (const evidence::GrowthLink& l : e.worst_links) {
    if (l.site >= e.growth_sites.size() || l.end_ns < l.start_ns) std::abort();
  }
  return 0;
}
