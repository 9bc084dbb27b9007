// SPDX-License-Identifier: Apache-2.0
//
// contract-violation: what the recording did is more than the contract (ullage.toml) allows.
//
// Rule      only with --contract: a place's longest stall above allocation.growth_stall, its stalls
//           together above allocation.growth_stall_total; all copied bytes over all allocated ones
//           above allocation.copy_ratio; peak resident memory above residency.process; the longest
//           stop of a collector above reclamation.pause, the longest assist or allocation stall
//           above reclamation.assist.
// Silent    for keys that are unset, and at what is equal to the bound.
#include <algorithm>
#include <cstdio>

#include "base/format.h"
#include "contract/contract.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/growth.h"

namespace ullage::diagnose {
namespace {

using contract::Contract;
using evidence::GrowthSite;

std::string promise(const Contract& contract, const char* path) {
  const contract::Setting& setting = contract.setting(path);
  return "The contract allows " + setting.written + " (" + path + ", " + setting.origin + ").";
}

std::string share(double ratio) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", ratio);
  return text;
}

Finding violation(Finding finding, const Contract& contract, const char* path) {
  finding.severity = Severity::kError;
  finding.confidence = 1;
  finding.evidence.push_back(promise(contract, path));
  finding.check = std::string("ullage contract explain ") + path;
  return finding;
}

// A finding about the whole process: it has no line of code, so it names the program.
Finding about_process(const evidence::Evidence& evidence) {
  Finding finding;
  finding.where.file = evidence.process.program;
  if (finding.where.file.empty() && !evidence.incident.artefacts.empty()) {
    finding.where.file = evidence.incident.artefacts.front().name;
  }
  return finding;
}

void judge_stalls(const evidence::Evidence& evidence, const Contract& contract,
                  std::vector<Finding>& findings) {
  struct Bound {
    const char* path;
    std::uint64_t (*measured)(const GrowthSite&);
    const char* words;
  };
  static constexpr Bound kBounds[] = {
      {"allocation.growth_stall", &stall_ns_max, " in one growth"},
      {"allocation.growth_stall_total", &stall_ns_total, " in all its growths"}};
  for (std::size_t i = 0; i < evidence.growth_sites.size(); ++i) {
    const GrowthSite& site = evidence.growth_sites[i];
    if (!may_stand(site) || copying_links(site) == 0) continue;
    for (const Bound& bound : kBounds) {
      const std::optional<std::uint64_t> allowed = contract.number(bound.path);
      const std::uint64_t measured = bound.measured(site);
      if (!allowed || measured <= *allowed) continue;
      Finding finding = growth_finding(evidence, i);
      finding.title = subject(site) + " stopped its callers for " + format_ns(measured) +
                      bound.words + ", against the contract";
      finding.cost.stall_ns = stall_ns_total(site);
      finding.cost.stall_ns_max = stall_ns_max(site);
      finding.remedy =
          "give it its size before anyone waits: " +
          advise_size(site, site.final.max, grows_geometrically(site) ? 0 : kHeadroom, "it reached")
              .call +
          ".";
      findings.push_back(violation(std::move(finding), contract, bound.path));
    }
  }
}

void judge_copies(const evidence::Evidence& evidence, const Contract& contract,
                  std::vector<Finding>& findings) {
  constexpr const char* kPath = "allocation.copy_ratio";
  const std::optional<double> allowed = contract.ratio(kPath);
  if (!allowed || evidence.process.allocated_bytes == 0) return;
  std::uint64_t copied = 0;
  std::optional<std::size_t> most;
  for (std::size_t i = 0; i < evidence.growth_sites.size(); ++i) {
    const GrowthSite& site = evidence.growth_sites[i];
    if (!may_stand(site)) continue;
    copied += site.copied_bytes;
    if (!most || site.copied_bytes > evidence.growth_sites[*most].copied_bytes) most = i;
  }
  const double ratio =
      static_cast<double>(copied) / static_cast<double>(evidence.process.allocated_bytes);
  if (!most || ratio <= *allowed) return;
  Finding finding = growth_finding(evidence, *most);
  finding.growth_site.reset();  // about all places: not to be folded into what is said of one
  finding.title =
      "growth copied " + share(ratio) + " bytes per byte that was allocated, against the contract";
  finding.cost.copied_bytes = copied;
  finding.evidence.insert(finding.evidence.begin(),
                          "Growth copied " + format_bytes(copied) + " of " +
                              format_bytes(evidence.process.allocated_bytes) +
                              " that were allocated, most of it here: " +
                              format_bytes(evidence.growth_sites[*most].copied_bytes) + ".");
  finding.remedy = "start with the findings that copy most: each names its reserve.";
  findings.push_back(violation(std::move(finding), contract, kPath));
}

void judge_residency(const evidence::Evidence& evidence, const Contract& contract,
                     std::vector<Finding>& findings) {
  constexpr const char* kPath = "residency.process";
  const std::optional<std::uint64_t> allowed = contract.number(kPath);
  const std::uint64_t peak = evidence.process.rss_peak_bytes;
  if (!allowed || peak <= *allowed) return;
  Finding finding = about_process(evidence);
  finding.title = "resident memory reached " + format_bytes(peak) + ", against the contract";
  finding.cost.wasted_bytes = peak - *allowed;
  finding.cost.events = 0;
  finding.remedy = "find what holds it at the peak: the allocation sites of the HTML report.";
  findings.push_back(violation(std::move(finding), contract, kPath));
}

void judge_collector(const evidence::Evidence& evidence, const Contract& contract,
                     std::vector<Finding>& findings) {
  const evidence::Incident& incident = evidence.incident;
  if (const auto allowed = contract.number("reclamation.pause"); allowed) {
    const auto longest = std::max_element(
        incident.pauses.begin(), incident.pauses.end(),
        [](const auto& a, const auto& b) { return a.duration_ns < b.duration_ns; });
    if (longest != incident.pauses.end() && longest->duration_ns > *allowed) {
      Finding finding = about_process(evidence);
      finding.title = longest->kind + " stopped the program for " +
                      format_ns(longest->duration_ns) + ", against the contract";
      finding.cost.stall_ns = finding.cost.stall_ns_max = longest->duration_ns;
      finding.cost.events = 1;
      finding.cost.events_unit = "pauses";
      finding.remedy = "the findings above name what made it wait.";
      findings.push_back(violation(std::move(finding), contract, "reclamation.pause"));
    }
  }
  if (const auto allowed = contract.number("reclamation.assist"); allowed) {
    std::uint64_t longest = incident.assist_max_ns;
    for (const evidence::AllocationStall& stall : incident.stalls) {
      longest = std::max(longest, stall.duration_ns);
    }
    if (longest > *allowed) {
      Finding finding = about_process(evidence);
      finding.title =
          "an allocation waited " + format_ns(longest) + " for the collector, against the contract";
      finding.cost.stall_ns = finding.cost.stall_ns_max = longest;
      finding.cost.events = 1;
      finding.cost.events_unit = "waits";
      finding.remedy = "allocate less at the places that waited longest, or give the heap room.";
      findings.push_back(violation(std::move(finding), contract, "reclamation.assist"));
    }
  }
}

}  // namespace

void contract_violation(const evidence::Evidence& evidence, const DetectorOptions& options,
                        std::vector<Finding>& findings) {
  if (options.contract == nullptr) return;
  judge_stalls(evidence, *options.contract, findings);
  judge_copies(evidence, *options.contract, findings);
  judge_residency(evidence, *options.contract, findings);
  judge_collector(evidence, *options.contract, findings);
}

}  // namespace ullage::diagnose
