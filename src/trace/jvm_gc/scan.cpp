// SPDX-License-Identifier: Apache-2.0
#include "trace/jvm_gc/scan.h"

#include <algorithm>

namespace ullage::trace::jvm {
namespace {

// Larger whole parts are garbage: ten years in seconds.
constexpr std::uint64_t kWholeMax = 315'360'000;
constexpr std::uint64_t kIntegerMax = 1'000'000'000'000'000'000;

// Days from 1970-01-01 of a date in the Gregorian calendar (years count from March, so that the
// day that is added every four years is the last of its year).
std::int64_t days_since_epoch(std::int64_t year, std::int64_t month, std::int64_t day) {
  const std::int64_t shifted_year = month <= 2 ? year - 1 : year;
  const std::int64_t era = (shifted_year >= 0 ? shifted_year : shifted_year - 399) / 400;
  const std::int64_t year_of_era = shifted_year - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const std::int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

// Exactly `digits` digits at `at`.
bool digits_at(std::string_view text, std::size_t at, std::size_t digits, std::int64_t& value) {
  if (at + digits > text.size()) return false;
  value = 0;
  for (std::size_t i = at; i < at + digits; ++i) {
    if (!is_digit(text[i])) return false;
    value = value * 10 + (text[i] - '0');
  }
  return true;
}

}  // namespace

bool eat_integer(std::string_view& text, std::uint64_t& value) {
  std::size_t i = 0;
  std::uint64_t sum = 0;
  while (i < text.size() && is_digit(text[i])) {
    sum = std::min(sum * 10 + static_cast<std::uint64_t>(text[i] - '0'), kIntegerMax);
    ++i;
  }
  if (i == 0) return false;
  value = sum;
  text.remove_prefix(i);
  return true;
}

bool eat_decimal(std::string_view& text, unsigned digits, std::uint64_t& scaled,
                 unsigned* fraction_digits) {
  std::string_view rest = text;
  std::uint64_t whole = 0;
  if (!eat_integer(rest, whole)) return false;
  unsigned written = 0;
  std::uint64_t fraction = 0;
  if (rest.size() >= 2 && (rest[0] == '.' || rest[0] == ',') && is_digit(rest[1])) {
    rest.remove_prefix(1);
    while (!rest.empty() && is_digit(rest.front())) {
      if (written < digits) fraction = fraction * 10 + static_cast<std::uint64_t>(rest[0] - '0');
      ++written;
      rest.remove_prefix(1);
    }
  }
  std::uint64_t scale = 1;
  for (unsigned i = 0; i < digits; ++i) scale *= 10;
  for (unsigned i = written; i < digits; ++i) fraction *= 10;
  const std::uint64_t whole_max = kWholeMax * 1'000'000'000 / scale;
  scaled = std::min(whole, whole_max) * scale + fraction;
  if (fraction_digits != nullptr) *fraction_digits = written;
  text = rest;
  return true;
}

bool eat_size(std::string_view& text, std::uint64_t& bytes) {
  std::string_view rest = text;
  std::uint64_t thousandths = 0;
  if (!eat_decimal(rest, 3, thousandths) || rest.empty()) return false;
  double unit = 1;
  switch (rest.front()) {
    case 'B':
      break;
    case 'K':
      unit = 1024;
      break;
    case 'M':
      unit = 1024.0 * 1024;
      break;
    case 'G':
      unit = 1024.0 * 1024 * 1024;
      break;
    case 'T':
      unit = 1024.0 * 1024 * 1024 * 1024;
      break;
    default:
      return false;
  }
  const double exact = static_cast<double>(thousandths) / 1000 * unit;
  bytes = static_cast<std::uint64_t>(std::min(exact, 1e18));
  rest.remove_prefix(1);
  text = rest;
  return true;
}

bool eat_duration(std::string_view& text, std::uint64_t& ns) {
  std::string_view rest = text;
  const std::string_view start = rest;
  std::uint64_t ignored = 0;
  if (!eat_decimal(rest, 0, ignored)) return false;
  unsigned digits = 0;
  std::size_t unit = 2;
  if (rest.starts_with("ms")) {
    digits = 6;
  } else if (rest.starts_with("us")) {
    digits = 3;
  } else if (rest.starts_with("ns")) {
    digits = 0;
  } else if (rest.starts_with("s")) {
    digits = 9;
    unit = 1;
  } else {
    return false;
  }
  rest.remove_prefix(unit);
  if (!rest.empty() && is_letter(rest.front())) return false;
  std::string_view number = start;
  eat_decimal(number, digits, ns);
  text = rest;
  return true;
}

bool eat_heap_change(std::string_view& text, HeapChange& change) {
  std::string_view rest = text;
  HeapChange c;
  const auto parenthesis = [&rest, &c] {
    std::string_view inner = rest;
    std::uint64_t number = 0;
    if (!eat(inner, "(")) return;
    if (eat_size(inner, number) && eat(inner, ")")) {
      c.capacity = number;
      rest = inner;
      return;
    }
    inner = rest.substr(1);
    if (eat_decimal(inner, 0, number) && eat(inner, "%)")) rest = inner;
  };
  if (!eat_size(rest, c.before)) return false;
  parenthesis();
  if (!eat(rest, "->") || !eat_size(rest, c.after)) return false;
  parenthesis();
  change = c;
  text = rest;
  return true;
}

bool eat_wall_time(std::string_view& text, std::int64_t& unix_ns) {
  std::int64_t year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (text.size() < 19 || text[4] != '-' || text[7] != '-' ||
      (text[10] != 'T' && text[10] != ' ') || text[13] != ':' || text[16] != ':') {
    return false;
  }
  if (!digits_at(text, 0, 4, year) || !digits_at(text, 5, 2, month) ||
      !digits_at(text, 8, 2, day) || !digits_at(text, 11, 2, hour) ||
      !digits_at(text, 14, 2, minute) || !digits_at(text, 17, 2, second)) {
    return false;
  }
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 24 || minute > 59 || second > 60 ||
      year < 1970 || year > 2200) {
    return false;
  }
  std::string_view rest = text.substr(17);
  std::uint64_t second_ns = 0;
  eat_decimal(rest, 9, second_ns);
  std::int64_t zone_s = 0;
  if (!rest.empty() && rest[0] == 'Z') {
    rest.remove_prefix(1);
  } else if (rest.size() >= 5 && (rest[0] == '+' || rest[0] == '-')) {
    std::int64_t hours = 0, minutes = 0;
    const std::size_t colon = rest[3] == ':' ? 1 : 0;
    if (digits_at(rest, 1, 2, hours) && digits_at(rest, 3 + colon, 2, minutes)) {
      zone_s = (hours * 60 + minutes) * 60 * (rest[0] == '-' ? -1 : 1);
      rest.remove_prefix(5 + colon);
    }
  }
  const std::int64_t seconds =
      days_since_epoch(year, month, day) * 86400 + hour * 3600 + minute * 60 - zone_s;
  unix_ns = seconds * 1'000'000'000 + static_cast<std::int64_t>(second_ns);
  text = rest;
  return true;
}

bool asked_for(std::string_view cause) {
  return cause.starts_with("System") || cause == "Diagnostic Command" ||
         cause == "JvmtiEnv ForceGarbageCollection" || cause.ends_with(" Initiated GC");
}

}  // namespace ullage::trace::jvm
