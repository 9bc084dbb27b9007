// SPDX-License-Identifier: Apache-2.0
//
// missed-capacity: a container was given a size at birth, and the size missed.
//
// Rule      outgrown: most containers of the place started large and grew exactly once.
//           unused (record --slack): never outgrown, and most of what was asked for never written.
// Silent    for containers that grow from small; where less than kMissedBytes was copied or
//           kUnusedBytes lay idle; for a first block of a handful of large elements, which is no
//           reserve but the first push_back.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/growth.h"

namespace ullage::diagnose {
namespace {

using evidence::GrowthSite;

// Copying below this is not worth a changed line.
constexpr std::uint64_t kMissedBytes = 16 << 10;
// A first block of fewer elements was nobody's reserve.
constexpr std::uint64_t kReservedElements = 8;
// Final size over reserved size up to which it missed "by a little".
constexpr double kLittle = 1.25;
// Reserved and never written: at least this share, and this much.
constexpr double kUnusedShare = 0.60;
constexpr std::uint64_t kUnusedBytes = 1 << 20;

bool outgrown(const GrowthSite& site) {
  if (!may_stand(site) || !mostly_presized(site) || site.copied_bytes < kMissedBytes) return false;
  const Unit unit = unit_of(site);
  return !unit.elements || unit.of(site.first.p50) >= kReservedElements;
}

Finding tell_outgrown(const evidence::Evidence& evidence, std::size_t index) {
  const GrowthSite& site = evidence.growth_sites[index];
  const Unit unit = unit_of(site);
  Finding finding = growth_finding(evidence, index);
  finding.title = subject(site) + " outgrew the size it was given";
  finding.cost.stall_ns = stall_ns_total(site);
  finding.cost.stall_ns_max = stall_ns_max(site);
  finding.cost.copied_bytes = site.copied_bytes;

  const double slack = slack_share(site);
  const auto needed = whole(static_cast<double>(site.final.max) * (1 - slack));
  const bool little = static_cast<double>(slack > 0 ? needed : site.final.max) <=
                      kLittle * static_cast<double>(site.first.p50);
  std::string sentence = format_counted(site.presized_chains, "container") +
                         " started with room for " + unit.text(site.first.p50) +
                         " and had to grow once";
  if (little) sentence += ", by a little";
  sentence += slack > 0 ? ": " + unit.text(needed) + " were needed at most."
                        : ": more than " + unit.text(site.first.p50) + " and at most " +
                              unit.text(site.final.max) + " were needed.";
  finding.evidence.push_back(sentence);
  finding.evidence.push_back(
      "That one growth copied everything put in so far, " + format_bytes(site.copied_bytes) +
      " in all" +
      (stall_ns_max(site) > 0 ? ", " + format_ns(stall_ns_max(site)) + " at worst." : "."));
  finding.evidence.push_back(how_we_know(site));

  const bool exact = slack > 0 || !grows_geometrically(site);
  const Advice advice = advise_size(site, needed, exact ? kHeadroom : 0, "at most");
  finding.advised_elements = advice.number;
  finding.remedy = "raise the size it is given: " + advice.call + " (" + advice.basis +
                   "; it was " + unit.text(site.first.p50) + "). " + saves(site);
  return finding;
}

bool unused(const GrowthSite& site) {
  return site.links == 0 && site.slack_blocks > 0 && slack_share(site) >= kUnusedShare &&
         site.slack_unused_bytes >= kUnusedBytes;
}

Finding tell_unused(const evidence::Evidence& evidence, std::size_t index) {
  const GrowthSite& site = evidence.growth_sites[index];
  Finding finding = growth_finding(evidence, index);
  finding.title = subject(site) + " was given far more than it uses";
  finding.confidence = 0.9;
  finding.cost.wasted_bytes = site.slack_unused_bytes;
  finding.cost.events = site.slack_blocks;
  finding.cost.events_unit = "blocks";
  finding.evidence.push_back(format_percent(slack_share(site)) + " of " +
                             format_bytes(site.slack_painted_bytes) + " in " +
                             format_counted(site.slack_blocks, "block") + " was never written.");
  const auto used = whole(static_cast<double>(site.final.max) * (1 - slack_share(site)));
  const Advice advice = advise_size(site, used, kHeadroom, "used");
  finding.advised_elements = advice.number;
  finding.remedy = "lower the size it is given: " + advice.call + " (" + advice.basis + ").";
  return finding;
}

}  // namespace

void missed_capacity(const evidence::Evidence& evidence, const DetectorOptions&,
                     std::vector<Finding>& findings) {
  for (std::size_t i = 0; i < evidence.growth_sites.size(); ++i) {
    const GrowthSite& site = evidence.growth_sites[i];
    if (outgrown(site)) {
      findings.push_back(tell_outgrown(evidence, i));
    } else if (unused(site)) {
      findings.push_back(tell_unused(evidence, i));
    }
  }
}

}  // namespace ullage::diagnose
