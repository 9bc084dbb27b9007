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
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "evidence/evidence.h"
#include "trace/input.h"

namespace ullage::trace {

struct GoBinary;  // go_binary/go_binary.h

struct ReadOptions {
  bool symbolize = true;    // false: module+offset only
  bool debuginfod = false;  // may ask DEBUGINFOD_URLS over the network
  std::vector<std::string> debug_dirs;
  std::function<void(double fraction)> progress;  // 0 to 1, never less than before
  bool verify = false;   // Go traces: read in strict order, every sequence checked
  unsigned threads = 0;  // 0: as many as there are processors
  // Binaries given beside the artefacts: profiles are decoded with the one of their build id.
  std::vector<std::shared_ptr<const GoBinary>> go_binaries = {};
};

// Bytes from the start of a file that a reader may look at to know its format.
inline constexpr std::size_t kSniffBytes = 4096;

struct Reader {
  const char* name;     // "ULG1"
  const char* summary;  // "recordings of ullage record"
  bool (*sniff)(std::span<const std::uint8_t> first_bytes);
  Result<evidence::Evidence> (*read)(const Input& input, const ReadOptions& options);
};
const std::vector<Reader>& readers();

// Reads with the first reader that knows the file.
Result<evidence::Evidence> read(const std::string& path, const ReadOptions& options);

}  // namespace ullage::trace
