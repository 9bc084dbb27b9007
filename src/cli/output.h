// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace ullage::cli {

// Writes the whole text to a file, or to standard output for "-". A file appears whole or not at
// all under its name: it is written beside it first and then renamed. New files have mode 0600,
// because reports hold the paths and arguments of the recorded program.
Result<void> write_output(const std::string& path, const std::string& text);

// Where a form of a report goes, and the option that said so.
struct Target {
  std::string option, path;
};
// Refuses what would replace a file that `verb` reads (`taken`), or another of the targets.
Result<void> keep_apart(const std::string& verb, const std::vector<Target>& targets,
                        std::vector<std::string> taken);

// "out.html" for the second of several recordings, "logs/web.ulg": "out.web.html".
std::string path_per_recording(const std::string& path, const std::string& recording);

// A path as short as the user would type it here; never one that looks like an option.
std::string short_path(const std::string& path);

// Standard output refuses writes (a full disk, a closed pipe): said once at the end of a verb.
Result<void> flush_output();

}  // namespace ullage::cli
