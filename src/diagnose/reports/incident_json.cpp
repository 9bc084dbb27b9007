// SPDX-License-Identifier: Apache-2.0
#include "diagnose/reports/incident_json.h"

#include <algorithm>
#include <string>
#include <vector>

#include "diagnose/reports/json_parts.h"
#include "evidence/merge.h"

namespace ullage::diagnose {
namespace {

using evidence::Incident;

template <class List>
void write_texts(JsonWriter& json, const char* name, const List& list) {
  json.begin_array(name);
  for (const auto& text : list) json.value(text);
  json.end_array();
}

// Frames here are places, not addresses: what a person or an editor needs.
void write_stack(JsonWriter& json, const char* name, const evidence::Stack& stack) {
  json.begin_array(name);
  for (const evidence::Frame& frame : stack) {
    json.begin_object();
    json.field("function", frame.function);
    json.field("file", frame.file);
    json.field("line", frame.line);
    json.end_object();
  }
  json.end_array();
}

void write_where(JsonWriter& json, const evidence::Position& where) {
  if (where.unit == evidence::Position::Unit::kNone) return;
  json.begin_object("where");
  json.field("artefact", where.artefact);
  json.field(where.unit == evidence::Position::Unit::kByte ? "byte" : "line", where.at);
  json.end_object();
}

void write_facts(JsonWriter& json, const evidence::RuntimeFacts& facts) {
  json.begin_object("facts");
  json.field("runtime", evidence::to_string(facts.runtime));
  json.field("version", facts.version);
  json.field("collector", facts.collector);
  json.field("generational", facts.generational);
  json.field("program", facts.program);
  write_known(json, "processors", facts.processors);
  json.key("gogc");
  facts.gogc == 0 ? json.null() : json.value(facts.gogc);
  write_known(json, "memory_limit_bytes", facts.memory_limit);
  write_known(json, "heap_min_bytes", facts.heap_min_bytes);
  write_known(json, "heap_max_bytes", facts.heap_max_bytes);
  write_known(json, "region_bytes", facts.region_bytes);
  write_texts(json, "flags", facts.flags);
  write_texts(json, "build_ids", facts.build_ids);
  json.field("crash", facts.crash);
  json.end_object();
}

void write_artefact(JsonWriter& json, const evidence::Artefact& artefact) {
  json.begin_object();
  json.field("name", artefact.name);
  json.field("format", artefact.format);
  json.field("version", artefact.version);
  json.field("bytes", artefact.bytes);
  json.field("records", artefact.records);
  json.field("records_unknown", artefact.records_unknown);
  json.field("unit", artefact.unit);
  json.field("bytes_skipped", artefact.bytes_skipped);
  json.field("cut", artefact.cut);
  write_texts(json, "notes", artefact.notes);
  json.begin_object("alignment");
  json.field("how", evidence::to_string(artefact.alignment.how));
  json.field("shift_ns", artefact.alignment.shift_ns);
  json.field("error_ns", artefact.alignment.error_ns);
  json.end_object();
  json.end_object();
}

void write_pause(JsonWriter& json, const evidence::Pause& pause) {
  json.begin_object();
  json.field("kind", pause.kind);
  json.field("cause", pause.cause);
  json.field("start_ns", pause.start_ns);
  json.field("duration_ns", pause.duration_ns);
  if (pause.stopping_known) json.field("stopping_ns", pause.stopping_ns);
  json.field("gc", pause.gc);
  json.field("reason", evidence::to_string(pause.reason));
  if (pause.culprit != 0) {
    json.field("culprit", pause.culprit);
    json.field("culprit_offset_ns", pause.culprit_offset_ns);
    json.field("culprit_grew", pause.culprit_grew);
    write_stack(json, "culprit_stack", pause.culprit_stack);
  }
  if (pause.capacity_bytes > 0) {
    json.field("before_bytes", pause.before_bytes);
    json.field("after_bytes", pause.after_bytes);
    json.field("capacity_bytes", pause.capacity_bytes);
  }
  write_where(json, pause.where);
  json.end_object();
}

void write_cycle(JsonWriter& json, const evidence::GcCycle& cycle) {
  json.begin_object();
  json.field("ordinal", cycle.ordinal);
  json.field("kind", cycle.kind);
  json.field("cause", cycle.cause);
  json.field("start_ns", cycle.start_ns);
  json.field("duration_ns", cycle.duration_ns);
  json.field("stop_first_ns", cycle.stop_first_ns);
  json.field("mark_ns", cycle.mark_ns);
  json.field("stop_last_ns", cycle.stop_last_ns);
  if (cycle.cpu_known) {
    json.field("assist_cpu_ns", cycle.assist_cpu_ns);
    json.field("worker_cpu_ns", cycle.worker_cpu_ns);
    json.field("idle_cpu_ns", cycle.idle_cpu_ns);
  }
  if (cycle.heap_known) {
    json.field("heap_start_bytes", cycle.heap_start_bytes);
    json.field("heap_end_bytes", cycle.heap_end_bytes);
    json.field("live_bytes", cycle.live_bytes);
    json.field("goal_bytes", cycle.goal_bytes);
  }
  json.field("forced", cycle.forced);
  write_where(json, cycle.where);
  json.end_object();
}

void write_sites(JsonWriter& json, const Incident& incident) {
  const auto first = [](const auto& list) { return std::min(list.size(), kJsonSites); };
  json.begin_array("assist_sites");
  for (std::size_t i = 0; i < first(incident.assist_sites); ++i) {
    const evidence::AssistSite& site = incident.assist_sites[i];
    json.begin_object();
    json.field("count", site.count);
    json.field("total_ns", site.total_ns);
    json.field("max_ns", site.max_ns);
    json.field("goroutines", site.goroutines);
    write_stack(json, "stack", site.stack);
    json.end_object();
  }
  json.end_array();
  json.begin_array("heap_sites");
  for (std::size_t i = 0; i < first(incident.heap_sites); ++i) {
    const evidence::HeapSite& site = incident.heap_sites[i];
    json.begin_object();
    json.field("snapshot", site.snapshot);
    json.field("call", evidence::to_string(site.call));
    json.field("proof", evidence::to_string(site.proof));
    json.field("alloc_bytes", site.alloc_bytes);
    json.field("alloc_objects", site.alloc_objects);
    json.field("inuse_bytes", site.inuse_bytes);
    json.field("inuse_objects", site.inuse_objects);
    json.begin_array("sizes");
    for (const evidence::Rung& rung : site.rungs) json.value(rung.bytes);
    json.end_array();
    write_stack(json, "stack", site.stack);
    json.end_object();
  }
  json.end_array();
  json.begin_array("waits");
  for (std::size_t i = 0; i < first(incident.waits); ++i) {
    const evidence::Wait& wait = incident.waits[i];
    json.begin_object();
    json.field("reason", wait.reason);
    json.field("count", wait.count);
    json.field("total_ns", wait.total_ns);
    json.field("max_ns", wait.max_ns);
    json.field("behind_assist_ns", wait.behind_assist_ns);
    json.field("behind_stop_ns", wait.behind_stop_ns);
    json.field("behind_growth_ns", wait.behind_growth_ns);
    write_stack(json, "stack", wait.stack);
    write_stack(json, "released_by", wait.released_by);
    json.end_object();
  }
  json.end_array();
  json.begin_array("goroutines");
  for (std::size_t i = 0; i < first(incident.goroutines); ++i) {
    const evidence::GoroutineGroup& group = incident.goroutines[i];
    json.begin_object();
    json.field("state", group.state);
    json.field("count", group.count);
    json.field("created", group.created);
    json.field("ended", group.ended);
    write_stack(json, "stack", group.stack);
    write_stack(json, "created_by", group.created_by);
    json.end_object();
  }
  json.end_array();
}

// Indices of the `limit` items with the largest key, in the order of the list.
template <class List, class Key>
std::vector<std::size_t> largest(const List& list, std::size_t limit, Key key) {
  std::vector<std::size_t> order(list.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  if (order.size() > limit) {
    std::nth_element(order.begin(), order.begin() + static_cast<long>(limit), order.end(),
                     [&](std::size_t a, std::size_t b) { return key(list[a]) > key(list[b]); });
    order.resize(limit);
    std::sort(order.begin(), order.end());
  }
  return order;
}

}  // namespace

void write_incident(JsonWriter& json, const Incident& incident) {
  json.begin_object("incident");
  json.field("version", kIncidentVersion);
  write_facts(json, incident.facts);
  json.field("start_ns", incident.start_ns);
  json.field("end_ns", incident.end_ns);
  json.begin_array("artefacts");
  for (const evidence::Artefact& artefact : incident.artefacts) write_artefact(json, artefact);
  json.end_array();
  json.begin_array("snapshots");
  for (const evidence::Snapshot& snapshot : incident.snapshots) {
    json.begin_object();
    json.field("artefact", snapshot.artefact);
    json.field("kind", snapshot.kind);
    json.field("at_ns", snapshot.at_ns);
    json.field("wall", snapshot.wall);
    json.field("alloc_bytes", snapshot.alloc_bytes);
    json.field("inuse_bytes", snapshot.inuse_bytes);
    json.field("goroutines", snapshot.goroutines);
    json.end_object();
  }
  json.end_array();

  json.begin_array("pause_kinds");
  for (const evidence::PauseKind& kind : incident.pause_kinds) {
    json.begin_object();
    json.field("kind", kind.kind);
    json.field("cause", kind.cause);
    json.field("count", kind.count);
    json.field("total_ns", kind.total_ns);
    json.field("max_ns", kind.max_ns);
    json.end_object();
  }
  json.end_array();
  const auto pauses =
      largest(incident.pauses, kJsonPauses, [](const auto& p) { return p.duration_ns; });
  json.begin_array("pauses");
  for (const std::size_t i : pauses) write_pause(json, incident.pauses[i]);
  json.end_array();

  json.field("assist_count", incident.assist_count);
  json.field("assist_total_ns", incident.assist_total_ns);
  json.field("assist_max_ns", incident.assist_max_ns);
  const auto cycles =
      largest(incident.cycles, kJsonCycles, [](const auto& c) { return c.duration_ns; });
  json.begin_array("cycles");
  for (const std::size_t i : cycles) write_cycle(json, incident.cycles[i]);
  json.end_array();
  json.begin_array("stalls");
  for (const evidence::AllocationStall& stall : incident.stalls) {
    json.begin_object();
    json.field("thread", stall.thread);
    json.field("at_ns", stall.at_ns);
    json.field("duration_ns", stall.duration_ns);
    write_where(json, stall.where);
    json.end_object();
  }
  json.end_array();
  write_sites(json, incident);
  json.begin_object("event_counts");
  for (const auto& [name, count] : incident.event_counts) json.field(name, count);
  json.end_object();
  json.begin_object("left_out");
  json.field("pauses", evidence::pause_totals(incident).count - pauses.size());
  json.field("cycles", incident.cycles.size() - cycles.size());
  json.end_object();
  json.end_object();
}

}  // namespace ullage::diagnose
