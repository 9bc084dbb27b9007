// SPDX-License-Identifier: Apache-2.0
#include "trace/pprof/profile.h"

#include <algorithm>

#include "base/format.h"
#include "trace/pprof/classify.h"

namespace ullage::trace {
namespace {

using evidence::CallKind;
using evidence::Incident;
using evidence::Position;

void count_samples(const Groups& groups, Incident& incident) {
  evidence::Artefact& artefact = incident.artefacts.front();
  artefact.records = groups.samples() + groups.samples_broken();
  artefact.records_unknown = groups.samples_broken();
  if (groups.samples_broken() > 0) {
    artefact.notes.push_back(format_counted(groups.samples_broken(), "sample") +
                             " did not hold together and count nowhere.");
  }
  if (groups.samples_beyond() > 0) {
    artefact.notes.push_back(format_counted(groups.samples_beyond(), "sample") +
                             " came after the first " + format_count(Groups::kGroupsMax) +
                             " different stacks: in the totals only.");
  }
  if (groups.values_negative() > 0) {
    artefact.notes.push_back(
        "Has negative values: a difference of two profiles. They were taken for 0; give the two "
        "profiles themselves.");
  }
}

// Calls add(group, stack) for the groups with most weight, within both limits.
void each_largest(const Profile& profile, const Groups& groups, std::size_t count_max,
                  const std::function<std::uint64_t(const Groups::Group&)>& weight,
                  Incident& incident,
                  const std::function<void(const Groups::Group&, evidence::Stack)>& add) {
  std::size_t frames = 0, kept = 0;
  std::vector<std::uint32_t> locations;
  for (const std::uint32_t i : groups.largest(count_max, weight)) {
    const Groups::Group& group = groups[i];
    groups.locations(group, locations);
    evidence::Stack stack;
    for (const std::uint32_t location : locations) profile.tables.frames(location, stack);
    frames += stack.size();
    if (frames > kFramesMax) break;
    ++kept;
    stack.shrink_to_fit();
    add(group, std::move(stack));
  }
  if (kept == groups.size()) return;
  incident.artefacts.front().notes.push_back("Of " + format_count(groups.size()) +
                                             " different stacks the " + format_count(kept) +
                                             " that weigh most are kept; all are in the totals.");
}

Position position_of(const Groups::Group& group) { return {0, Position::Unit::kByte, group.at}; }

void add_snapshot(const Profile& profile, std::string kind, Incident& incident) {
  evidence::Snapshot snapshot;
  snapshot.kind = std::move(kind);
  snapshot.at_ns = profile.tables.time_ns();
  snapshot.wall = snapshot.at_ns != 0;
  incident.snapshots.push_back(std::move(snapshot));
}

}  // namespace

ProfileKind kind_of(const Tables& tables) {
  const auto has = [&tables](std::string_view type) { return tables.sample_type(type) >= 0; };
  if (has("inuse_space") || has("alloc_space") || has("space")) return ProfileKind::kHeap;
  if (has("cpu")) return ProfileKind::kCpu;
  if (has("goroutine") || has("goroutineleak")) return ProfileKind::kGoroutines;
  if (has("contentions") && has("delay")) return ProfileKind::kContention;
  return has("threadcreate") ? ProfileKind::kThreads : ProfileKind::kOther;
}

void read_heap(const Profile& profile, Incident& incident) {
  const Tables& tables = profile.tables;
  const auto either = [&tables](std::string_view name, std::string_view old) {
    const int found = tables.sample_type(name);
    return found >= 0 ? found : tables.sample_type(old);
  };
  Groups::Wanted wanted;
  wanted.sizes = true;
  wanted.values = {tables.sample_type("alloc_objects"), tables.sample_type("alloc_space"),
                   either("inuse_objects", "objects"), either("inuse_space", "space")};
  const Groups groups = Groups::read(profile.bytes, tables, wanted);
  count_samples(groups, incident);
  add_snapshot(profile, tables.default_type() == "alloc_space" ? "allocs" : "heap", incident);
  incident.snapshots.back().alloc_bytes = groups.totals()[1];
  incident.snapshots.back().inuse_bytes = groups.totals()[3];
  const auto weight = [](const Groups::Group& g) { return std::max(g.values[1], g.values[3]); };
  each_largest(profile, groups, evidence::kHeapSitesMax, weight, incident,
               [&](const Groups::Group& group, evidence::Stack stack) {
                 evidence::HeapSite& site = incident.heap_sites.emplace_back();
                 site.stack = std::move(stack);
                 site.alloc_objects = group.values[0];
                 site.alloc_bytes = group.values[1];
                 site.inuse_objects = group.values[2];
                 site.inuse_bytes = group.values[3];
                 site.where = position_of(group);
                 for (const Groups::Rung& rung : groups.rungs(group)) {
                   site.rungs.push_back({rung.bytes, rung.objects[0], rung.objects[1]});
                 }
                 separate_hidden(site);
               });
  std::stable_sort(incident.heap_sites.begin(), incident.heap_sites.end(),
                   [](const auto& a, const auto& b) { return a.alloc_bytes > b.alloc_bytes; });
}

void read_cpu(const Profile& profile, Incident& incident) {
  const Tables& tables = profile.tables;
  Groups::Wanted wanted;
  wanted.values = {tables.sample_type("samples"), tables.sample_type("cpu"), -1, -1};
  const Groups groups = Groups::read(profile.bytes, tables, wanted);
  count_samples(groups, incident);

  // Each location's marks once: its lines' together, and the kind of the innermost that grows.
  std::vector<std::uint8_t> marks(tables.functions());
  for (std::size_t i = 0; i < marks.size(); ++i) {
    marks[i] = marks_of(std::string(tables.function_name(i)));
  }
  std::vector<std::uint8_t> of_location(tables.locations());
  std::vector<CallKind> growth(tables.locations(), CallKind::kUnknown);
  for (std::uint32_t i = 0; i < of_location.size(); ++i) {
    for (const Tables::Line& line : tables.lines(tables.location(i))) {
      if (line.function == UINT64_MAX) continue;
      const std::uint8_t m = marks[line.function];
      of_location[i] |= m;
      if (growth[i] == CallKind::kUnknown) growth[i] = growth_of(m);
    }
  }
  std::vector<std::uint32_t> locations;
  const auto samples_of = [&](const Groups::Group& g) {
    return wanted.values[0] >= 0 ? g.values[0] : g.samples;
  };
  const auto look = [&](const Groups::Group& group, CallKind& call) {
    std::uint8_t all = 0;
    groups.locations(group, locations);
    for (const std::uint32_t l : locations) {
      all |= of_location[l];
      if (call == CallKind::kUnknown) call = growth[l];
    }
    return all;
  };
  for (std::uint32_t i = 0; i < groups.size(); ++i) {
    CallKind call = CallKind::kUnknown;
    const std::uint8_t all = look(groups[i], call);
    const std::uint64_t samples = samples_of(groups[i]);
    incident.cpu.samples += samples;
    incident.cpu.cpu_ns += groups[i].values[1];
    if ((all & kCollector) != 0) incident.cpu.gc_samples += samples;
    if ((all & kAssist) != 0) incident.cpu.assist_samples += samples;
    if ((all & kStackGrowth) != 0) incident.cpu.stack_growth_samples += samples;
    if ((all & kMapGrowth) != 0) incident.cpu.map_growth_samples += samples;
    if ((all & kSliceGrowth) != 0) incident.cpu.slice_growth_samples += samples;
  }
  each_largest(profile, groups, evidence::kCpuSitesMax, samples_of, incident,
               [&](const Groups::Group& group, evidence::Stack stack) {
                 evidence::CpuSite& site = incident.cpu_sites.emplace_back();
                 site.stack = std::move(stack);
                 site.samples = samples_of(group);
                 site.cpu_ns = group.values[1];
                 site.assist = (look(group, site.call) & kAssist) != 0;
               });
}

void read_goroutines(const Profile& profile, Incident& incident) {
  const Tables& tables = profile.tables;
  const bool leaked = tables.sample_type("goroutineleak") >= 0;
  Groups::Wanted wanted;
  wanted.values[0] = tables.sample_type(leaked ? "goroutineleak" : "goroutine");
  const Groups groups = Groups::read(profile.bytes, tables, wanted);
  count_samples(groups, incident);
  add_snapshot(profile, "goroutine", incident);
  incident.snapshots.back().goroutines = groups.totals()[0];
  const auto count = [](const Groups::Group& g) { return g.values[0]; };
  each_largest(profile, groups, evidence::kHeapSitesMax, count, incident,
               [&](const Groups::Group& group, evidence::Stack stack) {
                 evidence::GoroutineGroup& g = incident.goroutines.emplace_back();
                 g.state = state_of(stack) + (leaked ? " (leaked)" : "");
                 g.stack = std::move(stack);
                 g.count = group.values[0];
                 g.snapshot = 0;
               });
}

void read_contention(const Profile& profile, Incident& incident) {
  const Tables& tables = profile.tables;
  Groups::Wanted wanted;
  wanted.values = {tables.sample_type("contentions"), tables.sample_type("delay"), -1, -1};
  const Groups groups = Groups::read(profile.bytes, tables, wanted);
  count_samples(groups, incident);
  const auto delay = [](const Groups::Group& g) { return g.values[1]; };
  each_largest(profile, groups, evidence::kWaitsMax, delay, incident,
               [&](const Groups::Group& group, evidence::Stack stack) {
                 evidence::Wait& wait = incident.waits.emplace_back();
                 bool released = false;
                 wait.reason = wait_reason_of(stack, released);
                 (released ? wait.released_by : wait.stack) = std::move(stack);
                 wait.count = group.values[0];
                 wait.total_ns = group.values[1];
                 wait.longest = position_of(group);
               });
}

}  // namespace ullage::trace
