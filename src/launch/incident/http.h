// SPDX-License-Identifier: Apache-2.0
#pragma once

// fetch: one GET into a file.

#include <atomic>
#include <cstdint>
#include <string>

namespace ullage::launch {

// Most bytes of one answer; a trace of an hour has less.
inline constexpr std::uint64_t kFetchBytesMax = std::uint64_t{16} << 30;

struct Fetched {
  bool ok = false;
  long status = 0;  // of HTTP; 0 = no answer
  std::uint64_t bytes =
      0;                // in the file, which is left where it is worth something: when not empty
  std::string problem;  // a sentence; empty when ok
};

// Stops early when `cancelled` becomes true. `seconds_max` bounds the whole of it.
Fetched fetch(const std::string& url, const std::string& path, double seconds_max,
              const std::atomic<bool>& cancelled);

}  // namespace ullage::launch
