// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a JVM's text dump: an Incident within the bounds of the model, or an error.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "trace/jvm_dump/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ullage;
  const trace::Input input =
      trace::Input::from_text("fuzz", {reinterpret_cast<const char*>(data), size});
  trace::sniff_jvm_dump(input.bytes());
  const auto evidence = trace::read_jvm_dump(input, {});
  if (!evidence.ok()) {
    if (evidence.error().message.empty()) std::abort();
    return 0;
  }
  const evidence::Incident& i = evidence->incident;
  if (i.artefacts.size() != 1 || i.artefacts[0].records_unknown > i.artefacts[0].records) {
    std::abort();
  }
  if (i.recursions.size() > evidence::kRecursionsMax || i.waits.size() > evidence::kWaitsMax) {
    std::abort();
  }
  if (i.out_of_memory.size() > evidence::kOutOfMemoriesMax) std::abort();
  for (const evidence::OutOfMemory& o : i.out_of_memory) {
    if (o.stack.empty() || o.stack.size() > evidence::kOutOfMemoryFramesMax) std::abort();
  }
  for (const evidence::Recursion& r : i.recursions) {
    if (r.cycle.empty() || r.repeats == 0) std::abort();
  }
  for (const evidence::ClassCount& c : i.classes) {
    if (c.snapshot >= i.snapshots.size()) std::abort();
  }
  for (const evidence::GoroutineGroup& g : i.goroutines) {
    if (g.snapshot >= i.snapshots.size() || g.count == 0) std::abort();
  }
  return 0;
}
