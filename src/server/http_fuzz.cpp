// SPDX-License-Identifier: Apache-2.0
//
// Any bytes are a request or none; one that is valid has a path.
#include <cstdlib>

#include "server/http.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string head(reinterpret_cast<const char*>(data), size);
  const ullage::server::HttpRequest request = ullage::server::parse_http_request(head);
  if (request.valid && !request.path.starts_with('/')) std::abort();
  return 0;
}
