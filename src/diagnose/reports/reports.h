// SPDX-License-Identifier: Apache-2.0
#pragma once

// The reports: one function per form, each from the same two things, the evidence and its findings.
//
// A report decides nothing: what is worth saying, and in which order, is settled in the findings.
// Every function is pure (no files, no clock, no environment) and returns the whole text; the
// binary ones (pprof) return bytes in the string. Output is valid UTF-8 whatever the names held.

#include <cstddef>
#include <string>
#include <vector>

#include "diagnose/finding.h"
#include "evidence/evidence.h"

namespace ullage::diagnose {

struct ReportOptions {
  std::size_t top = 10;        // findings printed by the text report; 0 = all
  std::string site_filter{};   // only findings whose place or function contains this; empty = all
  bool colour = false;         // text only; see base/terminal.h for when
  int width = 100;             // text only: columns to wrap at
  std::string source_root{};   // SARIF, HTML: paths below it are written relative to it
  std::string next_command{};  // the last line of the text report; empty = a sensible one
  // Incidents: the files as they were given, for that last line; empty = the artefacts' names.
  std::string command_files{};
};

using Findings = std::vector<Finding>;

std::string text_report(const evidence::Evidence& evidence, const Findings& findings,
                        const ReportOptions& options);
// docs/formats/findings-json.md
std::string json_report(const evidence::Evidence& evidence, const Findings& findings,
                        const ReportOptions& options);
// SARIF 2.1.0: rules from the detector registry, partialFingerprints {"ullage/v1": ...}.
std::string sarif_report(const evidence::Evidence& evidence, const Findings& findings,
                         const ReportOptions& options);

// One self-contained file: findings, flame graphs, growth timeline; works without a network.
std::string html_report(const evidence::Evidence& evidence, const Findings& findings,
                        const ReportOptions& options);
// profile.proto, gzipped: copied, stall, slack, alloc_space, inuse_space.
std::string pprof_report(const evidence::Evidence& evidence, const Findings& findings,
                         const ReportOptions& options);
// Chrome trace events: one slice per growth that was kept (evidence::kWorstLinks), counters for
// live bytes.
std::string perfetto_report(const evidence::Evidence& evidence, const Findings& findings,
                            const ReportOptions& options);
// Folded stacks of copied bytes, for flamegraph.pl and speedscope.
std::string folded_report(const evidence::Evidence& evidence, const Findings& findings,
                          const ReportOptions& options);

// The findings a report should show under `site_filter`, most costly first. `top` is not applied.
Findings select(const Findings& findings, const ReportOptions& options);

}  // namespace ullage::diagnose
