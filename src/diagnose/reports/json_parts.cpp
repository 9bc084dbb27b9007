// SPDX-License-Identifier: Apache-2.0
#include "diagnose/reports/json_parts.h"

namespace ullage::diagnose {

void write_sizes(JsonWriter& json, std::string_view name, const evidence::SizeSummary& sizes) {
  json.begin_object(name);
  json.field("count", sizes.count);
  json.field("min", sizes.min);
  json.field("p50", sizes.p50);
  json.field("p95", sizes.p95);
  json.field("max", sizes.max);
  json.end_object();
}

void write_known(JsonWriter& json, std::string_view name, std::uint64_t number) {
  json.key(name);
  if (number == 0) {
    json.null();
  } else {
    json.value(number);
  }
}

void write_cost(JsonWriter& json, const Cost& cost) {
  json.begin_object("cost");
  json.field("stall_ns", cost.stall_ns);
  json.field("stall_ns_max", cost.stall_ns_max);
  json.field("copied_bytes", cost.copied_bytes);
  json.field("wasted_bytes", cost.wasted_bytes);
  if (cost.cpu_ns > 0) json.field("cpu_ns", cost.cpu_ns);
  if (cost.growths > 0) json.field("growths", cost.growths);
  json.field("events", cost.events);
  json.field("events_unit", cost.events_unit);
  json.end_object();
}

void write_process_numbers(JsonWriter& json, const evidence::ProcessFacts& process) {
  json.field("pid", process.pid);
  json.field("ppid", process.ppid);
  json.field("duration_ns", process.duration_ns);
  json.field("events", process.events);
  json.field("allocations", process.allocations);
  json.field("frees", process.frees);
  json.field("reallocs", process.reallocs);
  json.field("allocated_bytes", process.allocated_bytes);
  json.field("live_bytes_max", process.live_bytes_max);
  json.field("live_bytes_max_at_ns", process.live_bytes_max_at_ns);
  json.field("live_bytes_end", process.live_bytes_end);
  write_known(json, "rss_peak_bytes", process.rss_peak_bytes);
  json.field("memory_limit_bytes", process.memory_limit_bytes);
  json.field("threads", process.threads);
  json.field("sample_bytes", process.sample_bytes);
  json.field("stack_nodes", process.stack_nodes);
  json.field("cfi_failures", process.cfi_failures);
  json.field("stacks_truncated", process.stacks_truncated);
  json.field("verify_checked", process.verify_checked);
  json.field("verify_differences", process.verify_differences);
  json.field("symbols_missing", process.symbols_missing);
}

void write_understood_numbers(JsonWriter& json, const evidence::Understood& understood) {
  json.field("bytes_total", understood.bytes_total);
  json.field("bytes_used", understood.bytes_used);
  json.field("segments_total", understood.segments_total);
  json.field("segments_damaged", understood.segments_damaged);
  json.field("segments_dropped", understood.segments_dropped);
  json.field("events_unmatched", understood.events_unmatched);
}

void write_growth_numbers(JsonWriter& json, const evidence::GrowthSite& site) {
  json.field("verdict", evidence::to_string(site.verdict));
  json.field("law", evidence::to_string(site.law));
  json.field("factor", site.factor);
  json.field("chains", site.chains);
  json.field("chains_alive", site.chains_alive);
  json.field("links", site.links);
  json.field("moved_links", site.moved_links);
  json.field("in_place_links", site.in_place_links);
  json.field("checked_links", site.checked_links);
  json.field("content_links", site.content_links);
  json.field("same_stack_links", site.same_stack_links);
  json.field("shrinks", site.shrinks);
  json.field("arithmetic_links", site.arithmetic_links);
  json.field("arithmetic_step_bytes", site.arithmetic_step_bytes);
  json.field("copied_bytes", site.copied_bytes);
  json.field("overlap_bytes_max", site.overlap_bytes_max);
  json.field("overlap_bytes_at_peak", site.overlap_bytes_at_peak);
  write_sizes(json, "first", site.first);
  write_sizes(json, "final", site.final);
  json.field("element_bytes", site.element_bytes);
  json.field("first_ns", site.first_ns);
  json.field("last_ns", site.last_ns);
}

}  // namespace ullage::diagnose
