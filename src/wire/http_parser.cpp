// SPDX-License-Identifier: Apache-2.0
#include "wire/http_parser.h"

#include <algorithm>
#include <array>

namespace ullage::wire {
namespace {

constexpr std::string_view kEnd = "\r\n\r\n", kLine = "\r\n";

bool is_token(char c) {
  const auto u = static_cast<unsigned char>(c);
  if ((u >= '0' && u <= '9') || (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z')) return true;
  return c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return is_token(c); });
}
// Of a field's value: visible, blank, tab, or beyond ASCII.
bool is_value(char c) {
  const auto u = static_cast<unsigned char>(c);
  return c == '\t' || (u >= 0x20 && u != 0x7f);
}
bool is_visible(char c) { return c > 0x20 && c < 0x7f; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = lower(c);
  return result;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Whole, without sign, below 2^63.
bool parse_length(std::string_view text, std::uint64_t& value) {
  constexpr std::uint64_t kMost = (std::uint64_t{1} << 63) - 1;
  value = 0;
  if (text.empty()) return false;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (kMost - digit) / 10) return false;
    value = value * 10 + digit;
  }
  return true;
}

// How long a part is at least that ends at `mark`, which may have begun to arrive.
std::size_t length_so_far(std::string_view bytes, std::string_view mark) {
  const std::size_t end = bytes.find(mark);
  if (end != std::string_view::npos) return end;
  for (std::size_t begun = mark.size() - 1; begun > 0; --begun) {
    if (bytes.ends_with(mark.substr(0, begun))) return bytes.size() - begun;
  }
  return bytes.size();
}

bool in_list(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    if (lower(trimmed(list.substr(0, comma))) == word) return true;
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  }
  return false;
}

}  // namespace

std::optional<std::string> HttpRequest::field(std::string_view name) const {
  std::optional<std::string> all;
  for (const HttpField& field : fields) {
    if (field.name != name) continue;
    all = all ? *all + ", " + field.value : field.value;
  }
  return all;
}

HttpParsed HttpParser::fail(int status, std::string why) {
  state_ = State::kFailed;
  status_ = status;
  error_ = std::move(why);
  return HttpParsed::kError;
}

HttpParsed HttpParser::parse(std::string_view bytes) {
  consumed_ = 0;
  body_ = {};
  switch (state_) {
    case State::kHead:
      return parse_head(bytes);
    case State::kBody:
      return parse_body(bytes);
    case State::kChunkSize:
    case State::kChunk:
    case State::kChunkEnd:
      return parse_chunks(bytes);
    case State::kTrailer:
      return parse_trailer(bytes);
    case State::kFailed:
      break;
  }
  return HttpParsed::kError;
}

HttpParsed HttpParser::parse_head(std::string_view bytes) {
  std::size_t skipped = 0;
  if (bytes.starts_with(kLine)) skipped = kLine.size();  // an empty line before a request is none
  const std::string_view all = bytes.substr(skipped);
  if (all.empty()) return HttpParsed::kNeedMore;
  if (!is_token(all.front()) && !(skipped == 0 && all == "\r")) {
    return fail(400, "The first byte begins no method: this is no HTTP request.");
  }
  const std::size_t from = scanned_ > kEnd.size() ? scanned_ - kEnd.size() : 0;
  const std::size_t end = all.find(kEnd, std::min(from, all.size()));
  const std::size_t length =
      end != std::string_view::npos ? end : length_so_far(all.substr(from), kEnd) + from;
  if (length > limits_.head_bytes_max) {
    return fail(431, "The head is longer than " + std::to_string(limits_.head_bytes_max) +
                         " bytes, which is the limit.");
  }
  for (std::size_t at = all.find('\n', from); at < end; at = all.find('\n', at + 1)) {
    if (at == 0 || all[at - 1] != '\r') return fail(400, "A line of the head ends in LF alone.");
  }
  if (end == std::string_view::npos) {
    scanned_ = all.size();
    return HttpParsed::kNeedMore;
  }
  scanned_ = 0;
  request_ = {};
  std::string_view head = all.substr(0, end);
  for (bool first = true; first || !head.empty(); first = false) {
    const std::size_t line_end = std::min(head.find(kLine), head.size());
    const std::string_view line = head.substr(0, line_end);
    head.remove_prefix(std::min(line_end + kLine.size(), head.size()));
    if (first ? !request_line(line) : !field_line(line)) return HttpParsed::kError;
  }
  if (!settle()) return HttpParsed::kError;
  consumed_ = skipped + end + kEnd.size();
  body_bytes_ = 0;
  trailer_bytes_ = 0;
  left_ = request_.content_length.value_or(0);
  state_ = request_.chunked ? State::kChunkSize : State::kBody;
  return HttpParsed::kHead;
}

bool HttpParser::request_line(std::string_view line) {
  const auto refuse = [this](int status, const char* why) {
    fail(status, why);
    return false;
  };
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || last == first) {
    return refuse(400, "The first line is not METHOD TARGET HTTP/1.1, with one blank between.");
  }
  const std::string_view method = line.substr(0, first), version = line.substr(last + 1);
  std::string_view target = line.substr(first + 1, last - first - 1);
  if (!is_token(method)) return refuse(400, "The method holds a byte that no method may hold.");
  if (!version.starts_with("HTTP/")) return refuse(400, "The first line does not end in HTTP/1.1.");
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return refuse(505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.");
  }
  if (!std::all_of(target.begin(), target.end(), is_visible)) {
    return refuse(400, "The target holds a blank or a byte beyond ASCII; write it as %XX.");
  }
  // The form for proxies names the host as well; a server takes it, too.
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (lower(target.substr(0, scheme.size())) != scheme) continue;
    const std::size_t slash = target.find_first_of("/?", scheme.size());
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
    break;
  }
  if (!target.starts_with('/') && target != "*") return refuse(400, "The target is no path.");
  if (target.find('#') != std::string_view::npos) {
    return refuse(400, "The target holds a fragment (#), which stays with the client; write %23.");
  }
  request_.method = method;
  request_.target = target;
  request_.minor = version.back() == '1' ? 1 : 0;
  return true;
}

bool HttpParser::field_line(std::string_view line) {
  const auto refuse = [this](int status, std::string why) {
    fail(status, std::move(why));
    return false;
  };
  if (request_.fields.size() >= limits_.fields_max) {
    return refuse(431, "There are more than " + std::to_string(limits_.fields_max) +
                           " fields, which is the limit.");
  }
  if (line.starts_with(' ') || line.starts_with('\t')) {
    return refuse(400, "A field is continued on a line of its own, which is refused.");
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    return refuse(400, "A field has no name, or a byte in it (a blank?) that no name may hold.");
  }
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (!std::all_of(value.begin(), value.end(), is_value)) {
    return refuse(400, "A field's value holds a control character (a bare CR or LF?).");
  }
  request_.fields.push_back({lower(line.substr(0, colon)), std::string(value)});
  return true;
}

// What the fields mean for the message as a whole.
bool HttpParser::settle() {
  request_.keep_alive = request_.minor == 1;
  std::size_t hosts = 0;
  for (const HttpField& field : request_.fields) {
    hosts += field.name == "host" ? 1 : 0;
    if (field.name == "connection") {
      if (in_list(field.value, "keep-alive")) request_.keep_alive = true;
    }
    if (field.name == "expect") {
      if (lower(field.value) != "100-continue") {
        fail(417, "The only thing to expect here is 100-continue.");
        return false;
      }
      request_.expects_continue = request_.minor == 1;
    }
  }
  for (const HttpField& field : request_.fields) {
    if (field.name == "connection" && in_list(field.value, "close")) request_.keep_alive = false;
  }
  if (hosts > 1 || (hosts == 0 && request_.minor == 1)) {
    fail(400, hosts == 0 ? "There is no Host field." : "There are several Host fields.");
    return false;
  }
  return settle_length();
}

bool HttpParser::settle_length() {
  std::size_t lengths = 0, encodings = 0;
  for (const HttpField& field : request_.fields) {
    if (field.name == "content-length") {
      ++lengths;
      std::uint64_t length = 0;
      if (!parse_length(field.value, length)) {
        fail(400, "Content-Length is not one whole number.");
        return false;
      }
      request_.content_length = length;
    }
    if (field.name == "transfer-encoding") {
      ++encodings;
      if (lower(field.value) != "chunked") {
        fail(501, "Transfer-Encoding other than chunked is not understood here.");
        return false;
      }
      request_.chunked = true;
    }
  }
  const char* why = nullptr;
  if (lengths > 1)
    why = "There are several Content-Length fields: where the body ends is not clear.";
  if (encodings > 1) why = "There are several Transfer-Encoding fields.";
  if (lengths > 0 && encodings > 0) {
    why = "Content-Length beside Transfer-Encoding: where the body ends is not clear.";
  }
  if (encodings > 0 && request_.minor == 0) why = "HTTP/1.0 has no Transfer-Encoding.";
  if (why != nullptr) {
    fail(400, why);
    return false;
  }
  if (request_.content_length.value_or(0) > limits_.body_bytes_max) {
    fail(413, "The body is longer than " + std::to_string(limits_.body_bytes_max) +
                  " bytes, which is the limit.");
    return false;
  }
  return true;
}

HttpParsed HttpParser::done() {
  state_ = State::kHead;
  return HttpParsed::kDone;
}

HttpParsed HttpParser::parse_body(std::string_view bytes) {
  if (left_ == 0) return done();
  if (bytes.empty()) return HttpParsed::kNeedMore;
  body_ = bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size())));
  consumed_ = body_.size();
  left_ -= body_.size();
  return HttpParsed::kBody;
}

HttpParsed HttpParser::parse_chunks(std::string_view bytes) {
  const std::size_t all = bytes.size();
  if (state_ == State::kChunkEnd) {
    if (bytes.size() < kLine.size()) {
      return bytes.empty() || bytes == "\r" ? HttpParsed::kNeedMore
                                            : fail(400, "A chunk does not end where it says.");
    }
    if (!bytes.starts_with(kLine)) return fail(400, "A chunk does not end where it says.");
    bytes.remove_prefix(kLine.size());
    state_ = State::kChunkSize;
  }
  if (state_ == State::kChunkSize) {
    const std::size_t end = bytes.find(kLine);
    if (length_so_far(bytes, kLine) > limits_.chunk_line_bytes_max) {
      return fail(400, "A chunk's size and extensions are longer than " +
                           std::to_string(limits_.chunk_line_bytes_max) + " bytes.");
    }
    if (end == std::string_view::npos) {
      // The end of the chunk before is done with: it must not be looked for again.
      consumed_ = all - bytes.size();
      return HttpParsed::kNeedMore;
    }
    const std::string_view line = bytes.substr(0, end);
    const std::size_t digits = std::min(line.find(';'), line.size());
    constexpr std::size_t kDigitsMax = 15;
    std::uint64_t size = 0;
    for (const char c : line.substr(0, digits)) {
      if (hex_digit(c) < 0) return fail(400, "A chunk's size is no hexadecimal number.");
      size = size * 16 + static_cast<std::uint64_t>(hex_digit(c));
    }
    if (digits == 0 || digits > kDigitsMax || !std::all_of(line.begin(), line.end(), is_value)) {
      return fail(400, "A chunk's size is no hexadecimal number, or far too large.");
    }
    if (size > limits_.body_bytes_max || body_bytes_ + size > limits_.body_bytes_max) {
      return fail(413, "The body is longer than " + std::to_string(limits_.body_bytes_max) +
                           " bytes, which is the limit.");
    }
    body_bytes_ += size;
    left_ = size;
    bytes.remove_prefix(end + kLine.size());
    state_ = size == 0 ? State::kTrailer : State::kChunk;
    if (size == 0) {
      const std::size_t before = all - bytes.size();
      const HttpParsed got = parse_trailer(bytes);
      consumed_ += before;
      return got;
    }
  }
  body_ = bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size())));
  consumed_ = all - bytes.size() + body_.size();
  left_ -= body_.size();
  if (left_ == 0) state_ = State::kChunkEnd;
  return body_.empty() ? HttpParsed::kNeedMore : HttpParsed::kBody;
}

// Fields behind the body: well formed, counted, and forgotten.
HttpParsed HttpParser::parse_trailer(std::string_view bytes) {
  consumed_ = 0;
  for (;;) {
    const std::size_t end = bytes.find(kLine);
    if (trailer_bytes_ + length_so_far(bytes, kLine) > limits_.trailer_bytes_max) {
      return fail(431, "The fields behind the body are longer than " +
                           std::to_string(limits_.trailer_bytes_max) + " bytes.");
    }
    if (end == std::string_view::npos) return HttpParsed::kNeedMore;
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end + kLine.size());
    consumed_ += end + kLine.size();
    if (line.empty()) return done();
    trailer_bytes_ += end + kLine.size();
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon)) ||
        !std::all_of(line.begin(), line.end(), is_value)) {
      return fail(400, "A field behind the body is not well formed.");
    }
  }
}

}  // namespace ullage::wire
