// SPDX-License-Identifier: Apache-2.0
#pragma once

// Answer: what HTTP replies to one request.
//
//   return Answer{.status = 204, .fields = {{"ETag", tag}}};
//   return problem(404, "key-missing", "There is no such key.", "db 0 holds no key \"a\".",
//                  "Write it first: PUT the value to the same address.");
//
// Problems are RFC 9457: what happened (title), where and what was expected (detail), what to do
// next (`next`, a member of ours). Plain values; threads: any.

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wire/byte_buffer.h"

namespace ullage::server {

// Appends the next part of a body, kPartBytes or a little more; false: with this it is whole. What
// the server tells of itself is made so: it needs no memory of the budget's, however much it is,
// and is answered when the store is full.
using Parts = std::function<bool(std::string& out)>;
inline constexpr std::size_t kPartBytes = 8 * 1024;

struct Answer {
  int status = 200;
  std::string type = {};  // Content-Type; empty: there is no body
  std::vector<std::pair<const char*, std::string>> fields = {};
  std::string body = {};
  // Instead of a body of its own: a part of `kept`, which goes along, or of what is always there.
  wire::ByteBuffer kept = {};
  std::string_view part = {};
  // Instead: it is made while it goes out, and never there as a whole.
  Parts parts = {};
  bool close = false;  // nothing more is read from this connection

  std::string_view content() const { return part.empty() ? std::string_view(body) : part; }
};

inline constexpr const char* kJsonType = "application/json";
inline constexpr const char* kTextType = "text/plain; charset=utf-8";

Answer text_answer(int status, std::string body, const char* type = kTextType);
Answer json_answer(std::string body);
// Of what lives as long as the program.
Answer fixed_answer(std::string_view body, const char* type);
Answer parts_answer(Parts parts, const char* type);
// `slug`: its type is urn:ullage:problem:SLUG.
Answer problem(int status, std::string_view slug, std::string_view title, std::string_view detail,
               std::string_view next);

// The status line and the fields, up to the empty line. `keep`: the connection stays open.
std::string answer_head(const Answer& answer, bool keep);

// For bytes in JSON that are no UTF-8: {"base64": "..."}.
std::string base64(std::string_view bytes);
bool parse_base64(std::string_view text, std::string& bytes);

}  // namespace ullage::server
