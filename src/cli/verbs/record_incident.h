// SPDX-License-Identifier: Apache-2.0
#pragma once

// The part of `ullage record` that collects what Go and JVM programs tell of themselves.

#include "launch/incident/incident.h"

namespace ullage::cli {

// Records, tells on standard error what was collected and what was not, and returns the exit code.
int record_incident(const launch::IncidentOptions& options, bool quiet);

}  // namespace ullage::cli
