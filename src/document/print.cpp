// SPDX-License-Identifier: Apache-2.0
#include "document/print.h"

#include <array>
#include <charconv>
#include <cstdlib>

namespace ullage::document {
namespace {

// Doubles from 1e-5 to below 1e16 print without an exponent.
constexpr int kPointMax = 16, kPointMin = -5;

// What to write behind the backslash; 0: nothing to escape; 'u': four digits.
constexpr std::array<char, 256> kEscapes = [] {
  std::array<char, 256> escapes{};
  for (unsigned c = 0; c < 0x20; ++c) escapes[c] = 'u';
  escapes['\b'] = 'b', escapes['\f'] = 'f', escapes['\n'] = 'n', escapes['\r'] = 'r';
  escapes['\t'] = 't', escapes['"'] = '"', escapes['\\'] = '\\';
  return escapes;
}();

void print_integer(std::string& out, Value value) {
  char digits[24];
  const auto end = value.is_beyond()
                       ? std::to_chars(digits, digits + sizeof digits, value.beyond()).ptr
                       : std::to_chars(digits, digits + sizeof digits, value.integer()).ptr;
  out.append(digits, end);
}

}  // namespace

void print_real(std::string& out, double value) {
  char text[32];
  auto [end, problem] =
      std::to_chars(text, text + sizeof text, value, std::chars_format::scientific);
  (void)problem;  // the longest takes 24
  const char* at = text;
  if (*at == '-') out.push_back(*at++);
  // d.ddde-12
  std::string_view number(at, static_cast<std::size_t>(end - at));
  const std::size_t e = number.find('e');
  char digits[20];
  std::size_t count = 0;
  for (const char c : number.substr(0, e)) {
    if (c != '.') digits[count++] = c;
  }
  const int exponent = std::atoi(std::string(number.substr(e + 1)).c_str());
  const int point = exponent + 1;  // digits before the point
  const std::string_view all(digits, count);
  const int length = static_cast<int>(count);
  if (all == "0") {
    out.append("0.0");
  } else if (point >= length && point <= kPointMax) {
    out.append(all).append(static_cast<std::size_t>(point - length), '0').append(".0");
  } else if (point > 0 && point <= kPointMax) {
    const auto before = static_cast<std::size_t>(point);
    out.append(all.substr(0, before)).append(".").append(all.substr(before));
  } else if (point > kPointMin && point <= 0) {
    out.append("0.").append(static_cast<std::size_t>(-point), '0').append(all);
  } else {
    out.push_back(all[0]);
    if (length > 1) out.append(".").append(all.substr(1));
    out.append("e").append(std::to_string(exponent));
  }
}

void print_string(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out.push_back('"');
  std::size_t from = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const char escape = kEscapes[c];
    if (escape == 0) [[likely]]
      continue;
    out.append(text.substr(from, i - from));
    from = i + 1;
    out.push_back('\\');
    out.push_back(escape);
    if (escape == 'u') out.append("00").append({kHex[c >> 4], kHex[c & 15]});
  }
  out.append(text.substr(from));
  out.push_back('"');
}

void print_before_item(std::string& out, bool first, const Format& format, unsigned level) {
  if (!first) out.push_back(',');
  if (format.newline.empty() && format.indent.empty()) return;
  out.append(format.newline);
  for (unsigned i = 0; i < level; ++i) out.append(format.indent);
}

void print_before_end(std::string& out, bool empty, const Format& format, unsigned level) {
  if (!empty) print_before_item(out, true, format, level);
}

void print(std::string& out, Value value, const Format& format, unsigned level) {
  switch (value.type()) {
    case Type::kNull:
      out.append("null");
      return;
    case Type::kBoolean:
      out.append(value.boolean() ? "true" : "false");
      return;
    case Type::kInteger:
      return print_integer(out, value);
    case Type::kNumber:
      return print_real(out, value.real());
    case Type::kString:
      return print_string(out, value.string());
    case Type::kArray:
    case Type::kObject:
      break;
  }
  const bool object = value.is_object();
  out.push_back(object ? '{' : '[');
  for (Items item(value); item.next();) {
    print_before_item(out, item.index() == 0, format, level + 1);
    if (object) {
      print_string(out, item.key());
      out.push_back(':');
      out.append(format.space);
    }
    print(out, item.value(), format, level + 1);
  }
  print_before_end(out, value.count() == 0, format, level);
  out.push_back(object ? '}' : ']');
}

}  // namespace ullage::document
