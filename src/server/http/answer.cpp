// SPDX-License-Identifier: Apache-2.0
#include "server/http/answer.h"

#include <cstdint>
#include <ctime>

#include "base/json.h"

namespace ullage::server {
namespace {

struct Reason {
  int status;
  const char* text;
};
constexpr Reason kReasons[] = {
    {200, "OK"},
    {201, "Created"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

const char* reason(int status) {
  for (const Reason& known : kReasons) {
    if (known.status == status) return known.text;
  }
  return "Unknown";
}

constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

}  // namespace

Answer text_answer(int status, std::string body, const char* type) {
  Answer answer{.status = status, .type = type};
  answer.body = std::move(body);
  return answer;
}

Answer json_answer(std::string body) { return text_answer(200, std::move(body), kJsonType); }

Answer fixed_answer(std::string_view body, const char* type) {
  Answer answer{.status = 200, .type = type};
  answer.part = body;
  return answer;
}

Answer parts_answer(Parts parts, const char* type) {
  Answer answer{.status = 200, .type = type};
  answer.parts = std::move(parts);
  return answer;
}

Answer problem(int status, std::string_view slug, std::string_view title, std::string_view detail,
               std::string_view next) {
  JsonWriter json;
  json.begin_object();
  json.field("type", "urn:ullage:problem:" + std::string(slug));
  json.field("title", title);
  json.field("status", status);
  json.field("detail", detail);
  json.field("next", next);
  json.end_object();
  return text_answer(status, json.text(), "application/problem+json");
}

std::string answer_head(const Answer& answer, bool keep) {
  std::string head = "HTTP/1.1 " + std::to_string(answer.status) + " " + reason(answer.status);
  if (!answer.type.empty()) head += "\r\nContent-Type: " + answer.type;
  // 204 and 304 have no body, and no length of one; what is made in parts has none yet.
  if (answer.status != 204 && answer.status != 304 && !answer.parts) {
    head += "\r\nContent-Length: " + std::to_string(answer.content().size());
  }
  char date[64];
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  // The process has the C locale: day and month are English, as they must be.
  std::strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
  head += "\r\nDate: " + std::string(date) + "\r\nX-Content-Type-Options: nosniff";
  for (const auto& [name, value] : answer.fields) {
    head += "\r\n" + std::string(name) + ": " + value;
  }
  if (!keep) head += "\r\nConnection: close";
  return head + "\r\n\r\n";
}

std::string base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += i + k <= bytes.size() ? kBase64[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

bool parse_base64(std::string_view text, std::string& bytes) {
  bytes.clear();
  if (text.size() % 4 != 0) return false;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    std::size_t digits = 4;
    if (i + 4 == text.size() && text[i + 3] == '=') digits = text[i + 2] == '=' ? 2 : 3;
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const int digit = k < digits ? base64_digit(text[i + k]) : 0;
      if (digit < 0) return false;
      group = group << 6 | static_cast<std::uint32_t>(digit);
    }
    // Bits that belong to no byte are zero: there is one way to write each value.
    if ((digits == 2 && (group & 0xffff) != 0) || (digits == 3 && (group & 0xff) != 0))
      return false;
    for (std::size_t k = 0; k + 1 < digits; ++k) {
      bytes += static_cast<char>(group >> (16 - 8 * k) & 0xff);
    }
  }
  return true;
}

}  // namespace ullage::server
