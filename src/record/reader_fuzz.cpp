// SPDX-License-Identifier: Apache-2.0
//
// Any bytes, read as a recording: open it, unpack every segment, decode every event, archive it
// again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "record/archive.h"
#include "record/event.h"
#include "record/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ullage::record;
  std::string error;
  const auto r = Recording::from_bytes({data, data + size}, "fuzz", error);
  if (r == nullptr) {
    if (error.empty()) std::abort();  // a refusal says why
    return 0;
  }
  if (r->bytes_understood() > r->file_bytes()) std::abort();
  if (r->segments_damaged() > 0 && r->notes().empty()) std::abort();
  std::vector<std::uint8_t> payload;
  for (const SegmentRef& s : r->segments()) {
    if (!r->payload(s, payload, error)) continue;
    if (payload.size() > kSegmentBytesLimit) std::abort();
    if (used_bytes(s.header, payload.data(), payload.size()) > payload.size()) std::abort();
    EventDecoder d(s.header, payload.data(), payload.size(), r->header().tick_shift);
    Event e;
    while (d.next(e)) {
      if (e.name_bytes > payload.size()) std::abort();
    }
    if (d.consumed() > payload.size()) std::abort();
  }
  return 0;
}
