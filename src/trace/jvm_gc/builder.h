// SPDX-License-Identifier: Apache-2.0
#pragma once

// Collects what a GC log says into an Incident, within the bounds the model names: every pause is
// in pause_kinds, the longest are kept singly; the heap series is thinned to its highest points.
// Used by one thread; take() ends it.

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "evidence/incident.h"

namespace ullage::trace::jvm {

// The time of a line on the log's own clock, and what is known of that clock.
struct LineTime {
  bool known = false;
  std::int64_t ns = 0;
};

class Builder {
 public:
  // One stamp of a line: `uptime_ns` since the JVM started and / or Unix time. Where only the wall
  // clock is written, its first stamp is zero. A clock that falls back is a new start of the JVM.
  LineTime stamp(bool has_uptime, std::int64_t uptime_ns, bool has_wall, std::int64_t wall_ns,
                 std::uint64_t tick_ns);

  void pause(evidence::Pause pause);
  // What a line about the whole stop adds: how long it took until all had stopped. Belongs to the
  // pauses since the last such line; where there was none, it is a stop of its own.
  void stopped(const LineTime& end, std::uint64_t total_ns, bool stopping_known,
               std::uint64_t stopping_ns, std::string_view operation, std::uint64_t line);
  void cycle(evidence::GcCycle cycle);
  void stall(evidence::AllocationStall stall);
  void count(std::string_view event, std::uint64_t times = 1);
  void understood() { ++understood_; }
  void not_understood() { ++unknown_; }
  void note(std::string text);

  evidence::RuntimeFacts& facts() { return incident_.facts; }
  evidence::Incident& incident() { return incident_; }
  // Sorts, thins and fills the artefact (format, records, extent). The Builder is empty afterwards.
  evidence::Incident take(std::string name, std::uint64_t bytes);

 private:
  void extent(std::int64_t from, std::int64_t to);
  std::size_t kind_of(const evidence::Pause& pause);
  void keep_longest();

  evidence::Incident incident_;
  evidence::Artefact artefact_;
  std::unordered_map<std::string, std::size_t> kinds_, counts_;
  std::string key_;
  std::size_t since_stop_ = SIZE_MAX;  // first pause since the last line about a stop
  std::uint64_t understood_ = 0, unknown_ = 0;
  std::uint64_t pauses_dropped_ = 0, stalls_dropped_ = 0, cycles_dropped_ = 0;
  bool any_extent_ = false;
  // clock
  bool any_stamp_ = false, uptime_seen_ = false, wall_zero_known_ = false;
  std::int64_t first_uptime_ns_ = 0, wall_zero_ns_ = 0, shift_ns_ = 0, last_ns_ = 0;
  std::uint64_t restarts_ = 0;
};

}  // namespace ullage::trace::jvm
