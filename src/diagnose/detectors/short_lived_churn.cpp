// SPDX-License-Identifier: Apache-2.0
//
// short-lived-churn: one place makes a large share of all allocations, and they die at once.
//
// Rule      at least kBlocks at the site, kShortShare of them dead within 1 ms, and
//           kProcessShare of all the process's allocations.
// Silent    for places that allocate much and keep it, and for a few short-lived blocks.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/growth.h"

namespace ullage::diagnose {
namespace {

// A site's allocations include the reallocs made there; so must what they are a share of.
std::uint64_t calls(const evidence::ProcessFacts& process) {
  return process.allocations + process.reallocs;
}

using evidence::AllocationSite;

// 100 000 pairs of malloc and free cost about 4 ms (40 ns a pair): less is not worth a line.
constexpr std::uint64_t kBlocks = 100'000;
constexpr double kShortShare = 0.90;
constexpr double kProcessShare = 0.25;
// Lifetime classes below 1 ms (kLifetimeEdgesNs).
constexpr std::size_t kShortClasses = 2;
static_assert(evidence::kLifetimeEdgesNs[kShortClasses - 1] == 1'000'000);
// Blocks up to this size are objects rather than buffers.
constexpr std::uint64_t kSmallBytes = 128;

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::uint64_t short_lived(const AllocationSite& site) {
  std::uint64_t blocks = 0;
  for (std::size_t i = 0; i < kShortClasses; ++i) blocks += site.lifetimes.blocks[i];
  return blocks;
}

std::string remedy_of(const AllocationSite& site) {
  if (site.growth_function) {
    return "keep one container outside the loop and clear() it (its capacity stays), instead of "
           "building a new one each time.";
  }
  if (site.sizes.p95 <= kSmallBytes) {
    return "hold these small objects by value in their owner, or take them from an arena "
           "(std::pmr::monotonic_buffer_resource) that is dropped as a whole.";
  }
  return "obtain the buffer once, outside the loop, and use it again (thread_local where callers "
         "come from many threads).";
}

Finding make(const evidence::Evidence& evidence, std::size_t index) {
  const AllocationSite& site = evidence.allocation_sites[index];
  const evidence::ProcessFacts& process = evidence.process;
  Finding finding;
  finding.title = format_count(site.allocations) + " blocks of " + format_bytes(site.sizes.p50) +
                  " die within 1 ms";
  finding.where = site.user;
  finding.stack = site.stack;
  if (!site.stack.empty()) finding.growth = site.stack.front();
  finding.allocation_site = index;
  finding.confidence = 0.9;
  finding.cost.events = site.allocations;
  finding.cost.events_unit = "short-lived allocations";
  std::string sentence =
      format_percent(share(site.allocations, calls(process))) + " of all allocations are made here";
  if (process.duration_ns > 0) {
    const double per_second =
        static_cast<double>(site.allocations) * 1e9 / static_cast<double>(process.duration_ns);
    sentence += ", " + format_count(whole(per_second)) + " a second";
  }
  finding.evidence.push_back(sentence + "; " +
                             format_percent(share(short_lived(site), site.allocations)) +
                             " of them are gone within 1 ms.");
  finding.evidence.push_back("Sizes: " + format_bytes(site.sizes.p50) + " in the middle, " +
                             format_bytes(site.sizes.p95) + " at p95; at most " +
                             format_bytes(site.live_bytes_max) + " of " + format_bytes(site.bytes) +
                             " were alive at once.");
  finding.remedy = remedy_of(site);
  return finding;
}

}  // namespace

void short_lived_churn(const evidence::Evidence& evidence, const DetectorOptions&,
                       std::vector<Finding>& findings) {
  for (std::size_t i = 0; i < evidence.allocation_sites.size(); ++i) {
    const AllocationSite& site = evidence.allocation_sites[i];
    if (site.allocations < kBlocks || share(short_lived(site), site.allocations) < kShortShare ||
        share(site.allocations, calls(evidence.process)) < kProcessShare) {
      continue;
    }
    findings.push_back(make(evidence, i));
  }
}

}  // namespace ullage::diagnose
