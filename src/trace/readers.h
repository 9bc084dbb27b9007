// SPDX-License-Identifier: Apache-2.0
#pragma once

// Readers: from the bytes of an incident to evidence, whatever format they have.
//
//   auto evidence = trace::read("app.ulg", {.progress = show});
//   if (!evidence.ok()) return evidence.error();
//
// A reader is one line in readers.def: a name, a function that knows its format by the first bytes,
// and one that reads it. Threads: any.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "evidence/evidence.h"

namespace ullage::trace {

struct ReadOptions {
  bool symbolize = true;    // false: module+offset only
  bool debuginfod = false;  // may ask DEBUGINFOD_URLS over the network
  std::vector<std::string> debug_dirs;
  std::function<void(double fraction)> progress;  // 0 to 1, never less than before
};

// Bytes from the start of a file that a reader may look at to know its format.
inline constexpr std::size_t kSniffBytes = 4096;

struct Reader {
  const char* name;     // "ULG1"
  const char* summary;  // "recordings of ullage record"
  bool (*sniff)(std::span<const std::uint8_t> first_bytes);
  Result<evidence::Evidence> (*read)(const std::string& path, const ReadOptions& options);
};
const std::vector<Reader>& readers();

// Reads with the first reader that knows the file.
Result<evidence::Evidence> read(const std::string& path, const ReadOptions& options);

}  // namespace ullage::trace
