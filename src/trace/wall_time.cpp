// SPDX-License-Identifier: Apache-2.0
#include "trace/wall_time.h"

#include <chrono>

namespace ullage::trace {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Two digits at `at`, at most `max`; -1: something else.
int two_digits(std::string_view text, std::size_t at, int max) {
  if (at + 2 > text.size() || !is_digit(text[at]) || !is_digit(text[at + 1])) return -1;
  const int value = (text[at] - '0') * 10 + (text[at + 1] - '0');
  return value <= max ? value : -1;
}

std::optional<std::int64_t> wall_time_at(std::string_view text, std::size_t t) {
  if (t < 10 || text[t - 3] != '-' || text[t - 6] != '-') return std::nullopt;
  const int century = two_digits(text, t - 10, 99), year = two_digits(text, t - 8, 99);
  const int month = two_digits(text, t - 5, 12), day = two_digits(text, t - 2, 31);
  const int hour = two_digits(text, t + 1, 23), minute = two_digits(text, t + 4, 59);
  const int second = two_digits(text, t + 7, 60);
  // Nanoseconds have 64 bits, and no runtime of interest is older.
  if (century * 100 + year < 1970 || century * 100 + year > 2200 || year < 0 || month < 1 ||
      day < 1 || hour < 0 || minute < 0 || second < 0) {
    return std::nullopt;
  }
  std::int64_t nanos = 0;
  std::size_t i = t + 9;
  if (i < text.size() && (text[i] == '.' || text[i] == ',')) {
    std::int64_t unit = 100'000'000;
    for (++i; i < text.size() && is_digit(text[i]); ++i, unit /= 10)
      nanos += (text[i] - '0') * unit;
  }
  std::int64_t offset_s = 0;
  if (i < text.size() && (text[i] == '+' || text[i] == '-')) {
    const int h = two_digits(text, i + 1, 23);
    const bool colon = i + 3 < text.size() && text[i + 3] == ':';
    const int m = two_digits(text, i + (colon ? 4 : 3), 59);
    if (h < 0 || m < 0) return std::nullopt;
    offset_s = (h * 3600 + m * 60) * (text[i] == '+' ? 1 : -1);
  } else if (i >= text.size() || text[i] != 'Z') {
    return std::nullopt;  // local time of somewhere
  }
  using namespace std::chrono;
  const sys_days date = std::chrono::year(century * 100 + year) / static_cast<unsigned>(month) /
                        static_cast<unsigned>(day);
  const std::int64_t days = date.time_since_epoch().count();
  return (days * 86400 + hour * 3600 + minute * 60 + second - offset_s) * 1'000'000'000 + nanos;
}

}  // namespace

std::optional<std::int64_t> find_wall_time(std::string_view text) {
  for (std::size_t t = text.find('T'); t != std::string_view::npos; t = text.find('T', t + 1)) {
    if (const auto found = wall_time_at(text, t)) return found;
  }
  return std::nullopt;
}

}  // namespace ullage::trace
