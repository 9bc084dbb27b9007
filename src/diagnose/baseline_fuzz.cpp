// SPDX-License-Identifier: Apache-2.0
//
// A baseline comes from a repository or an artefact store: any bytes. It must be read or refused,
// and what is read must be fingerprints.
#include <cstdlib>
#include <string_view>

#include "diagnose/fail_on.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto baseline =
      ullage::diagnose::parse_baseline({reinterpret_cast<const char*>(data), size});
  if (!baseline.ok()) {
    if (baseline.error().message.empty()) std::abort();
    return 0;
  }
  for (const std::string& fingerprint : baseline.value()) {
    if (fingerprint.size() != 16) std::abort();
  }
  return 0;
}
