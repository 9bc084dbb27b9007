// SPDX-License-Identifier: Apache-2.0
// eviction: how many requests a cache answers, by what it throws out. Counts, not times.
//
// A case is TRACE_CAPACITY: loop_512, web07_1000: entries of one size; or TRACE_CAPACITY_sized:
// entries of 64 B to 4 KiB by their key, and room for as many average ones. Traces are public ones
// (where from: ../shared/data/README.md); $ULLAGE_SHARED_DATA, or shared/data beside the project.
//
// A contender is a struct with `static std::uint64_t hits(const Trace&, std::uint64_t capacity)`.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "driver.h"

namespace eviction {

struct Request {
  std::uint64_t hash;  // of the key: 64 good bits
  std::uint32_t bytes;
};

struct Trace {
  std::vector<Request> requests;
  std::uint64_t capacity = 0;  // in bytes
  std::uint64_t entries = 0;   // how many of average size that is
  bool sized = false;
};

inline std::uint64_t spread(std::uint64_t x) {  // a permutation of 64 bits
  x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
  x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
  return x ^ x >> 32;
}

// The average of 64 << 0..6.
inline constexpr std::uint32_t kSizedBytesMean = 64 * 127 / 7;

inline std::string folder() {
  if (const char* given = std::getenv("ULLAGE_SHARED_DATA")) return given;
  return EVICTION_ROOT "/../shared/data";
}

inline Trace read(std::string_view case_name) {
  std::string name(case_name);
  Trace trace;
  if (name.ends_with("_sized")) {
    trace.sized = true;
    name.resize(name.size() - 6);
  }
  const std::size_t cut = name.rfind('_');
  trace.entries = std::strtoull(name.c_str() + cut + 1, nullptr, 10);
  trace.capacity = trace.entries * (trace.sized ? kSizedBytesMean : 1);
  name.resize(cut);
  std::string path, command;
  bool binary = false;
  for (const char* ending : {".trace.gz", ".trace.xz", ".txt.xz"}) {
    path = folder() + "/cache-traces/" + name + ending;
    if (!std::filesystem::exists(path)) continue;
    command = (path.ends_with("gz") ? "gzip -dc '" : "xz -dc '") + path + "'";
    binary = std::string_view(ending) == ".trace.xz";
    break;
  }
  std::FILE* pipe = command.empty() ? nullptr : ::popen(command.c_str(), "r");
  if (pipe == nullptr) {
    std::fprintf(stderr, "no trace %s in %s/cache-traces\n", name.c_str(), folder().c_str());
    std::exit(1);
  }
  const auto add = [&trace](std::uint64_t key) {
    const std::uint64_t hash = spread(key + 0x9e3779b97f4a7c15u);
    trace.requests.push_back({hash, trace.sized ? 64u << (hash >> 7) % 7 : 1u});
  };
  unsigned char word[4];
  char line[64];
  if (binary) {
    while (std::fread(word, 1, 4, pipe) == 4) {
      add(std::uint64_t{word[0]} << 24 | word[1] << 16 | word[2] << 8 | word[3]);
    }
  } else {
    while (std::fgets(line, sizeof line, pipe) != nullptr) {
      if (line[0] != '*') add(std::strtoull(line, nullptr, 10));
    }
  }
  ::pclose(pipe);
  return trace;
}

}  // namespace eviction

struct Task {
  template <class Contender>
  static void run(std::string_view case_name, bench::Report& report) {
    const eviction::Trace trace = eviction::read(case_name);
    const auto requests = static_cast<double>(trace.requests.size());
    const auto hits = static_cast<double>(Contender::hits(trace, trace.capacity));
    report.add("hit_percent", 100 * hits / requests, "%");
    report.add("misses", requests - hits, "count");
    if constexpr (requires { Contender::compare(trace, hits, report); }) {
      Contender::compare(trace, hits, report);
    }
  }
};
