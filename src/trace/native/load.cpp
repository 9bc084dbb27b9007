// SPDX-License-Identifier: Apache-2.0
#include "trace/native/load.h"

#include <algorithm>
#include <cstring>

#include "trace/native/stream.h"

namespace ullage::trace {
namespace {

using record::Kind;

// Ring mode's sums: one per stack at most.
constexpr std::size_t kAggregatesMax = record::kStackNodesMax;
constexpr std::uint16_t kMapped = 1;

std::string hex(const std::uint8_t* bytes, std::size_t count) {
  std::string s;
  for (std::size_t i = 0; i < count; ++i) {
    s += "0123456789abcdef"[bytes[i] >> 4];
    s += "0123456789abcdef"[bytes[i] & 15];
  }
  return s;
}

template <class T>
std::vector<T> records(const std::vector<std::uint8_t>& payload) {
  std::vector<T> out(payload.size() / sizeof(T));
  if (!out.empty()) std::memcpy(out.data(), payload.data(), out.size() * sizeof(T));
  return out;
}

// Bytes that made no sense.
std::size_t read_modules(const std::vector<std::uint8_t>& payload, Loaded& to) {
  std::size_t at = 0;
  while (payload.size() - at >= sizeof(record::ModuleRecord)) {
    record::ModuleRecord m;
    std::memcpy(&m, payload.data() + at, sizeof m);
    if (m.bytes == 0) return 0;  // the unwritten rest of a live segment
    if (m.bytes < sizeof m || m.bytes > payload.size() - at) return payload.size() - at;
    if (m.event == kMapped && m.low < m.high && to.modules.size() < kModulesMax) {
      SymbolModule module;
      const char* path = reinterpret_cast<const char*>(payload.data() + at + sizeof m);
      module.path.assign(path, strnlen(path, m.bytes - sizeof m));
      module.build_id_hex =
          hex(m.build_id, std::min<std::size_t>(m.build_id_bytes, sizeof m.build_id));
      module.bias = m.bias;
      module.low = m.low;
      module.high = m.high;
      module.occupant = m.occupant;
      to.modules.push_back(std::move(module));
    }
    at += m.bytes;
  }
  return 0;
}

void damaged(Loaded& to, std::uint64_t bytes, std::string note) {
  ++to.segments_damaged;
  to.bytes_damaged += bytes;
  if (to.notes.size() < kDamageNotesMax) to.notes.push_back(std::move(note));
}

// The pair of clocks that is farthest from the start, for the best ratio.
Clock calibrate(const record::Recording& recording, Loaded& to) {
  const record::FileHeader& h = recording.header();
  Clock clock;
  clock.start_ticks = h.start_ticks;
  clock.shift = h.tick_shift;
  std::uint64_t ticks = h.end_ticks, ns = h.end_monotonic_ns;
  const auto later = [&](std::uint64_t t, std::uint64_t n) {
    if (t > ticks && n != 0) {
      ticks = t;
      ns = n;
    }
  };
  if (ticks == 0 || ns == 0) {
    ticks = ns = 0;
    for (const record::SegmentRef& s : recording.segments()) {
      later(s.header.ticks0, s.header.monotonic0_ns);
    }
    if (!to.marks.empty()) later(to.marks.back().ticks, to.marks.back().monotonic_ns);
  }
  if ((h.features & record::kFeatureClockTsc) != 0) {
    const double dt = static_cast<double>(ticks) - static_cast<double>(h.start_ticks);
    const double dn = static_cast<double>(ns) - static_cast<double>(h.start_monotonic_ns);
    // Counters run at 10 MHz to 20 GHz; anything else is not a calibration.
    if (dt > 0 && dn > 0 && dn / dt > 0.05 && dn / dt < 100) {
      clock.ns_per_tick = dn / dt;
    } else {
      to.clock_calibrated = false;
    }
  }
  std::uint64_t end = h.end_ticks;
  if (end == 0) {
    end = std::max(ticks, last_ticks(recording));
  }
  clock.steps_total = std::max<std::uint64_t>(1, clock.step(end));
  return clock;
}

}  // namespace

Loaded load(const record::Recording& recording) {
  Loaded out;
  std::vector<std::uint8_t> payload;
  for (const record::SegmentRef& s : recording.segments()) {
    const auto kind = static_cast<Kind>(s.header.kind);
    if (kind == Kind::kEvents) continue;
    std::string error;
    if (!recording.payload(s, payload, error)) {
      damaged(out, s.header.payload_bytes, std::move(error));
      continue;
    }
    if (kind == Kind::kStacks) {
      out.stacks.add(s.header.first_id, records<record::StackNode>(payload));
    } else if (kind == Kind::kModules) {
      if (const std::size_t lost = read_modules(payload, out); lost != 0) {
        damaged(out, stored_bytes(s.header, lost),
                recording.path() + ": segment at byte " + std::to_string(s.file_offset) +
                    ": a module record is longer than its segment; names behind it are missing.");
      }
    } else if (kind == Kind::kMarks) {
      for (const record::Mark& m : records<record::Mark>(payload)) {
        if (m.ticks != 0 && out.marks.size() < kMarksMax) out.marks.push_back(m);
      }
    } else if (kind == Kind::kAggregate) {
      for (const auto& a : records<record::AggregateRecord>(payload)) {
        if (a.allocations != 0 && out.aggregates.size() < kAggregatesMax) {
          out.aggregates.push_back(a);
        }
      }
    }
  }
  out.stacks.seal();
  std::stable_sort(out.marks.begin(), out.marks.end(),
                   [](const auto& a, const auto& b) { return a.ticks < b.ticks; });
  out.clock = calibrate(recording, out);
  return out;
}

}  // namespace ullage::trace
