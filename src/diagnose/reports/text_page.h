// SPDX-License-Identifier: Apache-2.0
#pragma once

// A text for a terminal: paragraphs wrapped to its width, words in colour where that was asked for.
// For the text report and its parts.

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "base/text.h"
#include "diagnose/reports/reports.h"

namespace ullage::diagnose {

inline constexpr const char* kBold = "\x1b[1m";
inline constexpr const char* kRed = "\x1b[1;31m";
inline constexpr const char* kYellow = "\x1b[1;33m";
inline constexpr const char* kDim = "\x1b[2m";
inline constexpr const char* kPlain = "\x1b[0m";

class Text {
 public:
  explicit Text(const ReportOptions& options)
      : options_(options), width_(static_cast<std::size_t>(std::max(options.width, 40))) {}

  // A paragraph; `first` starts it, the lines after are indented to `indent` spaces.
  void paragraph(const std::string& first, const std::string& text, std::size_t indent) {
    out_ += wrap(clean_utf8(text), width_, first, std::string(indent, ' ')) + "\n";
  }
  // The same, starting with a coloured word that takes no more columns for its colour.
  void paragraph(std::size_t before, const char* colour, const std::string& word,
                 const std::string& text, std::size_t indent) {
    const std::size_t at = out_.size() + before;
    paragraph(std::string(before, ' ') + word, text, indent);
    out_.replace(at, word.size(), painted(colour, word));
  }
  void line(const std::string& text = {}) { out_ += text + "\n"; }
  std::string painted(const char* colour, const std::string& text) const {
    return options_.colour ? colour + text + kPlain : text;
  }
  // `left`, and `right` at the end of the same line where it fits, else on a line of its own.
  void row(const std::string& label, const char* colour, const std::string& left,
           const std::string& right) {
    const std::size_t used = columns(label) + columns(left);
    out_ += painted(colour, label) + left;
    if (right.empty()) {
      out_ += "\n";
    } else if (used + 3 + columns(right) <= width_) {
      out_ += std::string(width_ - used - columns(right), ' ') + painted(kBold, right) + "\n";
    } else {
      out_ += "\n    " + painted(kBold, right) + "\n";
    }
  }
  std::size_t width() const { return width_; }
  std::string take() { return std::move(out_); }

 private:
  const ReportOptions& options_;
  std::size_t width_;
  std::string out_;
};

}  // namespace ullage::diagnose
