// SPDX-License-Identifier: Apache-2.0
#pragma once

// Answer: what HTTP replies to one request, whole.
//
//   return Answer{.status = 204, .fields = {{"ETag", tag}}};
//   return problem(404, "key-missing", "There is no such key.", "db 0 holds no key \"a\".",
//                  "Write it first: PUT the value to the same address.");
//
// Problems are RFC 9457: what happened (title), where and what was expected (detail), what to do
// next (`next`, a member of ours). Plain values; threads: any.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wire/byte_buffer.h"

namespace ullage::server {

struct Answer {
  int status = 200;
  std::string type = {};  // Content-Type; empty: there is no body
  std::vector<std::pair<const char*, std::string>> fields = {};
  std::string body = {};
  // Instead of a body of its own: a part of bytes that are there, which go along.
  wire::ByteBuffer kept = {};
  std::string_view part = {};
  bool close = false;  // nothing more is read from this connection

  std::string_view content() const { return kept.empty() ? std::string_view(body) : part; }
};

inline constexpr const char* kJsonType = "application/json";
inline constexpr const char* kTextType = "text/plain; charset=utf-8";

Answer text_answer(int status, std::string body, const char* type = kTextType);
Answer json_answer(std::string body);
// `slug`: its type is urn:ullage:problem:SLUG.
Answer problem(int status, std::string_view slug, std::string_view title, std::string_view detail,
               std::string_view next);

// The status line and the fields, up to the empty line. `keep`: the connection stays open.
std::string answer_head(const Answer& answer, bool keep);

// For bytes in JSON that are no UTF-8: {"base64": "..."}.
std::string base64(std::string_view bytes);
bool parse_base64(std::string_view text, std::string& bytes);

}  // namespace ullage::server
