// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads the garbage collection logs of the JVM: unified (JDK 9 and later) and those before it.
//
// Promises     Any bytes give an Incident or an error. Each pause is counted once. Lines that were
//              not understood are counted (Artefact::records_unknown), whatever else the program
//              printed among them; stack overflows and OutOfMemoryErrors there are understood.
// Memory       bounded by the limits in evidence/incident.h, not by the size of the log.
// Cost         at least 100 MB/s on one core.
// Threads      any.

#include <cstdint>
#include <span>

#include "base/result.h"
#include "evidence/evidence.h"
#include "trace/input.h"
#include "trace/readers.h"

namespace ullage::trace {

bool sniff_jvm_gc(std::span<const std::uint8_t> first_bytes);
Result<evidence::Evidence> read_jvm_gc(const Input& input, const ReadOptions& options);

}  // namespace ullage::trace
