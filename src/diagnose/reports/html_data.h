// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the HTML page is drawn from: the evidence and its findings as one JSON object, small enough
// for a browser whatever the recording held, and safe to stand inside a <script> element.
//
// Frames are written once and named by index. What a limit below left out is said in "left_out".

#include <cstddef>
#include <string>

#include "diagnose/reports/reports.h"

namespace ullage::diagnose {

// Rows of each kind in the page; the costliest are kept. Together with the limits on text they hold
// the page below about 10 MB, which opens at once.
inline constexpr std::size_t kHtmlFindings = 500;
inline constexpr std::size_t kHtmlGrowthSites = 2000;
inline constexpr std::size_t kHtmlAllocationSites = 1000;
// RSS marks; of more, the highest of each of that many equal stretches is kept.
inline constexpr std::size_t kHtmlMarks = 1000;
// Frames of one stack: innermost and outermost stay, the middle becomes "(frames left out)".
inline constexpr std::size_t kHtmlInnerFrames = 96;
inline constexpr std::size_t kHtmlOuterFrames = 32;
// Columns of one name, path or sentence; longer ones end in an ellipsis.
inline constexpr std::size_t kHtmlNameColumns = 300;
inline constexpr std::size_t kHtmlSentenceColumns = 2000;
// Bytes of frames in all; later (cheaper) stacks are then cut where a new frame would be needed.
inline constexpr std::size_t kHtmlFrameBytes = 4 << 20;
// The same for incidents, whose page stays under 3 MB (html_incident.h).
inline constexpr std::size_t kHtmlIncidentFrameBytes = 1 << 20;

std::string html_data(const evidence::Evidence& evidence, const Findings& findings,
                      const ReportOptions& options);

}  // namespace ullage::diagnose
