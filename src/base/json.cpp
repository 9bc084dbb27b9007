// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <array>
#include <cassert>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/text.h"

namespace ullage {

void JsonWriter::key(std::string_view name) {
  assert(!levels_.empty() && levels_.back().bracket == '{' && !after_key_);
  separate();
  quoted(name);
  out_ += style_ == Style::kIndented ? ": " : ":";
  after_key_ = true;
}

void JsonWriter::value(std::string_view text) {
  separate();
  quoted(text);
}

void JsonWriter::value(double number) {
  if (!std::isfinite(number)) return null();
  std::array<char, 32> text{};  // the shortest form that reads back as the same number
  const auto result = std::to_chars(text.data(), text.data() + text.size(), number);
  raw(std::string_view(text.data(), static_cast<std::size_t>(result.ptr - text.data())));
}

std::string JsonWriter::text() const {
  assert(levels_.empty() && !after_key_);
  return style_ == Style::kIndented ? out_ + "\n" : out_;
}

std::string JsonWriter::take() {
  assert(levels_.empty() && !after_key_);
  if (style_ == Style::kIndented) out_ += '\n';
  return std::move(out_);
}

void JsonWriter::open(char bracket) {
  separate();
  out_ += bracket;
  levels_.push_back({bracket, true});
}

void JsonWriter::close(char bracket) {
  assert(!levels_.empty() && !after_key_);
  assert(levels_.back().bracket == (bracket == '}' ? '{' : '['));
  const bool empty = levels_.back().empty;
  levels_.pop_back();
  if (!empty) newline();
  out_ += bracket;
}

// Before every value and key: the comma and the line, unless a key has just been written.
void JsonWriter::separate() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (levels_.empty()) return;
  if (!levels_.back().empty) out_ += ',';
  levels_.back().empty = false;
  newline();
}

void JsonWriter::raw(std::string_view text) {
  separate();
  out_ += text;
}

void JsonWriter::newline() {
  if (style_ == Style::kCompact) return;
  out_ += '\n';
  out_.append(levels_.size() * 2, ' ');
}

void JsonWriter::quoted(std::string_view text) {
  out_ += '"';
  const auto escape = [this](unsigned code) {
    std::array<char, 8> form{};
    std::snprintf(form.data(), form.size(), "\\u%04x", code);
    out_ += form.data();
  };
  // Controls are escaped rather than cleaned: only the bytes JSON can't hold are lost.
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
    std::size_t plain = 0;
    while (plain < rest.size() && !control(rest[plain])) ++plain;
    for (const char c : clean_utf8(rest.substr(0, plain))) {
      if (c == '"' || c == '\\') {
        (out_ += '\\') += c;
      } else if (escape_html_ && (c == '<' || c == '>' || c == '&')) {
        escape(static_cast<unsigned char>(c));
      } else {
        out_ += c;
      }
    }
    rest.remove_prefix(plain);
    if (rest.empty()) break;
    switch (rest[0]) {
      case '\n':
        out_ += "\\n";
        break;
      case '\t':
        out_ += "\\t";
        break;
      case '\r':
        out_ += "\\r";
        break;
      default:
        escape(static_cast<unsigned char>(rest[0]));
    }
    rest.remove_prefix(1);
  }
  out_ += '"';
}

}  // namespace ullage
