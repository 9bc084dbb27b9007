// SPDX-License-Identifier: Apache-2.0
//
// Any text is a document or none, and one that is printed reads back as the same bytes; any bytes
// are well formed or not, and can be read if they are.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "document/merge.h"
#include "document/parse.h"
#include "document/print.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ullage::document;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (well_formed(input)) {
    std::string text, merged;
    print(text, Value(input.data()), {.indent = " ", .newline = "\n", .space = " "});
    merge(merged, Value(input.data()), Value(input.data()));
    if (!well_formed(merged) || depth_of(Value(input.data())) > kDepthMax) std::abort();
    std::uint64_t work = 1 << 16;
    (void)equal(Value(input.data()), Value(merged.data()), work);
  }
  std::string bytes;
  if (!parse(input, bytes).ok()) return 0;
  if (!well_formed(bytes) || Value(bytes.data()).bytes() != bytes.size()) std::abort();
  if (static_cast<double>(bytes.size()) > kParsedBytesPerTextByte * static_cast<double>(size + 1)) {
    std::abort();
  }
  std::string text, again;
  print(text, Value(bytes.data()));
  if (!parse(text, again).ok() || again != bytes) std::abort();
  return 0;
}
