// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the verbs that read recordings share: their options, progress, and how errors are told.

#include <string>
#include <vector>

#include "cli/command.h"
#include "diagnose/finding.h"
#include "evidence/evidence.h"

namespace ullage::cli {

class Loader {
 public:
  // Adds --debuginfod, --debug-dir and --no-progress.
  void describe(Command& command);
  // Reads a recording; shows progress on standard error when that is a terminal.
  Result<evidence::Evidence> load(const std::string& path) const;

 private:
  bool debuginfod_ = false;
  bool no_progress_ = false;
  std::vector<std::string> debug_dirs_;
};

// Reads a whole text file (a baseline). Limit: kTextBytesMax.
inline constexpr std::size_t kTextBytesMax = 256u << 20;  // larger ones are refused
Result<std::string> read_text(const std::string& path);

// True when the file starts as a recording does.
bool is_recording(const std::string& path);

}  // namespace ullage::cli
