// SPDX-License-Identifier: Apache-2.0
#pragma once

// Go execution traces since 1.22 (`runtime/trace`, /debug/pprof/trace, `go test -trace`, the flight
// recorder), to an incident: pauses and whom they waited for, assists, cycles, goroutines, waits.
//
// The fast scan reads them with options.threads threads. With options.verify they are read a second
// time in strict order, every sequence number checked, and both readings must agree; a trace that
// breaks the order is an error that names the event. What could not be read is told in the
// artefact: notes, `cut`, bytes_skipped.

#include <span>

#include "trace/readers.h"

namespace ullage::trace {

bool sniff_go_trace(std::span<const std::uint8_t> first_bytes);
Result<evidence::Evidence> read_go_trace(const Input& input, const ReadOptions& options);

}  // namespace ullage::trace
