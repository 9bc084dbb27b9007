// SPDX-License-Identifier: Apache-2.0
#pragma once

// The part of `ullage record` that collects what Go and JVM programs tell of themselves.

#include "launch/incident/incident.h"

namespace ullage::cli {

// Puts the growth functions of the Go program `command` begins with into `options.probes`; where
// there are none to be found, why not into `options.probe_problem`.
void find_growth_probes(const std::vector<std::string>& command, const std::string& search,
                        launch::IncidentOptions& options);

// Records, tells on standard error what was collected and what was not, and returns the exit code.
int record_incident(const launch::IncidentOptions& options, bool quiet);

}  // namespace ullage::cli
