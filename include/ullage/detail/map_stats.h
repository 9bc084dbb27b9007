// SPDX-License-Identifier: Apache-2.0
//
// map_stats: what a map tells about itself, and how long its steps of growth stopped the caller.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

namespace ullage {

/// How long steps of growth took: count per power of two of nanoseconds.
class stall_histogram {
 public:
  void add(std::uint64_t ns) noexcept {
    ++counts_[static_cast<std::size_t>(std::bit_width(ns)) % counts_.size()];
    ++stalls_;
    total_ns_ += ns;
    if (ns > max_ns_) max_ns_ = ns;
  }
  std::uint64_t stalls() const noexcept { return stalls_; }
  std::uint64_t total_ns() const noexcept { return total_ns_; }
  std::uint64_t max_ns() const noexcept { return max_ns_; }
  /// Stalls of [2^(bucket-1), 2^bucket) ns.
  std::uint64_t count_in(std::size_t bucket) const noexcept { return counts_[bucket]; }
  static constexpr std::size_t kBuckets = 64;

 private:
  std::array<std::uint64_t, kBuckets> counts_ = {};
  std::uint64_t stalls_ = 0, total_ns_ = 0, max_ns_ = 0;
};

/// A map's state in numbers. Taking them walks the map: O(capacity).
struct map_counters {
  static constexpr std::size_t kProbes = 8;  // the last one counts longer probes, too

  std::uint64_t entries = 0;
  std::uint64_t capacity = 0;        ///< slots
  std::uint64_t memory_bytes = 0;    ///< all the map holds, its own object included
  std::uint64_t segments = 0;        ///< 1 for a small map with memory
  std::uint64_t chained_blocks = 0;  ///< storage for keys that hash alike
  std::uint64_t directory_bytes = 0;
  unsigned directory_depth = 0;
  std::uint64_t splits = 0, stretches = 0, rebuilds = 0, merges = 0, denials = 0;
  std::uint64_t moved = 0;                           ///< entries, by all growth so far
  std::array<std::uint64_t, kProbes> found_after{};  ///< entries found in the 1st, 2nd, ... group
  double probes_per_hit = 0;                         ///< groups looked at, mean over entries
  double probes_per_miss = 0;  ///< the same for an absent key, mean over home groups and tags
  double lines_per_hit = 0;    ///< cache lines of groups and slots touched by a hit
  /// Entries in the line that a search asks for ahead; 0 in maps that the caches hold.
  std::uint64_t in_preferred_line = 0;

  double load() const noexcept {
    return capacity == 0 ? 0 : static_cast<double>(entries) / static_cast<double>(capacity);
  }
  double bytes_per_entry() const noexcept {
    return entries == 0 ? 0 : static_cast<double>(memory_bytes) / static_cast<double>(entries);
  }
  /// One line of JSON; the names are the members'.
  std::string to_json() const {
    std::string out = "{";
    const auto number = [&](const char* name, double value, const char* format) {
      char text[64];
      std::snprintf(text, sizeof text, format, value);
      out += out.size() > 1 ? ", \"" : "\"";
      out += name;
      out += "\": ";
      out += text;
    };
    const auto count = [&](const char* name, std::uint64_t value) {
      number(name, static_cast<double>(value), "%.0f");
    };
    count("entries", entries);
    count("capacity", capacity);
    number("load", load(), "%.4f");
    count("memory_bytes", memory_bytes);
    number("bytes_per_entry", bytes_per_entry(), "%.2f");
    count("segments", segments);
    count("chained_blocks", chained_blocks);
    count("directory_bytes", directory_bytes);
    count("directory_depth", directory_depth);
    count("splits", splits);
    count("stretches", stretches);
    count("rebuilds", rebuilds);
    count("merges", merges);
    count("denials", denials);
    count("moved", moved);
    number("probes_per_hit", probes_per_hit, "%.4f");
    number("probes_per_miss", probes_per_miss, "%.4f");
    number("lines_per_hit", lines_per_hit, "%.3f");
    count("in_preferred_line", in_preferred_line);
    out += ", \"found_after\": [";
    for (std::size_t i = 0; i < kProbes; ++i) {
      out += (i == 0 ? "" : ", ") + std::to_string(found_after[i]);
    }
    return out + "]}";
  }
};

namespace detail {

/// What a large map counts while it grows.
struct map_tallies {
  std::uint64_t splits = 0, stretches = 0, rebuilds = 0, merges = 0, denials = 0, moved = 0;
};

}  // namespace detail
}  // namespace ullage
