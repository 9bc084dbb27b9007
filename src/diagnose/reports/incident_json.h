// SPDX-License-Identifier: Apache-2.0
#pragma once

// The incident in the JSON report (docs/formats/findings-json.md).

#include <cstddef>

#include "base/json.h"
#include "evidence/incident.h"

namespace ullage::diagnose {

// Rises when a field of the incident changes its meaning or goes.
inline constexpr int kIncidentVersion = 1;
// Rows of each list in the document; the costliest are kept, and "left_out" counts the others.
inline constexpr std::size_t kJsonPauses = 2000;
inline constexpr std::size_t kJsonCycles = 5000;
inline constexpr std::size_t kJsonSites = 1000;

// Writes "incident": {...} into the open object.
void write_incident(JsonWriter& json, const evidence::Incident& incident);

}  // namespace ullage::diagnose
