// SPDX-License-Identifier: Apache-2.0
#pragma once

// Calls of growth functions in a whole Go program, as probes counted them: they name no line, so
// they stand beside findings about growth of the same kind, and in the summary.

#include <string>
#include <vector>

#include "diagnose/finding.h"

namespace ullage::diagnose {

// "12 345 appends that grew, 17 map growths, 3 stacks copied"; empty where nothing was counted.
std::string growth_counts_text(const evidence::Incident& incident);

// Adds to each finding whose family was counted how often that happened.
void tell_growth_counts(const evidence::Incident& incident, std::vector<Finding>& findings);

}  // namespace ullage::diagnose
