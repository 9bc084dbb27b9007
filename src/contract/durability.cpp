// SPDX-License-Identifier: Apache-2.0
#include "contract/durability.h"

#include <algorithm>

#include "base/format.h"
#include "base/text.h"

namespace ullage::contract {
namespace {

constexpr std::string_view kEscaped = "%=, \t\r\n";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

Result<std::string> unescape(std::string_view text) {
  std::string prefix;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      prefix += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low < 0) {
      return Error{Code::kInvalid, "a % in a prefix is written %25, so \"" +
                                       shorten(clean_utf8(text), 40) + "\" can't be read"};
    }
    prefix += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return prefix;
}

}  // namespace

Result<Durability> parse_durability(std::string_view text) {
  using Kind = Durability::Kind;
  if (text == "always") return Durability{Kind::kAlways, 0};
  if (text == "no") return Durability{Kind::kNo, 0};
  if (text == "off") return Durability{Kind::kOff, 0};
  constexpr std::uint64_t kNsPerMs = 1'000'000;
  const Result<std::uint64_t> ns = parse_duration_ns(text);
  if (!ns.ok() || ns.value() < kWindowMsMin * kNsPerMs || ns.value() > kWindowMsMax * kNsPerMs) {
    return Error{Code::kInvalid,
                 "expected \"always\", \"no\", \"off\", or a window from \"1ms\" to "
                 "\"60s\", like \"50ms\", not \"" +
                     shorten(clean_utf8(text), 40) + "\""};
  }
  return Durability{Kind::kWindow, ns.value() / kNsPerMs};
}

Result<Prefixes> parse_prefixes(std::string_view text) {
  Prefixes prefixes;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = part.rfind('=');
    if (equals == std::string_view::npos) {
      return Error{Code::kInvalid,
                   "expected prefix=durability, like orders:=always, parted by commas"};
    }
    const Result<std::string> prefix = unescape(part.substr(0, equals));
    if (!prefix.ok()) return prefix.error();
    const Result<Durability> durability = parse_durability(part.substr(equals + 1));
    if (!durability.ok()) {
      return Error{Code::kInvalid, "prefix \"" + shorten(clean_utf8(prefix.value()), 40) +
                                       "\": " + durability.error().message};
    }
    for (const auto& [known, unused] : prefixes) {
      if (known == prefix.value()) {
        return Error{Code::kInvalid,
                     "prefix \"" + shorten(clean_utf8(known), 40) + "\" is there twice"};
      }
    }
    if (prefixes.size() == kPrefixesMax) {
      return Error{Code::kInvalid, "there are more than " + std::to_string(kPrefixesMax) +
                                       " prefixes, and every write looks through them"};
    }
    prefixes.emplace_back(prefix.value(), durability.value());
  }
  return prefixes;
}

std::string escape_prefix(std::string_view prefix) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text;
  for (const char c : prefix) {
    if (kEscaped.find(c) == std::string_view::npos) {
      text += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    text += '%';
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace ullage::contract
