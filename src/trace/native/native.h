// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads a ULG1 recording of a native program and links its allocations into growth chains.
//
//   auto evidence = read_recording("app.ulg", {});
//
// Promises     Any bytes give an error or evidence; Evidence::understood says how much of the file
//              it rests on.
// Memory       bounded by the blocks that are alive at once and the places in the program, not by
//              the size of the file (stream.h, linker.h).
// Cost         at least 5 M events/s on one core, then symbols: one pass per module.
// Threads      any, each with its own call.

#include <string>

#include "base/result.h"
#include "evidence/evidence.h"
#include "trace/readers.h"

namespace ullage::record {
class Recording;
}

namespace ullage::trace {

Result<evidence::Evidence> read_recording(const std::string& path, const ReadOptions& options);
// The same for a recording that is open already (tests, fuzzing).
Result<evidence::Evidence> read_recording(const record::Recording& recording,
                                          const ReadOptions& options);

}  // namespace ullage::trace
