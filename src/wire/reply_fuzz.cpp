// SPDX-License-Identifier: Apache-2.0
//
// Any bytes are a reply, a wait for more, or an error; a prefix of a reply is never another reply.
#include <cstdlib>

#include "wire/reply_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace ullage::wire;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const ReplyLimits limits{.depth_max = 8, .elements_max = 1000, .bulk_bytes_max = 4096};
  Reply reply;
  const ReplyParse whole = parse_reply(bytes, limits, reply);
  if (whole.status == Parsed::kError && whole.error.empty()) std::abort();
  if (whole.status != Parsed::kCommand) return 0;
  if (whole.consumed == 0 || whole.consumed > size) std::abort();
  for (std::size_t cut : {whole.consumed - 1, whole.consumed / 2}) {
    if (parse_reply(bytes.substr(0, cut), limits, reply).status != Parsed::kNeedMore) std::abort();
  }
  return 0;
}
