// SPDX-License-Identifier: Apache-2.0
#pragma once

// hs_err_pidN.log: what the JVM writes when it dies. Taken from it: the signal and the problematic
// frame, the version, the collector, heap facts, and the Java stack of the thread that died.

#include <cstdint>
#include <string>
#include <string_view>

#include "evidence/incident.h"

namespace ullage::trace::jvm {

bool is_hs_err_line(std::string_view line);

class HsErrParser {
 public:
  explicit HsErrParser(evidence::Incident& incident) : incident_(incident) {}
  bool feed(std::string_view line, std::uint64_t number);
  void finish();
  bool any() const { return inside_; }

 private:
  bool comment(std::string_view text);
  bool java_frame(std::string_view line);

  evidence::Incident& incident_;
  bool inside_ = false, frame_next_ = false, in_java_frames_ = false, in_heap_ = false;
  std::string what_, frame_, out_of_memory_, thread_;
  evidence::Stack stack_;
  std::uint64_t stack_line_ = 0;
};

}  // namespace ullage::trace::jvm
