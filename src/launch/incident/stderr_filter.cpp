// SPDX-License-Identifier: Apache-2.0
#include "launch/incident/stderr_filter.h"

namespace ullage::launch {
namespace {

enum class Match { kNo, kMaybe, kYes };

// How a line of gctrace begins: "gc 12 @3.456s 7%". '#' stands for digits.
constexpr std::string_view kBegin = "gc # @#.#s #%";
// Longer runs of digits are none of the runtime's.
constexpr std::size_t kDigitsMax = 20;

bool digit(char c) { return c >= '0' && c <= '9'; }

Match begins_gctrace(std::string_view text) {
  std::size_t at = 0;
  for (const char wanted : kBegin) {
    if (wanted != '#') {
      if (at == text.size()) return Match::kMaybe;
      if (text[at++] != wanted) return Match::kNo;
      continue;
    }
    const std::size_t first = at;
    while (at < text.size() && digit(text[at])) ++at;
    if (at - first > kDigitsMax) return Match::kNo;
    if (at == text.size()) return Match::kMaybe;
    if (at == first) return Match::kNo;
  }
  return Match::kYes;
}

}  // namespace

std::string StderrFilter::take(std::string_view bytes) {
  if (!hide_) return std::string(bytes);
  std::string out;
  for (const char c : bytes) {
    if (dropping_) {
      dropping_ = c != '\n';
      continue;
    }
    held_ += c;
    Match match = begins_gctrace(held_);
    // What is none may hold the beginning of one: "ggc 1".
    while (match == Match::kNo && !held_.empty()) {
      out += held_.front();
      held_.erase(0, 1);
      match = begins_gctrace(held_);
    }
    if (match == Match::kYes) {
      held_.clear();
      dropping_ = true;
    }
  }
  return out;
}

std::string StderrFilter::idle() {
  std::string out;
  out.swap(held_);
  return out;
}

}  // namespace ullage::launch
