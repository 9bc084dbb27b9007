// SPDX-License-Identifier: Apache-2.0
#include "trace/go_trace/pauses.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "trace/go_trace/decode.h"

namespace ullage::trace::go {
namespace {

// Share of a pause after which whoever stops then is the cause of it.
constexpr double kLateShare = 0.8;
// Long pauses that one batch is compared with.
constexpr std::ptrdiff_t kLooksBack = 64;
// Kinds of pauses told apart; Go 1.27 has sixteen.
constexpr std::size_t kKindsKept = 256;
constexpr std::string_view kOtherKinds = "other";
// Of a generation whose strings were cut off.
constexpr std::string_view kUnknownKind = "stop of unknown kind";
// What is done within the stop takes long by itself for these.
constexpr std::array<std::string_view, 5> kWorkKinds = {
    "write heap dump", "goroutine profile", "all goroutines stack trace", "read mem stats",
    "goroutine profile cleanup"};

}  // namespace

std::uint32_t Pauses::kind_of(std::string_view name) {
  if (name.empty()) name = kUnknownKind;
  const auto known = [&] {
    return std::find_if(kinds_.begin(), kinds_.end(),
                        [&](const evidence::PauseKind& kind) { return kind.kind == name; });
  };
  auto found = known();
  if (found == kinds_.end() && kinds_.size() >= kKindsKept) {
    name = kOtherKinds;
    found = known();
  }
  if (found != kinds_.end()) return static_cast<std::uint32_t>(found - kinds_.begin());
  kinds_.emplace_back();
  kinds_.back().kind = name;
  kinds_.back().first_ns = INT64_MAX;
  return static_cast<std::uint32_t>(kinds_.size() - 1);
}

void Pauses::end_generation(const View& view, Stacks& stacks, const std::vector<Sample>& samples) {
  recent_.clear();
  // Whoever stops the world keeps its thread meanwhile: each thread's marks are in order.
  std::stable_sort(marks_.begin(), marks_.end(),
                   [](const Mark& a, const Mark& b) { return a.at_ns < b.at_ns; });
  for (const Mark& mark : marks_) {
    const auto open = open_.find(mark.goroutine);
    if (mark.type == kStwBegin) {
      if (open != open_.end()) {
        ++unmatched_;
        open_.erase(open);
      }
      Pause pause;
      pause.start_ns = mark.at_ns;
      pause.kind = kind_of(view.tables.string(mark.a));
      pause.stack = Stacks::index(stacks.intern(view.tables, mark.b));
      pause.asker = mark.goroutine;
      pause.thread = mark.thread;
      pause.offset = mark.offset;
      open_.emplace(mark.goroutine, pause);
    } else if (open == open_.end()) {
      ++unmatched_;
    } else {
      open->second.end_ns = std::max(mark.at_ns, open->second.start_ns);
      recent_.push_back(open->second);
      open_.erase(open);
    }
  }
  marks_.clear();
  std::sort(recent_.begin(), recent_.end(),
            [](const Pause& a, const Pause& b) { return a.start_ns < b.start_ns; });
  find_culprits(view, stacks);
  sampled(stacks, samples);
  for (Pause& pause : recent_) judge(pause, stacks);
}

void Pauses::find_culprits(const View& view, Stacks& stacks) {
  std::vector<const Pause*> longs;
  for (const Pause& pause : recent_) {
    if (pause.end_ns - pause.start_ns >= kLongPauseNs) longs.push_back(&pause);
  }
  if (longs.empty()) return;
  // A batch reaches to the next one of its thread.
  std::unordered_map<std::uint64_t, std::uint64_t> next_base;
  const std::vector<Batch>& batches = view.generation.timed;
  for (std::size_t i = batches.size(); i-- > 0;) {
    const std::uint64_t begin = view.clock.ns(batches[i].base);
    const auto [next, last] = next_base.try_emplace(batches[i].thread, begin);
    const std::uint64_t end = last ? UINT64_MAX : next->second;
    next->second = begin;
    // Stops do not overlap, so few of those before the batch's end need a look.
    const auto after =
        std::upper_bound(longs.begin(), longs.end(), end,
                         [](std::uint64_t at, const Pause* pause) { return at < pause->start_ns; });
    const auto first = after - std::min<std::ptrdiff_t>(after - longs.begin(), kLooksBack);
    const bool wanted = std::any_of(first, after, [&](const Pause* pause) {
      return pause->end_ns >= begin && pause->thread != batches[i].thread;
    });
    if (wanted) look_into(view, stacks, batches[i], view.inherited[i]);
  }
}

void Pauses::look_into(const View& view, Stacks& stacks, const Batch& batch,
                       std::uint64_t running) {
  EventCursor cursor(view.input, view.clock, view.version);
  cursor.open(batch);
  auto pause = recent_.begin();
  while (cursor.next()) {
    const std::uint64_t goroutine = running;
    bool stops = false;
    switch (cursor.type) {
      case kGoStart:
      case kGoSwitch:
      case kGoSwitchDestroy:
      case kGoCreateSyscall:
        running = cursor.arguments[0];
        break;
      case kGoStatus:
      case kGoStatusStack:
        if (cursor.arguments[2] == kRunning ||
            (cursor.arguments[2] == kSyscall && cursor.arguments[1] == batch.thread)) {
          running = cursor.arguments[0];
        }
        break;
      case kGoStop:
        stops = view.tables.string(cursor.arguments[0]) == "preempted";
        running = kNoGoroutine;
        break;
      case kGoBlock:
        stops = true;
        [[fallthrough]];
      case kGoDestroy:
      case kGoDestroySyscall:
      case kGoSyscallEndBlocked:
        running = kNoGoroutine;
        break;
      default:
        break;
    }
    if (!stops || goroutine == kNoGoroutine) continue;
    while (pause != recent_.end() && pause->end_ns < cursor.at_ns) ++pause;
    if (pause == recent_.end()) return;
    if (cursor.at_ns < pause->start_ns || pause->thread == batch.thread ||
        pause->asker == goroutine || pause->end_ns - pause->start_ns < kLongPauseNs ||
        (pause->stop_seen && pause->culprit_ns >= cursor.at_ns)) {
      continue;
    }
    pause->stop_seen = true;
    pause->culprit = goroutine;
    pause->culprit_ns = cursor.at_ns;
    pause->culprit_stack = Stacks::index(stacks.intern(view.tables, cursor.arguments[1]));
  }
}

void Pauses::sampled(const Stacks& stacks, const std::vector<Sample>& samples) {
  auto sample = samples.begin();
  for (Pause& pause : recent_) {
    while (sample != samples.end() && sample->at_ns < pause.start_ns) ++sample;
    for (; sample != samples.end() && sample->at_ns <= pause.end_ns; ++sample) {
      ++pause.samples;
      const bool grows = stacks.traits(sample->stack).growth != evidence::CallKind::kUnknown;
      if (grows) ++pause.growth_samples;
      if (sample->thread == pause.thread) ++pause.asker_samples;
      if (grows && pause.stop_seen && sample->goroutine == pause.culprit) {
        pause.culprit_grew = true;
        // By the time it stopped it may have gone on to another line: the sample has the one it
        // kept the others waiting at.
        pause.culprit_stack = sample->stack;
      }
    }
  }
}

void Pauses::judge(Pause& pause, const Stacks& stacks) const {
  const std::uint64_t length = pause.end_ns - pause.start_ns;
  if (length < kLongPauseNs) return;
  const std::string& kind = kinds_[pause.kind].kind;
  const double offset =
      pause.stop_seen ? static_cast<double>(pause.culprit_ns - pause.start_ns) : 0.0;
  if (pause.stop_seen && offset >= kLateShare * static_cast<double>(length)) {
    pause.reason = evidence::PauseReason::kWaitedForOne;
    if (stacks.traits(pause.culprit_stack).growth != evidence::CallKind::kUnknown) {
      pause.culprit_grew = true;
    }
  } else if (pause.asker_samples > 0 ||
             std::find(kWorkKinds.begin(), kWorkKinds.end(), kind) != kWorkKinds.end()) {
    pause.reason = evidence::PauseReason::kWorkInside;
  } else {
    pause.reason = evidence::PauseReason::kNobodyLate;
  }
}

void Pauses::keep() {
  for (const Pause& pause : recent_) {
    evidence::PauseKind& kind = kinds_[pause.kind];
    const std::uint64_t length = pause.end_ns - pause.start_ns;
    ++kind.count;
    kind.total_ns += length;
    kind.max_ns = std::max(kind.max_ns, length);
    kind.first_ns = std::min(kind.first_ns, static_cast<std::int64_t>(pause.start_ns));
    kind.last_ns = std::max(kind.last_ns, static_cast<std::int64_t>(pause.end_ns));
    kept_.push_back(pause);
  }
  if (kept_.size() > 2 * evidence::kPausesMax) thin();
}

// The longest stay, in their order.
void Pauses::thin() {
  if (kept_.size() <= evidence::kPausesMax) return;
  const auto nth = kept_.begin() + static_cast<std::ptrdiff_t>(evidence::kPausesMax);
  std::nth_element(kept_.begin(), nth, kept_.end(), [](const Pause& a, const Pause& b) {
    return a.end_ns - a.start_ns > b.end_ns - b.start_ns;
  });
  kept_.resize(evidence::kPausesMax);
  std::sort(kept_.begin(), kept_.end(),
            [](const Pause& a, const Pause& b) { return a.start_ns < b.start_ns; });
}

void Pauses::finish(evidence::Incident& incident, const Stacks& stacks, std::uint64_t zero_ns) {
  thin();
  const auto on_clock = [zero_ns](std::uint64_t ns) {
    return static_cast<std::int64_t>(ns - zero_ns);
  };
  std::sort(kept_.begin(), kept_.end(),
            [](const Pause& a, const Pause& b) { return a.start_ns < b.start_ns; });
  for (const Pause& kept : kept_) {
    evidence::Pause pause;
    pause.start_ns = on_clock(kept.start_ns);
    pause.duration_ns = kept.end_ns - kept.start_ns;
    pause.kind = kinds_[kept.kind].kind;
    pause.asker = kept.asker;
    pause.asker_stack = stacks.stack(kept.stack);
    pause.reason = kept.reason;
    if (kept.stop_seen) {
      pause.stopping_known = true;
      pause.stopping_ns = pause.culprit_offset_ns = kept.culprit_ns - kept.start_ns;
      pause.culprit = kept.culprit;
      pause.culprit_stack = stacks.stack(kept.culprit_stack);
    }
    pause.culprit_grew = kept.culprit_grew;
    pause.samples = kept.samples;
    pause.growth_samples = kept.growth_samples;
    pause.gc = kept.gc;
    pause.where = {0, evidence::Position::Unit::kByte, kept.offset};
    incident.pauses.push_back(std::move(pause));
  }
  for (evidence::PauseKind kind : kinds_) {
    if (kind.count == 0) continue;
    kind.first_ns = on_clock(static_cast<std::uint64_t>(kind.first_ns));
    kind.last_ns = on_clock(static_cast<std::uint64_t>(kind.last_ns));
    incident.pause_kinds.push_back(std::move(kind));
  }
  std::sort(incident.pause_kinds.begin(), incident.pause_kinds.end(),
            [](const evidence::PauseKind& a, const evidence::PauseKind& b) {
              return a.total_ns > b.total_ns;
            });
}

}  // namespace ullage::trace::go
