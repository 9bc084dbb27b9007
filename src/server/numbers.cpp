// SPDX-License-Identifier: Apache-2.0
#include "server/numbers.h"

#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace ullage::server {
namespace {

// Redis's buffer for one; what is longer is no number.
constexpr std::size_t kRealBytesMax = 5 * 1024;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

}  // namespace

bool parse_real(std::string_view text, long double& value) {
  if (text.empty() || text.size() >= kRealBytesMax) return false;
  if (std::isspace(static_cast<unsigned char>(text[0]))) return false;
  const std::string copy(text);
  char* end = nullptr;
  value = std::strtold(copy.c_str(), &end);
  if (end != copy.c_str() + copy.size()) return false;
  if (std::isnan(value)) return false;
  // Out of range is an error, "inf" written out is not.
  const bool written_inf = lower(copy[copy[0] == '+' || copy[0] == '-' ? 1 : 0]) == 'i';
  return !std::isinf(value) || written_inf;
}

std::string write_real(long double value) {
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  // The largest has 4933 digits before the point.
  char text[kRealBytesMax];
  int size = std::snprintf(text, sizeof text, "%.17Lf", value);
  std::string_view shown(text, static_cast<std::size_t>(size));
  if (shown.find('.') != std::string_view::npos) {
    while (shown.back() == '0') shown.remove_suffix(1);
    if (shown.back() == '.') shown.remove_suffix(1);
  }
  return shown == "-0" ? "0" : std::string(shown);
}

bool equals_ignoring_case(std::string_view one, std::string_view other) {
  if (one.size() != other.size()) return false;
  for (std::size_t i = 0; i < one.size(); ++i) {
    if (lower(one[i]) != lower(other[i])) return false;
  }
  return true;
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

}  // namespace ullage::server
