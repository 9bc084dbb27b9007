// SPDX-License-Identifier: Apache-2.0
#include "trace/jvm_gc/decorations.h"

#include <algorithm>

#include "trace/jvm_gc/scan.h"

namespace ullage::trace::jvm {
namespace {

// Twelve decorators exist; a longer row of brackets is something else's output.
constexpr std::size_t kDecorationsMax = 16;
// The longest are tag lists and host names.
constexpr std::size_t kColumnsMax = 100;
// "[1795813152787ms]" is the wall clock and "[3ms]" the uptime, in the same form: the first of
// them is larger than ten years of uptime.
constexpr std::uint64_t kWallMs = 315'360'000'000;

bool is_level(std::string_view text) {
  return text == "info" || text == "debug" || text == "trace" || text == "warning" ||
         text == "error";
}

// Nanoseconds of the monotonic clock ([11963767652945ns]) stand before those of the uptime; where
// both are written, the later one wins.
void take_time(std::string_view content, Decorations& d) {
  std::string_view rest = content;
  std::uint64_t value = 0;
  if (content.ends_with("ms")) {
    if (!eat_integer(rest, value) || rest != "ms") return;
    if (value > kWallMs) {
      if (!d.has_wall) d.wall_ns = static_cast<std::int64_t>(value) * 1'000'000;
      d.has_wall = true;
    } else if (!d.has_uptime) {
      d.has_uptime = true;
      d.uptime_ns = static_cast<std::int64_t>(value) * 1'000'000;
    }
    return;
  }
  if (content.ends_with("ns")) {
    if (!eat_integer(rest, value) || rest != "ns") return;
    d.has_uptime = true;
    d.uptime_ns = static_cast<std::int64_t>(value);
    d.tick_ns = 1;
    return;
  }
  unsigned digits = 0;
  if (!eat_decimal(rest, 9, value, &digits) || rest != "s") return;
  d.has_uptime = true;
  d.uptime_ns = static_cast<std::int64_t>(value);
  std::uint64_t tick = 1'000'000'000;
  for (unsigned i = 0; i < digits && tick > 1; ++i) tick /= 10;
  d.tick_ns = tick;
}

}  // namespace

Decorations parse_decorations(std::string_view line) {
  Decorations d;
  std::string_view rest = line;
  std::string_view last;
  while (!rest.empty() && rest.front() == '[' && d.count < kDecorationsMax) {
    const std::size_t close = rest.substr(0, kColumnsMax).find(']');
    if (close == std::string_view::npos || close < 2) break;
    const std::string_view content = trimmed(rest.substr(1, close - 1));
    if (content.empty()) break;
    if (is_digit(content.front())) {
      std::string_view time = content;
      std::int64_t wall = 0;
      if (eat_wall_time(time, wall) && time.empty()) {
        d.has_wall = true;
        d.wall_ns = wall;
      } else {
        take_time(content, d);
      }
    } else if (!d.has_level && is_level(content)) {
      d.has_level = true;
    } else {
      if (content.find_first_of("(=:>") != std::string_view::npos) break;
      last = content;
    }
    ++d.count;
    rest.remove_prefix(close + 1);
  }
  d.tags = last;
  if (d.count > 0 && !rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  d.message = rest;
  return d;
}

}  // namespace ullage::trace::jvm
