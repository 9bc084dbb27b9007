// SPDX-License-Identifier: Apache-2.0
#pragma once

// Joins findings of one incident: a trace, a heap profile and a log each see the same cause from
// their side, and the reader wants to hear of it once.
//
// (1) Findings about one line become one. Places are compared by function, line and the file's
//     own name, so that a trimmed path matches a full one.
// (2) A symptom (Finding::symptom) joins a cause elsewhere in the same function, when both are
//     about the same kind of growth.
// (3) A symptom without a line (a log names none) joins the cause that can have made it: the same
//     kind of growth, whose largest copy can take as long. Of several, the one that costs most.
//     A JVM has one heap: its full collections, the classes that grow and the stack of what ran out
//     of memory are one finding, at the line that somebody knows; collections that found no room
//     join it.
// (4) The cause leads: what is no symptom before what is, findings before notes, then the order
//     of the registry.
// (5) Costs that are views of the same time count once (the largest), others are added: a stop and
//     an assist are two waits. Evidence of all is kept, and their fingerprints (Finding::also).
//
// Only findings with a family take part; those of native recordings have none.

#include <vector>

#include "diagnose/finding.h"

namespace ullage::diagnose {

// `findings` in the order of the registry, fingerprints filled in. Keeps that order.
void join_incident(std::vector<Finding>& findings);

}  // namespace ullage::diagnose
