// SPDX-License-Identifier: Apache-2.0
//
// What a shard tells of its memory: growths one by one, what goes back or is evicted together.
#include <ullage/site.h>

#include <chrono>

#include "tier/state.h"

namespace ullage::tier {
namespace {

// What goes back in slices, and what is evicted, is told together: one event in this
// time, or once there is nothing more to do.
constexpr std::uint64_t kShrunkEventNs = 100'000'000, kEvictedEventNs = 1'000'000'000;

std::uint64_t steady_ns() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

}  // namespace

void Shard::State::report(growth_kind kind, growth_cause cause, std::uint64_t before,
                          std::uint64_t after, std::uint64_t moved, std::uint64_t duration_ns) {
  growth_event event;
  event.kind = kind;
  event.cause = cause;
  event.container = this;
  event.type = "tier";
  event.bytes_before = before;
  event.bytes_after = after;
  event.elements = store ? store->entries() : 0;
  event.moved = moved;
  event.element_bytes = sizeof(Ref);
  event.thread = growth_thread();
  event.duration_ns = duration_ns;
  event.time_ns = steady_ns();
  if (options.sink != nullptr) options.sink->on_growth(event);
  report_growth(nullptr, event, 0);
}

void Shard::State::grew(growth_kind kind, const Segment& segment, std::uint64_t before,
                        std::uint64_t moved, std::uint64_t began_ns) noexcept {
  std::uint64_t after = kSegmentBytes[segment.size];
  growth_cause cause = growth_cause::insert;
  if (kind == growth_kind::split) {
    after *= 2;
    counters.splits.add();
  } else if (kind == growth_kind::stretched || kind == growth_kind::poor_hash) {
    counters.stretches.add();
  } else if (kind == growth_kind::merged || kind == growth_kind::shrunk) {
    counters.merges.add();
    cause = growth_cause::shrink;
  }
  counters.moved.add(moved);
  if (moved > counters.operation_moves_max.value()) counters.operation_moves_max.set(moved);
  report(kind, cause, before, after, moved, steady_ns() - began_ns);
}

std::uint64_t Shard::State::held_bytes() const {
  std::uint64_t bytes = store->heap().resident_bytes() + store->large().resident_bytes();
  for (const auto& old : retired) {
    bytes += old->heap().resident_bytes() + old->large().resident_bytes();
  }
  return bytes;
}

// What presses, in the words of events.
growth_cause Shard::State::pressing() const {
  switch (budget.pressure()) {
    case Pressure::kProcess:
      return growth_cause::process;
    case Pressure::kCgroup:
      return growth_cause::cgroup;
    case Pressure::kStalled:
      return growth_cause::stalled;
    case Pressure::kNone:
    case Pressure::kLimit:
      break;
  }
  return growth_cause::limit;
}

// After a step: of what went back in it, and of what was evicted since it was told last.
void Shard::State::tell_reclaims(growth_cause cause, std::uint64_t held_before, std::uint64_t moved,
                                 std::uint64_t took_ns, bool more) {
  Reclaims& r = reclaims;
  const std::uint64_t now_ns = steady_ns(), held = held_bytes();
  const auto tell = [&](std::uint64_t after) {
    if (r.freed_bytes == 0) return;
    report(growth_kind::shrunk, r.cause, after + r.freed_bytes, after, r.moved, r.took_ns);
    r.freed_bytes = r.moved = r.took_ns = 0;
    r.told_ns = now_ns;
  };
  if (held < held_before) {
    if (r.cause != cause) tell(held_before);
    r.cause = cause;
    r.freed_bytes += held_before - held;
    r.moved += moved;
    r.took_ns += took_ns;
  }
  if (!more || now_ns - r.told_ns >= kShrunkEventNs) tell(held);
  const std::uint64_t evicted = counters.evicted_bytes.value() - r.evicted_bytes_told;
  if (evicted == 0 || now_ns - r.evicted_told_ns < kEvictedEventNs) return;
  const std::uint64_t live = store->totals().total();
  report(growth_kind::evicted, pressing(), live + evicted, live, 0, 0);
  r.evicted_bytes_told += evicted;
  r.evicted_told_ns = now_ns;
}

void Shard::State::tell_curve() {
  curve.window_percent.set(window_percent);
  if (!shadow || curve_second == now_ms / 1000) return;
  curve_second = now_ms / 1000;
  const HitCurve now = shadow->curve();
  for (std::size_t i = 0; i < now.points.size(); ++i) {
    curve.hit_ppm[i].set(static_cast<std::uint64_t>(now.points[i].hit_ratio * 1e6));
  }
  curve.sampled.set(now.sampled);
}

}  // namespace ullage::tier
