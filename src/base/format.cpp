// SPDX-License-Identifier: Apache-2.0
#include "base/format.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

namespace ullage {
namespace {

// Three significant digits, without trailing zeros after the point: 30.6, 412, 8, 1.05.
std::string three_digits(double value) {
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  std::array<char, 64> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value,
                                    std::chars_format::fixed, decimals);
  std::string digits(text.data(), result.ptr);
  if (digits.find('.') != std::string::npos) {
    while (digits.back() == '0') digits.pop_back();
    if (digits.back() == '.') digits.pop_back();
  }
  return digits;
}

std::string grouped(std::uint64_t value, char separator) {
  std::string digits = std::to_string(value);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, 1, separator);
  return digits;
}

// "3 h 12 min": two parts, the second left out when zero.
std::string two_parts(std::uint64_t big, const char* big_unit, std::uint64_t small,
                      const char* small_unit) {
  std::string text = grouped(big, ' ') + " " + big_unit;
  if (small > 0) text += " " + std::to_string(small) + " " + small_unit;
  return text;
}

struct Unit {
  std::string_view name;
  double scale;
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

template <std::size_t N>
Result<std::uint64_t> parse_quantity(std::string_view text, const std::array<Unit, N>& units,
                                     bool unit_optional, const char* example) {
  const std::string_view all = trimmed(text);
  const auto fail = [&](std::string_view why) -> Error {
    return {Code::kInvalid, "\"" + std::string(all) + "\": " + std::string(why) +
                                ". Write a number and a unit, like " + example + "."};
  };
  double number = 0;
  const auto [end, problem] = std::from_chars(all.data(), all.data() + all.size(), number);
  if (problem != std::errc() || !std::isfinite(number)) return fail("no number here");
  if (number < 0) return fail("a negative size makes no sense here");
  const std::string_view unit = trimmed(all.substr(static_cast<std::size_t>(end - all.data())));
  double scale = 0;
  if (unit.empty() && unit_optional) scale = 1;
  for (const Unit& known : units) {
    if (known.name == unit) scale = known.scale;
  }
  if (scale == 0) {
    std::string names;
    for (const Unit& known : units) names += (names.empty() ? "" : ", ") + std::string(known.name);
    return fail(unit.empty() ? "the unit is missing (" + names + ")"
                             : "unknown unit \"" + std::string(unit) + "\" (known: " + names + ")");
  }
  const double product = number * scale;
  if (product >= 18.4e18) return fail("too large");
  return static_cast<std::uint64_t>(std::llround(product));
}

}  // namespace

std::string format_bytes(std::uint64_t bytes) {
  static constexpr std::array<const char*, 7> kUnits = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  // 999.5 would print as 1000 of the smaller unit.
  while (value >= 999.5 && unit + 1 < kUnits.size()) value /= 1000, ++unit;
  return three_digits(value) + " " + kUnits[unit];
}

std::string format_ns(std::uint64_t ns) {
  const double value = static_cast<double>(ns);
  if (value < 999.5) return three_digits(value) + " ns";
  if (value < 999.5e3) return three_digits(value / 1e3) + " us";
  if (value < 999.5e6) return three_digits(value / 1e6) + " ms";
  if (value < 119.5e9) return three_digits(value / 1e9) + " s";
  const std::uint64_t seconds = ns / 1'000'000'000 + (ns % 1'000'000'000 >= 500'000'000 ? 1 : 0);
  if (seconds < 7200) return two_parts(seconds / 60, "min", seconds % 60, "s");
  const std::uint64_t minutes = (seconds + 30) / 60;
  if (minutes < 48 * 60) return two_parts(minutes / 60, "h", minutes % 60, "min");
  const std::uint64_t hours = (minutes + 30) / 60;
  return two_parts(hours / 24, "days", hours % 24, "h");
}

std::string format_count(std::uint64_t count) { return grouped(count, ' '); }

std::string format_literal(std::uint64_t value) {
  return value < 10'000 ? std::to_string(value) : grouped(value, '\'');
}

std::string format_percent(double share) {
  if (!std::isfinite(share)) return "? %";
  const double percent = share * 100;
  // Never round "almost all" to all, nor "a trace" to nothing.
  if (percent > 99.9 && percent < 100) return "> 99.9 %";
  if (percent > 0 && percent < 0.1) return "< 0.1 %";
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.1f", percent);
  std::string digits = text.data();
  if (digits.ends_with(".0")) digits.resize(digits.size() - 2);
  return digits + " %";
}

std::string format_counted(std::uint64_t count, std::string_view one, std::string_view many) {
  std::string text = format_count(count) + " ";
  if (count == 1) return text.append(one);
  return many.empty() ? text.append(one).append("s") : text.append(many);
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
  static constexpr std::array<Unit, 9> kUnits = {{{"B", 1},
                                                  {"kB", 1e3},
                                                  {"MB", 1e6},
                                                  {"GB", 1e9},
                                                  {"TB", 1e12},
                                                  {"KiB", 1024.0},
                                                  {"MiB", 1048576.0},
                                                  {"GiB", 1073741824.0},
                                                  {"TiB", 1099511627776.0}}};
  return parse_quantity(text, kUnits, true, "10MB");
}

Result<std::uint64_t> parse_duration_ns(std::string_view text) {
  static constexpr std::array<Unit, 6> kUnits = {
      {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"min", 60e9}, {"h", 3600e9}}};
  return parse_quantity(text, kUnits, false, "5ms");
}

}  // namespace ullage
