// SPDX-License-Identifier: Apache-2.0
#include "trace/go_trace/cycles.h"

#include <algorithm>
#include <tuple>

namespace ullage::trace::go {
namespace {

// Points of the heap kept while reading; halved when there are more.
constexpr std::size_t kPointsKept = 4 * evidence::kHeapPointsMax;

const char* cause_of(const evidence::Stack& stack) {
  for (const evidence::Frame& frame : stack) {
    if (frame.function == "runtime.GC") return "runtime.GC";
    if (frame.function == "runtime.forcegchelper") return "timer";
    if (frame.function.starts_with("runtime/debug.")) return "runtime/debug";
  }
  return stack.empty() ? "" : "heap goal";
}

}  // namespace

void Cycles::mark(const Mark& mark) {
  switch (mark.type) {
    case kProcsChange:
      if (mark.at_ns >= processors_at_) {
        processors_at_ = mark.at_ns;
        processors_ = mark.a;
      }
      break;
    case kHeapAlloc:
      recent_points_.push_back({mark.at_ns, mark.a, 0});
      break;
    case kHeapGoal:
      recent_points_.push_back({mark.at_ns, 0, mark.a});
      break;
    default:
      marks_.push_back(mark);
      break;
  }
}

void Cycles::pair(const View& view, Stacks& stacks) {
  // Their own sequence numbers order them.
  std::stable_sort(marks_.begin(), marks_.end(),
                   [](const Mark& a, const Mark& b) { return a.a < b.a; });
  recent_ = open_ ? cycles_.size() - 1 : cycles_.size();
  for (const Mark& mark : marks_) {
    if (mark.type == kGcEnd) {
      if (!open_) {
        ++unmatched_;
        continue;
      }
      cycles_.back().end_ns = std::max(mark.at_ns, cycles_.back().start_ns);
      open_ = false;
      continue;
    }
    if (open_) {
      if (mark.type == kGcBegin) ++unmatched_;
      continue;  // still under way
    }
    if (cycles_.size() >= evidence::kCyclesMax) {
      ++dropped_;
      continue;
    }
    Cycle cycle;
    cycle.ordinal = ++ordinals_;
    cycle.start_ns = mark.at_ns;
    cycle.from_before = mark.type == kGcActive;
    if (mark.type == kGcBegin) cycle.stack = Stacks::index(stacks.intern(view.tables, mark.b));
    cycle.offset = mark.offset;
    cycles_.push_back(std::move(cycle));
    open_ = true;
  }
  marks_.clear();
}

void Cycles::measure(Cycle& cycle, const View& view, const Stacks& stacks,
                     const std::vector<Sample>& samples, Pauses& pauses) {
  const std::uint64_t end = cycle.end_ns != 0 ? cycle.end_ns : view.end_ns;
  const auto by_time = [](const auto& item, std::uint64_t at) { return item.at_ns < at; };
  for (auto s = std::lower_bound(samples.begin(), samples.end(), cycle.start_ns, by_time);
       s != samples.end() && s->at_ns <= end; ++s) {
    if (stacks.traits(s->stack).growth == evidence::CallKind::kUnknown) continue;
    ++cycle.growth_samples;
    ++cycle.growth_stacks[s->stack];
  }
  const auto& points = recent_points_;
  auto p = std::lower_bound(points.begin(), points.end(), cycle.start_ns, by_time);
  if (cycle.heap_start == 0) {
    for (auto before = p; before != points.begin();) {
      --before;
      if (cycle.goal == 0 && before->goal_bytes != 0) cycle.goal = before->goal_bytes;
      if (cycle.heap_start == 0 && before->live_bytes != 0) cycle.heap_start = before->live_bytes;
      if (cycle.goal != 0 && cycle.heap_start != 0) break;
    }
    if (cycle.heap_start == 0) cycle.heap_start = live_;
    if (cycle.goal == 0) cycle.goal = goal_;
  }
  for (; p != points.end() && p->at_ns <= end; ++p) {
    if (p->live_bytes == 0) continue;
    cycle.heap_peak = std::max(cycle.heap_peak, p->live_bytes);
    cycle.heap_live = p->live_bytes;
  }
  for (Pauses::Pause& pause : pauses.recent()) {
    const std::string& kind = pauses.kind(pause.kind);
    const std::uint64_t length = pause.end_ns - pause.start_ns;
    const std::uint64_t from = std::max(pause.start_ns, cycle.start_ns);
    const std::uint64_t to = std::min(pause.end_ns, end);
    const std::uint64_t within = to > from ? to - from : 0;
    // The first stop begins before its cycle does or just after, the last ends after it.
    if (kind == "GC sweep termination" && pause.end_ns + kLongPauseNs >= cycle.start_ns &&
        pause.start_ns <= cycle.start_ns + kLongPauseNs && pause.gc == 0) {
      pause.gc = cycle.ordinal;
      cycle.stop_first_ns = length;
      cycle.stopped_ns += within;
    } else if (kind == "GC mark termination" && cycle.end_ns != 0 &&
               pause.start_ns <= cycle.end_ns && pause.start_ns >= cycle.start_ns &&
               pause.gc == 0) {
      pause.gc = cycle.ordinal;
      cycle.stop_last_ns = length;
      cycle.stopped_ns += within;
    }
  }
}

void Cycles::end_generation(const View& view, Stacks& stacks, const std::vector<Sample>& samples,
                            Pauses& pauses) {
  pair(view, stacks);
  std::stable_sort(recent_points_.begin(), recent_points_.end(),
                   [](const Point& a, const Point& b) { return a.at_ns < b.at_ns; });
  for (std::size_t i = recent_; i < cycles_.size(); ++i) {
    measure(cycles_[i], view, stacks, samples, pauses);
  }
  for (Point& point : recent_points_) {
    if (point.live_bytes == 0) {
      goal_ = point.goal_bytes;
      continue;
    }
    live_ = point.live_bytes;
    point.goal_bytes = goal_;
    points_.push_back(point);
    if (points_.size() > kPointsKept) thin_points(kPointsKept / 2);
  }
  recent_points_.clear();
}

// The highest of each of as many equal slices of time stays.
void Cycles::thin_points(std::size_t most) {
  if (points_.size() <= most) return;
  const std::uint64_t begin = points_.front().at_ns;
  const std::uint64_t width = (points_.back().at_ns - begin) / most + 1;
  std::vector<Point> kept;
  std::uint64_t slice = UINT64_MAX;
  for (const Point& point : points_) {
    const std::uint64_t its = (point.at_ns - std::min(begin, point.at_ns)) / width;
    if (its != slice) {
      kept.push_back(point);
      slice = its;
    } else if (point.live_bytes > kept.back().live_bytes) {
      kept.back() = point;
    }
  }
  points_.swap(kept);
}

void Cycles::finish(evidence::Incident& incident, const Stacks& stacks, std::uint64_t zero_ns) {
  const auto on_clock = [zero_ns](std::uint64_t ns) {
    return static_cast<std::int64_t>(ns - zero_ns);
  };
  for (const Cycle& kept : cycles_) {
    evidence::GcCycle cycle;
    cycle.ordinal = kept.ordinal;
    cycle.ordinal_known = false;
    cycle.start_ns = on_clock(kept.start_ns);
    cycle.times_known = kept.end_ns != 0 && !kept.from_before;
    if (kept.end_ns != 0) {
      cycle.duration_ns = kept.end_ns - kept.start_ns;
      incident.gc_window_ns += cycle.duration_ns;
    }
    cycle.stop_first_ns = kept.stop_first_ns;
    cycle.stop_last_ns = kept.stop_last_ns;
    cycle.mark_ns = cycle.duration_ns - std::min(cycle.duration_ns, kept.stopped_ns);
    cycle.heap_start_bytes = kept.heap_start;
    cycle.heap_end_bytes = kept.heap_peak;
    cycle.live_bytes = kept.heap_live;
    cycle.goal_bytes = kept.goal;
    cycle.heap_known = kept.heap_start != 0 && kept.heap_live != 0;
    cycle.processors = processors_;
    cycle.asker_stack = stacks.stack(kept.stack);
    cycle.cause = cause_of(cycle.asker_stack);
    cycle.forced =
        cycle.cause == "runtime.GC" || cycle.cause == "timer" || cycle.cause == "runtime/debug";
    cycle.growth_samples = kept.growth_samples;
    const auto most = std::max_element(
        kept.growth_stacks.begin(), kept.growth_stacks.end(), [](const auto& a, const auto& b) {
          return std::tie(a.second, b.first) < std::tie(b.second, a.first);
        });
    if (most != kept.growth_stacks.end()) cycle.growth_stack = stacks.stack(most->first);
    cycle.where = {0, evidence::Position::Unit::kByte, kept.offset};
    incident.cycles.push_back(std::move(cycle));
  }
  thin_points(evidence::kHeapPointsMax);
  for (const Point& point : points_) {
    incident.heap.push_back({on_clock(point.at_ns), point.live_bytes, point.goal_bytes});
  }
}

}  // namespace ullage::trace::go
