// SPDX-License-Identifier: Apache-2.0
#pragma once

// merge: several artefacts of one incident become one.
//
//   std::vector<Evidence> incidents = evidence::merge(std::move(parts));
//
// Promises   Artefact and snapshot indices are renumbered in the order given. Every artefact with
//            times says how it was put on the incident's clock, and how far that may be off. A
//            collection or a pause that two artefacts tell of is there once, each field from
//            whoever knows it best. Facts are united; where two contradict each other, the first
//            one stands and the other's artefact has a note.
// Apart      What cannot be of one run comes back as an incident of its own, with a note why:
//            another runtime, another build, another start of the process, collections that match
//            none of the others'. The first one returned has the most artefacts.
// Recordings of native programs are never merged: each comes back as it was.
// Cost       O(n log n) in cycles and pauses; lists stay within the limits of incident.h.

#include <vector>

#include "evidence/evidence.h"

namespace ullage::evidence {

std::vector<Evidence> merge(std::vector<Evidence> parts);

// The header of every report: what a person wants to know of a program's pauses first.
struct PauseTotals {
  std::uint64_t count = 0, total_ns = 0, max_ns = 0;
};
PauseTotals pause_totals(const Incident& incident);

}  // namespace ullage::evidence
