// SPDX-License-Identifier: Apache-2.0
#pragma once

// Stack overflows and exhausted memory in the output of a Java program, among whatever else it
// prints.
//
//   Exception in thread "main" java.lang.StackOverflowError       (or OutOfMemoryError: ...)
//   	at com.acme.View.get(View.java:12)
//   	...

#include <cstdint>
#include <string_view>

#include "evidence/incident.h"

namespace ullage::trace::jvm {

class ExceptionScanner {
 public:
  // Recursions, allocations that did not fit and facts.crash go into `incident`, which must outlive
  // the scanner.
  explicit ExceptionScanner(evidence::Incident& incident) : incident_(incident) {}
  // True when the line is part of such a trace, or names such an error.
  bool feed(std::string_view line, std::uint64_t number);
  void finish();

 private:
  evidence::Incident& incident_;
  enum class Error { kNone, kOverflow, kNoMemory };
  void begin(Error error, std::string_view line, std::uint64_t number);

  Error collecting_ = Error::kNone;
  evidence::Stack stack_;
  std::uint64_t frames_ = 0, line_ = 0;
  std::string thread_, what_;
};

}  // namespace ullage::trace::jvm
