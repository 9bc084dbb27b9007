// SPDX-License-Identifier: Apache-2.0
#pragma once

// What Boost.Beast makes of the same bytes, for tests: where it and HttpParser both take a request,
// they must agree where it ends and what it says. A proxy in front of us is like Beast: it has a
// parser of its own, and a request that the two read in two ways is how one is smuggled past it.
// Without Beast's headers nothing is compared.

#if __has_include(<boost/beast/http/parser.hpp>)
#define ULLAGE_HAS_BEAST 1
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#endif

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ullage::wire {

struct BeastMessage {
  std::string method, target, body;
  std::size_t consumed = 0;
};

// The first request, if Beast takes it whole.
inline std::optional<BeastMessage> read_with_beast(std::string_view bytes) {
#ifdef ULLAGE_HAS_BEAST
  namespace http = boost::beast::http;
  http::request_parser<http::string_body> parser;
  parser.eager(true);
  parser.header_limit(1u << 20);
  parser.body_limit(1u << 20);
  std::size_t consumed = 0;
  while (!parser.is_done()) {
    boost::system::error_code error;
    const std::size_t used = parser.put(
        boost::asio::const_buffer(bytes.data() + consumed, bytes.size() - consumed), error);
    consumed += used;
    if (error || (used == 0 && !parser.is_done())) return std::nullopt;
  }
  const auto& message = parser.get();
  return BeastMessage{std::string(message.method_string()), std::string(message.target()),
                      message.body(), consumed};
#else
  (void)bytes;
  return std::nullopt;
#endif
}

}  // namespace ullage::wire
