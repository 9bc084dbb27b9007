// SPDX-License-Identifier: Apache-2.0
//
// size_profile: what sizes containers reached in earlier runs, by site; the content of a profile
// file (docs/formats/experience.md). Text in, text out; no file is touched here.
//
// Each run weighs the same, however many containers it had; a run weighs 7/8 of the one after it.
// So a profile follows a program that changes, and its numbers never outgrow 8 * kRunWeight.
//
// Accepts any bytes: what is not a profile is an error with its line, never half a profile.
#pragma once

#include <ullage/size_sketch.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace ullage::detail {

/// Sites that one profile keeps; beyond it those not seen for the longest time are dropped.
inline constexpr std::size_t kProfileSitesMax = 4096;
/// Bytes of a site's name that a profile keeps.
inline constexpr std::size_t kProfileNameBytesMax = 256;
/// Bytes of a profile file: what kProfileSitesMax sites with some fifty different sizes need.
inline constexpr std::size_t kProfileBytesMax = std::size_t{8} << 20;
/// What the newest run adds to its sites, in all.
inline constexpr std::uint64_t kRunWeight = std::uint64_t{1} << 20;
/// Of eight parts of what earlier runs added, those that stay at each run.
inline constexpr std::uint64_t kFadePerEight = 7;
/// Largest total weight of a site: the sum of 1 + 7/8 + ..., and a rounding unit per bucket.
inline constexpr std::uint64_t kSiteWeightMax = 8 * kRunWeight + 8 * size_sketch::kBuckets;

using size_counts = std::array<std::uint32_t, size_sketch::kBuckets>;

/// What one run (or a part of one) saw at a site.
struct run_sizes {
  size_counts counts{};
  std::uint64_t max = 0;
  std::uint32_t element_bytes = 0;
  std::uint64_t total() const noexcept {
    std::uint64_t n = 0;
    for (const std::uint32_t c : counts) n += c;
    return n;
  }
};

struct site_profile {
  std::uint64_t runs = 0;
  std::uint64_t containers = 0;  // of all runs
  std::uint64_t seen = 0;        // the profile's save that last added to it
  std::uint32_t element_bytes = 0;
  std::uint64_t max = 0;
  std::map<std::uint16_t, std::uint32_t> weights;  // by bucket of size_sketch

  std::uint64_t total() const noexcept {
    std::uint64_t n = 0;
    for (const auto& [bucket, weight] : weights) n += weight;
    return n;
  }
  /// As size_sketch::quantile.
  std::uint64_t quantile(double q) const noexcept {
    const double wanted = q * static_cast<double>(total());
    std::uint64_t sum = 0;
    for (const auto& [bucket, weight] : weights) {
      sum += weight;
      if (static_cast<double>(sum) >= wanted) {
        const std::uint64_t end = size_sketch::upper_end(bucket);
        return end < max ? end : max;
      }
    }
    return max;
  }

  void add(const run_sizes& run, std::uint64_t save) {
    const std::uint64_t all = run.total();
    if (all == 0) return;
    for (auto it = weights.begin(); it != weights.end();) {
      it->second = static_cast<std::uint32_t>(it->second * kFadePerEight / 8);
      it = it->second == 0 ? weights.erase(it) : std::next(it);
    }
    for (std::size_t i = 0; i < run.counts.size(); ++i) {
      if (run.counts[i] == 0) continue;
      // 2^31 * 2^20 fits; a single container among millions still weighs 1.
      const std::uint64_t share = run.counts[i] * kRunWeight / all;
      weights[static_cast<std::uint16_t>(i)] += static_cast<std::uint32_t>(share == 0 ? 1 : share);
    }
    // The largest size fades with its bucket, and may lag behind counts that were just added to.
    const std::size_t last = weights.rbegin()->first;
    if (max < run.max) max = run.max;
    if (size_sketch::bucket_of(max) != last) max = size_sketch::upper_end(last);
    if (element_bytes < run.element_bytes) element_bytes = run.element_bytes;
    ++runs;
    containers = containers + all < all ? UINT64_MAX : containers + all;
    seen = save;
  }
};

/// A line of a profile that can't be understood. Empty text: none.
struct profile_error {
  std::size_t line = 0;
  std::string text;
};

class size_profile {
 public:
  std::uint64_t saves = 0;
  std::map<std::string, site_profile, std::less<>> sites;

  /// Replaces the content. False: `error` says why, and the content is empty.
  bool parse(std::string_view text, profile_error& error);
  std::string print() const;

  /// Begins a further run: add() its sites, then drop_oldest().
  void begin_run() { ++saves; }
  void add(std::string_view name, const run_sizes& run) {
    if (run.total() == 0) return;
    sites[std::string(name.substr(0, kProfileNameBytesMax))].add(run, saves);
  }
  void drop_oldest(std::size_t sites_max) {
    while (sites.size() > sites_max) {
      auto oldest = sites.begin();
      for (auto it = sites.begin(); it != sites.end(); ++it) {
        if (it->second.seen < oldest->second.seen) oldest = it;
      }
      sites.erase(oldest);
    }
  }
  const site_profile* find(std::string_view name) const {
    const auto it = sites.find(name.substr(0, kProfileNameBytesMax));
    return it == sites.end() ? nullptr : &it->second;
  }
};

inline std::string quoted(std::string_view text) {
  constexpr std::size_t kShown = 60;
  std::string s = "\"";
  for (const char c : text.substr(0, kShown)) s += c >= 32 && c < 127 ? c : '?';
  return s + (text.size() > kShown ? "...\"" : "\"");
}

// Names stand at the end of their line: control characters and '%' are written as %XX.
inline std::string escaped_name(std::string_view name) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string s;
  for (const char c : name) {
    const auto u = static_cast<unsigned char>(c);
    if (u >= 32 && u != 127 && c != '%') {
      s += c;
    } else {
      s += '%';
      s += kDigits[u >> 4];
      s += kDigits[u & 15];
    }
  }
  return s;
}

inline bool unescaped_name(std::string_view text, std::string& name) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  name.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      name += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return false;
    const int high = digit(text[i + 1]), low = digit(text[i + 2]);
    if (high < 0 || low < 0) return false;
    name += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return name.size() <= kProfileNameBytesMax;
}

}  // namespace ullage::detail

#include <ullage/detail/size_profile_text.h>
