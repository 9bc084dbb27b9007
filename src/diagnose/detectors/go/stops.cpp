// SPDX-License-Identifier: Apache-2.0
#include "diagnose/detectors/go/stops.h"

namespace ullage::diagnose::go {
namespace {

using evidence::CallKind;
using evidence::Pause;
using evidence::PauseReason;

// Allocates, clears or copies in one piece: append, make, or a map of the old kind.
bool handles_large_memory(const HeapPlace& place) {
  if (place.rungs.empty()) return false;
  const std::uint64_t top = place.rungs.rbegin()->first;
  const bool call = place.call == CallKind::kAppend || place.call == CallKind::kMake ||
                    place.call == CallKind::kMapAssign || place.call == CallKind::kMapMake ||
                    place.call == CallKind::kUnknown;
  return call && top >= kLargeBytes;
}

}  // namespace

Judged judge(const Pause& pause, const std::vector<HeapPlace>& places) {
  Judged judged;
  if (pause.duration_ns < kLongStopNs) return judged;
  const bool late = static_cast<double>(pause.culprit_offset_ns) >=
                    kLateShare * static_cast<double>(pause.duration_ns);
  if (pause.reason == PauseReason::kNobodyLate) judged.what = WaitedFor::kProcessor;
  if (pause.reason == PauseReason::kWorkInside) judged.what = WaitedFor::kRuntime;
  if (pause.reason != PauseReason::kWaitedForOne || !late) return judged;
  judged.what = WaitedFor::kGoroutine;
  judged.sampled = pause.culprit_grew || copies_in_one_piece(pause.culprit_stack);
  if (const Frame* user = user_frame(pause.culprit_stack)) {
    for (const HeapPlace& place : places) {
      if (!same_place(place.user, *user) || !handles_large_memory(place)) continue;
      judged.place = &place;
      break;
    }
  }
  if (judged.sampled || judged.place) judged.what = WaitedFor::kGrowth;
  return judged;
}

std::vector<Judged> judge_all(const Incident& incident, const std::vector<HeapPlace>& places) {
  const auto line_of = [](const Pause& pause) {
    const Frame* user = user_frame(pause.culprit_stack);
    return user ? user->function + ':' + std::to_string(user->line) : std::string();
  };
  std::vector<Judged> all;
  std::map<std::string, std::uint64_t> pauses_at;
  for (const Pause& pause : incident.pauses) {
    all.push_back(judge(pause, places));
    if (all.back().what == WaitedFor::kGrowth) ++pauses_at[line_of(pause)];
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Pause& pause = incident.pauses[i];
    if (all[i].what != WaitedFor::kGrowth || all[i].place) continue;
    if (pause.growth_samples >= kProofs) continue;
    const std::string line = line_of(pause);
    if (line.empty() || pauses_at[line] < kProofs) all[i] = Judged();
  }
  return all;
}

const HeapPlace* explains(const std::vector<HeapPlace>& places, std::uint64_t ns) {
  const HeapPlace* best = nullptr;
  for (const HeapPlace& place : places) {
    const bool grows = place.call == CallKind::kAppend ||
                       (place.call == CallKind::kMapAssign && place.rungs.size() > 1);
    if (!grows || place.rungs.empty()) continue;
    const std::uint64_t top = place.rungs.rbegin()->first;
    if (top < kLargeBytes || evidence::copying_ns_max(top) < ns) continue;
    if (!best || top > best->rungs.rbegin()->first) best = &place;
  }
  return best;
}

}  // namespace ullage::diagnose::go
