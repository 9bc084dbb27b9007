// SPDX-License-Identifier: Apache-2.0
//
// growth-denied: a container of the library was told no by its growth budget, or its keys hash
// alike.
//
// Rule      a container site told of at least one denial, or of a segment that splitting could not
//           help (poor hash).
// Silent    for growth that was only degraded: the container got what it needed.
#include "base/format.h"
#include "base/text.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/growth.h"

namespace ullage::diagnose {
namespace {

using evidence::ContainerSite;

std::string container_of(const ContainerSite& site) {
  const std::string type = site.type.empty() ? "container" : "ullage::" + site.type;
  return clean_utf8(shorten(site.name.empty() ? type : site.name + " (" + type + ")", 100));
}

Finding finding_at(const ContainerSite& site, std::uint64_t events, const char* unit) {
  Finding finding;
  finding.where = finding.growth = site.where;
  finding.stack = site.stack;
  finding.cost.events = events;
  finding.cost.events_unit = unit;
  return finding;
}

}  // namespace

void growth_denied(const evidence::Evidence& evidence, const DetectorOptions&,
                   std::vector<Finding>& findings) {
  for (const ContainerSite& site : evidence.container_sites) {
    if (site.denied != 0) {
      Finding finding = finding_at(site, site.denied, "denials");
      finding.title =
          container_of(site) + " was denied growth " + format_counted(site.denied, "time");
      std::string sentence = "Its growth budget said no " + format_counted(site.denied, "time");
      if (site.degraded != 0) {
        sentence += " and allowed less than was asked " + format_counted(site.degraded, "time");
      }
      finding.evidence.push_back(sentence + "; the container kept what it had, at most " +
                                 format_bytes(site.bytes_max) + ".");
      finding.evidence.push_back(container_sentence(site));
      finding.remedy =
          "raise the hard limit of its budget, or hold less: evict before it is asked. "
          "What denies it may be a budget that several sites share.";
      findings.push_back(std::move(finding));
    }
    if (site.poor_hash != 0) {
      Finding finding = finding_at(site, site.poor_hash, "segments");
      finding.title = container_of(site) + " holds keys that hash alike";
      finding.evidence.push_back(format_counted(site.poor_hash, "segment") +
                                 " outgrew the bound because splitting could not part the keys: "
                                 "finding one of them is a walk past the others.");
      finding.evidence.push_back(container_sentence(site));
      finding.remedy = "give the map a hash that uses all of the key.";
      findings.push_back(std::move(finding));
    }
  }
}

}  // namespace ullage::diagnose
