// SPDX-License-Identifier: Apache-2.0
#include "trace/jvm_gc/builder.h"

#include <algorithm>
#include <utility>

namespace ullage::trace::jvm {
namespace {

using evidence::GcCycle;
using evidence::HeapPoint;
using evidence::Pause;

// Kinds and causes are an open set, but not an endless one: what is beyond these is "other".
constexpr std::size_t kKindsMax = 256;
constexpr std::size_t kCountsMax = 64;
constexpr std::size_t kNotesMax = 16;
// Stamps of one JVM go back by less: what several threads print crosses by milliseconds.
constexpr std::int64_t kRestartNs = 10'000'000'000;
// Uptime that starts later was cut from the front, or is no uptime.
constexpr std::int64_t kStartNs = 60'000'000'000;

template <class Kept>
void keep_longest_of(std::vector<Kept>& all, std::size_t most, std::uint64_t& dropped) {
  if (all.size() <= most) return;
  std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(most), all.end(),
                   [](const Kept& a, const Kept& b) { return a.duration_ns > b.duration_ns; });
  dropped += all.size() - most;
  all.resize(most);
}

// The higher of each two neighbours.
void halve(std::vector<HeapPoint>& heap) {
  std::size_t to = 0;
  for (std::size_t i = 0; i < heap.size(); i += 2) {
    const bool pair = i + 1 < heap.size();
    heap[to++] = pair && heap[i + 1].live_bytes > heap[i].live_bytes ? heap[i + 1] : heap[i];
  }
  heap.resize(to);
}

}  // namespace

LineTime Builder::stamp(bool has_uptime, std::int64_t uptime_ns, bool has_wall,
                        std::int64_t wall_ns, std::uint64_t tick_ns) {
  if (!has_uptime && !has_wall) return {};
  if (!any_stamp_) {
    any_stamp_ = true;
    uptime_seen_ = has_uptime;
    first_uptime_ns_ = has_uptime ? uptime_ns : 0;
    artefact_.tick_ns = tick_ns;
  }
  if (has_wall && !wall_zero_known_) {
    wall_zero_known_ = true;
    wall_zero_ns_ = wall_ns - (has_uptime ? uptime_ns : 0);
  }
  std::int64_t at = has_uptime ? uptime_ns : wall_ns - wall_zero_ns_;
  at += shift_ns_;
  if (has_uptime && at + kRestartNs < last_ns_) {
    ++restarts_;
    const std::int64_t by_wall = wall_ns - wall_zero_ns_ - uptime_ns;
    shift_ns_ = has_wall && by_wall > 0 ? by_wall : last_ns_;
    at = uptime_ns + shift_ns_;
  }
  last_ns_ = std::max(last_ns_, at);
  extent(at, at);
  return {true, at};
}

void Builder::extent(std::int64_t from, std::int64_t to) {
  if (!any_extent_) {
    incident_.start_ns = from;
    incident_.end_ns = to;
    any_extent_ = true;
    return;
  }
  incident_.start_ns = std::min(incident_.start_ns, from);
  incident_.end_ns = std::max(incident_.end_ns, to);
}

std::size_t Builder::kind_of(const Pause& pause) {
  key_.assign(pause.kind).append(1, '\n').append(pause.cause);
  const auto found = kinds_.find(key_);
  if (found != kinds_.end()) return found->second;
  const bool other = kinds_.size() >= kKindsMax;
  if (other) key_ = "other\n";
  const auto [entry, added] = kinds_.try_emplace(key_, incident_.pause_kinds.size());
  if (added) {
    incident_.pause_kinds.push_back({other ? "other" : pause.kind, other ? "" : pause.cause, 0, 0,
                                     0, pause.start_ns, pause.start_ns});
  }
  return entry->second;
}

void Builder::pause(Pause pause) {
  evidence::PauseKind& kind = incident_.pause_kinds[kind_of(pause)];
  ++kind.count;
  kind.total_ns += pause.duration_ns;
  kind.max_ns = std::max(kind.max_ns, pause.duration_ns);
  kind.first_ns = std::min(kind.first_ns, pause.start_ns);
  kind.last_ns = std::max(kind.last_ns, pause.start_ns);
  const std::int64_t end = pause.start_ns + static_cast<std::int64_t>(pause.duration_ns);
  if (any_stamp_) {
    extent(pause.start_ns, end);
    if (pause.after_bytes != 0) {
      incident_.heap.push_back({end, pause.after_bytes, pause.capacity_bytes});
      if (incident_.heap.size() >= 2 * evidence::kHeapPointsMax) halve(incident_.heap);
    }
  }
  if (since_stop_ == SIZE_MAX) since_stop_ = incident_.pauses.size();
  incident_.pauses.push_back(std::move(pause));
  if (incident_.pauses.size() >= 2 * evidence::kPausesMax) keep_longest();
}

void Builder::keep_longest() {
  keep_longest_of(incident_.pauses, evidence::kPausesMax, pauses_dropped_);
  since_stop_ = SIZE_MAX;
}

void Builder::stopped(const LineTime& end, std::uint64_t total_ns, bool stopping_known,
                      std::uint64_t stopping_ns, std::string_view operation, std::uint64_t line) {
  stopping_ns = std::min(stopping_ns, total_ns);
  if (since_stop_ < incident_.pauses.size()) {
    // The JVM counts a pause from when all had stopped; whoever waits, from when it was asked for.
    if (stopping_known) {
      Pause& pause = incident_.pauses[since_stop_];
      evidence::PauseKind& kind = incident_.pause_kinds[kind_of(pause)];
      pause.stopping_known = true;
      pause.stopping_ns = stopping_ns;
      pause.duration_ns += stopping_ns;
      pause.start_ns -= static_cast<std::int64_t>(stopping_ns);
      kind.total_ns += stopping_ns;
      kind.max_ns = std::max(kind.max_ns, pause.duration_ns);
    }
  } else {
    Pause pause;
    pause.start_ns = end.known ? end.ns - static_cast<std::int64_t>(total_ns) : 0;
    pause.duration_ns = total_ns;
    pause.stopping_ns = stopping_ns;
    pause.stopping_known = stopping_known;
    pause.kind = "Safepoint";
    pause.cause = operation;
    pause.where = {0, evidence::Position::Unit::kLine, line};
    this->pause(std::move(pause));
  }
  since_stop_ = SIZE_MAX;
}

void Builder::cycle(GcCycle cycle) {
  if (incident_.cycles.size() >= evidence::kCyclesMax) {
    ++cycles_dropped_;
    return;
  }
  incident_.cycles.push_back(std::move(cycle));
}

void Builder::stall(evidence::AllocationStall stall) {
  count("allocation stall");
  incident_.stalls.push_back(std::move(stall));
  if (incident_.stalls.size() >= 2 * evidence::kStallsMax) {
    keep_longest_of(incident_.stalls, evidence::kStallsMax, stalls_dropped_);
  }
}

void Builder::count(std::string_view event, std::uint64_t times) {
  key_.assign(event);
  auto found = counts_.find(key_);
  if (found == counts_.end()) {
    if (counts_.size() == kCountsMax) return;
    found = counts_.emplace(key_, incident_.event_counts.size()).first;
    incident_.event_counts.emplace_back(key_, 0);
  }
  incident_.event_counts[found->second].second += times;
}

void Builder::note(std::string text) {
  if (artefact_.notes.size() < kNotesMax) artefact_.notes.push_back(std::move(text));
}

evidence::Incident Builder::take(std::string name, std::uint64_t bytes) {
  keep_longest_of(incident_.pauses, evidence::kPausesMax, pauses_dropped_);
  keep_longest_of(incident_.stalls, evidence::kStallsMax, stalls_dropped_);
  const auto by_start = [](const auto& a, const auto& b) { return a.start_ns < b.start_ns; };
  // Stable: without times, everything starts at 0 and the order of the log stays.
  std::stable_sort(incident_.pauses.begin(), incident_.pauses.end(), by_start);
  std::stable_sort(incident_.cycles.begin(), incident_.cycles.end(), by_start);
  const auto by_time = [](const auto& a, const auto& b) { return a.at_ns < b.at_ns; };
  std::stable_sort(incident_.heap.begin(), incident_.heap.end(), by_time);
  std::stable_sort(incident_.stalls.begin(), incident_.stalls.end(), by_time);
  while (incident_.heap.size() > evidence::kHeapPointsMax) halve(incident_.heap);

  const auto dropped = [this](std::uint64_t count, const char* what) {
    if (count > 0) note(std::to_string(count) + what);
  };
  dropped(pauses_dropped_, " pauses are in the totals only; the longest are kept singly.");
  dropped(cycles_dropped_, " collections at the end of the log are not kept singly.");
  dropped(stalls_dropped_, " allocation stalls are in the totals only.");
  dropped(restarts_, " times the JVM's clock began anew: the log holds several runs.");

  artefact_.name = std::move(name);
  artefact_.bytes = bytes;
  artefact_.unit = "lines";
  artefact_.records = understood_ + unknown_;
  artefact_.records_unknown = unknown_;
  artefact_.has_times = any_stamp_;
  artefact_.wall_ns_at_zero = wall_zero_known_ ? wall_zero_ns_ : 0;
  artefact_.zero_is_process_start = uptime_seen_ && first_uptime_ns_ < kStartNs;
  artefact_.first_ns = incident_.start_ns;
  artefact_.last_ns = incident_.end_ns;
  incident_.artefacts.assign(1, std::move(artefact_));
  incident_.facts.runtime = evidence::Runtime::kJvm;
  return std::move(incident_);
}

}  // namespace ullage::trace::jvm
