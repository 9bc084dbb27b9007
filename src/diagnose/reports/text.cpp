// SPDX-License-Identifier: Apache-2.0
//
// The text report: the answer, then per finding its cost, evidence and remedy; the last line is
// the next command.
#include "base/text.h"

#include <algorithm>

#include "base/format.h"
#include "diagnose/growth.h"
#include "diagnose/reports/common.h"
#include "diagnose/reports/incident_text.h"
#include "diagnose/reports/reports.h"
#include "diagnose/reports/text_page.h"

namespace ullage::diagnose {
namespace {

// Callers shown below a finding's place: enough to recognise it, few enough to read.
constexpr std::size_t kCallers = 3;

const char* colour_of(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return kRed;
    case Severity::kWarning:
      return kYellow;
    case Severity::kNote:
      return kDim;
  }
  return kDim;
}

std::string callers(const Finding& finding) {
  std::string text;
  std::size_t shown = 0;
  bool beyond_place = false;
  for (const evidence::Frame& frame : finding.stack) {
    const bool place = frame.function == finding.where.function && frame.line == finding.where.line;
    if (beyond_place && !frame.library && !frame.function.empty() && shown < kCallers) {
      text += (shown++ == 0 ? "" : " < ") + place_text(frame);
    }
    beyond_place = beyond_place || place;
  }
  return text;
}

void print_finding(Text& out, const Finding& finding) {
  const std::string place = clean_utf8(place_text(finding.where));
  const std::string title = clean_utf8(finding.title);
  const std::string cost = cost_text(finding.cost);
  const std::string head = "  " + finding.detector + "   ";
  const std::string what = title + (place.empty() ? "" : ", " + place);
  if (columns(head + what) <= out.width()) {
    out.row(head, colour_of(finding.severity), what, cost.empty() ? "" : "cost: " + cost);
  } else {
    out.row(head, colour_of(finding.severity), {}, cost.empty() ? "" : "cost: " + cost);
    out.paragraph("    ", what, 4);
  }
  const std::string from = callers(finding);
  if (!from.empty()) out.paragraph("    Called from ", from, 6);
  for (const std::string& sentence : finding.evidence) out.paragraph("    ", sentence, 6);
  if (!finding.cause.empty()) out.paragraph(4, kBold, "Why: ", finding.cause, 9);
  if (!finding.remedy.empty()) {
    out.paragraph(4, kBold, "Do: ", finding.remedy, 8);
  }
  if (!finding.check.empty()) out.line("    Check: " + clean_utf8(finding.check));
  out.line();
}

// Notes are kept to one paragraph each: they are no findings.
void print_note(Text& out, const Finding& finding) {
  const std::string place = place_text(finding.where);
  std::string text = finding.title + (place.empty() ? "" : ", " + place) + ".";
  for (const std::string& sentence : finding.evidence) text += " " + sentence;
  if (!finding.remedy.empty()) text += " Do: " + finding.remedy;
  out.paragraph(2, kDim, "note   ", text, 4);
}

void print_answer(Text& out, const evidence::Evidence& evidence, std::size_t count) {
  const evidence::ProcessFacts& process = evidence.process;
  std::string text = count == 0 ? "No findings" : format_counted(count, "finding");
  text += " in " + format_ns(process.duration_ns);
  if (!process.program.empty()) text += " of " + process.program;
  text += ": " + format_counted(process.events, "event") + ", " +
          format_bytes(process.live_bytes_max) + " live at most, " +
          understood_text(evidence.understood);
  if (process.sample_bytes > 0) {
    text += "; sampled every " + format_bytes(process.sample_bytes) +
            ", counts are scaled up, growths are "
            "at least those seen";
  }
  if (!process.ended.empty() && process.ended != "normally") text += "; ended: " + process.ended;
  out.paragraph({}, text, 2);
  for (const std::string& note : evidence.understood.notes) out.paragraph("  ! ", note, 4);
  if (const std::string why = not_judgeable(evidence); !why.empty()) out.paragraph("  ! ", why, 4);
  if (process.symbols_missing && !process.missing_debug.empty()) {
    std::string modules;
    for (std::size_t i = 0; i < process.missing_debug.size() && i < 3; ++i) {
      modules += (i == 0 ? "" : ", ") + process.missing_debug[i];
    }
    out.paragraph("  ! ",
                  "Without debug information for " + modules +
                      ", places there are named by symbol or offset.",
                  4);
  }
  out.line();
}

void print_what_was_looked_at(Text& out, const evidence::Evidence& evidence) {
  std::size_t standing = 0, suppressed = 0;
  std::uint64_t copied = 0;
  for (const evidence::GrowthSite& site : evidence.growth_sites) {
    if (may_stand(site)) {
      ++standing, copied += site.copied_bytes;
    } else if (site.links > 0) {
      ++suppressed;
    }
  }
  std::string text = "Looked at " + format_counted(evidence.process.allocations, "allocation") +
                     " at " + format_counted(evidence.allocation_sites.size(), "site") + " and " +
                     format_counted(evidence.growth_sites.size(), "place") + " that might grow. ";
  if (standing > 0) {
    text += format_counted(standing, "place") + " grew, copying " + format_bytes(copied) +
            " in all: too little for a finding.";
  } else if (suppressed == 0) {
    text += "Nothing grew by copying.";
  }
  if (suppressed > 0) {
    text += std::string(standing > 0 ? " " : "") + format_counted(suppressed, "place") +
            " had larger blocks follow smaller ones without proof that one container grew; no "
            "finding stands on that.";
  }
  out.paragraph("  ", text, 2);
  out.line();
}

std::string next_command(const evidence::Evidence& evidence, const Findings& findings,
                         const ReportOptions& options, std::size_t hidden) {
  if (!options.next_command.empty()) return options.next_command;
  if (!evidence.incident.empty()) return next_for_incident(evidence, findings, options, hidden);
  const std::string file =
      evidence.process.source.empty() ? "FILE" : shell_word(evidence.process.source);
  if (findings.empty() && !options.site_filter.empty()) return "ullage diagnose " + file;
  if (hidden > 0) return "ullage diagnose " + file + " --top=0";
  if (count_findings(findings) > 0) return "ullage diagnose " + file + " --html=report.html";
  if (evidence.process.slack_recorded) return "ullage diagnose " + file + " --json";
  return "ullage record --slack -- COMMAND   # also finds capacity that is never written";
}

}  // namespace

std::string text_report(const evidence::Evidence& evidence, const Findings& all,
                        const ReportOptions& options) {
  const Findings findings = select(all, options);
  const std::size_t count = count_findings(findings);
  Text out(options);
  if (evidence.incident.empty()) {
    print_answer(out, evidence, count);
  } else {
    print_incident(out, evidence, count);
  }
  if (!options.site_filter.empty() && findings.size() < all.size()) {
    out.paragraph("  ",
                  "Shown are the findings at \"" + options.site_filter + "\"; " +
                      format_counted(all.size() - findings.size(), "other") + " left out.",
                  2);
    out.line();
  }

  std::size_t shown = 0;
  for (const Finding& finding : findings) {
    if (finding.severity == Severity::kNote) continue;
    if (options.top > 0 && shown == options.top) break;
    print_finding(out, finding);
    ++shown;
  }
  if (findings.empty() && !all.empty()) {
    out.paragraph("  ", "No finding matches \"" + options.site_filter + "\".", 2);
    out.line();
  } else if (count == 0 && options.site_filter.empty() && evidence.incident.empty()) {
    print_what_was_looked_at(out, evidence);
  }

  // Under --top, notes share what is left of the room, but at least the most telling one stays.
  const std::size_t room =
      options.top == 0 ? findings.size() : std::max<std::size_t>(options.top - shown, 1);
  std::size_t notes = 0;
  for (const Finding& finding : findings) {
    if (finding.severity != Severity::kNote || notes == room) continue;
    print_note(out, finding);
    ++notes;
  }
  if (notes > 0) out.line();
  const std::size_t hidden = findings.size() - shown - notes;
  if (hidden > 0) {
    out.paragraph("  ", format_counted(hidden, "more finding", "more findings or notes") + ".", 2);
    out.line();
  }
  out.line(out.painted(kBold, "Next:") + " " +
           clean_utf8(next_command(evidence, findings, options, count - shown)));
  return out.take();
}

}  // namespace ullage::diagnose
