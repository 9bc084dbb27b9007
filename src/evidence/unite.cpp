// SPDX-License-Identifier: Apache-2.0
#include "evidence/unite.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>

namespace ullage::evidence {

std::int64_t tolerance_ns(std::uint64_t error_ns) {
  // Logs write milliseconds, and begin a cycle before its stop where traces begin it after.
  constexpr std::uint64_t kLeast = 5'000'000, kMost = 2'000'000'000;
  return static_cast<std::int64_t>(
      std::clamp<std::uint64_t>(3 * std::min(error_ns, kMost), kLeast, kMost));
}

namespace {

// A log that is rotated within a collection leaves a part of it in each file.
constexpr std::int64_t kPartsApartNs = 10'000'000'000;

std::int64_t end_of(const GcCycle& cycle) {
  return cycle.start_ns + static_cast<std::int64_t>(cycle.duration_ns);
}

bool all_numbered(const std::vector<GcCycle>& cycles) {
  return std::all_of(cycles.begin(), cycles.end(),
                     [](const GcCycle& cycle) { return cycle.ordinal_known && cycle.ordinal > 0; });
}

using Pairs = std::vector<std::pair<std::size_t, std::size_t>>;

// Pairs of those with equal keys that are `near` each other; each is taken once.
template <class Key, class Near>
Pairs same_keys(const std::vector<GcCycle>& ours, const std::vector<GcCycle>& theirs, Key key,
                Near near) {
  std::multimap<std::uint64_t, std::size_t> known;
  for (std::size_t i = 0; i < ours.size(); ++i) known.emplace(key(ours[i]), i);
  Pairs pairs;
  for (std::size_t j = 0; j < theirs.size(); ++j) {
    const auto [from, to] = known.equal_range(key(theirs[j]));
    for (auto it = from; it != to; ++it) {
      if (!near(ours[it->second], theirs[j])) continue;
      pairs.emplace_back(it->second, j);
      known.erase(it);
      break;
    }
  }
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

// A number may come again: of a process that began to count anew.
bool within_one_process(const GcCycle& a, const GcCycle& b) {
  return std::max(a.start_ns, b.start_ns) - std::min(end_of(a), end_of(b)) <= kPartsApartNs;
}

// Artefacts of one format tell the same event in the same words: files of a rotated log, copies.
bool of_one_format(const Incident& ours, const Incident& theirs) {
  if (theirs.artefacts.empty()) return false;
  const std::string& format = theirs.artefacts.front().format;
  const auto has_it = [&](const Artefact& artefact) { return artefact.format == format; };
  return std::all_of(ours.artefacts.begin(), ours.artefacts.end(), has_it) &&
         std::all_of(theirs.artefacts.begin(), theirs.artefacts.end(), has_it);
}

Pairs pairs_of(const std::vector<GcCycle>& ours, const std::vector<GcCycle>& theirs,
               std::int64_t tolerance, bool one_format) {
  if (all_numbered(ours) && all_numbered(theirs)) {
    return same_keys(
        ours, theirs, [](const GcCycle& cycle) { return cycle.ordinal; }, within_one_process);
  }
  if (!one_format) return same_cycles(ours, theirs, tolerance);
  return same_keys(
      ours, theirs, [](const GcCycle& cycle) { return cycle.duration_ns; },
      [tolerance](const GcCycle& a, const GcCycle& b) {
        return a.kind == b.kind && std::llabs(a.start_ns - b.start_ns) <= tolerance;
      });
}

}  // namespace

std::vector<std::pair<std::size_t, std::size_t>> same_cycles(const std::vector<GcCycle>& ours,
                                                             const std::vector<GcCycle>& theirs,
                                                             std::int64_t tolerance) {
  std::vector<std::pair<std::size_t, std::size_t>> near, pairs;
  // Both in order, so one walk; each takes the nearest that is left.
  std::size_t i = 0;
  for (std::size_t j = 0; j < theirs.size() && i < ours.size(); ++j) {
    const auto apart = [&](std::size_t k) {
      return std::llabs(ours[k].start_ns - theirs[j].start_ns);
    };
    while (i + 1 < ours.size() && apart(i + 1) <= apart(i)) ++i;
    if (apart(i) <= tolerance) near.emplace_back(i, j), ++i;
  }
  // A stop that took long puts one pair out of reach of each other. Between two pairs that are
  // sure, equally many on both sides are the same ones.
  for (std::size_t p = 0; p < near.size(); ++p) {
    pairs.push_back(near[p]);
    if (p + 1 == near.size()) break;
    const auto [a, b] = near[p];
    const auto [c, d] = near[p + 1];
    if (c - a != d - b) continue;
    for (std::size_t k = 1; k < c - a; ++k) pairs.emplace_back(a + k, b + k);
  }
  return pairs;
}

namespace {

template <class Number>
void keep_known(Number& mine, const Number& other) {
  if (mine == Number{}) mine = other;
}

// What the coarser account knows besides.
void add_to_cycle(GcCycle& fine, const GcCycle& coarse) {
  if (fine.ordinal_known && coarse.ordinal_known && fine.ordinal == coarse.ordinal &&
      fine.times_known && coarse.times_known) {  // perhaps two parts of one
    const std::int64_t end = std::max(end_of(fine), end_of(coarse));
    fine.start_ns = std::min(fine.start_ns, coarse.start_ns);
    fine.duration_ns = static_cast<std::uint64_t>(end - fine.start_ns);
  }
  keep_known(fine.duration_ns, coarse.duration_ns);
  keep_known(fine.stop_first_ns, coarse.stop_first_ns);
  keep_known(fine.mark_ns, coarse.mark_ns);
  keep_known(fine.stop_last_ns, coarse.stop_last_ns);
  if (!fine.cpu_known && coarse.cpu_known) {
    fine.assist_cpu_ns = coarse.assist_cpu_ns;
    fine.worker_cpu_ns = coarse.worker_cpu_ns;
    fine.idle_cpu_ns = coarse.idle_cpu_ns;
    fine.cpu_known = true;
  }
  keep_known(fine.heap_start_bytes, coarse.heap_start_bytes);
  keep_known(fine.heap_end_bytes, coarse.heap_end_bytes);
  keep_known(fine.live_bytes, coarse.live_bytes);
  keep_known(fine.goal_bytes, coarse.goal_bytes);
  fine.heap_known = fine.heap_known || coarse.heap_known;
  keep_known(fine.stacks_bytes, coarse.stacks_bytes);
  keep_known(fine.globals_bytes, coarse.globals_bytes);
  keep_known(fine.processors, coarse.processors);
  fine.forced = fine.forced || coarse.forced;
  keep_known(fine.kind, coarse.kind);
  keep_known(fine.cause, coarse.cause);
  if (fine.asker_stack.empty()) fine.asker_stack = coarse.asker_stack;
  if (fine.growth_samples == 0) {
    fine.growth_samples = coarse.growth_samples;
    fine.growth_stack = coarse.growth_stack;
  }
  if (fine.humongous_before < 0) {
    fine.humongous_before = coarse.humongous_before;
    fine.humongous_after = coarse.humongous_after;
  }
  fine.to_space_exhausted = fine.to_space_exhausted || coarse.to_space_exhausted;
  if (!fine.old_known && coarse.old_known) {
    fine.old_before_bytes = coarse.old_before_bytes;
    fine.old_after_bytes = coarse.old_after_bytes;
    fine.old_capacity_bytes = coarse.old_capacity_bytes;
    fine.old_known = true;
  }
}

void add_to_pause(Pause& fine, const Pause& coarse) {
  keep_known(fine.cause, coarse.cause);
  keep_known(fine.gc, coarse.gc);
  keep_known(fine.before_bytes, coarse.before_bytes);
  keep_known(fine.after_bytes, coarse.after_bytes);
  keep_known(fine.capacity_bytes, coarse.capacity_bytes);
  fine.full = fine.full || coarse.full;
  if (!fine.stopping_known && coarse.stopping_known && coarse.stopping_ns <= fine.duration_ns) {
    fine.stopping_ns = coarse.stopping_ns;
    fine.stopping_known = true;
  }
}

using KindKey = std::pair<std::string, std::string>;

std::map<KindKey, PauseKind> by_kind(const std::vector<PauseKind>& kinds) {
  std::map<KindKey, PauseKind> map;
  for (const PauseKind& kind : kinds) {
    PauseKind& into = map[{kind.kind, kind.cause}];
    if (into.count == 0) {
      into = kind;
      continue;
    }
    into.first_ns = std::min(into.first_ns, kind.first_ns);
    into.last_ns = std::max(into.last_ns, kind.last_ns);
    into.count += kind.count;
    into.total_ns += kind.total_ns;
    into.max_ns = std::max(into.max_ns, kind.max_ns);
  }
  return map;
}

PauseKind kind_of_one(const Pause& pause) {
  return {pause.kind,     pause.cause,   1, pause.duration_ns, pause.duration_ns,
          pause.start_ns, pause.start_ns};
}

// What says, beside the time, that two accounts are of one pause.
struct PauseCheck {
  bool numbered = false;    // both sides have the runtime's numbers
  bool one_format = false;  // both are told by the same runtime in the same words
  bool same(const Pause& a, const Pause& b) const {
    if (a.kind != b.kind) return false;
    if (numbered && a.gc != 0 && b.gc != 0) return a.gc == b.gc;
    return !one_format || a.duration_ns == b.duration_ns;
  }
};

// Pauses that `fine` tells of as well are taken out of `coarse` and its kinds.
void drop_told(std::vector<Pause>& fine, std::vector<Pause>& coarse,
               std::vector<PauseKind>& coarse_kinds, std::int64_t tolerance,
               const PauseCheck& check) {
  std::vector<PauseKind> dropped, left_kinds;
  std::vector<Pause> left;
  std::uint64_t counted = 0;
  for (const PauseKind& kind : coarse_kinds) counted += kind.count;
  const bool complete = counted == coarse.size();
  std::vector<bool> taken(fine.size());
  for (Pause& pause : coarse) {
    const auto from =
        std::lower_bound(fine.begin(), fine.end(), pause.start_ns - tolerance,
                         [](const Pause& p, std::int64_t at) { return p.start_ns < at; });
    std::size_t best = fine.size();
    for (auto it = from; it != fine.end() && it->start_ns <= pause.start_ns + tolerance; ++it) {
      const auto i = static_cast<std::size_t>(it - fine.begin());
      if (taken[i] || !check.same(*it, pause)) continue;
      if (best == fine.size() || std::llabs(it->start_ns - pause.start_ns) <
                                     std::llabs(fine[best].start_ns - pause.start_ns)) {
        best = i;
      }
    }
    if (best == fine.size()) {
      left.push_back(std::move(pause));
    } else {
      taken[best] = true;
      add_to_pause(fine[best], pause);
      dropped.push_back(kind_of_one(pause));
    }
  }
  coarse = std::move(left);
  if (complete) {
    for (const Pause& pause : coarse) left_kinds.push_back(kind_of_one(pause));
  } else {  // only the longest are there singly: what was dropped is subtracted
    std::map<KindKey, PauseKind> gone = by_kind(dropped);
    for (PauseKind kind : coarse_kinds) {
      const PauseKind& minus = gone[{kind.kind, kind.cause}];
      kind.count -= std::min(kind.count, minus.count);
      kind.total_ns -= std::min(kind.total_ns, minus.total_ns);
      if (kind.count > 0) left_kinds.push_back(kind);
    }
  }
  coarse_kinds = std::move(left_kinds);
}

template <class List, class Key>
void keep_largest(List& list, std::size_t limit, Key key) {
  if (list.size() <= limit) return;
  std::nth_element(list.begin(), list.begin() + static_cast<long>(limit), list.end(),
                   [&](const auto& a, const auto& b) { return key(a) > key(b); });
  list.resize(limit);
}

constexpr auto kByStart = [](const auto& a, const auto& b) { return a.start_ns < b.start_ns; };

}  // namespace

void unite_collections(Incident& ours, Incident& theirs, bool theirs_is_finer,
                       std::int64_t tolerance) {
  if (theirs_is_finer) {
    std::swap(ours.cycles, theirs.cycles);
    std::swap(ours.pauses, theirs.pauses);
    std::swap(ours.pause_kinds, theirs.pause_kinds);
  }
  std::vector<GcCycle>&fine = ours.cycles, &coarse = theirs.cycles;
  for (auto* list : {&fine, &coarse}) std::stable_sort(list->begin(), list->end(), kByStart);
  for (auto* list : {&ours.pauses, &theirs.pauses}) {
    std::stable_sort(list->begin(), list->end(), kByStart);
  }

  // A trace counts collections from its own beginning, a log as the runtime does: the distance of
  // the first pair is that of all.
  const PauseCheck check{all_numbered(fine) && all_numbered(coarse), of_one_format(ours, theirs)};
  const auto pairs = pairs_of(fine, coarse, tolerance, check.one_format);
  const auto counted = std::find_if(pairs.begin(), pairs.end(), [&](const auto& pair) {
    return fine[pair.first].ordinal > 0 && coarse[pair.second].ordinal > 0;
  });
  if (counted != pairs.end()) {
    const std::uint64_t distance =
        coarse[counted->second].ordinal - fine[counted->first].ordinal;  // wraps as it should
    for (GcCycle& cycle : fine) {
      if (cycle.ordinal > 0) cycle.ordinal += distance;
    }
    for (Pause& pause : ours.pauses) {
      if (pause.gc > 0) pause.gc += distance;
    }
  }
  std::vector<bool> told(coarse.size());
  for (const auto& [i, j] : pairs) {
    add_to_cycle(fine[i], coarse[j]);
    if (coarse[j].ordinal > 0) fine[i].ordinal = coarse[j].ordinal;
    told[j] = true;
  }
  for (std::size_t j = 0; j < coarse.size(); ++j) {
    if (!told[j]) fine.push_back(std::move(coarse[j]));
  }
  std::stable_sort(fine.begin(), fine.end(), kByStart);
  if (fine.size() > kCyclesMax) fine.resize(kCyclesMax);

  drop_told(ours.pauses, theirs.pauses, theirs.pause_kinds, tolerance, check);
  std::vector<PauseKind> kinds = std::move(ours.pause_kinds);
  kinds.insert(kinds.end(), theirs.pause_kinds.begin(), theirs.pause_kinds.end());
  ours.pause_kinds.clear();
  for (auto& [key, kind] : by_kind(kinds)) ours.pause_kinds.push_back(kind);
  std::stable_sort(ours.pause_kinds.begin(), ours.pause_kinds.end(),
                   [](const PauseKind& a, const PauseKind& b) { return a.total_ns > b.total_ns; });
  ours.pauses.insert(ours.pauses.end(), std::make_move_iterator(theirs.pauses.begin()),
                     std::make_move_iterator(theirs.pauses.end()));
  keep_largest(ours.pauses, kPausesMax, [](const Pause& p) { return p.duration_ns; });
  std::stable_sort(ours.pauses.begin(), ours.pauses.end(), kByStart);
}

void unite_heap(std::vector<HeapPoint>& ours, std::vector<HeapPoint>& theirs,
                bool theirs_is_finer) {
  if (theirs_is_finer) std::swap(ours, theirs);
  const auto by_time = [](const HeapPoint& a, const HeapPoint& b) { return a.at_ns < b.at_ns; };
  std::stable_sort(ours.begin(), ours.end(), by_time);
  if (!ours.empty()) {
    const std::int64_t from = ours.front().at_ns, to = ours.back().at_ns;
    std::erase_if(theirs, [&](const HeapPoint& p) { return p.at_ns >= from && p.at_ns <= to; });
  }
  ours.insert(ours.end(), theirs.begin(), theirs.end());
  std::stable_sort(ours.begin(), ours.end(), by_time);
  if (ours.size() <= kHeapPointsMax) return;
  std::vector<HeapPoint> thin;
  for (std::size_t i = 0; i < kHeapPointsMax; ++i) {
    const auto from = ours.begin() + static_cast<long>(i * ours.size() / kHeapPointsMax);
    const auto to = ours.begin() + static_cast<long>((i + 1) * ours.size() / kHeapPointsMax);
    thin.push_back(*std::max_element(from, to, [](const HeapPoint& a, const HeapPoint& b) {
      return a.live_bytes < b.live_bytes;
    }));
  }
  ours = std::move(thin);
}

}  // namespace ullage::evidence
