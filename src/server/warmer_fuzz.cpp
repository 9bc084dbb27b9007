// SPDX-License-Identifier: Apache-2.0
//
// Any bytes are a list of hot keys or a message; what was accepted is written and read the same.
#include <cstdlib>

#include "server/warmer.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace ullage::server;
  const auto keys = read_hot_keys({reinterpret_cast<const char*>(data), size});
  if (!keys.ok()) {
    if (keys.error().message.empty()) std::abort();
    return 0;
  }
  const auto again = read_hot_keys(write_hot_keys(keys.value()));
  if (!again.ok() || again->size() != keys->size()) std::abort();
  return 0;
}
