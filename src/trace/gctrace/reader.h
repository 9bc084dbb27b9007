// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads what GODEBUG=gctrace=1 writes to standard error, among whatever else stands there
// (docs/formats/gctrace.md): collections, the heap after each, and the line a crash begins with.

#include <span>

#include "trace/readers.h"

namespace ullage::trace {

// Programs that wrote into one text and are told apart. Beyond it lines count as unknown.
inline constexpr std::size_t kGctraceProcessesMax = 64;

bool sniff_gctrace(std::span<const std::uint8_t> bytes);
Result<evidence::Evidence> read_gctrace(const Input& input, const ReadOptions& options);

}  // namespace ullage::trace
