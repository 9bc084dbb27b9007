// SPDX-License-Identifier: Apache-2.0
//
// Any bytes are a contract or a message; what was accepted keeps to the bounds of its keys.
#include <cstdlib>

#include "contract/contract.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace ullage::contract;
  const auto contract = Contract::parse({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!contract.ok()) {
    if (contract.error().message.empty()) std::abort();
    return 0;
  }
  for (const Setting& setting : contract->settings()) {
    Contract again;
    if (setting.set && !again.set(setting.key->path, setting.written, "again").ok()) std::abort();
  }
  (void)table(contract.value(), 80);
  return 0;
}
