// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the verbs that read recordings share: their options, progress, and how errors are told.

#include <cstdint>
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
  // Adds --separate, --verify and --threads.
  void describe_incidents(Command& command);
  // Reads a recording; shows progress on standard error when that is a terminal.
  Result<evidence::Evidence> load(const std::string& path) const;
  // Reads everything under these paths (files, folders, archives, "-") as one incident; what can't
  // be of one run, or all of it under --separate, comes back apart. What was left out is in the
  // notes of the first; what could not be read is added to `failures`. Fails when nothing could.
  Result<std::vector<evidence::Evidence>> load_incidents(const std::vector<std::string>& paths,
                                                         std::vector<Error>& failures) const;

 private:
  bool separate_ = false, verify_ = false;
  std::uint64_t threads_ = 0;
  bool debuginfod_ = false;
  bool no_progress_ = false;
  std::vector<std::string> debug_dirs_;
};

// Reads a whole text file (a baseline). Limit: kTextBytesMax.
inline constexpr std::size_t kTextBytesMax = 256u << 20;  // larger ones are refused
Result<std::string> read_text(const std::string& path);

// True when the file starts as a recording does.
bool is_recording(const std::string& path);
// True for folders, archives and files of a format that some reader knows.
bool is_artefact(const std::string& path);

}  // namespace ullage::cli
