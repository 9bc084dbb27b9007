// SPDX-License-Identifier: Apache-2.0
//
// go-unbounded-growth: what survives collections rises and never levels off.
//
// Rule      the live heap after kCycles collections or more rises in kRising of them, in every
//           quarter, and the last quarter still at kPlateau of the overall pace; by kBytes and
//           kShare of the highest. Or: between heap profiles one line holds more in each, kBytes
//           more in all, and half of what the heap grew by. The pace is said per hour.
// Silent    for a cache that fills and stays (the plateau), for a sawtooth, for a start-up.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/go/common.h"

namespace ullage::diagnose {
namespace {

using evidence::GcCycle;
using evidence::Incident;

constexpr std::size_t kCycles = 12;
constexpr double kRising = 0.8;
constexpr double kPlateau = 0.25;
constexpr double kBytes = 8 << 20;
constexpr double kShare = 0.3;
constexpr double kOfGrowth = 0.5;
constexpr std::uint64_t kWatchedNs = 10'000'000'000;
constexpr double kHourNs = 3.6e12;

struct Rise {
  bool unbounded = false;
  double from = 0, to = 0, per_hour = 0;
  std::uint64_t span_ns = 0;
  std::size_t cycles = 0;
  const GcCycle* last = nullptr;
};

// One artefact's cycles, in order.
Rise rise_of_cycles(const std::vector<const GcCycle*>& cycles) {
  Rise rise;
  rise.cycles = cycles.size();
  if (cycles.size() < kCycles) return rise;
  const auto live = [&](std::size_t i) { return static_cast<double>(cycles[i]->live_bytes); };
  const std::size_t n = cycles.size();
  std::size_t rising = 0;
  double highest = 0;
  for (std::size_t i = 1; i < n; ++i) rising += live(i) > live(i - 1);
  for (std::size_t i = 0; i < n; ++i) highest = std::max(highest, live(i));
  rise.from = live(0);
  rise.to = live(n - 1);
  rise.last = cycles.back();
  const double growth = rise.to - rise.from;
  if (growth < kBytes || growth < kShare * highest || rise.to < 0.9 * highest) return rise;
  if (static_cast<double>(rising) < kRising * static_cast<double>(n - 1)) return rise;
  // By time where it is known: a heap that grows is collected less and less often.
  const bool timed = cycles.front()->times_known && cycles.back()->times_known &&
                     cycles.back()->start_ns > cycles.front()->start_ns;
  const auto at = [&](std::size_t i) {
    return timed ? static_cast<double>(go::span_ns(cycles[0]->start_ns, cycles[i]->start_ns))
                 : static_cast<double>(i);
  };
  const double whole = at(n - 1);
  double before = rise.from;
  std::size_t next = 0;
  for (int quarter = 1; quarter <= 4; ++quarter) {
    while (next + 1 < n && at(next + 1) <= whole * quarter / 4) ++next;
    const double slope = (live(next) - before) / (growth / 4);
    // Between two collections that lie far apart a quarter may be empty.
    if (slope < kPlateau && (quarter == 4 || live(next) < before)) return rise;
    before = live(next);
  }
  rise.unbounded = true;
  if (timed) {
    rise.span_ns = static_cast<std::uint64_t>(whole);
    rise.per_hour = growth / whole * kHourNs;
  }
  return rise;
}

Rise longest_rise(const Incident& incident) {
  std::map<std::uint32_t, std::vector<const GcCycle*>> artefacts;
  for (const GcCycle& cycle : incident.cycles) {
    if (cycle.heap_known && cycle.live_bytes > 0) artefacts[cycle.where.artefact].push_back(&cycle);
  }
  Rise best;
  for (const auto& [artefact, cycles] : artefacts) {
    const Rise rise = rise_of_cycles(cycles);
    if (rise.unbounded && rise.cycles > best.cycles) best = rise;
  }
  return best;
}

struct Line {
  evidence::Stack stack;
  go::Frame user;
  std::map<std::uint32_t, double> inuse;  // by snapshot
  evidence::Position where;
};

struct Profiles {
  std::vector<std::uint32_t> snapshots;  // of heaps, in order; one per point in time
  std::map<std::string, Line> lines;
};

Profiles profiles_of(const Incident& incident) {
  Profiles profiles;
  for (std::uint32_t i = 0; i < incident.snapshots.size(); ++i) {
    const evidence::Snapshot& snapshot = incident.snapshots[i];
    if (snapshot.kind.find("heap") == std::string::npos || snapshot.kind == "heap dump") continue;
    // The same profile in two forms, or taken twice at once, is one point: nothing was allocated
    // between the two, however long a busy machine took to write them.
    constexpr std::int64_t kOneNs = 50'000'000;
    const bool again =
        std::any_of(profiles.snapshots.begin(), profiles.snapshots.end(), [&](std::uint32_t other) {
          const evidence::Snapshot& known = incident.snapshots[other];
          if (known.alloc_bytes == snapshot.alloc_bytes && known.alloc_bytes != 0) return true;
          if (snapshot.at_ns != 0 && known.at_ns != 0) {
            return std::abs(snapshot.at_ns - known.at_ns) < kOneNs;
          }
          return known.alloc_bytes == snapshot.alloc_bytes;
        });
    if (!again) profiles.snapshots.push_back(i);
  }
  // Of "allocs" alone, say, nothing tells what is held.
  if (profiles.snapshots.empty()) return profiles;
  std::stable_sort(
      profiles.snapshots.begin(), profiles.snapshots.end(), [&](std::uint32_t a, std::uint32_t b) {
        const evidence::Snapshot& x = incident.snapshots[a];
        const evidence::Snapshot& y = incident.snapshots[b];
        return std::make_pair(x.at_ns, x.alloc_bytes) < std::make_pair(y.at_ns, y.alloc_bytes);
      });
  for (const evidence::HeapSite& site : incident.heap_sites) {
    const go::Frame* user = go::user_frame(site.stack);
    if (!user || go::has_function(site.stack, "runtime/pprof.")) continue;
    Line& line = profiles.lines[user->function + ':' + std::to_string(user->line)];
    line.user = *user;
    line.inuse[site.snapshot] += static_cast<double>(site.inuse_bytes);
    if (line.stack.empty() || site.snapshot == profiles.snapshots.back()) {
      line.stack = site.stack;
      line.where = site.where;
    }
  }
  return profiles;
}

double inuse_at(const Line& line, std::uint32_t snapshot) {
  const auto found = line.inuse.find(snapshot);
  return found == line.inuse.end() ? 0 : found->second;
}

std::string pace(const Rise& rise) {
  std::string text = "The live heap rose from " + format_bytes(go::whole_number(rise.from)) +
                     " to " + format_bytes(go::whole_number(rise.to)) + " over " +
                     format_counted(rise.cycles, "collection");
  if (rise.span_ns > 0) {
    text += " in " + format_ns(rise.span_ns) + ", " +
            format_bytes(go::whole_number(rise.per_hour)) + " an hour at that pace";
  }
  return text + ", in every quarter and without a plateau.";
}

void finish(Finding& finding, const Rise& rise, bool certain) {
  finding.family = "held";
  const bool watched = rise.span_ns >= kWatchedNs;
  finding.confidence = certain && watched ? 0.85 : certain || watched ? 0.6 : 0.4;
  if (!watched) {
    finding.evidence.push_back(
        "Watched for seconds only: a program that fills a structure once looks the same. Compare "
        "two profiles that are minutes apart.");
  }
  finding.remedy =
      "bound it: a limit with the oldest dropped (container/list beside the map), a time to live, "
      "or delete(m, key) when the request ends. A map keeps its tables after delete: replace it "
      "with a new one now and then.";
}

bool by_profiles(const Incident& incident, const Rise& rise, std::vector<Finding>& findings) {
  const Profiles profiles = profiles_of(incident);
  if (profiles.snapshots.size() < 2) return false;
  const std::uint32_t first = profiles.snapshots.front();
  const std::uint32_t last = profiles.snapshots.back();
  double grown = 0;
  const Line* most = nullptr;
  double most_grown = 0;
  for (const auto& [key, line] : profiles.lines) {
    const double growth = inuse_at(line, last) - inuse_at(line, first);
    grown += std::max(growth, 0.0);
    if (growth > most_grown) {
      most = &line;
      most_grown = growth;
    }
  }
  if (!most || most_grown < kBytes || most_grown < kOfGrowth * grown) return false;
  std::string steps;
  for (std::size_t i = 0; i < profiles.snapshots.size(); ++i) {
    const double now = inuse_at(*most, profiles.snapshots[i]);
    steps += (i == 0 ? "" : ", ") + format_bytes(go::whole_number(now));
    if (i == 0) continue;
    const double step = now - inuse_at(*most, profiles.snapshots[i - 1]);
    const double even = most_grown / static_cast<double>(profiles.snapshots.size() - 1);
    if (step < kPlateau * even) return false;  // levelled off, or fell
  }
  Finding finding = go::at_stack(most->stack);
  finding.title = "what is held here grows from profile to profile, by " +
                  format_bytes(go::whole_number(most_grown));
  finding.cost.wasted_bytes = go::whole_number(most_grown);
  finding.cost.events = profiles.snapshots.size();
  finding.cost.events_unit = "profiles";
  finding.evidence.push_back(go::position_text(incident, most->where) + " and " +
                             format_counted(profiles.snapshots.size() - 1, "profile") +
                             " before it: " + go::site_text(most->user) + " holds " + steps +
                             "; that is " + go::share_text(most_grown, grown) +
                             " of what the heap grew by.");
  if (rise.unbounded) finding.evidence.push_back(pace(rise));
  finish(finding, rise, profiles.snapshots.size() >= 3);
  const auto name = [&](std::uint32_t snapshot) {
    evidence::Position where;
    where.artefact = incident.snapshots[snapshot].artefact;
    return go::artefact_name(incident, where);
  };
  finding.check =
      "go tool pprof -sample_index=inuse_space -diff_base=" + name(first) + " -top " + name(last);
  findings.push_back(std::move(finding));
  return true;
}

}  // namespace

void go_unbounded_growth(const evidence::Evidence& evidence, const DetectorOptions&,
                         std::vector<Finding>& findings) {
  if (!go::speaks_go(evidence)) return;
  const Incident& incident = evidence.incident;
  const Rise rise = longest_rise(incident);
  if (by_profiles(incident, rise, findings) || !rise.unbounded) return;
  Finding finding = go::at_position(incident, rise.last->where);
  finding.symptom = true;
  finding.title =
      "the live heap rises all the time, now " + format_bytes(go::whole_number(rise.to));
  finding.severity = rise.span_ns >= kWatchedNs ? Severity::kWarning : Severity::kNote;
  finding.cost.wasted_bytes = go::whole_number(rise.to - rise.from);
  finding.cost.events = rise.cycles;
  finding.cost.events_unit = "collections";
  finding.evidence.push_back(go::position_text(incident, rise.last->where) + ": " + pace(rise));
  finish(finding, rise, false);
  finding.check = go::fetch_command(incident, "heap", "later.pb.gz") +
                  "  # twice, minutes apart; then: ullage diagnose earlier.pb.gz later.pb.gz";
  findings.push_back(std::move(finding));
}

}  // namespace ullage::diagnose
