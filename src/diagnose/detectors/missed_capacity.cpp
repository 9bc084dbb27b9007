// SPDX-License-Identifier: Apache-2.0
//
// missed-capacity: a container was given a size at birth, and the size missed.
//
// Rule      missed_its_size(): most containers of the place started large and grew exactly once.
// Silent    for containers that grow from small; where next to nothing was copied; for a first
//           block of a handful of large elements, which is no reserve but the first push_back.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/growth.h"

namespace ullage::diagnose {
namespace {

using evidence::GrowthSite;

// Final size over reserved size up to which it missed "by a little".
constexpr double kLittle = 1.25;

Finding tell_outgrown(const evidence::Evidence& evidence, std::size_t index) {
  const GrowthSite& site = evidence.growth_sites[index];
  const Unit unit = unit_of(site);
  Finding finding = growth_finding(evidence, index);
  finding.title = subject(site) + " outgrew the size it was given";
  finding.cost.stall_ns = stall_ns_total(site);
  finding.cost.stall_ns_max = stall_ns_max(site);
  finding.cost.copied_bytes = site.copied_bytes;

  // How full a block became is known on average only (--slack), so what one needed stays a range.
  const bool little =
      static_cast<double>(site.final.max) <= kLittle * static_cast<double>(site.first.p50);
  std::string sentence = format_counted(site.presized_chains, "container") +
                         " started with room for " + unit.text(site.first.p50) +
                         " and had to grow once";
  if (little) sentence += ", by a little";
  sentence += ": more than " + unit.text(site.first.p50) + " and at most " +
              unit.text(site.final.max) + " were needed.";
  if (slack_share(site) > 0) {
    sentence +=
        " On average " + format_percent(slack_share(site)) + " of the capacity was never written.";
  }
  finding.evidence.push_back(sentence);
  finding.evidence.push_back(
      "That one growth copied everything put in so far, " + format_bytes(site.copied_bytes) +
      " in all" +
      (stall_ns_max(site) > 0 ? ", " + format_ns(stall_ns_max(site)) + " at worst." : "."));
  finding.evidence.push_back(how_we_know(site));

  const Advice advice =
      advise_size(site, site.final.p95, grows_geometrically(site) ? 0 : kHeadroom,
                  site.final.p95 < site.final.max ? "95 % stay within" : "at most");
  finding.advised_elements = advice.number;
  finding.remedy = "raise the size it is given: " + advice.call + " (" + advice.basis +
                   "; it was " + unit.text(site.first.p50) + "). " + saves(site);
  return finding;
}

}  // namespace

void missed_capacity(const evidence::Evidence& evidence, const DetectorOptions&,
                     std::vector<Finding>& findings) {
  for (std::size_t i = 0; i < evidence.growth_sites.size(); ++i) {
    const GrowthSite& site = evidence.growth_sites[i];
    if (missed_its_size(site) && !grows_index_only(site)) {
      findings.push_back(tell_outgrown(evidence, i));
    }
  }
}

}  // namespace ullage::diagnose
