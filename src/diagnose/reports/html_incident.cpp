// SPDX-License-Identifier: Apache-2.0
#include "diagnose/reports/html_incident.h"

#include <algorithm>
#include <cstdint>
#include <map>

#include "base/format.h"
#include "diagnose/reports/incident_costs.h"
#include "diagnose/reports/incident_moments.h"
#include "diagnose/reports/incident_text.h"
#include "evidence/merge.h"

namespace ullage::diagnose {
namespace {

using evidence::Incident;
using evidence::Stack;

// Indices kept of a list in order of time: half of them the largest, half the largest of equal
// stretches, and those that findings point at.
template <class List, class Cost>
std::vector<std::size_t> thin(const List& list, std::size_t limit, std::vector<std::size_t> kept,
                              Cost cost) {
  std::vector<std::size_t> order(list.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  if (order.size() <= limit) return order;
  const auto more = [&](std::size_t a, std::size_t b) { return cost(list[a]) > cost(list[b]); };
  std::vector<std::size_t> largest = order;
  std::nth_element(largest.begin(), largest.begin() + static_cast<long>(limit / 2), largest.end(),
                   more);
  kept.insert(kept.end(), largest.begin(), largest.begin() + static_cast<long>(limit / 2));
  const std::size_t stretches = limit - limit / 2;
  for (std::size_t i = 0; i < stretches; ++i) {
    const auto from = order.begin() + static_cast<long>(i * order.size() / stretches);
    const auto to = order.begin() + static_cast<long>((i + 1) * order.size() / stretches);
    if (from != to) kept.push_back(*std::min_element(from, to, more));
  }
  std::sort(kept.begin(), kept.end());
  kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  return kept;
}

const evidence::Frame* user_frame(const Stack& stack) {
  for (const evidence::Frame& frame : stack) {
    if (!frame.library && !evidence::is_go_runtime(frame.function)) return &frame;
  }
  return stack.empty() ? nullptr : &stack.front();
}

int place_of(const Stack& stack, HtmlFrames& frames) {
  const evidence::Frame* frame = user_frame(stack);
  return frame == nullptr ? HtmlFrames::kNone : frames.add(*frame);
}

template <class... Values>
void row(JsonWriter& json, Values... values) {
  json.begin_array();
  (json.value(values), ...);
  json.end_array();
}

// Where each original index went; -1 = left out.
std::map<std::size_t, std::size_t> places_in(const std::vector<std::size_t>& kept) {
  std::map<std::size_t, std::size_t> places;
  for (std::size_t i = 0; i < kept.size(); ++i) places[kept[i]] = i;
  return places;
}

void write_places(JsonWriter& json, const char* name, const std::vector<std::size_t>& indices,
                  const std::map<std::size_t, std::size_t>& places) {
  json.begin_array(name);
  for (const std::size_t i : indices) {
    if (const auto found = places.find(i); found != places.end()) json.value(found->second);
  }
  json.end_array();
}

class Writer {
 public:
  Writer(JsonWriter& json, const Incident& incident, HtmlFrames& frames)
      : json_(json), incident_(incident), frames_(frames) {}

  void head() {
    json_.field("program", html_sentence(program_text(incident_)));
    json_.field("runtime", evidence::to_string(incident_.facts.runtime));
    json_.field("duration_ns", incident_.end_ns - incident_.start_ns);
    json_.field("wall_ms", wall_ms());
    json_.field("crash", html_sentence(incident_.facts.crash));
    json_.field("collections", html_sentence(collections_text(incident_)));
    const evidence::PauseTotals totals = evidence::pause_totals(incident_);
    json_.field("pause_count", totals.count);
    json_.field("pause_total_ns", totals.total_ns);
    json_.field("pause_max_ns", totals.max_ns);
    json_.field("assist_count", incident_.assist_count);
    json_.field("assist_total_ns", incident_.assist_total_ns);
    json_.field("assist_max_ns", incident_.assist_max_ns);
    json_.field("cycle_count", incident_.cycles.size());
    json_.begin_array("flags");
    for (const std::string& flag : incident_.facts.flags) json_.value(html_sentence(flag));
    json_.end_array();
    json_.begin_array("artefacts");
    for (std::size_t i = 0; i < std::min(incident_.artefacts.size(), kHtmlArtefacts); ++i) {
      const evidence::Artefact& artefact = incident_.artefacts[i];
      json_.begin_object();
      json_.field("name", html_name(artefact.name));
      json_.field("format", html_name(artefact.format));
      json_.field("version", html_name(artefact.version));
      json_.field("understood", html_sentence(understood_text(artefact)));
      json_.field("clock", artefact.has_times && alignment_text(artefact).empty()
                               ? "the incident's clock"
                               : alignment_text(artefact));
      json_.begin_array("notes");
      for (const std::string& note : artefact.notes) json_.value(html_sentence(note));
      json_.end_array();
      json_.end_object();
    }
    json_.end_array();
  }

  // kinds; pauses: [at, duration, kind, reason, place, goroutine, offset, gc, grew]
  void pauses(const std::vector<std::size_t>& kept) {
    std::map<std::string, std::size_t> kinds;
    std::vector<std::string> names;
    const auto kind_of = [&](const evidence::Pause& pause) {
      const std::string name = pause.kind + (pause.cause.empty() ? "" : " (" + pause.cause + ")");
      const auto [entry, fresh] = kinds.try_emplace(name, names.size());
      if (fresh) names.push_back(name);
      return entry->second;
    };
    json_.begin_array("pauses");
    for (const std::size_t i : kept) {
      const evidence::Pause& p = incident_.pauses[i];
      row(json_, at(p.start_ns), p.duration_ns, kind_of(p), static_cast<int>(p.reason),
          place_of(p.culprit_stack, frames_), p.culprit, p.culprit_offset_ns, p.gc,
          p.culprit_grew ? 1 : 0);
    }
    json_.end_array();
    json_.begin_array("kinds");
    for (const std::string& name : names) json_.value(html_name(name));
    json_.end_array();
    json_.begin_array("reasons");
    for (int reason = 0; reason <= static_cast<int>(evidence::PauseReason::kWorkInside); ++reason) {
      json_.value(evidence::to_string(static_cast<evidence::PauseReason>(reason)));
    }
    json_.end_array();
    json_.begin_array("pause_kinds");
    for (const evidence::PauseKind& kind : incident_.pause_kinds) {
      json_.begin_array();
      json_.value(html_name(kind.kind + (kind.cause.empty() ? "" : " (" + kind.cause + ")")));
      json_.value(kind.count), json_.value(kind.total_ns), json_.value(kind.max_ns);
      json_.end_array();
    }
    json_.end_array();
  }

  // [at, duration, ordinal, live, goal, forced, growth samples, place, label]
  void cycles(const std::vector<std::size_t>& kept) {
    json_.begin_array("cycles");
    for (const std::size_t i : kept) {
      const evidence::GcCycle& c = incident_.cycles[i];
      row(json_, at(c.start_ns), c.duration_ns, c.ordinal, c.live_bytes, c.goal_bytes,
          c.forced ? 1 : 0, c.growth_samples, place_of(c.growth_stack, frames_),
          html_name(c.kind + (c.cause.empty() ? "" : (c.kind.empty() ? "" : ", ") + c.cause)));
    }
    json_.end_array();
  }

  // [at, live, goal]
  void heap() {
    const auto& points = incident_.heap;
    json_.begin_array("heap");
    const std::size_t stretches = std::min(points.size(), kHtmlHeapPoints);
    for (std::size_t i = 0; i < stretches; ++i) {
      const auto from = points.begin() + static_cast<long>(i * points.size() / stretches);
      const auto to = points.begin() + static_cast<long>((i + 1) * points.size() / stretches);
      const auto highest = std::max_element(
          from, to, [](const auto& a, const auto& b) { return a.live_bytes < b.live_bytes; });
      row(json_, at(highest->at_ns), highest->live_bytes, highest->goal_bytes);
    }
    json_.end_array();
    json_.begin_array("snapshots");
    for (const evidence::Snapshot& snapshot : incident_.snapshots) {
      if (snapshot.wall || snapshot.at_ns == 0) continue;
      row(json_, at(snapshot.at_ns), html_name(snapshot.kind), snapshot.inuse_bytes,
          snapshot.goroutines);
    }
    json_.end_array();
  }

  // [at, duration, thread]
  void stalls() {
    const auto kept = thin(incident_.stalls, kHtmlStalls, {},
                           [](const auto& stall) { return stall.duration_ns; });
    json_.begin_array("stalls");
    for (const std::size_t i : kept) {
      const evidence::AllocationStall& stall = incident_.stalls[i];
      row(json_, at(stall.at_ns), stall.duration_ns, html_name(stall.thread));
    }
    json_.end_array();
  }

  // [what, from, to, count, total, worst, place]
  void spans(const std::vector<std::size_t>& assists, const std::vector<std::size_t>& waits) {
    json_.begin_array("spans");
    for (const std::size_t i : assists) {
      const evidence::AssistSite& s = incident_.assist_sites[i];
      row(json_, "assists", at(s.first_ns), at(s.last_ns), s.count, s.total_ns, s.max_ns,
          place_of(s.stack, frames_));
    }
    for (const std::size_t i : waits) {
      const evidence::Wait& w = incident_.waits[i];
      row(json_, html_name(w.reason), at(w.first_ns), at(w.last_ns), w.count, w.total_ns, w.max_ns,
          place_of(w.stack, frames_));
    }
    json_.end_array();
  }

  void costs() {
    const std::vector<CostStack> all = incident_costs(incident_);
    json_.begin_array("cost_kinds");
    for (const CostKind& kind : kCosts) {
      row(json_, kind.name, kind.unit, kind.what);
    }
    json_.end_array();
    std::vector<bool> chosen(all.size());
    for (std::size_t kind = 0; kind < kCostKinds; ++kind) {
      std::vector<std::size_t> order;
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].values[kind] > 0) order.push_back(i);
      }
      std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return all[a].values[kind] > all[b].values[kind];
      });
      for (std::size_t i = 0; i < std::min(order.size(), kHtmlCostStacks); ++i) {
        chosen[order[i]] = true;
      }
    }
    json_.begin_array("costs");
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!chosen[i]) continue;
      json_.begin_array();
      json_.begin_array();
      for (const int frame : frames_.stack(all[i].stack)) json_.value(frame);
      json_.end_array();
      json_.begin_array();
      for (const std::uint64_t value : all[i].values) json_.value(value);
      json_.end_array();
      json_.end_array();
    }
    json_.end_array();
  }

 private:
  std::int64_t at(std::int64_t ns) const { return ns - incident_.start_ns; }

  // Unix milliseconds of the incident's beginning; 0 = unknown.
  std::int64_t wall_ms() const {
    for (const evidence::Artefact& artefact : incident_.artefacts) {
      if (artefact.wall_ns_at_zero == 0 || !artefact.has_times) continue;
      if (artefact.alignment.how == evidence::Alignment::How::kNone) continue;
      return (artefact.wall_ns_at_zero - artefact.alignment.shift_ns + incident_.start_ns) /
             1'000'000;
    }
    return 0;
  }

  JsonWriter& json_;
  const Incident& incident_;
  HtmlFrames& frames_;
};

template <class List>
std::vector<std::size_t> first_of(const List& list, std::size_t limit) {
  std::vector<std::size_t> indices(std::min(list.size(), limit));
  for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = i;
  return indices;
}

}  // namespace

void write_html_incident(JsonWriter& json, const Incident& incident, const Findings& findings,
                         HtmlFrames& frames) {
  const std::vector<Moments> moments = moments_of(findings, incident, kHtmlMoments);
  std::vector<std::size_t> pauses, cycles;
  for (const Moments& one : moments) {
    // So that a link never leads to nothing: the worst few of each finding stay.
    for (std::size_t i = 0; i < std::min<std::size_t>(one.pauses.size(), 4); ++i) {
      pauses.push_back(one.pauses[i]);
    }
    for (std::size_t i = 0; i < std::min<std::size_t>(one.cycles.size(), 4); ++i) {
      cycles.push_back(one.cycles[i]);
    }
  }
  const auto duration = [](const auto& item) { return item.duration_ns; };
  pauses = thin(incident.pauses, kHtmlPauses, std::move(pauses), duration);
  cycles = thin(incident.cycles, kHtmlCycles, std::move(cycles), duration);
  std::erase_if(cycles, [&](std::size_t i) { return !incident.cycles[i].times_known; });
  const auto assists = first_of(incident.assist_sites, kHtmlSpans);
  const auto waits = first_of(incident.waits, kHtmlSpans);

  json.begin_object("incident");
  Writer writer(json, incident, frames);
  writer.head();
  writer.pauses(pauses);
  writer.cycles(cycles);
  writer.heap();
  writer.stalls();
  writer.spans(assists, waits);
  writer.costs();
  const auto pause_places = places_in(pauses), cycle_places = places_in(cycles);
  json.begin_array("moments");
  for (const Moments& one : moments) {
    json.begin_object();
    json.field("known", !one.empty());
    json.field("from", one.from_ns - incident.start_ns);
    json.field("to", one.to_ns - incident.start_ns);
    json.field("at", one.at_ns - incident.start_ns);
    json.field("took", one.took_ns);
    write_places(json, "pauses", one.pauses, pause_places);
    write_places(json, "cycles", one.cycles, cycle_places);
    json.begin_array("spans");
    for (const std::size_t i : one.assists) {
      if (i < assists.size()) json.value(i);
    }
    for (const std::size_t i : one.waits) {
      if (i < waits.size()) json.value(assists.size() + i);
    }
    json.end_array();
    json.end_object();
  }
  json.end_array();
  json.end_object();
}

std::vector<std::string> html_incident_left_out(const Incident& incident) {
  std::vector<std::string> sentences;
  const auto say = [&](std::uint64_t count, std::size_t limit, const char* what) {
    if (count <= limit) return;
    sentences.push_back("Of " + format_count(count) + " " + what + " the longest " +
                        format_count(limit / 2) + ", and the longest of each of as many equal " +
                        "stretches, are in this page; `ullage diagnose --json` has more.");
  };
  say(evidence::pause_totals(incident).count, kHtmlPauses, "pauses");
  say(incident.cycles.size(), kHtmlCycles, "collections");
  say(incident.stalls.size(), kHtmlStalls, "allocation stalls");
  if (incident.artefacts.size() > kHtmlArtefacts) {
    sentences.push_back(format_count(incident.artefacts.size() - kHtmlArtefacts) +
                        " more artefacts were read than are listed here.");
  }
  return sentences;
}

}  // namespace ullage::diagnose
