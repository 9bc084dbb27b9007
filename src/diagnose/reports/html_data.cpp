// SPDX-License-Identifier: Apache-2.0
#include "diagnose/reports/html_data.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/format.h"
#include "base/json.h"
#include "base/text.h"
#include "diagnose/growth.h"
#include "diagnose/reports/common.h"
#include "diagnose/reports/html_frames.h"
#include "diagnose/reports/html_incident.h"
#include "diagnose/reports/json_parts.h"

namespace ullage::diagnose {
namespace {

using evidence::AllocationSite;
using evidence::Evidence;
using evidence::Frame;
using evidence::GrowthSite;
using evidence::Stack;

constexpr int kNone = HtmlFrames::kNone;

template <class List>
void write_numbers(JsonWriter& json, std::string_view name, const List& list) {
  json.begin_array(name);
  for (const auto value : list) json.value(value);
  json.end_array();
}

template <class List>
void write_texts(JsonWriter& json, std::string_view name, const List& list) {
  json.begin_array(name);
  for (const auto& text : list) json.value(html_sentence(text));
  json.end_array();
}

// The command as it could be typed again.
std::string command_line(const std::vector<std::string>& command) {
  std::string line;
  for (const std::string& word : command) {
    if (!line.empty()) line += ' ';
    line += shell_word(word);
  }
  return html_sentence(line);
}

void write_process(JsonWriter& json, const evidence::ProcessFacts& process) {
  json.begin_object("process");
  json.field("source", html_name(process.source));
  json.field("format", html_name(process.format));
  json.field("program", html_name(process.program));
  json.field("command", command_line(process.command));
  json.field("build_id", html_name(process.build_id));
  json.field("started_ms", process.started_realtime_ns / 1'000'000);
  write_process_numbers(json, process);
  json.field("ended", html_sentence(process.ended));
  const std::size_t named = std::min<std::size_t>(process.missing_debug.size(), 12);
  write_texts(json, "missing_debug",
              std::vector<std::string>(process.missing_debug.begin(),
                                       process.missing_debug.begin() + static_cast<long>(named)));
  json.end_object();
}

void write_understood(JsonWriter& json, const evidence::Understood& understood) {
  json.begin_object("understood");
  json.field("share", understood.bytes_total == 0
                          ? 1.0
                          : static_cast<double>(understood.bytes_used) /
                                static_cast<double>(understood.bytes_total));
  write_understood_numbers(json, understood);
  write_texts(json, "notes", understood.notes);
  json.end_object();
}

// Sums over all sites that findings may stand on, also those the page leaves out.
void write_totals(JsonWriter& json, const Evidence& evidence) {
  std::uint64_t copied_bytes = 0, stall_ns = 0, longest_ns = 0, links = 0;
  for (const GrowthSite& site : evidence.growth_sites) {
    if (!may_stand(site)) continue;
    copied_bytes += site.copied_bytes;
    stall_ns += stall_ns_total(site);
    longest_ns = std::max(longest_ns, stall_ns_max(site));
    links += site.links;
  }
  json.begin_object("totals");
  json.field("copied_bytes", copied_bytes);
  json.field("stall_ns", stall_ns);
  json.field("stall_ns_max", longest_ns);
  json.field("links", links);
  json.end_object();
}

void write_finding(JsonWriter& json, const Finding& finding, HtmlFrames& frames,
                   std::size_t growth_sites) {
  json.begin_object();
  json.field("detector", finding.detector);
  json.field("severity", to_string(finding.severity));
  json.field("title", html_sentence(finding.title));
  json.field("cause", html_sentence(finding.cause));
  // A finding about the whole process has no place.
  const bool known = !finding.where.function.empty() || !finding.where.module.empty();
  const bool other =
      !finding.growth.function.empty() && (finding.growth.function != finding.where.function ||
                                           finding.growth.module != finding.where.module);
  json.field("where", known ? frames.add(finding.where) : kNone);
  json.field("growth", other ? frames.add(finding.growth) : kNone);
  write_numbers(json, "stack", frames.stack(finding.stack));
  write_cost(json, finding.cost);
  write_texts(json, "evidence", finding.evidence);
  json.field("remedy", html_sentence(finding.remedy));
  json.field("check", html_sentence(finding.check));
  json.field("fingerprint", html_name(finding.fingerprint));
  json.field("confidence", finding.confidence);
  json.field("rank", finding.rank());
  json.field("allocation", finding.allocation_site.has_value());
  json.field("site", finding.growth_site && *finding.growth_site < growth_sites
                         ? static_cast<std::int64_t>(*finding.growth_site)
                         : kNone);
  json.end_object();
}

void write_site(JsonWriter& json, const GrowthSite& site, HtmlFrames& frames) {
  json.begin_object();
  json.field("user", frames.add(site.user));
  json.field("growth", frames.add(site.growth));
  write_numbers(json, "stack", frames.stack(site.stack));
  json.field("container", html_name(site.container));
  json.field("kind", html_name(site.container_kind));
  json.field("reserve_hint", html_name(site.reserve_hint));
  json.field("strong", may_stand(site));
  json.field("stall_ns", stall_ns_total(site));
  json.field("stall_ns_max", stall_ns_max(site));
  write_growth_numbers(json, site);
  json.field("element_type", html_name(site.element_type));
  json.field("element_source", html_name(site.element_source));
  json.field("slack_painted_bytes", site.slack_painted_bytes);
  json.field("slack_bytes", site.slack_unused_bytes);
  write_numbers(json, "threads", site.threads);
  json.end_object();
}

void write_timeline(JsonWriter& json, const Evidence& evidence) {
  evidence::Series copied{};
  for (const GrowthSite& site : evidence.growth_sites) {
    if (!may_stand(site)) continue;
    for (std::size_t i = 0; i < copied.size(); ++i) copied[i] += site.copied_series[i];
  }
  json.begin_object("timeline");
  write_numbers(json, "live", evidence.live_series);
  write_numbers(json, "live_max", evidence.live_max_series);
  write_numbers(json, "copied", copied);
  json.begin_array("marks");
  const auto& marks = evidence.marks;
  const std::size_t stretches = std::min(marks.size(), kHtmlMarks);
  for (std::size_t i = 0; i < stretches; ++i) {
    const auto from = marks.begin() + static_cast<long>(i * marks.size() / stretches);
    const auto to = marks.begin() + static_cast<long>((i + 1) * marks.size() / stretches);
    const auto highest = std::max_element(
        from, to, [](const auto& a, const auto& b) { return a.rss_bytes < b.rss_bytes; });
    json.begin_array();
    json.value(highest->at_ns);
    json.value(highest->rss_bytes);
    json.value(highest->swap_bytes);
    json.value(highest->psi_some_percent);
    json.end_array();
  }
  json.end_array();
  json.end_object();
}

}  // namespace

std::string html_data(const Evidence& evidence, const Findings& findings,
                      const ReportOptions& options) {
  const Findings selected = select(findings, options);
  const std::size_t shown = std::min(selected.size(), kHtmlFindings);
  const std::size_t sites = std::min(evidence.growth_sites.size(), kHtmlGrowthSites);
  const std::size_t allocations = std::min(evidence.allocation_sites.size(), kHtmlAllocationSites);
  HtmlFrames frames(options.source_root,
                    evidence.incident.empty() ? kHtmlFrameBytes : kHtmlIncidentFrameBytes);
  JsonWriter json(JsonWriter::Style::kCompact, /*escape_html=*/true);

  json.begin_object();
  write_process(json, evidence.process);
  write_understood(json, evidence.understood);
  write_totals(json, evidence);

  json.begin_array("findings");
  for (std::size_t i = 0; i < shown; ++i) write_finding(json, selected[i], frames, sites);
  json.end_array();

  json.begin_array("sites");
  for (std::size_t i = 0; i < sites; ++i) write_site(json, evidence.growth_sites[i], frames);
  json.end_array();

  json.begin_array("allocations");
  for (std::size_t i = 0; i < allocations; ++i) {
    const AllocationSite& site = evidence.allocation_sites[i];
    json.begin_object();
    write_numbers(json, "stack", frames.stack(site.stack));
    json.field("bytes", site.bytes);
    json.field("grows", site.growth_function);
    json.end_object();
  }
  json.end_array();

  json.begin_array("links");
  for (const evidence::GrowthLink& link : evidence.worst_links) {
    json.begin_object();
    json.field("site", link.site);
    json.field("tid", link.tid);
    json.field("start_ns", link.start_ns);
    json.field("end_ns", std::max(link.start_ns, link.end_ns));
    json.field("old_bytes", link.old_bytes);
    json.field("new_bytes", link.new_bytes);
    json.field("copied_bytes", link.copied_bytes);
    json.end_object();
  }
  json.end_array();

  json.begin_object("lifetimes");
  json.begin_array("edges_ns");
  for (const std::uint64_t edge : evidence::kLifetimeEdgesNs) {
    if (edge == std::numeric_limits<std::uint64_t>::max()) {
      json.null();
    } else {
      json.value(edge);
    }
  }
  json.end_array();
  write_numbers(json, "blocks", evidence.lifetimes.blocks);
  write_numbers(json, "bytes", evidence.lifetimes.bytes);
  json.end_object();

  write_timeline(json, evidence);
  if (!evidence.incident.empty()) {
    write_html_incident(json, evidence.incident,
                        {selected.begin(), selected.begin() + static_cast<long>(shown)}, frames);
  }
  frames.write(json);

  std::vector<std::string> left_out;
  const auto say = [&](std::size_t count, std::size_t kept, const char* what) {
    if (count <= kept) return;
    left_out.push_back("Of " + format_count(count) + " " + what + " the costliest " +
                       format_count(kept) + " are in this page; `ullage diagnose --json` has all.");
  };
  say(selected.size(), shown, "findings");
  say(evidence.growth_sites.size(), sites, "growth sites");
  say(evidence.allocation_sites.size(), allocations, "allocation sites");
  if (frames.stacks_cut() > 0) {
    left_out.push_back(format_counted(frames.stacks_cut(), "stack") +
                       " of cheaper sites were cut short to keep this page small.");
  }
  for (const std::string& sentence : html_incident_left_out(evidence.incident)) {
    left_out.push_back(sentence);
  }
  write_texts(json, "left_out", left_out);
  json.end_object();
  return json.text();
}

}  // namespace ullage::diagnose
