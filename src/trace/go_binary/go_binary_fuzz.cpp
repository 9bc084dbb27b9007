// SPDX-License-Identifier: Apache-2.0
//
// Any bytes, opened as a Go binary and asked about addresses all over it.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "trace/go_binary/go_binary.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ullage;
  const auto opened = trace::GoBinary::open(trace::Input::from_bytes("fuzz", {data, data + size}));
  if (!opened.ok()) {
    if (opened.error().message.empty()) std::abort();
    return 0;
  }
  const trace::GoBinary& binary = **opened;
  for (const std::uint64_t page : {std::uint64_t{0}, std::uint64_t{0x400000}}) {
    for (std::uint64_t at = 0x1000; at < 0x1090; at += 3) {
      const auto frames = binary.frames_at(page + at);
      if (frames.size() > 65) std::abort();
      const auto call = binary.call_before(page + at);
      if (call.function.empty() && call.element_bytes != 0) std::abort();
    }
  }
  binary.entry_of("main.g");
  binary.address_of(size / 2);
  return 0;
}
