// SPDX-License-Identifier: Apache-2.0
#pragma once

// The manifest of an incident's folder (docs/formats/incident-manifest.md): which program it was,
// when it began, how much memory it held, and what could not be collected. Its wall clock relates
// logs that count from the start of the process to profiles that know the time of day.

#include <cstddef>
#include <cstdint>
#include <span>

#include "trace/readers.h"

namespace ullage::trace {

// Marks of memory read; a manifest of ours has half as many at most.
inline constexpr std::size_t kManifestMarksMax = 8192;

bool sniff_manifest(std::span<const std::uint8_t> first_bytes);
Result<evidence::Evidence> read_manifest(const Input& input, const ReadOptions& options);

}  // namespace ullage::trace
