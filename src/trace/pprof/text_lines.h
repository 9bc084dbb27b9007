// SPDX-License-Identifier: Apache-2.0
#pragma once

// Lines: walks text line by line and knows where it is; and the few shapes of text that Go's
// profiles and dumps consist of.

#include <charconv>
#include <cstdint>
#include <string_view>

namespace ullage::trace {

class Lines {
 public:
  explicit Lines(std::string_view text, std::size_t at = 0, std::uint64_t number = 0)
      : text_(text), next_(at), number_(number) {}
  // The next line without its end; false behind the last.
  bool next() {
    if (next_ >= text_.size()) return false;
    begin_ = next_;
    std::size_t end = text_.find('\n', begin_);
    if (end == std::string_view::npos) end = text_.size();
    next_ = end + 1;
    ++number_;
    line_ = text_.substr(begin_, end - begin_);
    if (!line_.empty() && line_.back() == '\r') line_.remove_suffix(1);
    return true;
  }
  void back() {  // next() gives the same line again
    next_ = begin_;
    --number_;
  }
  std::string_view line() const { return line_; }
  std::uint64_t number() const { return number_; }  // of line(), from 1
  std::size_t offset() const { return begin_; }     // of line()

 private:
  std::string_view text_, line_;
  std::size_t begin_ = 0, next_ = 0;
  std::uint64_t number_ = 0;
};

// Takes a number (0x... for hexadecimal ones) from the front; false, and nothing taken, without
// one.
inline bool take_number(std::string_view& text, std::uint64_t& value, int base = 10) {
  if (base == 16 && text.starts_with("0x")) text.remove_prefix(2);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}
inline bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}
inline void take_spaces(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}
// "path/file.go:26" into its two halves; line 0 when there is none.
inline std::string_view split_line(std::string_view place, int& line) {
  const std::size_t colon = place.rfind(':');
  std::uint64_t number = 0;
  std::string_view digits = colon == std::string_view::npos ? "" : place.substr(colon + 1);
  line = 0;
  if (!take_number(digits, number) || !digits.empty() || number > INT32_MAX) return place;
  line = static_cast<int>(number);
  return place.substr(0, colon);
}

}  // namespace ullage::trace
