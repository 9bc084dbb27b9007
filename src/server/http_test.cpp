// SPDX-License-Identifier: Apache-2.0
#include "server/http.h"

#include <gtest/gtest.h>

namespace ullage::server {
namespace {

TEST(HttpRequest, IsReadFromItsHead) {
  const HttpRequest request = parse_http_request(
      "GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\nACCEPT:  Application/OpenMetrics-Text \r\nX\r\n");
  EXPECT_TRUE(request.valid);
  EXPECT_TRUE(request.keep);
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.path, "/metrics?x=1");
  EXPECT_EQ(request.accept, "application/openmetrics-text");
  EXPECT_FALSE(parse_http_request("GET / HTTP/1.1\r\nConnection: close").keep);
  EXPECT_FALSE(parse_http_request("GET / HTTP/1.0").keep);
}

TEST(HttpRequest, IsRefusedWhenItIsNoneOrHasABody) {
  for (const char* head :
       {"", "GET", "GET /", "GET  HTTP/1.1", "GET x HTTP/1.1", "\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 3", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked"}) {
    EXPECT_FALSE(parse_http_request(head).valid) << head;
  }
}

}  // namespace
}  // namespace ullage::server
