// SPDX-License-Identifier: Apache-2.0
#include "diagnose/reports/incident_json.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "diagnose/growth.h"
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

// An array of objects, one for each item; of more than `limit`, the first ones.
template <class List, class Write>
void write_each(JsonWriter& json, const char* name, const List& list, const Write& write,
                std::size_t limit = SIZE_MAX) {
  json.begin_array(name);
  for (std::size_t i = 0; i < std::min(list.size(), limit); ++i) {
    json.begin_object();
    write(list[i]);
    json.end_object();
  }
  json.end_array();
}

// Frames here are places, not addresses: what a person or an editor needs.
void write_stack(JsonWriter& json, const char* name, const evidence::Stack& stack) {
  write_each(json, name, stack, [&](const evidence::Frame& frame) {
    json.field("function", frame.function);
    json.field("file", frame.file);
    json.field("line", frame.line);
  });
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
}

void write_pause(JsonWriter& json, const evidence::Pause& pause) {
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
}

void write_cycle(JsonWriter& json, const evidence::GcCycle& cycle) {
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
}

void write_sites(JsonWriter& json, const Incident& incident) {
  const auto assist = [&json](const evidence::AssistSite& site) {
    json.field("count", site.count);
    json.field("total_ns", site.total_ns);
    json.field("max_ns", site.max_ns);
    json.field("goroutines", site.goroutines);
    write_stack(json, "stack", site.stack);
  };
  const auto heap = [&json](const evidence::HeapSite& site) {
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
  };
  const auto wait = [&json](const evidence::Wait& one) {
    json.field("reason", one.reason);
    json.field("count", one.count);
    json.field("total_ns", one.total_ns);
    json.field("max_ns", one.max_ns);
    json.field("behind_assist_ns", one.behind_assist_ns);
    json.field("behind_stop_ns", one.behind_stop_ns);
    json.field("behind_growth_ns", one.behind_growth_ns);
    write_stack(json, "stack", one.stack);
    write_stack(json, "released_by", one.released_by);
  };
  const auto goroutines = [&json](const evidence::GoroutineGroup& group) {
    json.field("state", group.state);
    json.field("count", group.count);
    json.field("created", group.created);
    json.field("ended", group.ended);
    write_stack(json, "stack", group.stack);
    write_stack(json, "created_by", group.created_by);
  };
  const auto exhausted = [&json](const evidence::OutOfMemory& error) {
    json.field("what", error.what);
    json.field("thread", error.thread);
    json.field("count", error.count);
    write_where(json, error.where);
    write_stack(json, "stack", error.stack);
  };
  write_each(json, "assist_sites", incident.assist_sites, assist, kJsonSites);
  write_each(json, "heap_sites", incident.heap_sites, heap, kJsonSites);
  write_each(json, "waits", incident.waits, wait, kJsonSites);
  write_each(json, "goroutines", incident.goroutines, goroutines, kJsonSites);
  write_each(json, "out_of_memory", incident.out_of_memory, exhausted, kJsonSites);
}

// Calls of growth functions, by name, where probes counted them.
void write_growth_counts(JsonWriter& json, const Incident& incident) {
  constexpr std::string_view kPrefix = evidence::kGrowthCountPrefix;
  json.begin_object("growth_counts");
  for (const evidence::Metric& metric : incident.metrics) {
    if (!metric.name.starts_with(kPrefix)) continue;
    json.field(metric.name.substr(kPrefix.size()), whole(metric.value));
  }
  json.end_object();
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
  write_each(json, "artefacts", incident.artefacts,
             [&](const evidence::Artefact& artefact) { write_artefact(json, artefact); });
  write_each(json, "snapshots", incident.snapshots, [&](const evidence::Snapshot& snapshot) {
    json.field("artefact", snapshot.artefact);
    json.field("kind", snapshot.kind);
    json.field("at_ns", snapshot.at_ns);
    json.field("wall", snapshot.wall);
    json.field("alloc_bytes", snapshot.alloc_bytes);
    json.field("inuse_bytes", snapshot.inuse_bytes);
    json.field("goroutines", snapshot.goroutines);
  });
  write_each(json, "pause_kinds", incident.pause_kinds, [&](const evidence::PauseKind& kind) {
    json.field("kind", kind.kind);
    json.field("cause", kind.cause);
    json.field("count", kind.count);
    json.field("total_ns", kind.total_ns);
    json.field("max_ns", kind.max_ns);
  });
  const auto pauses =
      largest(incident.pauses, kJsonPauses, [](const auto& p) { return p.duration_ns; });
  write_each(json, "pauses", pauses, [&](std::size_t i) { write_pause(json, incident.pauses[i]); });
  json.field("assist_count", incident.assist_count);
  json.field("assist_total_ns", incident.assist_total_ns);
  json.field("assist_max_ns", incident.assist_max_ns);
  const auto cycles =
      largest(incident.cycles, kJsonCycles, [](const auto& c) { return c.duration_ns; });
  write_each(json, "cycles", cycles, [&](std::size_t i) { write_cycle(json, incident.cycles[i]); });
  write_each(json, "stalls", incident.stalls, [&](const evidence::AllocationStall& stall) {
    json.field("thread", stall.thread);
    json.field("at_ns", stall.at_ns);
    json.field("duration_ns", stall.duration_ns);
    write_where(json, stall.where);
  });
  write_sites(json, incident);
  write_growth_counts(json, incident);
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
