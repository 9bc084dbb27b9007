// SPDX-License-Identifier: Apache-2.0
#include "diagnose/reports/incident_perfetto.h"

#include <algorithm>
#include <cstdint>

#include "base/json.h"
#include "base/text.h"
#include "diagnose/reports/common.h"
#include "diagnose/reports/incident_text.h"

namespace ullage::diagnose {
namespace {

using evidence::Incident;
using evidence::Stack;

// Columns of one name in the trace; longer ones end in an ellipsis.
constexpr std::size_t kNameColumns = 200;
// Sites with a slice from their first to their last cost.
constexpr std::size_t kSites = 32;

enum Track : std::uint32_t { kPauses = 1, kCycles, kStalls, kAssists, kWaits };
constexpr const char* kTracks[] = {"",
                                   "pauses",
                                   "collections",
                                   "allocation stalls",
                                   "assists, first to last",
                                   "waits, first to last"};

std::string name_text(const std::string& name) { return shorten(clean_utf8(name), kNameColumns); }

// The first frame of the user's own, else the innermost.
std::string user_place(const Stack& stack) {
  for (const evidence::Frame& frame : stack) {
    if (!frame.library && !evidence::is_go_runtime(frame.function)) return place_text(frame);
  }
  return stack.empty() ? std::string() : place_text(stack.front());
}

class Trace {
 public:
  explicit Trace(const evidence::Evidence& evidence)
      : incident_(evidence.incident), json_(JsonWriter::Style::kCompact) {
    json_.begin_object();
    json_.begin_array("traceEvents");
    metadata("process_name", 0, program_text(incident_));
    for (std::uint32_t track = kPauses; track <= kWaits; ++track) {
      metadata("thread_name", track, kTracks[track]);
    }
  }

  void pause(const evidence::Pause& pause) {
    slice(kPauses, pause.kind + (pause.cause.empty() ? "" : " (" + pause.cause + ")"),
          pause.start_ns, pause.duration_ns);
    json_.field("reason", evidence::to_string(pause.reason));
    if (pause.gc != 0) json_.field("gc", pause.gc);
    if (pause.stopping_known) json_.field("stopping_us", micro(pause.stopping_ns));
    if (pause.culprit != 0) {
      json_.field("last_to_stop", pause.culprit);
      json_.field("at", name_text(user_place(pause.culprit_stack)));
      json_.field("grew", pause.culprit_grew);
    }
    close();
  }

  void cycle(const evidence::GcCycle& cycle) {
    const std::string ordinal = cycle.ordinal > 0 ? " " + std::to_string(cycle.ordinal) : "";
    slice(kCycles, "GC" + ordinal + (cycle.kind.empty() ? "" : " " + cycle.kind), cycle.start_ns,
          cycle.duration_ns);
    if (!cycle.cause.empty()) json_.field("cause", name_text(cycle.cause));
    if (cycle.heap_known) {
      json_.field("live_bytes", cycle.live_bytes);
      json_.field("goal_bytes", cycle.goal_bytes);
    }
    if (cycle.growth_samples > 0) {
      json_.field("growth_samples", cycle.growth_samples);
      json_.field("growth_at", name_text(user_place(cycle.growth_stack)));
    }
    close();
  }

  void stall(const evidence::AllocationStall& stall) {
    slice(kStalls, stall.thread, stall.at_ns, stall.duration_ns);
    close();
  }

  template <class Site>
  void span(Track track, const std::string& name, const Site& site) {
    slice(track, name, site.first_ns,
          static_cast<std::uint64_t>(std::max<std::int64_t>(site.last_ns - site.first_ns, 0)));
    json_.field("count", site.count);
    json_.field("total_us", micro(site.total_ns));
    json_.field("worst_us", micro(site.max_ns));
    close();
  }

  void assist(const evidence::AssistSite& site) { span(kAssists, user_place(site.stack), site); }
  void wait(const evidence::Wait& wait) {
    span(kWaits, wait.reason + " at " + user_place(wait.stack), wait);
  }

  void heap(const evidence::HeapPoint& point) {
    counter("heap", point.at_ns, point.live_bytes);
    if (point.goal_bytes > 0) counter("heap goal", point.at_ns, point.goal_bytes);
  }

  std::string finish(const Findings& findings) {
    json_.end_array();
    json_.field("displayTimeUnit", "ms");
    json_.begin_object("otherData");
    for (std::size_t i = 0; i < incident_.artefacts.size(); ++i) {
      const evidence::Artefact& artefact = incident_.artefacts[i];
      const std::string clock = alignment_text(artefact);
      json_.field("artefact " + std::to_string(i + 1), artefact.name + ": " + artefact.format +
                                                           "; " + understood_text(artefact) +
                                                           (clock.empty() ? "" : "; " + clock));
    }
    for (std::size_t i = 0; i < findings.size(); ++i) {
      json_.field("finding " + std::to_string(i + 1),
                  name_text(findings[i].title + ", " + place_text(findings[i].where)));
    }
    json_.end_object();
    json_.end_object();
    return json_.text();
  }

 private:
  static double micro(std::uint64_t ns) { return static_cast<double>(ns) / 1000; }
  static double micro(std::int64_t ns) { return static_cast<double>(ns) / 1000; }

  void event(char phase, const std::string& name, std::uint32_t track, std::int64_t at_ns) {
    json_.begin_object();
    json_.field("ph", std::string(1, phase));
    json_.field("name", name_text(name));
    json_.field("pid", 1);
    json_.field("tid", track);
    // Before the incident's zero there is nothing in a trace viewer.
    json_.field("ts", micro(at_ns - std::min<std::int64_t>(incident_.start_ns, 0)));
  }
  // Opens a slice and its arguments; close() ends both. One track's slices may overlap by the error
  // of an alignment, so they are asynchronous ones.
  void slice(Track track, const std::string& name, std::int64_t at_ns, std::uint64_t duration_ns) {
    const std::string id = std::to_string(++slices_);
    for (const char phase : {'e', 'b'}) {
      event(phase, name, track,
            phase == 'b' ? at_ns : at_ns + static_cast<std::int64_t>(duration_ns));
      json_.field("cat", kTracks[track]);
      json_.field("id", id);
      if (phase == 'e') json_.end_object();
    }
    json_.begin_object("args");
    json_.field("duration_us", micro(duration_ns));
  }
  void close() {
    json_.end_object();
    json_.end_object();
  }
  void counter(const char* name, std::int64_t at_ns, std::uint64_t bytes) {
    event('C', name, 0, at_ns);
    json_.begin_object("args");
    json_.field("bytes", bytes);
    json_.end_object();
    json_.end_object();
  }
  void metadata(const char* kind, std::uint32_t track, const std::string& name) {
    json_.begin_object();
    json_.field("ph", "M");
    json_.field("name", kind);
    json_.field("pid", 1);
    json_.field("tid", track);
    json_.begin_object("args");
    json_.field("name", name_text(name));
    json_.end_object();
    json_.end_object();
  }

  const Incident& incident_;
  JsonWriter json_;
  std::uint64_t slices_ = 0;
};

}  // namespace

std::string incident_perfetto(const evidence::Evidence& evidence, const Findings& findings) {
  const Incident& incident = evidence.incident;
  Trace trace(evidence);
  for (const evidence::Pause& pause : incident.pauses) trace.pause(pause);
  for (const evidence::GcCycle& cycle : incident.cycles) {
    if (cycle.times_known) trace.cycle(cycle);
  }
  for (const evidence::AllocationStall& stall : incident.stalls) trace.stall(stall);
  for (std::size_t i = 0; i < std::min(incident.assist_sites.size(), kSites); ++i) {
    trace.assist(incident.assist_sites[i]);
  }
  for (std::size_t i = 0; i < std::min(incident.waits.size(), kSites); ++i) {
    trace.wait(incident.waits[i]);
  }
  for (const evidence::HeapPoint& point : incident.heap) trace.heap(point);
  return trace.finish(findings);
}

}  // namespace ullage::diagnose
