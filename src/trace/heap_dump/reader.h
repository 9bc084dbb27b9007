// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads Go heap dumps: debug.WriteHeapDump, "go1.7 heap dump" (docs/formats/heap-dump.md).
//
// Cost    the file is mapped and read twice; memory is some 40 B for each object (Dump, Graph).
// Proof   a retention is reported when every reached pointer to an object is a slice or string of a
//         part of it. It needs the roots: of a dump that was cut before them none is reported.

#include <span>

#include "trace/readers.h"

namespace ullage::trace {

bool sniff_heap_dump(std::span<const std::uint8_t> bytes);
Result<evidence::Evidence> read_heap_dump(const Input& input, const ReadOptions& options);

}  // namespace ullage::trace
