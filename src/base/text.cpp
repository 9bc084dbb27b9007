// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <algorithm>
#include <vector>

namespace ullage {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

bool continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Length of the well-formed sequence at the start of text; 0 when there is none (Unicode 15,
// table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF).
std::size_t sequence_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t bytes = lead < 0xC2   ? 0
                            : lead < 0xE0 ? 2
                            : lead < 0xF0 ? 3
                            : lead < 0xF5 ? 4
                                          : 0;
  if (bytes == 0 || text.size() < bytes) return 0;
  for (std::size_t i = 1; i < bytes; ++i) {
    if (!continuation(text[i])) return 0;
  }
  if (lead == 0xE0 && byte(1) < 0xA0) return 0;
  if (lead == 0xED && byte(1) > 0x9F) return 0;
  if (lead == 0xF0 && byte(1) < 0x90) return 0;
  if (lead == 0xF4 && byte(1) > 0x8F) return 0;
  return bytes;
}

// A word after which a line may not end: a number, or a sign, belongs to what follows it.
bool sticks(std::string_view word) {
  if (word == "<" || word == ">" || word == "->" || word == "+") return true;
  if (word.empty() || word.back() < '0' || word.back() > '9') return false;
  return word.find_first_not_of("0123456789.,'+-<>=x(~") == std::string_view::npos;
}

std::vector<std::string> unbreakable_words(std::string_view text) {
  std::vector<std::string> words;
  bool join = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \n\t"), text.size());
    const std::string_view word = text.substr(0, end);
    if (!word.empty()) {
      if (join) {
        words.back().append(" ").append(word);
      } else {
        words.emplace_back(word);
      }
      join = sticks(word);
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

}  // namespace

std::string clean_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t bytes = sequence_bytes(text);
    const auto first = static_cast<unsigned char>(text[0]);
    if (bytes == 0) {
      out += kReplacement;
    } else if (bytes == 1 && (first == 0x7F || (first < 0x20 && first != '\n' && first != '\t'))) {
      out += '?';
    } else if (bytes == 2 && first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0) {
      out += '?';  // C1 controls: some terminals obey them
    } else {
      out += text.substr(0, bytes);
    }
    text.remove_prefix(std::max<std::size_t>(bytes, 1));
  }
  return out;
}

std::size_t columns(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return !continuation(c); }));
}

std::string shorten(std::string_view utf8, std::size_t width) {
  if (columns(utf8) <= width) return std::string(utf8);
  if (width == 0) return {};
  std::size_t end = 0;
  for (std::size_t kept = 0; end < utf8.size(); ++end) {
    if (!continuation(utf8[end]) && kept++ == width - 1) break;
  }
  return std::string(utf8.substr(0, end)) + "…";
}

std::string shell_word(std::string_view word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) {
    return std::string(word);
  }
  const bool shown =
      word.find_first_of("\n\t") == std::string_view::npos && clean_utf8(word) == word;
  std::string quoted = shown ? "'" : "$'";
  for (const char c : word) {
    constexpr const char* kHex = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\'') {
      quoted += shown ? "'\\''" : "\\'";
    } else if (!shown && (byte < ' ' || byte >= 0x7f || c == '\\')) {
      quoted.append("\\x").append({kHex[byte >> 4], kHex[byte & 15]});
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

std::string wrap(std::string_view utf8, std::size_t width, std::string_view first,
                 std::string_view rest) {
  std::string out(first);
  std::size_t used = columns(first);
  bool line_empty = true;
  for (const std::string& word : unbreakable_words(utf8)) {
    const std::size_t needed = columns(word);
    if (!line_empty && used + 1 + needed > width) {
      out.append("\n").append(rest);
      used = columns(rest);
      line_empty = true;
    }
    if (!line_empty) out += ' ', ++used;
    out += word;
    used += needed;
    line_empty = false;
  }
  return out;
}

}  // namespace ullage
