// SPDX-License-Identifier: Apache-2.0
//
// Any pattern is searched for in bounded time.
//
//   | pattern | line end | text |
#include <cstdint>
#include <string_view>

#include "document/matches.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = input.find('\n');
  if (end == std::string_view::npos) return 0;
  std::uint64_t work = 1 << 20;
  (void)ullage::document::search(input.substr(0, end), input.substr(end + 1), work);
  return 0;
}
