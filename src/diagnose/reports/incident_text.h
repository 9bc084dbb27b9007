// SPDX-License-Identifier: Apache-2.0
#pragma once

// The incident of a managed program in the text report: what ran, how often and how long it stood,
// what was read and how much of it was understood.

#include <string>

#include "diagnose/reports/text_page.h"

namespace ullage::diagnose {

void print_incident(Text& out, const evidence::Evidence& evidence, std::size_t finding_count);

// The last line of the report, when the caller names none.
std::string next_for_incident(const evidence::Evidence& evidence, const Findings& findings,
                              const ReportOptions& options, std::size_t hidden);

// "checkout, Go 1.26.10, 8 processors, GOGC 100": what ran. Also the HTML page's.
std::string program_text(const evidence::Incident& incident);
// "60 123 events, 17 unknown; cut short": how much of it was understood.
std::string understood_text(const evidence::Artefact& artefact);
// "wall clock, +- 1 ms": how its clock was put on the incident's; empty when it has none.
std::string alignment_text(const evidence::Artefact& artefact);
// "142 in 58.2 s: 412 ms in all, worst 33.6 ms"; empty without pauses.
std::string pauses_text(const evidence::Incident& incident);
// "83, live heap 4 MB -> 306 MB (goal 612 MB)"; empty without collections.
std::string collections_text(const evidence::Incident& incident);

}  // namespace ullage::diagnose
