// SPDX-License-Identifier: Apache-2.0
// eviction: how many requests a cache answers, by what it throws out. Counts, not times.
//
// A case is TRACE_CAPACITY: loop_512, web07_1000: entries of one size; or TRACE_CAPACITY_sized:
// entries of 64 B to 4 KiB by their key, and room for as many average ones. Traces are public ones
// (where from: ../shared/data/README.md); $ULLAGE_SHARED_DATA, or shared/data beside the project.
//
// A case NMiB (of ../eviction_bytes): a cache of so many bytes, entries as large as the blocks that
// a virtual disk was asked for. $ULLAGE_SIZED_TRACE is the trace with their sizes.
//
// A contender is a struct with `static std::uint64_t hits(const Trace&, std::uint64_t capacity)`.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
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
  unsigned mib = 0;  // of a case N MiB
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

// Lines "version,time,op,size,block", behind one with their names. A block is as large as it was
// asked for first, as it is for those who published counts.
inline Trace read_disk(unsigned mib) {
  const char* path = std::getenv("ULLAGE_SIZED_TRACE");
  std::FILE* file = path == nullptr ? nullptr : std::fopen(path, "r");
  if (file == nullptr) {
    std::fprintf(stderr, "no trace in ULLAGE_SIZED_TRACE\n");
    std::exit(1);
  }
  Trace trace;
  trace.sized = true;
  trace.mib = mib;
  trace.capacity = std::uint64_t{mib} << 20;
  char line[128];
  std::uint64_t bytes = 0;
  std::unordered_map<unsigned long long, unsigned long long> sizes;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    unsigned long long size = 0, block = 0;
    if (std::sscanf(line, "%*u,%*u,%*[^,],%llu,%llu", &size, &block) != 2) continue;
    size = sizes.try_emplace(block, size).first->second;
    trace.requests.push_back(
        {spread(block + 0x9e3779b97f4a7c15u), static_cast<std::uint32_t>(size)});
    bytes += size;
  }
  std::fclose(file);
  if (!trace.requests.empty()) trace.entries = trace.capacity / (bytes / trace.requests.size());
  return trace;
}

inline Trace read(std::string_view case_name) {
  std::string name(case_name);
  if (name.ends_with("MiB")) return read_disk(static_cast<unsigned>(std::stoul(name)));
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
