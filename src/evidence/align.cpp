// SPDX-License-Identifier: Apache-2.0
#include "evidence/align.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

namespace ullage::evidence {
namespace {

// How unlike two accounts of one collection are, 0 to 1: by how long it took, else by its goal. (A
// trace tells the goal at its beginning, a log the one at its end.)
double unlike(const GcCycle& a, const GcCycle& b) {
  const auto apart = [](std::uint64_t x, std::uint64_t y) {
    const auto most = static_cast<double>(std::max(x, y));
    return static_cast<double>(x > y ? x - y : y - x) / most;
  };
  if (a.duration_ns > 0 && b.duration_ns > 0) return apart(a.duration_ns, b.duration_ns);
  if (a.goal_bytes > 0 && b.goal_bytes > 0) return apart(a.goal_bytes, b.goal_bytes);
  return 1;
}

std::vector<const GcCycle*> timed(const std::vector<GcCycle>& cycles) {
  std::vector<const GcCycle*> list;
  for (const GcCycle& cycle : cycles) {
    if (cycle.times_known) list.push_back(&cycle);
  }
  return list;
}

// A position in the order of collections that survives holes in a list: the ordinal, where all have
// one, else the index. Traces count from their own start, so only differences mean something.
std::vector<std::int64_t> keys_of(const std::vector<const GcCycle*>& cycles) {
  std::vector<std::int64_t> keys;
  bool usable = true;
  for (const GcCycle* cycle : cycles) {
    const auto key = static_cast<std::int64_t>(cycle->ordinal);
    usable = usable && key > 0 && (keys.empty() || key > keys.back());
    keys.push_back(key);
  }
  if (!usable) {
    for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<std::int64_t>(i);
  }
  return keys;
}

struct Spread {
  std::int64_t median = 0;
  std::uint64_t p90 = 0;
};

Spread spread_of(std::vector<std::int64_t>& values) {
  const auto middle = values.begin() + static_cast<long>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  Spread spread{*middle, 0};
  for (std::int64_t& value : values) value = std::llabs(value - spread.median);
  const auto high = values.begin() + static_cast<long>((values.size() - 1) * 9 / 10);
  std::nth_element(values.begin(), high, values.end());
  spread.p90 = static_cast<std::uint64_t>(*high);
  return spread;
}

class Pairing {
 public:
  Pairing(const std::vector<GcCycle>& ours, const std::vector<GcCycle>& theirs)
      : ours_(timed(ours)),
        theirs_(timed(theirs)),
        our_keys_(keys_of(ours_)),
        their_keys_(keys_of(theirs_)) {}

  std::size_t smaller() const { return std::min(ours_.size(), theirs_.size()); }
  std::int64_t offset_min() const { return our_keys_.front() - their_keys_.back(); }
  std::int64_t offset_max() const { return our_keys_.back() - their_keys_.front(); }

  // Differences in start where ours has the key of theirs + offset, at most `limit` of them, and
  // how unlike these pairs are.
  void differences(std::int64_t offset, std::size_t limit, std::vector<std::int64_t>& apart,
                   std::vector<double>& unlikeness) const {
    apart.clear();
    unlikeness.clear();
    auto i = static_cast<std::size_t>(
        std::lower_bound(our_keys_.begin(), our_keys_.end(), their_keys_.front() + offset) -
        our_keys_.begin());
    std::size_t j = 0;
    if (i < our_keys_.size()) {
      j = static_cast<std::size_t>(
          std::lower_bound(their_keys_.begin(), their_keys_.end(), our_keys_[i] - offset) -
          their_keys_.begin());
    }
    while (i < ours_.size() && j < theirs_.size() && apart.size() < limit) {
      const std::int64_t wanted = their_keys_[j] + offset;
      if (our_keys_[i] < wanted) {
        ++i;
      } else if (our_keys_[i] > wanted) {
        ++j;
      } else {
        apart.push_back(ours_[i]->start_ns - theirs_[j]->start_ns);
        unlikeness.push_back(unlike(*ours_[i], *theirs_[j]));
        ++i, ++j;
      }
    }
  }

 private:
  std::vector<const GcCycle*> ours_, theirs_;
  std::vector<std::int64_t> our_keys_, their_keys_;
};

}  // namespace

CycleFit fit_cycles(const std::vector<GcCycle>& ours, const std::vector<GcCycle>& theirs) {
  const Pairing pairing(ours, theirs);
  CycleFit fit;
  if (pairing.smaller() == 0) return fit;
  // A trace may begin or end within the log: half of the shorter list must find partners.
  const bool few = pairing.smaller() < 3;
  const std::size_t pairs_min = std::max<std::size_t>(few ? 1 : 3, (pairing.smaller() + 1) / 2);

  struct Trial {
    std::int64_t offset;
    std::uint64_t p90;
    double unlike;
  };
  std::vector<Trial> trials;
  std::vector<std::int64_t> apart;
  std::vector<double> unlikeness;
  for (std::int64_t offset = pairing.offset_min(); offset <= pairing.offset_max(); ++offset) {
    pairing.differences(offset, kFitCycles, apart, unlikeness);
    if (apart.size() < std::min(pairs_min, kFitCycles)) continue;
    const auto middle = unlikeness.begin() + static_cast<long>(unlikeness.size() / 2);
    std::nth_element(unlikeness.begin(), middle, unlikeness.end());
    trials.push_back({offset, spread_of(apart).p90, *middle});
  }
  if (trials.empty()) return fit;
  const std::uint64_t best =
      std::min_element(trials.begin(), trials.end(), [](const Trial& a, const Trial& b) {
        return a.p90 < b.p90;
      })->p90;
  // Collections at equal distances fit at every offset. How long each took decides then.
  std::erase_if(trials, [best](const Trial& t) { return t.p90 > 2 * best + 1'000'000; });
  std::sort(trials.begin(), trials.end(),
            [](const Trial& a, const Trial& b) { return a.unlike < b.unlike; });
  const Trial& chosen = trials.front();
  fit.ambiguous = trials.size() > 1 && (chosen.unlike > kAlikeMax ||
                                        trials[1].unlike < 2 * chosen.unlike + kAlikeMax / 4);
  pairing.differences(chosen.offset, SIZE_MAX, apart, unlikeness);
  fit.pairs = apart.size();
  const Spread spread = spread_of(apart);
  fit.shift_ns = spread.median;
  fit.error_ns = std::max<std::uint64_t>(spread.p90, 1);
  // Where nothing fits, that two pairings fit equally badly says nothing.
  if (fit.error_ns > static_cast<std::uint64_t>(kFitSpreadNsMax)) fit.ambiguous = false;
  fit.found = !fit.ambiguous && fit.error_ns <= static_cast<std::uint64_t>(kFitSpreadNsMax);
  // One or two collections say little by their times: they must be alike, and nobody knows the
  // spread.
  if (few) {
    fit.found = fit.found && chosen.unlike <= kAlikeMax / 4;
    fit.error_ns = std::max<std::uint64_t>(fit.error_ns, 10'000'000);
  }
  return fit;
}

namespace {

Artefact& clock_of(Incident& part) { return part.artefacts.front(); }
bool has_clock(const Incident& part) {
  return !part.artefacts.empty() && part.artefacts.front().has_times;
}

// Who has seen something happen before who has one moment only (a profile); then the finest, then
// who has seen most.
bool better_clock(const Incident& a, const Incident& b) {
  const Artefact &x = a.artefacts.front(), &y = b.artefacts.front();
  const auto saw_something = [](const Incident& i) {
    return !i.pauses.empty() || !i.cycles.empty();
  };
  if (saw_something(a) != saw_something(b)) return saw_something(a);
  if (x.tick_ns != y.tick_ns) return x.tick_ns < y.tick_ns;
  return a.pauses.size() + a.cycles.size() > b.pauses.size() + b.cycles.size();
}

using How = Alignment::How;

// By what `part` can be placed, given one that is; nothing when by nothing.
std::optional<Alignment> placed_by(const Incident& known, const Incident& part, How how) {
  const Artefact &a = known.artefacts.front(), &b = part.artefacts.front();
  const std::uint64_t ticks = std::max<std::uint64_t>(a.tick_ns, b.tick_ns);
  Alignment place{how, a.alignment.shift_ns, a.alignment.error_ns};
  switch (how) {
    case How::kWallClock:
      if (a.wall_ns_at_zero == 0 || b.wall_ns_at_zero == 0) return {};
      place.shift_ns += b.wall_ns_at_zero - a.wall_ns_at_zero;
      place.error_ns += ticks;
      return place;
    case How::kGcOrdinal: {
      const CycleFit fit = fit_cycles(known.cycles, part.cycles);
      if (!fit.found) return {};
      place.shift_ns += fit.shift_ns;
      place.error_ns += std::max(fit.error_ns, ticks);
      return place;
    }
    case How::kStart:
      if (!a.zero_is_process_start || !b.zero_is_process_start) return {};
      place.error_ns += ticks;
      return place;
    default:
      return {};
  }
}

}  // namespace

std::size_t align(std::vector<Incident>& parts) {
  std::size_t reference = parts.size();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!has_clock(parts[i])) continue;
    if (reference == parts.size() || better_clock(parts[i], parts[reference])) reference = i;
  }
  if (reference == parts.size()) return 0;
  clock_of(parts[reference]).alignment = {How::kReference, 0, 0};

  std::vector<std::size_t> placed = {reference};
  // The better way first for everyone; after each placement all ways are open again.
  for (bool progress = true; progress;) {
    progress = false;
    for (const How how : {How::kWallClock, How::kGcOrdinal, How::kStart}) {
      for (std::size_t i = 0; i < parts.size() && !progress; ++i) {
        if (!has_clock(parts[i]) || clock_of(parts[i]).alignment.how != How::kNone) continue;
        for (const std::size_t known : placed) {
          const std::optional<Alignment> place = placed_by(parts[known], parts[i], how);
          if (!place) continue;
          clock_of(parts[i]).alignment = *place;
          placed.push_back(i);
          progress = true;
          break;
        }
      }
      if (progress) break;
    }
  }
  return reference;
}

void shift(Incident& incident, std::int64_t by) {
  if (by == 0) return;
  incident.start_ns += by, incident.end_ns += by;
  for (Pause& pause : incident.pauses) pause.start_ns += by;
  for (PauseKind& kind : incident.pause_kinds) kind.first_ns += by, kind.last_ns += by;
  for (AssistSite& site : incident.assist_sites) site.first_ns += by, site.last_ns += by;
  for (GcCycle& cycle : incident.cycles) cycle.start_ns += by;
  for (HeapPoint& point : incident.heap) point.at_ns += by;
  for (AllocationStall& stall : incident.stalls) stall.at_ns += by;
  for (GoroutineGroup& group : incident.goroutines) group.first_ns += by, group.last_ns += by;
  for (Wait& wait : incident.waits) wait.first_ns += by, wait.last_ns += by;
  for (Snapshot& snapshot : incident.snapshots) {
    if (!snapshot.wall) snapshot.at_ns += by;
  }
}

}  // namespace ullage::evidence
