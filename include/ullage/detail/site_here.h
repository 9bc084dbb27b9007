// SPDX-License-Identifier: Apache-2.0
// site_here(): from a line of the program to its site.
#pragma once

#include <ullage/site.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <string>

namespace ullage {
namespace detail {

struct site_of_line {
  std::string name;  // "file.cpp:12 function"
  std::uint32_t line;
  const char* file;
  growth_site site;
  site_of_line(const source_place& where, std::string text)
      : name(std::move(text)), line(where.line), file(where.file), site(name.c_str()) {}
};

// Open addressing; a slot is filled once and never changes.
[[gnu::visibility("default")]] inline std::atomic<site_of_line*> sites_here[kSitesHereMax * 2];
[[gnu::visibility("default")]] inline std::atomic<std::size_t> sites_here_count{0};

inline std::string name_of(const source_place& where) {
  const char* file = where.file;
  const char* base = std::strrchr(file, '/');
  return std::string(base == nullptr ? file : base + 1) + ":" + std::to_string(where.line) + " " +
         where.function;
}

}  // namespace detail

[[gnu::visibility("default")]] inline growth_site& site_here(source_place where) {
  using namespace detail;
  constexpr std::size_t slots = kSitesHereMax * 2;
  // The same line may have several file name pointers (one per translation unit): hash the text.
  std::uint64_t hash = where.line * 0x9E3779B97F4A7C15ull;
  for (const char* c = where.file; *c != 0; ++c) {
    hash = (hash ^ static_cast<unsigned char>(*c)) * 0x100000001B3ull;
  }
  for (std::size_t i = 0; i < slots; ++i) {
    std::atomic<site_of_line*>& slot = sites_here[(hash + i) % slots];
    site_of_line* there = slot.load(std::memory_order_acquire);
    if (there == nullptr) {
      if (sites_here_count.fetch_add(1, std::memory_order_relaxed) >= kSitesHereMax) break;
      auto* mine = new site_of_line(where, name_of(where));
      if (slot.compare_exchange_strong(there, mine, std::memory_order_acq_rel)) return mine->site;
      delete mine;  // another thread was first in this slot
      sites_here_count.fetch_sub(1, std::memory_order_relaxed);
    }
    if (there->line == where.line && std::strcmp(there->file, where.file) == 0) {
      return there->site;
    }
  }
  static growth_site& more = *new growth_site("(more places)");
  return more;
}

}  // namespace ullage
