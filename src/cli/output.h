// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"

namespace ullage::cli {

// Writes the whole text to a file, or to standard output for "-". A file appears whole or not at
// all under its name: it is written beside it first and then renamed. New files have mode 0600,
// because reports hold the paths and arguments of the recorded program.
Result<void> write_output(const std::string& path, const std::string& text);

// "out.html" for the second of several recordings, "logs/web.ulg": "out.web.html".
std::string path_per_recording(const std::string& path, const std::string& recording);

// The word as a shell needs it to be written.
std::string shell_word(const std::string& word);

// Standard output refuses writes (a full disk, a closed pipe): said once at the end of a verb.
Result<void> flush_output();

}  // namespace ullage::cli
