// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>

#include "trace/incident_manifest/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ullage::trace;
  const Input input = Input::from_bytes("manifest.txt", {data, data + size});
  static_cast<void>(sniff_manifest(input.bytes()));
  static_cast<void>(read_manifest(input, {}));
  return 0;
}
