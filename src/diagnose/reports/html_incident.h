// SPDX-License-Identifier: Apache-2.0
#pragma once

// An incident in the data of the HTML page: the timeline, what findings have to do with it, and the
// costs for flame graphs. Thinned here, so that any trace makes a page that opens at once: the
// limits below hold it under 3 MB, together with kHtmlIncidentFrameBytes.

#include <cstddef>
#include <string>
#include <vector>

#include "base/json.h"
#include "diagnose/reports/html_frames.h"
#include "diagnose/reports/reports.h"

namespace ullage::diagnose {

// Pauses drawn: the longest half of them wherever they are, the others the longest of as many equal
// stretches, so that the picture stays true along the whole run. 70 bytes each.
inline constexpr std::size_t kHtmlPauses = 3000;
// Collections likewise: 60 bytes each.
inline constexpr std::size_t kHtmlCycles = 3000;
// Points of heap and goal: the highest of as many stretches. 30 bytes each.
inline constexpr std::size_t kHtmlHeapPoints = 1500;
// Allocation stalls, the longest.
inline constexpr std::size_t kHtmlStalls = 1000;
// Stacks with a line of their own below the timeline: assists, waits. The costliest of each.
inline constexpr std::size_t kHtmlSpans = 12;
// Stacks in the flame graphs, of each kind of cost. 300 bytes each beside their frames.
inline constexpr std::size_t kHtmlCostStacks = 700;
// Moments of the timeline that one finding points at.
inline constexpr std::size_t kHtmlMoments = 40;
// Artefacts listed, with their notes.
inline constexpr std::size_t kHtmlArtefacts = 200;

// Writes "incident": {...} into the open object.
void write_html_incident(JsonWriter& json, const evidence::Incident& incident,
                         const Findings& findings, HtmlFrames& frames);

// Sentences on what the limits left out.
std::vector<std::string> html_incident_left_out(const evidence::Incident& incident);

}  // namespace ullage::diagnose
