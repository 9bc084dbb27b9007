// SPDX-License-Identifier: Apache-2.0
//
// jvm-over-retention: between two class histograms one class keeps growing; where views (SubList,
// sliced buffers) grow beside the arrays under them, the views are what keeps them.
//
// Rule      between the first and the last histogram a class gained at least kGrowthBytes and
//           kGrowthShare of itself, and kOfAll of what all classes gained; with three or more
//           histograms it gained in every step.
// Silent    with one histogram, for growth that came to rest, for shifts between classes, and where
//           the last histogram holds kDeadFactor of what collections leave: it counts the dead.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/jvm/jvm.h"

namespace ullage::diagnose {
namespace {

using evidence::ClassCount;
using evidence::Incident;

constexpr std::uint64_t kGrowthBytes = 8 << 20;
constexpr double kGrowthShare = 0.2;
constexpr double kOfAll = 0.3;
// Views that gained at least this share of what arrays gained in number, and each array holds
// kBytesPerView or more: a small view keeps a large array.
constexpr double kViewShare = 0.5;
constexpr std::uint64_t kBytesPerView = 1024;

// The heap that collections leave holds all that is live: a histogram of more counts the dead too.
constexpr double kDeadFactor = 1.5;
// Only the last collections count: after the first ones, what grows since was not there yet.
constexpr std::size_t kLastShare = 4;

struct Gain {
  std::string name;
  std::uint64_t instances_from = 0, instances_to = 0, bytes_from = 0, bytes_to = 0;
  bool every_step = true;
  std::uint64_t bytes() const { return bytes_to - std::min(bytes_from, bytes_to); }
  std::uint64_t instances() const { return instances_to - std::min(instances_from, instances_to); }
};

bool is_view(const std::string& name) {
  for (const char* part :
       {"SubList", "ByteBuffer", "CharBuffer", "IntBuffer", "LongBuffer", "SliceByteBuf",
        "SlicedByteBuf", "DuplicatedByteBuf", "AsCharBuffer", "CharSequence", "SubMap", "SubSet"}) {
    if (name.find(part) != std::string::npos) return name.find("[]") == std::string::npos;
  }
  return false;
}

// What everyone has much of says little by itself: who holds it is asked for.
bool is_plain(const std::string& name) {
  return name.ends_with("[]") || name == "java.lang.String" || name == "java.lang.Integer" ||
         name == "java.lang.Long";
}

std::vector<Gain> gains_of(const Incident& incident) {
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < incident.snapshots.size(); ++i) {
    if (incident.snapshots[i].kind == "histogram") order.push_back(i);
  }
  if (order.size() < 2) return {};
  std::map<std::string, std::vector<const ClassCount*>> rows;
  std::map<std::uint32_t, std::size_t> step;
  for (std::size_t i = 0; i < order.size(); ++i) step[order[i]] = i;
  for (const ClassCount& count : incident.classes) {
    const auto at = step.find(count.snapshot);
    if (at == step.end()) continue;
    std::vector<const ClassCount*>& row = rows[count.name];
    row.resize(order.size());
    row[at->second] = &count;
  }
  std::vector<Gain> gains;
  for (const auto& [name, row] : rows) {
    Gain gain;
    gain.name = name;
    std::uint64_t last = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
      const ClassCount* count = i < row.size() ? row[i] : nullptr;
      const std::uint64_t bytes = count == nullptr ? 0 : count->bytes;
      if (i == 0) {
        gain.bytes_from = bytes;
        gain.instances_from = count == nullptr ? 0 : count->instances;
      } else {
        gain.every_step &= bytes > last;
      }
      last = bytes;
      gain.bytes_to = bytes;
      gain.instances_to = count == nullptr ? 0 : count->instances;
    }
    gains.push_back(std::move(gain));
  }
  std::stable_sort(gains.begin(), gains.end(),
                   [](const Gain& a, const Gain& b) { return a.bytes() > b.bytes(); });
  return gains;
}

// The smallest heap after one of the last quarter of all collections; 0 = no log tells.
std::uint64_t heap_left(const Incident& incident) {
  std::vector<std::uint64_t> left;
  for (const evidence::GcCycle& cycle : incident.cycles) {
    if (cycle.heap_known && cycle.heap_end_bytes > 0) left.push_back(cycle.heap_end_bytes);
  }
  if (left.empty()) return 0;
  const auto last = static_cast<std::ptrdiff_t>((left.size() + kLastShare - 1) / kLastShare);
  return *std::min_element(left.end() - last, left.end());
}

bool counts_the_dead(const Incident& incident, std::uint64_t histogram_bytes) {
  const std::uint64_t left = heap_left(incident);
  return left > 0 && static_cast<double>(histogram_bytes) > kDeadFactor * static_cast<double>(left);
}

std::string sentence(const Gain& gain) {
  return gain.name + ": " + format_bytes(gain.bytes_from) + " -> " + format_bytes(gain.bytes_to) +
         " in " + format_count(gain.instances_from) + " -> " + format_count(gain.instances_to) +
         " instances";
}

// The class of the program, not of the JDK, that gained most instances: who holds it, perhaps.
const Gain* holder(const std::vector<Gain>& gains, std::uint64_t instances_min) {
  const Gain* best = nullptr;
  for (const Gain& gain : gains) {
    if (is_plain(gain.name) || is_view(gain.name) || gain.instances() < instances_min) continue;
    if (gain.name.starts_with("java.lang.") || gain.name.starts_with("jdk.")) continue;
    if (best == nullptr || gain.instances() > best->instances()) best = &gain;
  }
  return best;
}

}  // namespace

void jvm_over_retention(const evidence::Evidence& evidence, const DetectorOptions&,
                        std::vector<Finding>& findings) {
  const Incident& incident = evidence.incident;
  if (!jvm::is_jvm(incident)) return;
  const std::vector<Gain> gains = gains_of(incident);
  if (gains.empty()) return;
  std::uint64_t from = 0, to = 0;
  for (const Gain& gain : gains) {
    from += gain.bytes_from;
    to += gain.bytes_to;
  }
  const Gain& top = gains.front();
  if (to <= from || top.bytes() < kGrowthBytes || !top.every_step ||
      static_cast<double>(top.bytes()) < kGrowthShare * static_cast<double>(top.bytes_from) ||
      static_cast<double>(top.bytes()) < kOfAll * static_cast<double>(to - from)) {
    return;
  }
  if (counts_the_dead(incident, to)) return;
  const Gain* view = nullptr;
  if (top.name.ends_with("[]") && top.instances() > 0 &&
      top.bytes() / top.instances() >= kBytesPerView) {
    const auto enough =
        static_cast<std::uint64_t>(kViewShare * static_cast<double>(top.instances()));
    for (const Gain& gain : gains) {
      if (is_view(gain.name) && gain.instances() >= std::max<std::uint64_t>(enough, 1) &&
          (view == nullptr || gain.instances() > view->instances())) {
        view = &gain;
      }
    }
  }
  std::uint32_t last = 0;
  for (const ClassCount& count : incident.classes) last = std::max(last, count.snapshot);
  Finding finding;
  evidence::Position where;
  where.artefact = last < incident.snapshots.size() ? incident.snapshots[last].artefact : 0;
  finding.where = jvm::place_of(incident, where);
  finding.severity = Severity::kWarning;
  finding.family = "held";
  finding.cost.wasted_bytes = top.bytes();
  finding.cost.events = top.instances();
  finding.cost.events_unit = "instances";
  finding.evidence.push_back(sentence(top) + "; all classes together: " + format_bytes(from) +
                             " -> " + format_bytes(to) + ".");
  if (view != nullptr) {
    finding.title = view->name + " keeps " + top.name + " alive";
    finding.confidence = 0.8;
    finding.evidence.push_back(sentence(*view) + ": a view for each array of " +
                               format_bytes(top.bytes() / top.instances()) +
                               " on average, and a view keeps the whole of what it looks into.");
    finding.remedy =
        "copy what is kept, and let the large one go: new ArrayList<>(list.subList(a, b)), "
        "Arrays.copyOfRange(array, a, b), ByteBuffer.allocate(n).put(slice).flip().";
  } else {
    finding.title = top.name + " keeps growing, by " + format_bytes(top.bytes());
    finding.confidence = 0.6;
    const Gain* held = is_plain(top.name) ? holder(gains, 1000) : nullptr;
    if (held != nullptr) finding.evidence.push_back("Beside it grew " + sentence(*held) + ".");
    finding.remedy =
        "bound what holds it: a cache with a maximal size and a TTL, a queue with a capacity, "
        "entries removed when their request ends.";
  }
  finding.check = "jcmd PID GC.heap_dump heap.hprof (shows the path to whoever holds them)";
  findings.push_back(std::move(finding));
}

}  // namespace ullage::diagnose
