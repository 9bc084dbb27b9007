// SPDX-License-Identifier: Apache-2.0
#include "evidence/merge.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>

#include "evidence/align.h"
#include "evidence/same_run.h"
#include "evidence/unite.h"

namespace ullage::evidence {
namespace {

template <class T>
void append(std::vector<T>& to, std::vector<T>& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
  from.clear();
}

void renumber(Incident& part, std::uint32_t artefacts, std::uint32_t snapshots) {
  const auto artefact = [artefacts](auto& item) { item.artefact += artefacts; };
  const auto where = [artefacts](auto& item) { item.where.artefact += artefacts; };
  const auto longest = [artefacts](auto& item) { item.longest.artefact += artefacts; };
  std::for_each(part.pauses.begin(), part.pauses.end(), where);
  std::for_each(part.cycles.begin(), part.cycles.end(), where);
  std::for_each(part.stalls.begin(), part.stalls.end(), where);
  std::for_each(part.heap_sites.begin(), part.heap_sites.end(), where);
  std::for_each(part.retentions.begin(), part.retentions.end(), where);
  std::for_each(part.defers.begin(), part.defers.end(), where);
  std::for_each(part.recursions.begin(), part.recursions.end(), where);
  std::for_each(part.out_of_memory.begin(), part.out_of_memory.end(), where);
  std::for_each(part.assist_sites.begin(), part.assist_sites.end(), longest);
  std::for_each(part.waits.begin(), part.waits.end(), longest);
  std::for_each(part.snapshots.begin(), part.snapshots.end(), artefact);
  std::for_each(part.cpu_sites.begin(), part.cpu_sites.end(), artefact);
  std::for_each(part.goroutines.begin(), part.goroutines.end(), artefact);
  std::for_each(part.metrics.begin(), part.metrics.end(), artefact);
  std::for_each(part.histograms.begin(), part.histograms.end(), artefact);
  for (HeapSite& site : part.heap_sites) site.snapshot += snapshots;
  for (ClassCount& count : part.classes) count.snapshot += snapshots;
  for (GoroutineGroup& group : part.goroutines) {
    if (group.snapshot != UINT32_MAX) group.snapshot += snapshots;
  }
}

std::string stack_key(const Stack& stack) {
  std::string key;
  for (const Frame& frame : stack) {
    key += frame.function + '\n' + frame.file + '\n' + std::to_string(frame.line) + '\n';
  }
  return key;
}

// Sums what has the same key; the order is by `less` afterwards.
template <class T, class Key, class Add, class Less>
void add_up(std::vector<T>& list, Key key, Add add, Less less) {
  std::map<std::string, std::size_t> known;
  std::vector<T> sums;
  for (T& item : list) {
    const auto [entry, fresh] = known.try_emplace(key(item), sums.size());
    if (fresh) {
      sums.push_back(std::move(item));
    } else {
      add(sums[entry->second], item);
    }
  }
  std::stable_sort(sums.begin(), sums.end(), less);
  list = std::move(sums);
}

void add_assists(Incident& ours, Incident& theirs) {
  const bool both = !ours.assist_sites.empty() && !theirs.assist_sites.empty();
  append(ours.assist_sites, theirs.assist_sites);
  append(ours.assist_goroutines, theirs.assist_goroutines);
  ours.assist_total_ns += theirs.assist_total_ns;
  ours.assist_count += theirs.assist_count;
  ours.assist_max_ns = std::max(ours.assist_max_ns, theirs.assist_max_ns);
  ours.gc_window_ns += theirs.gc_window_ns;
  if (!both) return;
  const auto more = [](const auto& a, const auto& b) { return a.total_ns > b.total_ns; };
  add_up(
      ours.assist_sites, [](const AssistSite& site) { return stack_key(site.stack); },
      [](AssistSite& into, const AssistSite& site) {
        if (site.max_ns > into.max_ns) into.max_ns = site.max_ns, into.longest = site.longest;
        into.count += site.count;
        into.total_ns += site.total_ns;
        into.goroutines = std::max(into.goroutines, site.goroutines);
        into.first_ns = std::min(into.first_ns, site.first_ns);
        into.last_ns = std::max(into.last_ns, site.last_ns);
      },
      more);
  add_up(
      ours.assist_goroutines, [](const AssistGoroutine& g) { return std::to_string(g.goroutine); },
      [](AssistGoroutine& into, const AssistGoroutine& g) {
        into.count += g.count;
        into.total_ns += g.total_ns;
        into.max_ns = std::max(into.max_ns, g.max_ns);
      },
      more);
}

void add_waits(Incident& ours, Incident& theirs) {
  const bool both = !ours.waits.empty() && !theirs.waits.empty();
  append(ours.waits, theirs.waits);
  if (!both) return;
  add_up(
      ours.waits,
      [](const Wait& w) {
        return w.reason + '\n' + stack_key(w.stack) + '\n' + stack_key(w.released_by);
      },
      [](Wait& into, const Wait& w) {
        if (w.max_ns > into.max_ns) into.max_ns = w.max_ns, into.longest = w.longest;
        into.count += w.count;
        into.total_ns += w.total_ns;
        into.behind_assist += w.behind_assist;
        into.behind_assist_ns += w.behind_assist_ns;
        into.behind_stop += w.behind_stop;
        into.behind_stop_ns += w.behind_stop_ns;
        into.behind_growth += w.behind_growth;
        into.behind_growth_ns += w.behind_growth_ns;
        if (into.growth_stack.empty()) into.growth_stack = w.growth_stack;
        into.waiters_max = std::max(into.waiters_max, w.waiters_max);
        into.first_ns = std::min(into.first_ns, w.first_ns);
        into.last_ns = std::max(into.last_ns, w.last_ns);
      },
      [](const Wait& a, const Wait& b) { return a.total_ns > b.total_ns; });
  if (ours.waits.size() > kWaitsMax) ours.waits.resize(kWaitsMax);
}

void add_cpu(Incident& ours, Incident& theirs) {
  append(ours.cpu_sites, theirs.cpu_sites);
  std::stable_sort(ours.cpu_sites.begin(), ours.cpu_sites.end(),
                   [](const CpuSite& a, const CpuSite& b) { return a.samples > b.samples; });
  if (ours.cpu_sites.size() > kCpuSitesMax) ours.cpu_sites.resize(kCpuSitesMax);
  CpuTotals& sum = ours.cpu;
  const CpuTotals& more = theirs.cpu;
  sum.samples += more.samples, sum.cpu_ns += more.cpu_ns;
  sum.gc_samples += more.gc_samples, sum.assist_samples += more.assist_samples;
  sum.stack_growth_samples += more.stack_growth_samples;
  sum.map_growth_samples += more.map_growth_samples;
  sum.slice_growth_samples += more.slice_growth_samples;
}

void add_scheduling(SchedulingDelay& ours, const SchedulingDelay& theirs) {
  for (std::size_t i = 0; i < ours.buckets.size(); ++i) ours.buckets[i] += theirs.buckets[i];
  ours.count += theirs.count;
  ours.max_ns = std::max(ours.max_ns, theirs.max_ns);
}

void add_event_counts(Incident& ours, Incident& theirs) {
  for (auto& [name, count] : theirs.event_counts) {
    const auto found =
        std::find_if(ours.event_counts.begin(), ours.event_counts.end(),
                     [&name = name](const auto& known) { return known.first == name; });
    if (found == ours.event_counts.end()) {
      ours.event_counts.emplace_back(name, count);
    } else {
      found->second += count;
    }
  }
}

void widen(Incident& ours, const Incident& theirs) {
  const auto timed = [](const Incident& i) { return i.start_ns != 0 || i.end_ns != 0; };
  if (!timed(theirs)) return;
  ours.start_ns = timed(ours) ? std::min(ours.start_ns, theirs.start_ns) : theirs.start_ns;
  ours.end_ns = timed(ours) ? std::max(ours.end_ns, theirs.end_ns) : theirs.end_ns;
}

// Indices are renumbered and times shifted already.
void add(Incident& ours, Incident& theirs) {
  const bool finer = !theirs.artefacts.empty() && !ours.artefacts.empty() &&
                     theirs.artefacts.front().alignment.how == Alignment::How::kReference;
  std::uint64_t error = 0;
  for (const Incident* part : {&ours, &theirs}) {
    for (const Artefact& artefact : part->artefacts) {
      error = std::max(error, artefact.alignment.error_ns);
    }
  }
  widen(ours, theirs);
  unite_collections(ours, theirs, finer, tolerance_ns(error));
  unite_heap(ours.heap, theirs.heap, finer);
  add_assists(ours, theirs);
  add_waits(ours, theirs);
  add_cpu(ours, theirs);
  add_scheduling(ours.scheduling, theirs.scheduling);
  add_event_counts(ours, theirs);
  ours.retention_totals.objects += theirs.retention_totals.objects;
  ours.retention_totals.object_bytes += theirs.retention_totals.object_bytes;
  ours.retention_totals.wasted_bytes += theirs.retention_totals.wasted_bytes;
  append(ours.artefacts, theirs.artefacts);
  append(ours.snapshots, theirs.snapshots);
  append(ours.stalls, theirs.stalls);
  append(ours.heap_sites, theirs.heap_sites);
  append(ours.retentions, theirs.retentions);
  append(ours.defers, theirs.defers);
  append(ours.goroutines, theirs.goroutines);
  append(ours.recursions, theirs.recursions);
  append(ours.out_of_memory, theirs.out_of_memory);
  append(ours.classes, theirs.classes);
  append(ours.metrics, theirs.metrics);
  append(ours.histograms, theirs.histograms);
  std::stable_sort(
      ours.stalls.begin(), ours.stalls.end(),
      [](const AllocationStall& a, const AllocationStall& b) { return a.at_ns < b.at_ns; });
}

// Snapshots that know only the wall clock go on the incident's where somebody knows both.
void place_snapshots(Incident& incident) {
  std::int64_t wall_at_zero = 0;
  for (const Artefact& artefact : incident.artefacts) {
    const bool placed = artefact.alignment.how != Alignment::How::kNone;
    if (placed && artefact.has_times && artefact.wall_ns_at_zero != 0 && wall_at_zero == 0) {
      wall_at_zero = artefact.wall_ns_at_zero - artefact.alignment.shift_ns;
    }
  }
  if (wall_at_zero == 0) return;
  for (Snapshot& snapshot : incident.snapshots) {
    if (!snapshot.wall || snapshot.at_ns == 0) continue;
    snapshot.at_ns -= wall_at_zero;
    snapshot.wall = false;
  }
}

void add_process(ProcessFacts& ours, const ProcessFacts& theirs) {
  if (ours.program.empty()) ours.program = theirs.program;
  if (ours.command.empty()) ours.command = theirs.command;
  if (ours.pid == 0) ours.pid = theirs.pid;
  if (!theirs.source.empty()) ours.source += (ours.source.empty() ? "" : ", ") + theirs.source;
  ours.events += theirs.events;
  ours.rss_peak_bytes = std::max(ours.rss_peak_bytes, theirs.rss_peak_bytes);
  ours.memory_limit_bytes = std::max(ours.memory_limit_bytes, theirs.memory_limit_bytes);
}

void add_understood(Understood& ours, Understood& theirs) {
  ours.bytes_total += theirs.bytes_total;
  ours.bytes_used += theirs.bytes_used;
  ours.segments_total += theirs.segments_total;
  ours.segments_damaged += theirs.segments_damaged;
  ours.segments_dropped += theirs.segments_dropped;
  ours.events_unmatched += theirs.events_unmatched;
  append(ours.notes, theirs.notes);
}

// Readers say it of their artefact; of the whole it is their sum.
void sum_up(Evidence& whole) {
  Understood& understood = whole.understood;
  if (whole.incident.artefacts.empty()) return;
  understood.bytes_total = understood.bytes_used = 0;
  for (const Artefact& artefact : whole.incident.artefacts) {
    understood.bytes_total += artefact.bytes;
    understood.bytes_used += artefact.bytes - std::min(artefact.bytes_skipped, artefact.bytes);
  }
}

// Unix time of the incident's zero, by whoever knows the wall clock best: a clock that began with
// the process first.
std::uint64_t started_realtime_ns(const Incident& incident) {
  const Artefact* best = nullptr;
  for (const Artefact& artefact : incident.artefacts) {
    const bool placed = artefact.alignment.how != Alignment::How::kNone;
    if (!placed || !artefact.has_times || artefact.wall_ns_at_zero <= 0) continue;
    const bool better = best && artefact.zero_is_process_start && !best->zero_is_process_start;
    if (!best || better) best = &artefact;
  }
  if (!best || best->wall_ns_at_zero <= best->alignment.shift_ns) return 0;
  return static_cast<std::uint64_t>(best->wall_ns_at_zero - best->alignment.shift_ns);
}

Evidence join(std::vector<Evidence> parts) {
  std::vector<Incident> incidents;
  for (Evidence& part : parts) incidents.push_back(std::move(part.incident));
  align(incidents);
  Evidence whole;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Incident& part = incidents[i];
    if (!part.artefacts.empty()) shift(part, part.artefacts.front().alignment.shift_ns);
    unite_facts(whole.incident.facts, part);
    if (i == 0) {
      RuntimeFacts facts = std::move(whole.incident.facts);
      whole = std::move(parts[0]);
      whole.incident = std::move(part);
      whole.incident.facts = std::move(facts);
      continue;
    }
    renumber(part, static_cast<std::uint32_t>(whole.incident.artefacts.size()),
             static_cast<std::uint32_t>(whole.incident.snapshots.size()));
    add(whole.incident, part);
    add_process(whole.process, parts[i].process);
    add_understood(whole.understood, parts[i].understood);
    append(whole.marks, parts[i].marks);
  }
  place_snapshots(whole.incident);
  sum_up(whole);
  if (whole.process.started_realtime_ns == 0) {
    whole.process.started_realtime_ns = started_realtime_ns(whole.incident);
  }
  if (parts.size() > 1) whole.process.format = "incident";
  if (whole.process.program.empty()) whole.process.program = whole.incident.facts.program;
  if (whole.process.duration_ns == 0 || parts.size() > 1) {
    whole.process.duration_ns =
        static_cast<std::uint64_t>(whole.incident.end_ns - whole.incident.start_ns);
  }
  return whole;
}

}  // namespace

std::vector<Evidence> merge(std::vector<Evidence> parts) {
  std::vector<Evidence> whole, native;
  for (std::vector<Evidence>& run : by_run(std::move(parts))) {
    if (run.size() == 1 && run.front().incident.empty()) {
      native.push_back(std::move(run.front()));
    } else {
      whole.push_back(join(std::move(run)));
    }
  }
  std::stable_sort(whole.begin(), whole.end(), [](const Evidence& a, const Evidence& b) {
    return a.incident.artefacts.size() > b.incident.artefacts.size();
  });
  append(whole, native);
  return whole;
}

PauseTotals pause_totals(const Incident& incident) {
  PauseTotals totals;
  for (const PauseKind& kind : incident.pause_kinds) {
    totals.count += kind.count;
    totals.total_ns += kind.total_ns;
    totals.max_ns = std::max(totals.max_ns, kind.max_ns);
  }
  return totals;
}

}  // namespace ullage::evidence
