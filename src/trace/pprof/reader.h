// SPDX-License-Identifier: Apache-2.0
#pragma once

// Profiles of Go programs: pprof's protobuf (any program's heap, CPU and contention profiles, too)
// and the text that /debug/pprof serves with ?debug=1 and ?debug=2, crashes included.
// Bytes: docs/formats/pprof.md.
//
// Each fills one Evidence::incident with one artefact. Binaries of ReadOptions::go_binaries
// recover what heap profiles hide (recover.h).

#include <cstdint>
#include <span>

#include "base/result.h"
#include "evidence/evidence.h"
#include "trace/input.h"
#include "trace/readers.h"

namespace ullage::trace {

// Protobuf has no magic number: true when the first fields have the shape of a profile's.
bool sniff_pprof(std::span<const std::uint8_t> first_bytes);
Result<evidence::Evidence> read_pprof(const Input& input, const ReadOptions& options);

bool sniff_go_text_profile(std::span<const std::uint8_t> first_bytes);
Result<evidence::Evidence> read_go_text_profile(const Input& input, const ReadOptions& options);

}  // namespace ullage::trace
