// SPDX-License-Identifier: Apache-2.0
#include "wire/http_parser.h"

#include <gtest/gtest.h>

#include <utility>

#include "wire/http_beast_testing.h"

namespace ullage::wire {
namespace {

struct Message {
  HttpRequest request;
  std::string body;
};
struct Outcome {
  std::vector<Message> messages;
  int status = 0;
  std::string error;
};

// All requests in `bytes`, which arrive in pieces.
Outcome read(std::string_view bytes, std::size_t piece, const HttpLimits& limits = {}) {
  HttpParser parser(limits);
  Outcome outcome;
  std::string held;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    held += bytes.substr(at, piece);
    for (;;) {
      const HttpParsed got = parser.parse(held);
      if (got == HttpParsed::kHead) outcome.messages.push_back({parser.request(), ""});
      if (got == HttpParsed::kBody) outcome.messages.back().body += parser.body();
      if (got == HttpParsed::kError) {
        outcome.status = parser.status();
        outcome.error = parser.error();
        return outcome;
      }
      held.erase(0, parser.consumed());
      if (got == HttpParsed::kNeedMore) break;
    }
  }
  return outcome;
}

int status_of(std::string_view bytes, const HttpLimits& limits = {}) {
  const int whole = read(bytes, bytes.size(), limits).status;
  EXPECT_EQ(read(bytes, 1, limits).status, whole) << bytes;
  return whole;
}

TEST(HttpParser, ReadsRequestsOneAfterTheOtherHoweverTheyArrive) {
  const std::string_view bytes =
      "PUT /v1/keys/a%20b?ttl=5s HTTP/1.1\r\nHost: x\r\nCONTENT-LENGTH: 5\r\n"
      "Expect: 100-Continue\r\nX-One:  a \r\nx-one: b\r\n\r\nhello"
      "\r\nPOST http://x:1/v1/keys:batchGet HTTP/1.1\r\nhost: x\r\nTransfer-Encoding: "
      "Chunked\r\n\r\n"
      "4;name=value\r\nwiki\r\n00A\r\n0123456789\r\n0\r\nTrailer: yes\r\n\r\n"
      "GET /metrics HTTP/1.0\r\n\r\n"
      "GET / HTTP/1.1\r\nHost:\r\nConnection: Upgrade, close\r\n\r\n";
  for (std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{7}, bytes.size()}) {
    const Outcome outcome = read(bytes, piece);
    ASSERT_EQ(outcome.status, 0) << outcome.error;
    ASSERT_EQ(outcome.messages.size(), 4u);
    const auto& [put, body] = outcome.messages[0];
    EXPECT_EQ(put.method, "PUT");
    EXPECT_EQ(put.target, "/v1/keys/a%20b?ttl=5s");
    EXPECT_TRUE(put.expects_continue && put.keep_alive);
    EXPECT_EQ(put.field("x-one"), "a, b");
    EXPECT_EQ(put.field("x-two"), std::nullopt);
    EXPECT_EQ(body, "hello");
    EXPECT_EQ(outcome.messages[1].request.target, "/v1/keys:batchGet");
    EXPECT_EQ(outcome.messages[1].body, "wiki0123456789");
    EXPECT_FALSE(outcome.messages[2].request.keep_alive) << "HTTP/1.0 closes unless told otherwise";
    EXPECT_FALSE(outcome.messages[3].request.keep_alive);
  }
}

TEST(HttpParser, RefusesWhateverCouldBeReadInTwoWays) {
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\n";
  for (const char* fields : {
           "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
           "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
           "Content-Length: 3\r\nContent-Length: 3\r\n\r\n",
           "Content-Length: 3, 3\r\n\r\n",
           "Content-Length: +3\r\n\r\n",
           "Content-Length: 3a\r\n\r\n",
           "Content-Length:\r\n\r\n",
           "Content-Length: 9223372036854775808\r\n\r\n",
           "Content-Length : 3\r\n\r\n",
           "Content\tLength: 3\r\n\r\n",
           "X: a\r\n b\r\n\r\n",
           " X: a\r\n\r\n",
           "X: a\nY: b\r\n\r\n",
           "X: a\rY: b\r\n\r\n",
           "X: a\x01\r\n\r\n",
           "X\r\n\r\n",
           ": a\r\n\r\n",
           "Host: y\r\n\r\n",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
           "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
           "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
           "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
           "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
           "Transfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n",
           "Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
           "Transfer-Encoding: chunked\r\n\r\n0\r\nno field\r\n\r\n",
       }) {
    EXPECT_EQ(status_of(head + fields), 400) << fields;
  }
  EXPECT_EQ(status_of(head + "Transfer-Encoding: gzip, chunked\r\n\r\n"), 501);
  EXPECT_EQ(status_of(head + "Transfer-Encoding: identity\r\n\r\n"), 501);
  EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

TEST(HttpParser, RefusesWhatIsNoRequest) {
  for (const char* bytes :
       {"\x16\x03\x01 hello", "*3\r\n$3\r\nGET\r\n\r\n\r\n", "GET\r\n\r\n", "GET /\r\n\r\n",
        "GET  HTTP/1.1\r\n\r\n", "GET / HTTP\r\n\r\n", "GET x HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / a HTTP/1.1\r\nHost: x\r\n\r\n", "GET /\t HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /#a HTTP/1.1\r\nHost: x\r\n\r\n",
        "G\"T / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\n\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"}) {
    // "*3" begins like a method: it is refused at its first line instead.
    EXPECT_EQ(status_of(bytes), 400) << bytes;
  }
  EXPECT_EQ(status_of("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), 505);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: x\r\nExpect: gold\r\n\r\n"), 417);
}

TEST(HttpParser, KeepsItsLimits) {
  const HttpLimits limits{.head_bytes_max = 100,
                          .fields_max = 2,
                          .body_bytes_max = 10,
                          .chunk_line_bytes_max = 8,
                          .trailer_bytes_max = 8};
  const std::string head = "PUT / HTTP/1.1\r\nHost: x\r\n";
  EXPECT_EQ(status_of("GET /" + std::string(200, 'a'), limits), 431) << "its end never comes";
  EXPECT_EQ(status_of(head + "A: b\r\nC: d\r\n\r\n", limits), 431);
  EXPECT_EQ(status_of(head + "Content-Length: 11\r\n\r\n", limits), 413);
  EXPECT_EQ(status_of(head + "Content-Length: 10\r\n\r\n0123456789", limits), 0);
  const std::string chunked = head + "Transfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(status_of(chunked + "5\r\n01234\r\n6\r\n012345\r\n0\r\n\r\n", limits), 413);
  EXPECT_EQ(status_of(chunked + "fffffffffffffff\r\n", limits), 400) << "the line is too long";
  EXPECT_EQ(status_of(chunked + "ffffffff\r\n", limits), 413);
  EXPECT_EQ(status_of(chunked + "5;aaaaaaaaaaaa", limits), 400);
  EXPECT_EQ(status_of(chunked + "0\r\nA: bbbbbbbbbb\r\n\r\n", limits), 431);
}

// One byte changed, added or left out, everywhere: what both take, both read alike.
TEST(HttpParser, AgreesWithBeastWhereARequestEnds) {
  const std::string seeds[] = {
      "PUT /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX: y\r\n\r\nhelloGET",
      "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n"
      "T: u\r\n\r\nGET",
  };
  std::size_t compared = 0;
  for (const std::string& seed : seeds) {
    for (std::size_t at = 0; at < seed.size(); ++at) {
      for (const char* put : {"", " ", "\t", "\r", "\n", "\r\n", ":", ",", "0", "1", ";", "\x80"}) {
        for (const std::size_t out : {0u, 1u}) {
          std::string bytes = seed;
          bytes.replace(at, out, put);
          HttpParser parser;
          std::string body;
          std::size_t used = 0;
          HttpParsed got = HttpParsed::kHead;
          while (got == HttpParsed::kHead || got == HttpParsed::kBody) {
            got = parser.parse(std::string_view(bytes).substr(used));
            used += parser.consumed();
            body += parser.body();
          }
          const auto other = read_with_beast(bytes);
          if (got != HttpParsed::kDone || !other) continue;
          ++compared;
          EXPECT_EQ(used, other->consumed) << bytes;
          EXPECT_EQ(body, other->body) << bytes;
          EXPECT_EQ(parser.request().method, other->method) << bytes;
        }
      }
    }
  }
#ifdef ULLAGE_HAS_BEAST
  EXPECT_GT(compared, 500u);
#endif
}

TEST(HttpParser, StaysWithItsErrorAndKnowsWhenItIsBetweenRequests) {
  HttpParser parser;
  EXPECT_TRUE(parser.between_requests());
  ASSERT_EQ(parser.parse("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n"),
            HttpParsed::kHead);
  EXPECT_FALSE(parser.between_requests());
  EXPECT_EQ(parser.parse("a"), HttpParsed::kBody);
  EXPECT_EQ(parser.parse(""), HttpParsed::kDone);
  EXPECT_TRUE(parser.between_requests());
  EXPECT_EQ(parser.parse("\1"), HttpParsed::kError);
  EXPECT_EQ(parser.parse("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), HttpParsed::kError);
}

}  // namespace
}  // namespace ullage::wire
