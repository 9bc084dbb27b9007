// SPDX-License-Identifier: Apache-2.0
#pragma once

// An incident as Chrome trace events: tracks for pauses, collections, allocation stalls and long
// assists and waits, counters for heap and goal. Part of perfetto_report.

#include <string>

#include "diagnose/reports/reports.h"

namespace ullage::diagnose {

std::string incident_perfetto(const evidence::Evidence& evidence, const Findings& findings);

}  // namespace ullage::diagnose
