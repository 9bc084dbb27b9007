// SPDX-License-Identifier: Apache-2.0
#pragma once

// StderrFilter: what of a program's standard error its user should see, when the lines of gctrace
// were asked for by us. Everything else passes at once, also a prompt without an end of line.

#include <string>
#include <string_view>

namespace ullage::launch {

class StderrFilter {
 public:
  explicit StderrFilter(bool hide_gctrace) : hide_(hide_gctrace) {}
  // What to pass on of these bytes and of those held back before.
  std::string take(std::string_view bytes);
  // What is still held back when the program has ended.
  std::string finish();

 private:
  bool hide_;
  bool line_start_ = true, dropping_ = false;
  std::string held_;  // the start of a line that may be one of gctrace: "gc 12 @"
};

}  // namespace ullage::launch
