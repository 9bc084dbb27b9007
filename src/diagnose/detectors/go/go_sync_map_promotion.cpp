// SPDX-License-Identifier: Apache-2.0
//
// go-sync-map-promotion: a sync.Map of Go 1.23 or older copies all its keys again and again.
//
// It holds two maps. A new key makes a second map with a copy of every entry (dirtyLocked); Range,
// or as many misses as there are keys, makes that one the first, and the next new key copies
// everything anew. Since Go 1.24 it is a hash trie and copies nothing.
//
// Rule      a version before 1.24 (or an unknown one that has the old functions), and dirtyLocked
//           allocated kBytes and kShare of everything, or took kShare of the CPU samples.
// Silent    from 1.24 on, and for maps whose keys stay the same.
#include <algorithm>
#include <cstdlib>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/go/common.h"

namespace ullage::diagnose {
namespace {

using go::HeapPlace;

constexpr double kShare = 0.05;
constexpr double kBytes = 1 << 20;
constexpr std::uint64_t kSamples = 10;
constexpr int kTrieSince = 24;
constexpr const char* kCopies = "sync.(*Map).dirtyLocked";

// "go1.23.4" -> 23; 0 = unknown.
int minor_version(const std::string& version) {
  const std::size_t at = version.find("go1.");
  return at == std::string::npos ? 0 : std::atoi(version.c_str() + at + 4);
}

}  // namespace

void go_sync_map_promotion(const evidence::Evidence& evidence, const DetectorOptions&,
                           std::vector<Finding>& findings) {
  if (!go::speaks_go(evidence)) return;
  const evidence::Incident& incident = evidence.incident;
  if (minor_version(incident.facts.version) >= kTrieSince) return;

  const std::vector<HeapPlace> places = go::heap_places(incident);
  const double total = go::alloc_bytes_total(places);
  const HeapPlace* heap = nullptr;
  double copied = 0;
  for (const HeapPlace& place : places) {
    if (!go::has_function(place.stack, kCopies)) continue;
    copied += place.alloc_bytes;
    if (!heap) heap = &place;
  }
  const evidence::CpuSite* cpu = nullptr;
  std::uint64_t samples = 0;
  std::uint64_t cpu_ns = 0;
  for (const evidence::CpuSite& site : incident.cpu_sites) {
    if (!go::has_function(site.stack, kCopies)) continue;
    samples += site.samples;
    cpu_ns += site.cpu_ns;
    if (!cpu || site.samples > cpu->samples) cpu = &site;
  }
  const bool by_heap = heap && copied >= kBytes && copied >= kShare * total;
  const bool by_cpu =
      cpu && samples >= kSamples &&
      static_cast<double>(samples) >= kShare * static_cast<double>(incident.cpu.samples);
  if (!by_heap && !by_cpu) return;

  Finding finding = go::at_stack(by_heap ? heap->stack : cpu->stack);
  finding.family = "map";
  finding.confidence = incident.facts.version.empty() ? 0.7 : 0.9;
  finding.title = "a sync.Map copies all of its keys when a new one comes";
  finding.cost.cpu_ns = cpu_ns;
  finding.cost.copied_bytes = finding.cost.wasted_bytes = go::whole_number(copied);
  finding.cost.events = samples;
  finding.cost.events_unit = "CPU samples";
  if (heap) {
    finding.evidence.push_back(
        go::position_text(incident, heap->where) + ": sync.(*Map).dirtyLocked allocated " +
        format_bytes(go::whole_number(copied)) + " (" + go::share_text(copied, total) +
        " of all) below " + go::site_text(heap->user) + ".");
  }
  if (cpu) {
    evidence::Position where;
    where.artefact = cpu->artefact;
    finding.evidence.push_back(go::position_text(incident, where) + ": " + format_count(samples) +
                               " of " + format_counted(incident.cpu.samples, "CPU sample") +
                               " are in it.");
  }
  finding.evidence.push_back(
      "The program runs " +
      (incident.facts.version.empty() ? std::string("a Go before 1.24, by its functions")
                                      : incident.facts.version) +
      ". There a Range, or enough misses, promotes the second map, and the next new key copies "
      "every entry.");
  finding.remedy =
      "build with Go 1.24 or newer, where sync.Map is a hash trie and copies nothing. Until then: "
      "keys that change belong in shards of struct{ sync.RWMutex; m map[K]V }, made with "
      "make(map[K]V, N); don't call Range between new keys.";
  finding.check = by_heap ? go::pprof_list(finding.where, "alloc_space",
                                           go::artefact_name(incident, heap->where))
                          : "go version -m PROGRAM";
  findings.push_back(std::move(finding));
}

}  // namespace ullage::diagnose
