// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads snapshots of Go's runtime/metrics as JSON, and expvar's /debug/vars
// (docs/formats/runtime-metrics.md): values become metrics, histograms stay histograms; the unit
// stands at the end of a name, behind its colon.

#include <span>

#include "trace/readers.h"

namespace ullage::trace {

// One JSON value: a document, or a line of JSON lines. A snapshot has 25 kB.
inline constexpr std::size_t kJsonBytesMax = std::size_t{64} << 20;
// Values of all snapshots together; later ones are counted and left out.
inline constexpr std::size_t kMetricsMax = 500'000;
inline constexpr std::size_t kMetricHistogramsMax = 1000;
// Buckets of one histogram; the runtime has some 1000 at most.
inline constexpr std::size_t kMetricBucketsMax = 1 << 16;

bool sniff_runtime_metrics(std::span<const std::uint8_t> bytes);
Result<evidence::Evidence> read_runtime_metrics(const Input& input, const ReadOptions& options);

}  // namespace ullage::trace
