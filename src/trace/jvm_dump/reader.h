// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads the text dumps of a JVM: class histograms (jmap -histo, jcmd GC.class_histogram), thread
// dumps (jstack, jcmd Thread.print), hs_err files, and program output with stack overflows or
// exhausted memory. Several of them may stand in one file, in any order.
//
// Promises     Any bytes give an Incident or an error; lines not understood are counted.
// Memory       bounded by the limits in evidence/incident.h and jvm_dump/*.cpp.
// Threads      any.

#include <cstdint>
#include <span>

#include "base/result.h"
#include "evidence/evidence.h"
#include "trace/input.h"
#include "trace/readers.h"

namespace ullage::trace {

bool sniff_jvm_dump(std::span<const std::uint8_t> first_bytes);
Result<evidence::Evidence> read_jvm_dump(const Input& input, const ReadOptions& options);

}  // namespace ullage::trace
