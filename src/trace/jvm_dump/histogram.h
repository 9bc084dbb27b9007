// SPDX-License-Identifier: Apache-2.0
#pragma once

// Class histograms: jmap -histo, jcmd PID GC.class_histogram. Each becomes a snapshot; several in
// one file are in the order in which they were taken.

#include <cstdint>
#include <string>
#include <string_view>

#include "evidence/incident.h"

namespace ullage::trace::jvm {

// True for the line above a histogram's columns.
bool is_histogram_header(std::string_view line);
// As the source writes it: "[Ljava.lang.Object;" -> "java.lang.Object[]", "[[B" -> "byte[][]".
std::string class_name(std::string_view internal);

class HistogramParser {
 public:
  explicit HistogramParser(evidence::Incident& incident) : incident_(incident) {}
  bool feed(std::string_view line);

 private:
  evidence::Incident& incident_;
  bool inside_ = false;
  std::uint32_t snapshot_ = 0;
  std::size_t rows_ = 0;
};

}  // namespace ullage::trace::jvm
