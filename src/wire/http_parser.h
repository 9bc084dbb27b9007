// SPDX-License-Identifier: Apache-2.0
#pragma once

// HttpParser: requests of HTTP/1.1 and 1.0 out of a connection's bytes, one after the other.
//
//   HttpParser parser({.body_bytes_max = 512 << 20});
//   for (;;) {
//     const HttpParsed got = parser.parse(bytes);
//     bytes.remove_prefix(parser.consumed());
//     if (got == HttpParsed::kHead) decide(parser.request());      // before the body is there
//     if (got == HttpParsed::kBody) body.append(parser.body());    // a part of it
//     if (got == HttpParsed::kDone) answer();                      // then comes the next request
//     if (got == HttpParsed::kNeedMore || got == HttpParsed::kError) break;
//   }
//
// Strict    Where two readings of one message are possible, it is refused: what stands between us
//           and the client may read it the other way (request smuggling). Content-Length beside
//           Transfer-Encoding, or twice; a folded line, a bare CR or LF, a blank before the colon;
//           an encoding other than chunked. After an error nothing more may be parsed.
// Cost      A head is read once it is whole; bodies are views of the caller's bytes.
// Threads   One at a time. Views are as good as the bytes they are of.
// Limits    HttpLimits, each met with the status that HTTP has for it.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ullage::wire {

struct HttpLimits {
  std::size_t head_bytes_max = 64 * 1024;  // a key of 16 000 bytes takes 48 000 when encoded
  std::size_t fields_max = 100;
  std::uint64_t body_bytes_max = 512u << 20;
  // Of one chunk's size and extensions; of all fields behind the last chunk.
  std::size_t chunk_line_bytes_max = 256, trailer_bytes_max = 8 * 1024;
};

struct HttpField {
  std::string name;  // in lower case
  std::string value;
};

struct HttpRequest {
  std::string method;  // as it came: "GET"
  std::string target;  // "/v1/keys/a%20b?ttl=5s"; "*"
  unsigned minor = 1;  // HTTP/1.minor
  std::vector<HttpField> fields;
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool expects_continue = false;
  bool keep_alive = true;  // the client would like to go on

  // Values of one name, in lower case: joined by ", " when there are several; null: none.
  std::optional<std::string> field(std::string_view name) const;
};

enum class HttpParsed : std::uint8_t { kNeedMore, kHead, kBody, kDone, kError };

class HttpParser {
 public:
  explicit HttpParser(const HttpLimits& limits = {}) : limits_(limits) {}

  // `bytes`: what was not consumed yet, from the front.
  HttpParsed parse(std::string_view bytes);
  std::size_t consumed() const { return consumed_; }
  const HttpRequest& request() const { return request_; }
  std::string_view body() const { return body_; }  // of kBody
  // Nothing of a request has been consumed.
  bool between_requests() const { return state_ == State::kHead; }
  void body_bytes_max(std::uint64_t bytes) { limits_.body_bytes_max = bytes; }

  // Of kError: the status to answer with, and why, as a sentence.
  int status() const { return status_; }
  const std::string& error() const { return error_; }

 private:
  enum class State : std::uint8_t {
    kHead,
    kBody,
    kChunkSize,
    kChunk,
    kChunkEnd,
    kTrailer,
    kFailed
  };

  HttpParsed fail(int status, std::string why);
  HttpParsed parse_head(std::string_view bytes);
  HttpParsed parse_body(std::string_view bytes);
  HttpParsed parse_chunks(std::string_view bytes);
  HttpParsed parse_trailer(std::string_view bytes);
  HttpParsed done();
  bool request_line(std::string_view line);
  bool field_line(std::string_view line);
  bool settle();
  bool settle_length();

  HttpLimits limits_;
  State state_ = State::kHead;
  HttpRequest request_;
  std::size_t consumed_ = 0, scanned_ = 0;
  std::string_view body_;
  std::uint64_t left_ = 0, body_bytes_ = 0;  // of the body, or of the chunk; so far
  std::size_t trailer_bytes_ = 0;
  int status_ = 0;
  std::string error_;
};

}  // namespace ullage::wire
