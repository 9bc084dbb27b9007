// SPDX-License-Identifier: Apache-2.0
#include "launch/incident/stderr_filter.h"

#include <cctype>

namespace ullage::launch {
namespace {

enum class Match { kNo, kMaybe, kYes };

// "gc ", digits, " @": how a line of gctrace begins.
Match begins_gctrace(std::string_view text) {
  constexpr std::string_view kWord = "gc ";
  std::size_t i = 0;
  for (; i < kWord.size(); ++i) {
    if (i == text.size()) return Match::kMaybe;
    if (text[i] != kWord[i]) return Match::kNo;
  }
  const std::size_t digits = i;
  while (i < text.size() && std::isdigit(static_cast<unsigned char>(text[i]))) ++i;
  if (i == text.size()) return i - digits < 20 ? Match::kMaybe : Match::kNo;
  if (i == digits || text[i] != ' ') return Match::kNo;
  if (i + 1 == text.size()) return Match::kMaybe;
  return text[i + 1] == '@' ? Match::kYes : Match::kNo;
}

}  // namespace

std::string StderrFilter::take(std::string_view bytes) {
  if (!hide_) return std::string(bytes);
  std::string out;
  for (const char c : bytes) {
    if (dropping_) {
      dropping_ = c != '\n';
      line_start_ = !dropping_;
      continue;
    }
    if (!line_start_) {
      out += c;
      line_start_ = c == '\n';
      continue;
    }
    held_ += c;
    switch (begins_gctrace(held_)) {
      case Match::kMaybe:
        break;
      case Match::kYes:
        held_.clear();
        dropping_ = true;
        break;
      case Match::kNo:
        out += held_;
        line_start_ = held_.back() == '\n';
        held_.clear();
        break;
    }
  }
  return out;
}

std::string StderrFilter::finish() {
  std::string out;
  out.swap(held_);
  return out;
}

}  // namespace ullage::launch
