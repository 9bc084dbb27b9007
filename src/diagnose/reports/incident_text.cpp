// SPDX-License-Identifier: Apache-2.0
#include "diagnose/reports/incident_text.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "base/format.h"
#include "base/text.h"
#include "diagnose/growth_counts.h"
#include "diagnose/reports/common.h"
#include "evidence/merge.h"

namespace ullage::diagnose {
namespace {

using evidence::Artefact;
using evidence::Incident;

// Kinds of pauses shown one by one; the rest is in their sum.
constexpr std::size_t kPauseKindsShown = 6;
// Artefacts named one by one: a folder of rotated logs has many that are alike.
constexpr std::size_t kArtefactsShown = 24;

std::string bytes_limit(std::uint64_t bytes) {
  // Limits are set in binary units.
  constexpr std::uint64_t kMi = 1u << 20, kGi = 1u << 30;
  if (bytes >= kGi && bytes % (kGi / 4) == 0) {
    const std::uint64_t quarters = bytes / (kGi / 4);
    std::string text = std::to_string(quarters / 4);
    if (quarters % 4 != 0) text += quarters % 4 == 2 ? ".5" : quarters % 4 == 1 ? ".25" : ".75";
    return text + " GiB";
  }
  if (bytes >= kMi && bytes % kMi == 0) return std::to_string(bytes / kMi) + " MiB";
  return format_bytes(bytes);
}

std::uint64_t window_ns(const Incident& incident) {
  return incident.end_ns > incident.start_ns
             ? static_cast<std::uint64_t>(incident.end_ns - incident.start_ns)
             : 0;
}

void row(Text& out, const std::string& label, const std::string& text) {
  if (text.empty()) return;
  const std::string first =
      "  " + label + std::string(label.size() < 12 ? 12 - label.size() : 1, ' ');
  out.paragraph(first, text, 14);
}

std::string assists_text(const Incident& incident) {
  if (incident.assist_count == 0) return {};
  std::string text = format_count(incident.assist_count) + ": " +
                     format_ns(incident.assist_total_ns) + " in all, worst " +
                     format_ns(incident.assist_max_ns);
  if (!incident.assist_sites.empty() && incident.assist_total_ns > 0) {
    text += ", at " + format_counted(incident.assist_sites.size(), "stack");
  }
  return text;
}

std::string stalls_text(const Incident& incident) {
  if (incident.stalls.empty()) return {};
  std::uint64_t total = 0, worst = 0;
  for (const evidence::AllocationStall& stall : incident.stalls) {
    total += stall.duration_ns;
    worst = std::max(worst, stall.duration_ns);
  }
  return format_count(incident.stalls.size()) + ": " + format_ns(total) + " in all, worst " +
         format_ns(worst);
}

std::size_t count_of(const Incident& incident, std::initializer_list<std::string_view> formats) {
  return static_cast<std::size_t>(std::count_if(
      incident.artefacts.begin(), incident.artefacts.end(), [&](const Artefact& artefact) {
        return std::any_of(formats.begin(), formats.end(), [&](std::string_view format) {
          return artefact.format.starts_with(format);
        });
      }));
}

std::string both(const std::string& a, const std::string& b) {
  return a + (a.empty() || b.empty() ? "" : " and ") + b;
}

// What would tell more of such a program and is not there; empty where all of it is.
std::string jvm_lacks(const Incident& incident) {
  const std::size_t histograms = count_of(incident, {"JVM class histogram"});
  return both(count_of(incident, {"JVM GC log"}) > 0 ? "" : "a log of the collector",
              histograms >= 2   ? ""
              : histograms == 1 ? "a second histogram"
                                : "two histograms");
}

std::string go_lacks(const Incident& incident) {
  return both(count_of(incident, {"Go execution trace"}) > 0 ? "" : "an execution trace",
              count_of(incident,
                       {"pprof heap profile", "pprof allocs profile", "Go heap profile (text)"}) > 0
                  ? ""
                  : "a heap profile");
}

// Several artefacts of one format are one line where the list would be long.
void print_artefacts(Text& out, const Incident& incident) {
  out.line("  Read");
  std::size_t widest = 0;
  const std::size_t shown = std::min(incident.artefacts.size(), kArtefactsShown);
  // Alone, a clock is nobody's measure.
  const bool several = std::count_if(incident.artefacts.begin(), incident.artefacts.end(),
                                     [](const Artefact& a) { return a.has_times; }) > 1;
  for (std::size_t i = 0; i < shown; ++i) {
    widest = std::max(widest, columns(clean_utf8(incident.artefacts[i].name)));
  }
  widest = std::min<std::size_t>(widest, 36);
  for (std::size_t i = 0; i < shown; ++i) {
    const Artefact& artefact = incident.artefacts[i];
    std::string name = clean_utf8(artefact.name);
    if (columns(name) < widest) name += std::string(widest - columns(name), ' ');
    std::string text = artefact.format;
    if (!artefact.version.empty()) text += ", " + artefact.version;
    text += "; " + understood_text(artefact);
    const bool reference = artefact.has_times && several &&
                           artefact.alignment.how == evidence::Alignment::How::kReference;
    const std::string clock = reference ? "the incident's clock" : alignment_text(artefact);
    if (!clock.empty()) text += "; " + clock;
    out.paragraph("    " + name + "  ", text, 6);
    for (const std::string& note : artefact.notes) out.paragraph("      ! ", note, 8);
  }
  if (incident.artefacts.size() > shown) {
    out.line("    and " + format_counted(incident.artefacts.size() - shown, "more"));
  }
}

}  // namespace

std::string program_text(const Incident& incident) {
  const evidence::RuntimeFacts& facts = incident.facts;
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (!facts.program.empty()) add(facts.program);
  if (!facts.version.empty()) {
    add(facts.runtime == evidence::Runtime::kJvm ? "JDK " + facts.version : facts.version);
  } else if (facts.runtime != evidence::Runtime::kNative) {
    add(std::string(evidence::to_string(facts.runtime)));
  }
  if (!facts.collector.empty()) {
    add((facts.generational ? "generational " : "") + facts.collector);
  }
  if (facts.processors > 0) add(format_counted(facts.processors, "processor"));
  if (facts.gogc != 0) add("GOGC " + (facts.gogc < 0 ? "off" : std::to_string(facts.gogc)));
  if (facts.runtime == evidence::Runtime::kJvm) {
    const std::uint64_t most = facts.heap_max_bytes > 0 ? facts.heap_max_bytes : facts.memory_limit;
    if (most > 0) add("heap of " + bytes_limit(most) + " at most");
    if (facts.region_bytes > 0) add("regions of " + bytes_limit(facts.region_bytes));
  } else if (facts.memory_limit > 0) {
    add("GOMEMLIMIT " + bytes_limit(facts.memory_limit));
  }
  return text;
}

std::string understood_text(const Artefact& artefact) {
  std::string text = format_count(artefact.records) + " " + artefact.unit;
  if (artefact.records_unknown > 0)
    text += ", " + format_count(artefact.records_unknown) + " unknown";
  if (artefact.bytes_skipped > 0) {
    const std::uint64_t skipped = std::min(artefact.bytes_skipped, artefact.bytes);
    text += ", " + format_bytes(artefact.bytes - skipped) + " of " + format_bytes(artefact.bytes) +
            " understood";
  } else if (artefact.records_unknown == 0 && !artefact.cut) {
    text += ", all understood";
  }
  if (artefact.cut) text += ", cut short";
  return text;
}

std::string alignment_text(const Artefact& artefact) {
  using How = evidence::Alignment::How;
  if (!artefact.has_times) return {};
  switch (artefact.alignment.how) {
    case How::kNone:
      return "clock not aligned";
    case How::kReference:
      return {};
    default:
      return std::string("aligned by ") + evidence::to_string(artefact.alignment.how) + " \u00b1 " +
             format_ns(std::max<std::uint64_t>(artefact.alignment.error_ns, 1));
  }
}

std::string pauses_text(const Incident& incident) {
  const evidence::PauseTotals totals = evidence::pause_totals(incident);
  if (totals.count == 0) return {};
  std::string text = format_count(totals.count);
  if (window_ns(incident) > 0) text += " in " + format_ns(window_ns(incident));
  return text + ": " + format_ns(totals.total_ns) + " in all, worst " + format_ns(totals.max_ns);
}

std::string collections_text(const Incident& incident) {
  if (incident.cycles.empty()) return {};
  std::string text = format_count(incident.cycles.size());
  const auto forced = static_cast<std::uint64_t>(
      std::count_if(incident.cycles.begin(), incident.cycles.end(),
                    [](const evidence::GcCycle& cycle) { return cycle.forced; }));
  if (forced > 0) text += " (" + format_count(forced) + " forced)";
  const evidence::GcCycle *first = nullptr, *last = nullptr;
  for (const evidence::GcCycle& cycle : incident.cycles) {
    if (!cycle.heap_known || cycle.live_bytes == 0) continue;
    if (first == nullptr) first = &cycle;
    last = &cycle;
  }
  if (first != nullptr) {
    text += "; live heap " + format_bytes(first->live_bytes) + " \u2192 " +
            format_bytes(last->live_bytes);
    if (last->goal_bytes > 0) text += ", last goal " + format_bytes(last->goal_bytes);
  }
  return text;
}

void print_incident(Text& out, const evidence::Evidence& evidence, std::size_t count) {
  const Incident& incident = evidence.incident;
  std::string text = count == 0 ? "No findings" : format_counted(count, "finding");
  if (window_ns(incident) > 0) text += " in " + format_ns(window_ns(incident));
  const std::string program = program_text(incident);
  if (!program.empty()) text += " of " + program;
  out.paragraph({}, text, 2);
  for (const std::string& note : evidence.understood.notes) out.paragraph("  ! ", note, 4);
  if (const std::string why = not_judgeable(evidence); !why.empty()) out.paragraph("  ! ", why, 4);
  row(out, "Crash", incident.facts.crash);
  row(out, "Pauses", pauses_text(incident));
  const std::size_t kinds = std::min(incident.pause_kinds.size(), kPauseKindsShown);
  for (std::size_t i = 0; i < kinds && incident.pause_kinds.size() > 1; ++i) {
    const evidence::PauseKind& kind = incident.pause_kinds[i];
    const std::string name = kind.kind + (kind.cause.empty() ? "" : " (" + kind.cause + ")");
    out.paragraph("              ",
                  format_count(kind.count) + " " + name + ": " + format_ns(kind.total_ns) +
                      ", worst " + format_ns(kind.max_ns),
                  16);
  }
  if (incident.pause_kinds.size() > kinds) {
    out.line("              and " +
             format_counted(incident.pause_kinds.size() - kinds, "other kind"));
  }
  row(out, "Growths", growth_counts_text(incident));
  row(out, "Assists", assists_text(incident));
  row(out, "Stalls", stalls_text(incident));
  row(out, "Collections", collections_text(incident));
  print_artefacts(out, incident);
  out.line();
}

std::string next_for_incident(const evidence::Evidence& evidence, const Findings& findings,
                              const ReportOptions& options, std::size_t hidden) {
  std::string files = options.command_files;
  if (files.empty()) {
    for (const Artefact& artefact : evidence.incident.artefacts) {
      files += (files.empty() ? "" : " ") + shell_word(artefact.name);
    }
  }
  const std::string again = "ullage diagnose " + files;
  if (findings.empty() && !options.site_filter.empty()) return again;
  if (hidden > 0) return again + " --top=0";
  if (count_findings(findings) > 0) return again + " --html=report.html";
  const Incident& incident = evidence.incident;
  const bool jvm = incident.facts.runtime == evidence::Runtime::kJvm;
  const std::string lacking = jvm ? jvm_lacks(incident) : go_lacks(incident);
  if (lacking.empty()) return again + " --html=report.html";
  return (jvm ? "ullage record -- java ...   # adds "
              : "ullage record --pprof http://localhost:6060 --for 30s   # adds ") +
         lacking;
}

}  // namespace ullage::diagnose
