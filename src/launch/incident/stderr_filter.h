// SPDX-License-Identifier: Apache-2.0
#pragma once

// StderrFilter: what of a program's standard error its user should see, when the lines of gctrace
// were asked for by us. The runtime writes them into whatever the program was writing, so they are
// looked for anywhere, not at the start of lines only. Everything else passes, also without an end
// of line: what may become such a line is held back until the next byte, or until idle().

#include <string>
#include <string_view>

namespace ullage::launch {

class StderrFilter {
 public:
  explicit StderrFilter(bool hide_gctrace) : hide_(hide_gctrace) {}
  // What to pass on of these bytes and of those held back before.
  std::string take(std::string_view bytes);
  // Nothing came for a while, or ever will: what was held back.
  std::string idle();

 private:
  bool hide_, dropping_ = false;
  std::string held_;  // the start of what may be a line of gctrace: "gc 12 @3.4"
};

}  // namespace ullage::launch
