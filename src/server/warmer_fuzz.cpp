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
  const auto names = std::make_shared<HotNames>(size + 1, size * 16 + 64);
  for (const HotKey& each : keys.value()) names->add(each.frequency, each.db, each.key);
  std::string text;
  for (const std::string_view part : hot_list({names})) text += part;
  const auto again = read_hot_keys(text);
  if (!again.ok() || again->size() != keys->size()) std::abort();
  return 0;
}
