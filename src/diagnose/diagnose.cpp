// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <tuple>

#include "diagnose/detectors/detectors.h"
#include "diagnose/finding.h"
#include "diagnose/fingerprint.h"
#include "diagnose/growth.h"
#include "diagnose/growth_counts.h"
#include "diagnose/join.h"
#include "diagnose/root_causes.h"

namespace ullage::diagnose {

const char* to_string(Severity severity) {
  switch (severity) {
    case Severity::kNote:
      return "note";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
  }
  return "note";
}

namespace {

// One scale, in nanoseconds of harm, so that a large copy whose stall was too short for the clock
// still counts: copying runs at about 10 GB/s, and a wasted byte weighs a tenth of a copied one.
constexpr double kNsPerCopiedByte = 0.1;
constexpr double kNsPerWastedByte = 0.01;
// A processor that works for the runtime is one of several, and nobody need wait for it.
constexpr double kNsPerCpuNs = 0.25;

// What these say about a place is an aspect of its growth: told with it where another detector
// already speaks about the same growth.
bool is_aspect(const Finding& finding) {
  return finding.detector == "growth-stall" || finding.detector == "contract-violation" ||
         finding.detector == "peak-overlap" || finding.detector == "slack";
}

// (1) Every finding keeps a fingerprint that can be looked up, folded or not.
// (2) Costs are not added up: they are views of the same growths, so the largest of each counts.
void fold(Finding& into, const Finding& other) {
  into.severity = std::max(into.severity, other.severity);
  into.cost.stall_ns = std::max(into.cost.stall_ns, other.cost.stall_ns);
  into.cost.stall_ns_max = std::max(into.cost.stall_ns_max, other.cost.stall_ns_max);
  into.cost.copied_bytes = std::max(into.cost.copied_bytes, other.cost.copied_bytes);
  into.cost.wasted_bytes = std::max(into.cost.wasted_bytes, other.cost.wasted_bytes);
  into.cost.growths = std::max(into.cost.growths, other.cost.growths);
  for (const std::string& sentence : other.evidence) {
    if (std::find(into.evidence.begin(), into.evidence.end(), sentence) == into.evidence.end()) {
      into.evidence.push_back(sentence);
    }
  }
  into.also.push_back({other.detector, other.fingerprint});
}

void fold_aspects(std::vector<Finding>& findings) {
  std::map<std::size_t, std::size_t> speaker;  // growth site -> the finding that has the word
  std::vector<Finding> kept;
  for (Finding& finding : findings) {
    if (finding.growth_site) {
      const auto [entry, first] = speaker.try_emplace(*finding.growth_site, kept.size());
      if (!first && is_aspect(finding)) {
        fold(kept[entry->second], finding);
        continue;
      }
    }
    kept.push_back(std::move(finding));
  }
  findings = std::move(kept);
}

// Growth that belongs to a container of the library is told in the container's own words as well.
void name_container_sites(const evidence::Evidence& evidence, std::vector<Finding>& findings) {
  for (Finding& finding : findings) {
    if (!finding.growth_site || finding.detector == "slack") continue;
    const std::string& name = evidence.growth_sites[*finding.growth_site].container_site;
    if (name.empty()) continue;
    const auto site =
        std::find_if(evidence.container_sites.begin(), evidence.container_sites.end(),
                     [&name](const evidence::ContainerSite& s) { return s.name == name; });
    if (site == evidence.container_sites.end()) continue;
    finding.evidence.push_back(container_sentence(*site));
    if (!finding.remedy.empty() && finding.severity != Severity::kNote) {
      finding.remedy +=
          " Or run it with ULLAGE_PROFILE=FILE: its containers then begin with the "
          "size that earlier runs needed.";
    }
  }
}

// Two things at one place in the eyes of a fingerprint are told apart by their order in the source.
void number_duplicates(std::vector<Finding>& findings) {
  std::map<std::string, std::vector<Finding*>> groups;
  for (Finding& finding : findings) groups[finding.fingerprint].push_back(&finding);
  for (auto& [fingerprint, group] : groups) {
    std::stable_sort(group.begin(), group.end(), [](const Finding* a, const Finding* b) {
      const auto key = [](const Finding* f) {
        return std::tie(f->where.file, f->where.line, f->growth.line, f->where.offset);
      };
      return key(a) < key(b);
    });
    for (std::size_t i = 1; i < group.size(); ++i) {
      group[i]->fingerprint = nth_fingerprint(fingerprint, i + 1);
    }
  }
}

}  // namespace

double Finding::rank() const {
  return static_cast<double>(cost.stall_ns) + kNsPerCpuNs * static_cast<double>(cost.cpu_ns) +
         kNsPerCopiedByte * static_cast<double>(cost.copied_bytes) +
         kNsPerWastedByte * static_cast<double>(cost.wasted_bytes);
}

const std::vector<Detector>& detectors() {
  static const std::vector<Detector> kDetectors = {
#define ULLAGE_DETECTOR(function, name, summary) {name, summary, &function},
#include "diagnose/detectors/detectors.def"
#undef ULLAGE_DETECTOR
  };
  return kDetectors;
}

namespace {

// Of an incident: nothing was understood, or most of everything was lost.
std::string incident_not_judgeable(const evidence::Incident& incident) {
  const auto empty = [](const evidence::Artefact& a) { return a.records <= a.records_unknown; };
  const auto lost = [](const evidence::Artefact& a) {
    return a.bytes > 0 && a.bytes_skipped > a.bytes / 2;
  };
  const auto& artefacts = incident.artefacts;
  if (std::all_of(artefacts.begin(), artefacts.end(), empty)) {
    return "Nothing in these artefacts was understood: that there is no finding says nothing. Take "
           "them again (docs/incidents.md).";
  }
  if (std::all_of(artefacts.begin(), artefacts.end(),
                  [&](const evidence::Artefact& a) { return empty(a) || lost(a); })) {
    return "Most of every artefact is damaged or cut off: that there is no finding says nothing. "
           "Take them again (docs/incidents.md).";
  }
  return {};
}

}  // namespace

std::string not_judgeable(const evidence::Evidence& evidence) {
  if (!evidence.incident.empty()) return incident_not_judgeable(evidence.incident);
  const evidence::Understood& understood = evidence.understood;
  const auto linked = [](const evidence::GrowthSite& site) { return site.links > 0; };
  if (std::any_of(evidence.growth_sites.begin(), evidence.growth_sites.end(), linked)) return {};
  const bool damaged = understood.bytes_used < understood.bytes_total ||
                       understood.segments_damaged > 0 || understood.segments_dropped > 0;
  if (evidence.process.events == 0) {
    return "This recording has not one event: that there is no finding says nothing. Record again.";
  }
  if (damaged) {
    return "No growth could be linked in what is left of this damaged recording: that there is no "
           "finding says nothing. Record it again.";
  }
  const auto has_stack = [](const evidence::AllocationSite& site) { return !site.stack.empty(); };
  if (evidence.process.allocations > 0 && !evidence.allocation_sites.empty() &&
      std::none_of(evidence.allocation_sites.begin(), evidence.allocation_sites.end(), has_stack)) {
    return "This recording has no stacks, so no growth could be linked: that there is no finding "
           "says nothing. There was no room for them: record it again with more space on the disk, "
           "and a larger limit on files (ulimit -f).";
  }
  return {};
}

std::vector<Finding> diagnose(const evidence::Evidence& evidence, const DetectorOptions& options) {
  std::vector<Finding> findings;
  for (const Detector& detector : detectors()) {
    const std::size_t before = findings.size();
    detector.run(evidence, options, findings);
    for (std::size_t i = before; i < findings.size(); ++i) {
      Finding& finding = findings[i];
      finding.detector = detector.name;
      finding.fingerprint =
          fingerprint(finding.detector, finding.growth, finding.where, finding.stack);
      if (finding.cost.events_unit == "growths") finding.cost.growths = finding.cost.events;
    }
  }
  name_container_sites(evidence, findings);
  number_duplicates(findings);
  fold_aspects(findings);
  join_incident(findings);
  tell_growth_counts(evidence.incident, findings);
  name_causes(options.root_causes ? *options.root_causes : RootCauses::built_in(), findings);
  // Stable: what costs the same and is as severe stays in the order of the registry.
  std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
    const auto key = [](const Finding& f) {
      return std::make_tuple(f.severity != Severity::kNote, f.rank(), f.severity);
    };
    return key(a) > key(b);
  });
  return findings;
}

}  // namespace ullage::diagnose
