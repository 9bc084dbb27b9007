// SPDX-License-Identifier: Apache-2.0
//
// Any bytes are requests, a wait for more, or an error; the same ones whether they arrive at once
// or in pieces (the first byte says how large); the first as Beast reads it, if it takes it. A
// target's parts survive being encoded again.
#include <cstdlib>
#include <string>
#include <vector>

#include "wire/http_beast_testing.h"
#include "wire/http_parser.h"
#include "wire/http_target.h"

namespace {

using ullage::wire::HttpParsed;
using ullage::wire::HttpParser;

struct Message {
  std::string method, target, body;
  std::size_t fields = 0, end = 0;  // where it ends
  bool whole = false;
  bool operator==(const Message&) const = default;
};
struct Outcome {
  std::vector<Message> messages;
  int status = 0;
  bool operator==(const Outcome&) const = default;
};

constexpr ullage::wire::HttpLimits kLimits{.head_bytes_max = 2048,
                                           .fields_max = 20,
                                           .body_bytes_max = 4096,
                                           .chunk_line_bytes_max = 64,
                                           .trailer_bytes_max = 256};

void check(bool holds) {
  if (!holds) std::abort();
}

Outcome all_of(std::string_view bytes, std::size_t piece) {
  HttpParser parser(kLimits);
  Outcome outcome;
  std::size_t done = 0;
  std::string held;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    std::string moved = held;  // another address: views of before must not be used
    moved += bytes.substr(at, piece);
    held.swap(moved);
    for (;;) {
      const HttpParsed got = parser.parse(held);
      check(parser.consumed() <= held.size());
      if (got == HttpParsed::kError) {
        outcome.status = parser.status();
        check(outcome.status >= 400 && outcome.status < 600 && !parser.error().empty());
        return outcome;
      }
      if (got == HttpParsed::kHead) {
        const auto& request = parser.request();
        check(request.target.starts_with('/') || request.target == "*");
        check(!(request.chunked && request.content_length));
        outcome.messages.push_back({request.method, request.target, "", request.fields.size(), 0});
      }
      if (got == HttpParsed::kBody) {
        check(!parser.body().empty() && parser.body().size() <= parser.consumed());
        outcome.messages.back().body += parser.body();
        check(outcome.messages.back().body.size() <= kLimits.body_bytes_max);
      }
      done += parser.consumed();
      if (got == HttpParsed::kDone) {
        outcome.messages.back().whole = true;
        outcome.messages.back().end = done;
      }
      held.erase(0, parser.consumed());
      if (got == HttpParsed::kNeedMore) break;
    }
    check(held.size() <= kLimits.head_bytes_max + 4 + piece);
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t piece = data[0] % 64 + 1;
  const Outcome whole = all_of(bytes, bytes.size() + 1), pieces = all_of(bytes, piece);
  // Which of two things is wrong may depend on what is seen first.
  const bool both_refused = whole.status != 0 && pieces.status != 0;
  check(whole == pieces || (both_refused && whole.status != pieces.status));
  // Whoever stands in front of us reads the first one as we do, or not at all.
  if (!whole.messages.empty() && whole.messages[0].whole) {
    const Message& first = whole.messages[0];
    if (const auto other = ullage::wire::read_with_beast(bytes)) {
      check(other->consumed == first.end && other->body == first.body);
      check(other->method == first.method);
      check(other->target.ends_with(std::string_view(first.target).substr(1)));
    }
  }
  ullage::wire::HttpTarget target;
  if (ullage::wire::parse_target(bytes, target)) {
    check(bytes.starts_with(target.path));
    for (const auto& [name, value] : target.query) {
      check(ullage::wire::percent_decode(ullage::wire::percent_encode(name), true) == name);
      check(ullage::wire::percent_decode(ullage::wire::percent_encode(value), false) == value);
    }
  }
  return 0;
}
