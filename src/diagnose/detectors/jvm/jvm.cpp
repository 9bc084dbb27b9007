// SPDX-License-Identifier: Apache-2.0
#include "diagnose/detectors/jvm/jvm.h"

#include <algorithm>

#include "base/format.h"

namespace ullage::diagnose::jvm {

using evidence::Incident;
using evidence::Position;

bool is_jvm(const Incident& incident) { return incident.facts.runtime == evidence::Runtime::kJvm; }

evidence::Frame place_of(const Incident& incident, const Position& where) {
  evidence::Frame frame;
  if (where.artefact < incident.artefacts.size()) {
    frame.file = incident.artefacts[where.artefact].name;
  }
  if (where.unit == Position::Unit::kLine) {
    frame.line = static_cast<int>(std::min<std::uint64_t>(where.at, INT32_MAX));
  }
  return frame;
}

std::string at(const Incident& incident, const Position& where) {
  std::string text = where.artefact < incident.artefacts.size()
                         ? incident.artefacts[where.artefact].name
                         : std::string("the log");
  if (where.unit == Position::Unit::kLine) text += " line " + format_count(where.at);
  if (where.unit == Position::Unit::kByte) text += " byte " + format_count(where.at);
  return text;
}

std::string moment(std::int64_t at_ns) {
  return format_ns(at_ns < 0 ? 0 : static_cast<std::uint64_t>(at_ns));
}

std::string window(std::int64_t from_ns, std::int64_t to_ns, bool known) {
  if (!known) return {};
  return "between " + moment(from_ns) + " and " + moment(to_ns) + " of the log";
}

std::string gc_name(const Incident& incident, std::uint64_t ordinal) {
  if (ordinal == 0) return "a collection";
  const bool unified = !incident.artefacts.empty() &&
                       incident.artefacts.front().format.find("unified") != std::string::npos;
  return unified ? "GC(" + std::to_string(ordinal - 1) + ")"
                 : "collection " + std::to_string(ordinal);
}

std::string site_text(const evidence::Frame& frame) {
  return frame.line > 0 ? frame.place() + " in " + frame.label() : frame.label();
}

void Sum::add(const evidence::GcCycle& cycle) {
  if (count == 0) {
    first = &cycle;
    first_ns = cycle.start_ns;
    times_known = cycle.times_known;
  }
  if (longest == nullptr || cycle.duration_ns > max_ns) longest = &cycle;
  ++count;
  total_ns += cycle.duration_ns;
  max_ns = std::max(max_ns, cycle.duration_ns);
  last_ns = std::max(last_ns, cycle.start_ns + static_cast<std::int64_t>(cycle.duration_ns));
}

std::string larger_heap(const Incident& incident, double factor) {
  std::uint64_t heap = incident.facts.heap_max_bytes;
  for (const evidence::GcCycle& cycle : incident.cycles) heap = std::max(heap, cycle.goal_bytes);
  if (heap == 0) return "a larger heap (-Xmx)";
  return "-Xmx" +
         std::to_string(static_cast<std::uint64_t>(static_cast<double>(heap) * factor) >> 20) + "m";
}

std::uint64_t reference_bytes(const Incident& incident) {
  constexpr std::uint64_t kCompressedBelow = 32ULL << 30;
  return incident.facts.heap_max_bytes < kCompressedBelow ? 4 : 8;
}

}  // namespace ullage::diagnose::jvm
