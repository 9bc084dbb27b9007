// SPDX-License-Identifier: Apache-2.0
#pragma once

// JsonWriter: JSON out, two spaces deep, in the order written.
//
//   JsonWriter json;
//   json.begin_object();
//   json.field("links", site.links);
//   json.begin_array("threads"); for (auto t : threads) json.value(t); json.end_array();
//   json.end_object();
//   out << json.text();
//
// Always valid JSON: strings may hold any bytes (what is not UTF-8 becomes U+FFFD), NaN and
// infinities become null. Unbalanced begin/end, or a value without its key, is our mistake: assert.
// Compact style writes no white space; for the insides of HTML use it with escape_html set, so
// that "</script>" cannot appear.

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace ullage {

class JsonWriter {
 public:
  enum class Style { kIndented, kCompact };
  explicit JsonWriter(Style style = Style::kIndented, bool escape_html = false)
      : style_(style), escape_html_(escape_html) {}

  void begin_object() { open('{'); }
  void begin_array() { open('['); }
  void begin_object(std::string_view name) { key(name), open('{'); }
  void begin_array(std::string_view name) { key(name), open('['); }
  void end_object() { close('}'); }
  void end_array() { close(']'); }

  void key(std::string_view name);
  void value(std::string_view text);
  void value(const char* text) { value(std::string_view(text)); }
  void value(const std::string& text) { value(std::string_view(text)); }
  void value(bool flag) { raw(flag ? "true" : "false"); }
  void value(double number);
  void null() { raw("null"); }
  template <class T>
  requires std::is_integral_v<T>
  void value(T number) { raw(std::to_string(number)); }

  template <class T>
  void field(std::string_view name, const T& content) {
    key(name);
    value(content);
  }

  // The finished text, with a last newline when indented. Everything must be closed.
  std::string text() const;
  std::string take();  // likewise, once
  void reserve(std::size_t bytes) { out_.reserve(bytes); }

 private:
  struct Level {
    char bracket;
    bool empty;
  };
  void open(char bracket);
  void close(char bracket);
  void separate();
  void raw(std::string_view text);
  void quoted(std::string_view text);
  void newline();

  Style style_;
  bool escape_html_;
  bool after_key_ = false;
  std::vector<Level> levels_;
  std::string out_;
};

}  // namespace ullage
