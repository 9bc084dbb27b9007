// SPDX-License-Identifier: Apache-2.0
//
// growth-stall: one single growth stopped its caller for longer than the bound.
//
// Rule      may_stand, it copied, and its longest stall is above options.stall_bound_ns.
// Silent    for an incremental rehash (its copying is spread over many calls) and for realloc that
//           only moved pages.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/growth.h"

namespace ullage::diagnose {
namespace {

using evidence::GrowthLink;
using evidence::GrowthSite;

// A pause people see; a tail that every dashboard shows.
constexpr std::uint64_t kErrorNs = 100'000'000;

const GrowthLink* longest_link(const evidence::Evidence& evidence, std::size_t site) {
  const auto mine = [site](const GrowthLink& link) { return link.site == site; };
  const auto link = std::find_if(evidence.worst_links.begin(), evidence.worst_links.end(), mine);
  return link == evidence.worst_links.end() ? nullptr : &*link;
}

}  // namespace

void growth_stall(const evidence::Evidence& evidence, const DetectorOptions& options,
                  std::vector<Finding>& findings) {
  for (std::size_t i = 0; i < evidence.growth_sites.size(); ++i) {
    const GrowthSite& site = evidence.growth_sites[i];
    if (!may_stand(site) || copying_links(site) == 0 || site.copied_bytes == 0) continue;
    if (stall_ns_max(site) <= options.stall_bound_ns) continue;

    Finding finding = growth_finding(evidence, i);
    finding.severity = stall_ns_max(site) >= kErrorNs ? Severity::kError : Severity::kWarning;
    finding.title = subject(site) + " stopped its caller for " + format_ns(stall_ns_max(site)) +
                    " in one growth";
    finding.cost.stall_ns = stall_ns_total(site);
    finding.cost.stall_ns_max = stall_ns_max(site);
    finding.cost.copied_bytes = site.copied_bytes;
    std::string sentence = "One growth stopped its caller for " + format_ns(stall_ns_max(site));
    if (const GrowthLink* link = longest_link(evidence, i); link != nullptr) {
      sentence += ", " + format_ns(link->start_ns) + " after the start, in thread " +
                  std::to_string(link->tid) + ": from " + format_bytes(link->old_bytes) + " to " +
                  format_bytes(link->new_bytes);
    }
    finding.evidence.push_back(sentence + " (bound: " + format_ns(options.stall_bound_ns) + ").");
    const Advice advice =
        advise_size(site, site.final.max, grows_geometrically(site) ? 0 : kHeadroom, "it reached");
    if (grows_index_only(site)) {
      finding.remedy = "that is the deque's index, pointers only: let it grow where nobody waits.";
      findings.push_back(std::move(finding));
      continue;
    }
    finding.advised_elements = advice.number;
    finding.remedy =
        "give it its size before anyone waits: " + advice.call + " (" + advice.basis +
        "). Where the size can't be known, let it grow where nobody waits, or in small "
        "steps (" +
        chunked_instead(site) + ").";
    findings.push_back(std::move(finding));
  }
}

}  // namespace ullage::diagnose
