// SPDX-License-Identifier: Apache-2.0
//
// The JSON report: everything the findings stand on. Its form is docs/formats/findings-json.md.
#include "base/json.h"

#include "diagnose/fingerprint.h"
#include "diagnose/growth.h"
#include "diagnose/reports/common.h"
#include "diagnose/reports/incident_json.h"
#include "diagnose/reports/json_parts.h"
#include "diagnose/reports/reports.h"

namespace ullage::diagnose {
namespace {

// Rises when a field changes its meaning or goes; new fields leave it as it is.
constexpr int kSchemaVersion = 1;

void write_frame(JsonWriter& json, const evidence::Frame& frame) {
  json.field("function", frame.function);
  json.field("label", frame.label());
  json.field("place", frame.place());
  json.field("module", frame.module);
  json.field("file", frame.file);
  json.field("line", frame.line);
  json.field("offset", frame.offset);
  json.field("inlined", frame.inlined);
  json.field("exact", frame.exact);
  json.field("library", frame.library);
}

void write_frame(JsonWriter& json, const char* name, const evidence::Frame& frame) {
  json.begin_object(name);
  write_frame(json, frame);
  json.end_object();
}

void write_stack(JsonWriter& json, const evidence::Stack& stack) {
  json.begin_array("stack");
  for (const evidence::Frame& frame : stack) {
    json.begin_object();
    write_frame(json, frame);
    json.end_object();
  }
  json.end_array();
}

template <class List>
void write_list(JsonWriter& json, const char* name, const List& list) {
  json.begin_array(name);
  for (const auto& item : list) json.value(item);
  json.end_array();
}

void write_process(JsonWriter& json, const evidence::ProcessFacts& process) {
  json.begin_object("process");
  json.field("source", process.source);
  json.field("format", process.format);
  json.field("program", process.program);
  write_list(json, "command", process.command);
  json.field("build_id", process.build_id);
  json.field("started_realtime_ns", process.started_realtime_ns);
  write_process_numbers(json, process);
  json.field("ended", process.ended);
  json.field("slack_recorded", process.slack_recorded);
  write_list(json, "missing_debug", process.missing_debug);
  json.end_object();
}

void write_understood(JsonWriter& json, const evidence::Understood& understood) {
  json.begin_object("understood");
  write_understood_numbers(json, understood);
  write_list(json, "notes", understood.notes);
  json.end_object();
}

void write_finding(JsonWriter& json, const Finding& finding) {
  json.begin_object();
  json.field("detector", finding.detector);
  json.field("severity", to_string(finding.severity));
  json.field("fingerprint", finding.fingerprint);
  json.field("title", finding.title);
  write_frame(json, "where", finding.where);
  write_frame(json, "growth", finding.growth);
  write_cost(json, finding.cost);
  json.field("rank", finding.rank());
  write_list(json, "evidence", finding.evidence);
  if (!finding.cause.empty()) json.field("cause", finding.cause);
  json.field("remedy", finding.remedy);
  json.field("check", finding.check);
  json.field("advised_elements", finding.advised_elements);
  json.field("confidence", finding.confidence);
  if (finding.growth_site) json.field("growth_site", *finding.growth_site);
  if (finding.allocation_site) json.field("allocation_site", *finding.allocation_site);
  json.begin_array("also");
  for (const Related& related : finding.also) {
    json.begin_object();
    json.field("detector", related.detector);
    json.field("fingerprint", related.fingerprint);
    json.end_object();
  }
  json.end_array();
  write_stack(json, finding.stack);
  json.end_object();
}

void write_growth_site(JsonWriter& json, const evidence::GrowthSite& site, std::size_t index) {
  json.begin_object();
  json.field("index", index);
  json.field("place", place_fingerprint(site));
  write_frame(json, "growth", site.growth);
  write_frame(json, "user", site.user);
  json.field("container", site.container);
  json.field("container_site", site.container_site);
  json.field("container_kind", site.container_kind);
  json.field("reserve_hint", site.reserve_hint);
  json.field("named_growth", site.named_growth);
  json.field("growth_in_code", site.growth_in_code);
  json.field("stall_ns_total", site.stall_ns_total);
  json.field("stall_ns_max", site.stall_ns_max);
  json.field("credible_stall_ns_total", site.credible_stall_ns_total);
  json.field("credible_stall_ns_max", site.credible_stall_ns_max);
  json.field("stands", may_stand(site));
  write_growth_numbers(json, site);
  json.field("size_gcd", site.size_gcd);
  json.field("element_type", site.element_type);
  json.field("element_source", site.element_source);
  json.field("presized_chains", site.presized_chains);
  json.field("slack_blocks", site.slack_blocks);
  json.field("slack_painted_bytes", site.slack_painted_bytes);
  json.field("slack_unused_bytes", site.slack_unused_bytes);
  write_list(json, "threads", site.threads);
  write_list(json, "copied_series", site.copied_series);
  write_stack(json, site.stack);
  json.end_object();
}

void write_container_site(JsonWriter& json, const evidence::ContainerSite& site) {
  json.begin_object();
  json.field("name", site.name);
  json.field("type", site.type);
  write_frame(json, "where", site.where);
  json.field("growths", site.growths);
  json.field("moving_growths", site.moving_growths);
  json.field("moved_elements", site.moved_elements);
  json.field("moved_bytes", site.moved_bytes);
  json.field("stall_ns_total", site.stall_ns_total);
  json.field("stall_ns_max", site.stall_ns_max);
  json.field("denied", site.denied);
  json.field("degraded", site.degraded);
  json.field("poor_hash", site.poor_hash);
  json.field("retained", site.retained);
  json.field("exhausted", site.exhausted);
  json.field("capacity_max", site.capacity_max);
  json.field("bytes_max", site.bytes_max);
  json.field("element_bytes", site.element_bytes);
  write_sizes(json, "final_elements", site.final);
  json.field("first_ns", site.first_ns);
  json.field("last_ns", site.last_ns);
  write_list(json, "threads", site.threads);
  write_stack(json, site.stack);
  json.end_object();
}

void write_lifetimes(JsonWriter& json, const evidence::Lifetimes& lifetimes) {
  json.begin_array("lifetimes");
  for (std::size_t i = 0; i < evidence::kLifetimeClasses; ++i) {
    json.begin_object();
    // The last two have no upper edge: lived longer than all edges, and never freed.
    const bool edge = i + 1 < evidence::kLifetimeEdgesNs.size();
    json.key("below_ns");
    edge ? json.value(evidence::kLifetimeEdgesNs[i]) : json.null();
    json.field("freed", i + 1 < evidence::kLifetimeClasses);
    json.field("blocks", lifetimes.blocks[i]);
    json.field("bytes", lifetimes.bytes[i]);
    json.end_object();
  }
  json.end_array();
}

}  // namespace

std::string json_report(const evidence::Evidence& evidence, const Findings& all,
                        const ReportOptions& options) {
  const Findings findings = select(all, options);
  JsonWriter json;
  json.begin_object();
  json.field("schema", "ullage/findings");
  json.field("schema_version", kSchemaVersion);
  write_process(json, evidence.process);
  write_understood(json, evidence.understood);
  json.field("finding_count", count_findings(findings));
  json.begin_array("findings");
  for (const Finding& finding : findings) write_finding(json, finding);
  json.end_array();
  json.begin_array("growth_sites");
  for (std::size_t i = 0; i < evidence.growth_sites.size(); ++i) {
    write_growth_site(json, evidence.growth_sites[i], i);
  }
  json.end_array();
  json.begin_array("container_sites");
  for (const evidence::ContainerSite& site : evidence.container_sites) {
    write_container_site(json, site);
  }
  json.end_array();
  write_lifetimes(json, evidence.lifetimes);
  write_list(json, "live_bytes_series", evidence.live_series);
  if (!evidence.incident.empty()) write_incident(json, evidence.incident);
  json.end_object();
  return json.text();
}

}  // namespace ullage::diagnose
