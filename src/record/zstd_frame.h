// SPDX-License-Identifier: Apache-2.0
#pragma once

// One zstd frame per segment payload, with a content checksum. Thread-safe: each thread keeps its
// own context. Zstd's header stays inside zstd_frame.cpp.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ullage::record {

enum class Unpacked {
  kWhole,
  kCut,      // the frame ends early: `out` holds what came before
  kDamaged,  // not zstd, contents that fail their checksum, or more than `raw_bytes`
};

// Decompresses into `out`, which never grows beyond raw_bytes.
Unpacked unpack_frame(const uint8_t* frame, size_t bytes, size_t raw_bytes,
                      std::vector<uint8_t>& out);

// Appends one frame to `out`. False only when zstd has no memory.
bool pack_frame(const uint8_t* raw, size_t bytes, int level, std::vector<uint8_t>& out);

}  // namespace ullage::record
