// SPDX-License-Identifier: Apache-2.0
//
// arithmetic-growth: a container grows by a constant step, so n elements cost n^2 / 2 copies.
//
// Rule      worth telling and grows_by_steps: at least half of the growths by one and the same step
//           (and at least 4), where doubling would have copied less than half as much.
// Silent    for geometric growth, for realloc that steps in place, for a step that is large
//           beside the final size.
#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/growth.h"

namespace ullage::diagnose {
namespace {

using evidence::GrowthSite;

// No memory copies faster: what was "copied" in less time was not, the blocks are fresh buffers.
constexpr double kCopyBytesPerNs = 200;
constexpr std::uint64_t kCopyTimedBytes = 1'000'000;  // less copied is too quick for the clock

bool too_fast_to_be_copies(const GrowthSite& site) {
  return site.verdict != evidence::Verdict::kRealloc && site.stall_ns_total > 0 &&
         site.copied_bytes > kCopyTimedBytes &&
         static_cast<double>(site.copied_bytes) >
             kCopyBytesPerNs * static_cast<double>(site.stall_ns_total);
}

Finding fresh_buffer(const evidence::Evidence& evidence, std::size_t index) {
  const GrowthSite& site = evidence.growth_sites[index];
  Finding finding = growth_finding(evidence, index);
  finding.severity = Severity::kNote;
  finding.title = "a fresh buffer of a growing size each time";
  finding.evidence.push_back(format_counted(site.links, "time") +
                             " a larger block followed a smaller one within " +
                             format_ns(site.stall_ns_total) + " in all, too fast for " +
                             format_bytes(site.copied_bytes) + " to have been copied.");
  return finding;
}

Finding make(const evidence::Evidence& evidence, std::size_t index) {
  const GrowthSite& site = evidence.growth_sites[index];
  const std::uint64_t projected = copied_bytes_by_doubling(site);
  const std::string step = unit_of(site).text(site.arithmetic_step_bytes);
  Finding finding = growth_finding(evidence, index);
  finding.severity = Severity::kError;
  finding.title = subject(site) + " grows " + step + " at a time: n elements cost n^2 copies";
  finding.cost.stall_ns = stall_ns_total(site);
  finding.cost.stall_ns_max = stall_ns_max(site);
  finding.cost.copied_bytes = site.copied_bytes;

  finding.evidence.push_back(when_and_how_far(site));
  finding.evidence.push_back(
      format_count(site.arithmetic_links) + " of " + format_counted(site.links, "growth") +
      " added the same " + step + "; they copied " + format_bytes(site.copied_bytes) + " to fill " +
      format_bytes(site.final.max) + ". Twice the size would copy four times as much.");
  finding.evidence.push_back(what_it_cost(site));
  finding.evidence.push_back(how_we_know(site));

  const Advice advice = advise_size(site, site.final.max, kHeadroom, "it reached");
  finding.advised_elements = advice.number;
  const std::uint64_t saved = site.copied_bytes - projected;
  finding.remedy =
      "grow by a factor (x2, or x1.5), never by a step: that would have copied about " +
      format_bytes(projected) + " instead of " + format_bytes(site.copied_bytes) + " (" +
      format_percent(static_cast<double>(saved) / static_cast<double>(site.copied_bytes)) +
      " less).";
  if (site.container_kind == "vector" || site.container_kind == "string") {
    finding.remedy +=
        " Look for a reserve(size() + n), resize(size() + n) or shrink_to_fit() inside "
        "the loop: it undoes the container's own doubling.";
  }
  finding.remedy +=
      " Or give it its size at birth: " + advice.call + " (" + advice.basis + "). " + saves(site);
  return finding;
}

}  // namespace

void arithmetic_growth(const evidence::Evidence& evidence, const DetectorOptions& options,
                       std::vector<Finding>& findings) {
  for (std::size_t i = 0; i < evidence.growth_sites.size(); ++i) {
    const GrowthSite& site = evidence.growth_sites[i];
    if (!worth_telling(site, options) || !grows_by_steps(site) || grows_index_only(site)) continue;
    findings.push_back(too_fast_to_be_copies(site) ? fresh_buffer(evidence, i) : make(evidence, i));
  }
}

}  // namespace ullage::diagnose
