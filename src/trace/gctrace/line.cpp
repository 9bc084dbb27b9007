// SPDX-License-Identifier: Apache-2.0
#include "trace/gctrace/line.h"

#include <algorithm>

namespace ullage::trace::gctrace {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Digits of a whole number that are read, fewer where it is scaled: more would overflow, and no
// runtime writes them.
constexpr std::size_t kDigitsMax = 15;

class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  std::size_t at() const { return at_; }
  bool split() const { return splits_ > 0; }

  bool skip(std::string_view wanted) {
    if (!text_.substr(at_).starts_with(wanted)) return false;
    at_ += wanted.size();
    return true;
  }
  bool literal(std::string_view wanted) {
    do {
      if (skip(wanted)) return true;
    } while (pass_others());
    return false;
  }
  bool arrow() {
    do {
      if (skip("->") || skip("-\\u003e")) return true;  // as JSON has it
    } while (pass_others());
    return false;
  }
  // A decimal number times 10^scale, exactly.
  bool number(unsigned scale, std::uint64_t& value) {
    do {
      if (digits(scale, value)) return true;
    } while (pass_others());
    return false;
  }
  bool mebibytes(std::uint64_t& bytes) {
    constexpr std::uint64_t kMebibytesMax = UINT64_MAX >> 20;
    if (!number(0, bytes) || bytes > kMebibytesMax) return false;
    bytes <<= 20;
    return true;
  }
  bool milliseconds(std::uint64_t& ns) { return number(6, ns); }

 private:
  bool digits(unsigned scale, std::uint64_t& value) {
    std::size_t i = at_;
    std::uint64_t whole = 0;
    while (i < text_.size() && is_digit(text_[i]) && i - at_ <= kDigitsMax) {
      whole = whole * 10 + static_cast<std::uint64_t>(text_[i++] - '0');
    }
    if (i == at_ || i - at_ > std::min<std::size_t>(kDigitsMax, 18 - scale)) return false;
    if (scale > 0 && i + 1 < text_.size() && text_[i] == '.' && is_digit(text_[i + 1])) {
      for (++i; i < text_.size() && is_digit(text_[i]); ++i) {
        if (scale == 0) continue;
        whole = whole * 10 + static_cast<std::uint64_t>(text_[i] - '0');
        --scale;
      }
    }
    for (; scale > 0; --scale) whole *= 10;
    at_ = i;
    value = whole;
    return true;
  }
  // To the next line, once something else stands where a piece of ours was expected.
  bool pass_others() {
    if (splits_ == kSplitsMax) return false;
    const std::size_t end = text_.find('\n', at_);
    if (end == std::string_view::npos) return false;
    ++splits_;
    at_ = end + 1;
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int splits_ = 0;
};

bool read_sizes(Cursor& c, Line& line) {
  if (!c.mebibytes(line.start_bytes) || !c.arrow() || !c.mebibytes(line.end_bytes) || !c.arrow() ||
      !c.mebibytes(line.live_bytes) || !c.literal(" MB, ") || !c.mebibytes(line.goal_bytes) ||
      !c.literal(" MB goal, ")) {
    return false;
  }
  // Before Go 1.18 the processors follow at once.
  std::uint64_t value = 0;
  if (!c.number(0, value)) return false;
  if (!c.skip(" P")) {
    line.stacks_bytes = value << 20;
    if (!c.literal(" MB stacks, ") || !c.mebibytes(line.globals_bytes) ||
        !c.literal(" MB globals, ") || !c.number(0, value) || !c.literal(" P")) {
      return false;
    }
  }
  line.processors = value;
  line.forced = c.skip(" (forced)");
  return true;
}

}  // namespace

std::size_t find_line(std::string_view text, std::size_t from) {
  for (std::size_t i = text.find("gc ", from); i != std::string_view::npos;
       i = text.find("gc ", i + 1)) {
    std::size_t end = i + 3;
    while (end < text.size() && is_digit(text[end]) && end - i <= kDigitsMax) ++end;
    if (end > i + 3 && text.substr(end).starts_with(" @")) return i;
  }
  return std::string_view::npos;
}

std::optional<Line> parse_line(std::string_view text) {
  Cursor c(text.substr(0, kLineBytesMax));
  Line line;
  if (!c.skip("gc ") || !c.number(0, line.ordinal) || !c.literal(" @") ||
      !c.number(9, line.at_ns) || !c.literal("s ") || !c.number(0, line.cpu_percent) ||
      !c.literal("%")) {
    return std::nullopt;
  }
  line.leak_check = c.skip(" (checking for goroutine leaks)");
  std::uint64_t unused = 0;
  if (!c.literal(": ") || !c.milliseconds(line.stop_first_ns) || !c.literal("+") ||
      !c.milliseconds(line.mark_ns) || !c.literal("+") || !c.milliseconds(line.stop_last_ns) ||
      !c.literal(" ms clock, ") || !c.milliseconds(unused) || !c.literal("+") ||
      !c.milliseconds(line.assist_ns) || !c.literal("/") || !c.milliseconds(line.worker_ns) ||
      !c.literal("/") || !c.milliseconds(line.idle_ns) || !c.literal("+") ||
      !c.milliseconds(unused) || !c.literal(" ms cpu, ") || !read_sizes(c, line)) {
    return std::nullopt;
  }
  line.size = c.at();
  line.split = c.split();
  return line;
}

}  // namespace ullage::trace::gctrace
