// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as something packed: whatever they unpack to stays within the limits, and what was left
// out is told.
#include <cstdint>
#include <cstdlib>

#include "trace/input_open.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ullage::trace;
  InputLimits limits;
  limits.files_max = 64;
  limits.unpacked_bytes_max = 1 << 20;
  std::vector<InputProblem> problems;
  const auto inputs =
      unpack_inputs(Input::from_bytes("fuzz", {data, data + size}), limits, &problems);
  if (inputs.size() > limits.files_max + 1) std::abort();
  std::uint64_t sum = 0;
  for (const Input& input : inputs) {
    if (!input.name().starts_with("fuzz")) std::abort();
    for (const std::uint8_t byte : input.bytes()) sum += byte;
  }
  for (const InputProblem& problem : problems) {
    if (problem.error.message.empty()) std::abort();
  }
  return sum == UINT64_MAX ? 1 : 0;
}
