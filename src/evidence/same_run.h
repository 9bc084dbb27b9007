// SPDX-License-Identifier: Apache-2.0
#pragma once

// by_run: which artefacts can be of one run of one program, and what they say of it together.

#include <vector>

#include "evidence/evidence.h"

namespace ullage::evidence {

// The parts in groups, each of what can be one run; the order of the first of each is kept. A part
// that was put apart has a note why. Recordings of native programs are groups of one.
std::vector<std::vector<Evidence>> by_run(std::vector<Evidence> parts);

// Adds what `part` says of the program to `facts`; contradictions are noted at its artefact.
void unite_facts(RuntimeFacts& facts, Incident& part);

}  // namespace ullage::evidence
