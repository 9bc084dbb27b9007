// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_map>

#include "base/text.h"
#include "trace/heap_dump/facts.h"

namespace ullage::trace::heap_dump {
namespace {

using evidence::Frame;
using evidence::HeapSite;
using evidence::Stack;

// runtime.MemProfileRate as it is unless the program sets it; the dump does not tell.
constexpr std::uint64_t kDefaultPeriodBytes = 512 * 1024;

// How many allocations of this size one sample stands for: it was taken with a chance of
// 1 - e^(-size/period).
double scale_of(std::uint64_t size, std::uint64_t period) {
  if (period <= 1 || size == 0) return 1;
  return 1 / (1 - std::exp(-static_cast<double>(size) / static_cast<double>(period)));
}

double inuse_bytes(const Dump& dump, std::uint64_t period) {
  double bytes = 0;
  for (const auto& [address, b] : dump.buckets) {
    const std::uint64_t objects = b.allocs - std::min(b.allocs, b.frees);
    bytes += static_cast<double>(objects) * static_cast<double>(b.size) * scale_of(b.size, period);
  }
  return bytes;
}

std::uint64_t memstat(const Dump& dump, std::string_view name) {
  for (const auto& [n, value] : dump.memstats) {
    if (n == name) return value;
  }
  return 0;
}

// The period is one of two: the usual one, or 1 (every allocation). The sum that comes nearer to
// the live heap tells which.
std::uint64_t period_of(const Dump& dump) {
  const auto live = static_cast<double>(memstat(dump, "HeapAlloc"));
  if (live == 0) return kDefaultPeriodBytes;
  const double usual = std::abs(inuse_bytes(dump, kDefaultPeriodBytes) - live);
  return std::abs(inuse_bytes(dump, 1) - live) < usual ? 1 : kDefaultPeriodBytes;
}

std::uint64_t rounded(double value) {
  return value < 1e18 ? static_cast<std::uint64_t>(std::llround(value)) : UINT64_MAX;
}

void finish(HeapSite& site) {
  std::sort(site.rungs.begin(), site.rungs.end(),
            [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
  double alloc = 0, inuse = 0, alloc_objects = 0, inuse_objects = 0;
  for (const evidence::Rung& rung : site.rungs) {
    alloc += rung.allocated_objects * static_cast<double>(rung.bytes);
    inuse += rung.inuse_objects * static_cast<double>(rung.bytes);
    alloc_objects += rung.allocated_objects;
    inuse_objects += rung.inuse_objects;
  }
  site.alloc_bytes = rounded(alloc);
  site.inuse_bytes = rounded(inuse);
  site.alloc_objects = rounded(alloc_objects);
  site.inuse_objects = rounded(inuse_objects);
  if (site.rungs.size() > evidence::kRungsMax) {
    site.rungs.erase(site.rungs.begin(), site.rungs.end() - evidence::kRungsMax);
  }
}

std::string key_of(const Bucket& bucket) {
  std::string key;
  for (const BucketFrame& f : bucket.stack) {
    key.append(f.function).append("\n").append(f.file).append("\n");
    key += std::to_string(f.line) + "\n";
  }
  return key;
}

std::uint32_t snapshot_of(evidence::Incident& incident) {
  return static_cast<std::uint32_t>(incident.snapshots.size() - 1);
}

}  // namespace

SplitStack split_stack(const Bucket& bucket) {
  SplitStack split;
  for (const BucketFrame& f : bucket.stack) {
    Frame frame;
    frame.function = clean_utf8(f.function);
    frame.file = f.file == "?" ? std::string() : clean_utf8(f.file);
    frame.line = static_cast<int>(std::min<std::uint64_t>(f.line, INT32_MAX));
    frame.library = evidence::is_go_runtime(frame.function);
    const bool above = split.user.empty() && frame.library;
    (above ? split.hidden : split.user).push_back(std::move(frame));
  }
  if (split.user.empty()) std::swap(split.user, split.hidden);  // the runtime's own memory
  return split;
}

std::uint64_t add_heap_sites(const Dump& dump, evidence::Incident& incident) {
  if (dump.buckets.empty()) return 0;
  const std::uint64_t period = period_of(dump);
  std::unordered_map<std::string, HeapSite> sites;
  for (const auto& [address, bucket] : dump.buckets) {
    HeapSite& site = sites[key_of(bucket)];
    if (site.rungs.empty()) {
      SplitStack split = split_stack(bucket);
      site.stack = std::move(split.user);
      site.hidden = std::move(split.hidden);
      // The outermost of the hidden frames is what the user called.
      if (!site.hidden.empty()) site.call = evidence::call_kind_of(site.hidden.back().function);
      if (site.call != evidence::CallKind::kUnknown) site.proof = evidence::CallProof::kStack;
      site.snapshot = snapshot_of(incident);
      site.where = {0, evidence::Position::Unit::kByte, bucket.where};
    }
    const double scale = scale_of(bucket.size, period);
    const std::uint64_t inuse = bucket.allocs - std::min(bucket.allocs, bucket.frees);
    site.rungs.push_back({bucket.size, static_cast<double>(bucket.allocs) * scale,
                          static_cast<double>(inuse) * scale});
  }
  for (auto& [key, site] : sites) {
    finish(site);
    incident.heap_sites.push_back(std::move(site));
  }
  std::sort(incident.heap_sites.begin(), incident.heap_sites.end(),
            [](const HeapSite& a, const HeapSite& b) {
              if (a.alloc_bytes != b.alloc_bytes) return a.alloc_bytes > b.alloc_bytes;
              return a.where.at < b.where.at;
            });
  if (incident.heap_sites.size() > evidence::kHeapSitesMax) {
    incident.heap_sites.resize(evidence::kHeapSitesMax);
  }
  return period;
}

bool lines_are_late(const Dump& dump) {
  return std::any_of(dump.buckets.begin(), dump.buckets.end(), [](const auto& b) {
    return !b.second.stack.empty() &&
           !evidence::is_go_runtime(std::string(b.second.stack.front().function));
  });
}

void add_metrics(const Dump& dump, evidence::Incident& incident) {
  for (const auto& [name, value] : dump.memstats) {
    incident.metrics.push_back({"memstats." + name, static_cast<double>(value), 0, 0});
  }
  evidence::Snapshot& snapshot = incident.snapshots.back();
  snapshot.alloc_bytes = memstat(dump, "TotalAlloc");
  snapshot.inuse_bytes = memstat(dump, "HeapAlloc");
  snapshot.at_ns = static_cast<std::int64_t>(memstat(dump, "LastGC"));
  snapshot.wall = snapshot.at_ns != 0;
}

}  // namespace ullage::trace::heap_dump
