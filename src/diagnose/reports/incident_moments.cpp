// SPDX-License-Identifier: Apache-2.0
#include "diagnose/reports/incident_moments.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

namespace ullage::diagnose {
namespace {

using evidence::Frame;
using evidence::Incident;
using evidence::Position;
using evidence::Stack;

// Items of an incident at the places of findings: what their stacks hold.
class Places {
 public:
  enum Kind : std::size_t { kPauses, kCycles, kAssists, kWaits, kKinds };

  explicit Places(const std::vector<Finding>& findings) {
    for (const Finding& finding : findings) {
      if (!finding.where.function.empty()) places_[finding.where.function];
    }
  }
  void add(Kind kind, std::size_t index, const Stack& stack) {
    for (const Frame& frame : stack) {
      const auto found = places_.find(frame.function);
      if (found == places_.end()) continue;
      auto& list = found->second[kind];
      const std::pair item(index, frame.line);
      if (list.empty() || list.back() != item) list.push_back(item);
    }
  }
  // Indices of items at this place, each once, in order.
  std::vector<std::size_t> at(Kind kind, const Frame& place) const {
    std::vector<std::size_t> indices;
    const auto found = places_.find(place.function);
    if (place.function.empty() || found == places_.end()) return indices;
    for (const auto& [index, line] : found->second[kind]) {
      const bool same = line == place.line || line == 0 || place.line == 0;
      if (same && (indices.empty() || indices.back() != index)) indices.push_back(index);
    }
    return indices;
  }

 private:
  using Items = std::vector<std::pair<std::size_t, int>>;  // index and line
  std::unordered_map<std::string, std::array<Items, kKinds>> places_;
};

// A finding without a line of source stands where it was read: "gc.log:7".
bool cites(const Finding& finding, const Incident& incident, const Position& where) {
  if (where.unit != Position::Unit::kLine || where.artefact >= incident.artefacts.size()) {
    return false;
  }
  return finding.where.function.empty() && finding.where.line > 0 &&
         static_cast<std::uint64_t>(finding.where.line) == where.at &&
         incident.artefacts[where.artefact].name.ends_with(finding.where.file);
}

bool mentions(const Finding& finding, const std::string& name) {
  // Short names ("Full") are in too many sentences to mean anything.
  constexpr std::size_t kTellingName = 8;
  if (name.size() < kTellingName) return false;
  const auto has = [&name](const std::string& text) {
    return text.find(name) != std::string::npos;
  };
  return has(finding.title) || std::any_of(finding.evidence.begin(), finding.evidence.end(), has);
}

template <class List, class Cost>
std::vector<std::size_t> longest(std::vector<std::size_t> found, const List& list,
                                 std::size_t limit, Cost cost) {
  std::stable_sort(found.begin(), found.end(),
                   [&](std::size_t a, std::size_t b) { return cost(list[a]) > cost(list[b]); });
  if (found.size() > limit) found.resize(limit);
  return found;
}

template <class List, class Test>
std::vector<std::size_t> matching(const List& list, Test test) {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (test(list[i])) found.push_back(i);
  }
  return found;
}

Moments moments_of(const Finding& finding, const Incident& incident, const Places& places,
                   std::size_t limit) {
  Moments moments;
  const Frame& place = finding.where;
  const auto duration = [](const auto& item) { return item.duration_ns; };
  const auto total = [](const auto& item) { return item.total_ns; };
  moments.pauses = places.at(Places::kPauses, place);
  moments.cycles = places.at(Places::kCycles, place);
  moments.assists = places.at(Places::kAssists, place);
  moments.waits = places.at(Places::kWaits, place);
  if (moments.empty() && place.function.empty()) {
    if (place.line > 0) {
      moments.pauses = matching(incident.pauses,
                                [&](const auto& p) { return cites(finding, incident, p.where); });
      moments.cycles = matching(incident.cycles, [&](const auto& c) {
        return c.times_known && cites(finding, incident, c.where);
      });
    }
    if (moments.empty()) {
      std::set<std::pair<std::string, std::string>> named;
      for (const evidence::PauseKind& kind : incident.pause_kinds) {
        if (mentions(finding, kind.kind) || mentions(finding, kind.cause)) {
          named.emplace(kind.kind, kind.cause);
        }
      }
      if (!named.empty()) {
        moments.pauses = matching(incident.pauses, [&](const auto& p) {
          return named.count({p.kind, p.cause}) > 0;
        });
      }
    }
  }
  moments.pauses = longest(std::move(moments.pauses), incident.pauses, limit, duration);
  moments.cycles = longest(std::move(moments.cycles), incident.cycles, limit, duration);
  moments.assists = longest(std::move(moments.assists), incident.assist_sites, limit, total);
  moments.waits = longest(std::move(moments.waits), incident.waits, limit, total);

  // The moment that the finding's cost speaks of is the one that took about as long.
  bool first = true;
  std::uint64_t nearest = UINT64_MAX;
  const auto widen = [&](std::int64_t from, std::uint64_t took, bool exact) {
    const std::int64_t to = from + static_cast<std::int64_t>(took);
    moments.from_ns = first ? from : std::min(moments.from_ns, from);
    moments.to_ns = first ? to : std::max(moments.to_ns, to);
    const std::uint64_t wanted = finding.cost.stall_ns_max;
    const std::uint64_t apart = took > wanted ? took - wanted : wanted - took;
    if (first || (exact && apart < nearest)) {
      moments.at_ns = from, moments.took_ns = exact ? took : 0;
      nearest = exact ? apart : UINT64_MAX;
    }
    first = false;
  };
  const auto length = [](const auto& site) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(site.last_ns - site.first_ns, 0));
  };
  for (const std::size_t i : moments.pauses) {
    widen(incident.pauses[i].start_ns, incident.pauses[i].duration_ns, true);
  }
  for (const std::size_t i : moments.cycles) {
    widen(incident.cycles[i].start_ns, incident.cycles[i].duration_ns, true);
  }
  for (const std::size_t i : moments.assists) {
    widen(incident.assist_sites[i].first_ns, length(incident.assist_sites[i]), false);
  }
  for (const std::size_t i : moments.waits) {
    widen(incident.waits[i].first_ns, length(incident.waits[i]), false);
  }
  return moments;
}

}  // namespace

std::vector<Moments> moments_of(const std::vector<Finding>& findings, const Incident& incident,
                                std::size_t limit) {
  Places places(findings);
  for (std::size_t i = 0; i < incident.pauses.size(); ++i) {
    places.add(Places::kPauses, i, incident.pauses[i].culprit_stack);
    places.add(Places::kPauses, i, incident.pauses[i].asker_stack);
  }
  for (std::size_t i = 0; i < incident.cycles.size(); ++i) {
    if (!incident.cycles[i].times_known) continue;
    places.add(Places::kCycles, i, incident.cycles[i].growth_stack);
    places.add(Places::kCycles, i, incident.cycles[i].asker_stack);
  }
  for (std::size_t i = 0; i < incident.assist_sites.size(); ++i) {
    places.add(Places::kAssists, i, incident.assist_sites[i].stack);
  }
  for (std::size_t i = 0; i < incident.waits.size(); ++i) {
    places.add(Places::kWaits, i, incident.waits[i].stack);
    places.add(Places::kWaits, i, incident.waits[i].growth_stack);
    places.add(Places::kWaits, i, incident.waits[i].released_by);
  }
  std::vector<Moments> moments;
  for (const Finding& finding : findings) {
    moments.push_back(moments_of(finding, incident, places, limit));
  }
  return moments;
}

}  // namespace ullage::diagnose
