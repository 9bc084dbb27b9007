// SPDX-License-Identifier: Apache-2.0
#pragma once

// Scanning what the JVM prints: numbers, sizes and times, by hand and without allocating.
//
// Every eat_*() takes what it knows from the front of `text` and says whether it did; where it did
// not, `text` is as before. Nothing here depends on the locale: both decimal point and comma are
// read, because the JVM writes the one of its own locale.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ullage::trace::jvm {

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// The next line without its end ("\n" or "\r\n"); removes it from `text`.
inline std::string_view next_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

inline bool eat(std::string_view& text, std::string_view what) {
  if (!text.starts_with(what)) return false;
  text.remove_prefix(what.size());
  return true;
}
inline void skip_blanks(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}
inline std::string_view trimmed(std::string_view text) {
  skip_blanks(text);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// A number without sign or fraction; stays at the largest that fits.
bool eat_integer(std::string_view& text, std::uint64_t& value);
// A number times 10^digits (at most 9), what is finer cut off: "1.5" with 9 is 1 500 000 000. At
// most ten years of nanoseconds. `fraction_digits`, if given, is how many were written.
bool eat_decimal(std::string_view& text, unsigned digits, std::uint64_t& scaled,
                 unsigned* fraction_digits = nullptr);
// "34M", "8192.0K", "0.0B" in bytes; the unit is required.
bool eat_size(std::string_view& text, std::uint64_t& bytes);
// "12.5ms", "0.012s", "17us", "4711ns".
bool eat_duration(std::string_view& text, std::uint64_t& ns);
// "before->after(capacity)", each of them a size, where capacity may be missing and percentages
// in parentheses may follow the others: "34M->33M(380M)", "52M(10%)->36M(7%)",
// "1154K(16384K)->1200K(16384K)" (then the last capacity is told).
struct HeapChange {
  std::uint64_t before = 0, after = 0, capacity = 0;
};
bool eat_heap_change(std::string_view& text, HeapChange& change);
// "2022-11-10T03:37:29.443-0800" in nanoseconds of Unix time; also "Z", and without a zone (UTC).
bool eat_wall_time(std::string_view& text, std::int64_t& unix_ns);

// True for causes of collections that somebody asked for: System.gc() ("System" in JDK 8), jcmd
// GC.run ("Diagnostic Command"), agents, and what counts or dumps the living only.
bool asked_for(std::string_view cause);

}  // namespace ullage::trace::jvm
