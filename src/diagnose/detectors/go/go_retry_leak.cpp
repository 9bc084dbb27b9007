// SPDX-License-Identifier: Apache-2.0
//
// go-retry-leak: each try starts a goroutine, the caller gives up, and the goroutine stays.
//
// It waits to send into a channel that nobody receives from any more (or to receive). Parked, it
// delays no stop; but its stack and all it holds are marked by every collection, for ever.
//
// Rule      goroutines of one function that wait on a channel, a select or a lock, and are kMore
//           more at the end than before: by two dumps, or by a trace (started less ended). By one
//           dump alone: kAlone that wait to send or receive.
// Silent    for pools: many, as many as before; for goroutines that run or end.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/go/common.h"

namespace ullage::diagnose {
namespace {

using evidence::GoroutineGroup;
using evidence::Incident;

constexpr std::uint64_t kMore = 100;
constexpr std::uint64_t kAlone = 1000;
// What a parked goroutine costs at least: its stack.
constexpr std::uint64_t kStackBytes = 2048;

bool on_channel(const std::string& state) { return state.find("chan") != std::string::npos; }
bool waits(const std::string& state) {
  return on_channel(state) || state.find("select") != std::string::npos ||
         state.find("sem") != std::string::npos || state.find("sync") != std::string::npos ||
         state.find("IO wait") != std::string::npos;
}

// A profile without states still shows them by the function they are parked in.
std::string state_of(const GoroutineGroup& group) {
  if (!group.state.empty()) return group.state;
  const auto in = [&](const char* name) { return go::has_function(group.stack, name); };
  if (in("runtime.chansend")) return "chan send";
  if (in("runtime.chanrecv")) return "chan receive";
  if (in("runtime.selectgo")) return "select";
  if (in("runtime.semacquire") || in("sync.runtime_Semacquire")) return "semacquire";
  return {};
}

const go::Frame* entry_of(const GoroutineGroup& group) {
  const go::Frame* entry = nullptr;
  for (const go::Frame& frame : group.stack) {
    if (!frame.function.empty() && !evidence::is_go_runtime(frame.function)) entry = &frame;
  }
  return entry;
}

struct Leak {
  std::map<std::uint32_t, std::uint64_t> by_snapshot;
  std::uint64_t created = 0, ended = 0;
  const GoroutineGroup* parked = nullptr;  // the largest that shows where they wait
  const GoroutineGroup* trace = nullptr;
  std::uint64_t waiting_ns_max = 0;
};

// "main.fetch" of "main.fetch.func1", "main.fetch.gowrap2".
std::string starter_of(const std::string& entry) {
  const std::size_t at = std::min(entry.find(".func"), entry.find(".gowrap"));
  return at == std::string::npos ? entry : entry.substr(0, at);
}

// Goroutines by the function that started them: what a dump and a trace both know.
std::map<std::string, Leak> leaks_of(const Incident& incident) {
  std::map<std::string, Leak> leaks;
  for (const GoroutineGroup& group : incident.goroutines) {
    const go::Frame* entry = entry_of(group);
    const go::Frame* starter = go::user_frame(group.created_by);
    std::string key = starter ? starter_of(starter->function)
                      : entry ? starter_of(entry->function)
                              : std::string();
    if (key.empty() || go::is_standard(key)) continue;
    const std::string state = state_of(group);
    const bool snapshot = group.snapshot != UINT32_MAX;
    if (snapshot && !waits(state)) continue;
    Leak& leak = leaks[key];
    leak.waiting_ns_max = std::max(leak.waiting_ns_max, group.waiting_ns_max);
    if (snapshot) {
      leak.by_snapshot[group.snapshot] += group.count;
    } else {
      if (!state.empty() && !waits(state)) continue;
      leak.created += group.created;
      leak.ended += group.ended;
      if (!leak.trace || group.created > leak.trace->created) leak.trace = &group;
    }
    if (!group.stack.empty() && waits(state) &&
        (!leak.parked || group.count > leak.parked->count)) {
      leak.parked = &group;
    }
  }
  return leaks;
}

// How many more there are at the end; 0 = none, or not known to be more.
std::uint64_t more_of(const Incident& incident, const Leak& leak) {
  std::uint64_t more = leak.created > leak.ended ? leak.created - leak.ended : 0;
  if (leak.by_snapshot.empty()) return more;
  const std::uint64_t last = leak.by_snapshot.rbegin()->second;
  // A dump of goroutines that does not have them had none.
  std::uint64_t dumps = 0;
  std::uint64_t first = last;
  for (std::uint32_t i = 0; i < incident.snapshots.size(); ++i) {
    if (incident.snapshots[i].kind.find("goroutine") == std::string::npos) continue;
    const auto found = leak.by_snapshot.find(i);
    const std::uint64_t count = found == leak.by_snapshot.end() ? 0 : found->second;
    if (dumps++ == 0) first = count;
  }
  if (dumps >= 2 && last > first) return std::max(more, last - first);
  // What the trace saw come and the dump still has.
  return std::min(more, last);
}

bool stands(const Incident& incident, const Leak& leak, std::uint64_t& more, bool& alone) {
  more = more_of(incident, leak);
  alone = false;
  if (more >= kMore) return leak.parked || leak.trace;
  const bool one_dump = leak.by_snapshot.size() == 1 && !leak.trace;
  if (!one_dump || !leak.parked || !on_channel(state_of(*leak.parked))) return false;
  std::uint64_t dumps = 0;
  for (const evidence::Snapshot& snapshot : incident.snapshots) {
    dumps += snapshot.kind.find("goroutine") != std::string::npos;
  }
  more = leak.by_snapshot.begin()->second;
  alone = dumps == 1 && more >= kAlone;
  return alone;
}

Finding make(const Incident& incident, const Leak& leak, std::uint64_t more, bool alone) {
  const evidence::Stack& stack = leak.parked ? leak.parked->stack : leak.trace->created_by;
  Finding finding = go::at_stack(stack);
  const std::string state = leak.parked ? state_of(*leak.parked) : std::string();
  finding.family = "goroutines";
  finding.confidence = alone ? 0.5 : leak.parked ? 0.9 : 0.75;
  finding.title = format_counted(more, "goroutine") + " were started, wait" +
                  (state.empty() ? "" : " (" + state + ")") + " and never end";
  finding.cost.events = more;
  finding.cost.events_unit = "goroutines";
  finding.cost.wasted_bytes = more * kStackBytes;
  evidence::Position where;
  if (leak.trace) {
    where.artefact = leak.trace->artefact;
    const go::Frame* starter = go::user_frame(leak.trace->created_by);
    std::string text = go::position_text(incident, where) + ": " + format_count(leak.created) +
                       " goroutines were started";
    if (starter) text += " at " + go::site_text(*starter);
    text += " " + go::window_text(leak.trace->first_ns, leak.trace->last_ns) + " and " +
            format_count(leak.ended) + " ended.";
    finding.evidence.push_back(text);
  }
  if (!leak.by_snapshot.empty() && leak.parked) {
    evidence::Position dump;
    dump.artefact = leak.parked->artefact;
    std::string counts;
    std::uint64_t before = UINT64_MAX;
    for (const auto& [snapshot, count] : leak.by_snapshot) {
      if (count == before) continue;  // the same moment in another form, as a rule
      before = count;
      counts += (counts.empty() ? "" : ", then ") + format_count(count);
    }
    finding.evidence.push_back(go::position_text(incident, dump) + ": " + counts + " wait (" +
                               state + ") at " + go::site_text(finding.where) +
                               (leak.waiting_ns_max > 0
                                    ? ", for up to " + format_ns(leak.waiting_ns_max)
                                    : std::string()) +
                               ".");
  }
  if (alone) {
    finding.evidence.push_back(
        "One dump alone: a pool of that size would look the same. A second dump some minutes later "
        "tells.");
  }
  finding.evidence.push_back("Their stacks are " + format_bytes(finding.cost.wasted_bytes) +
                             " at least (2 kB each), and each collection scans them.");
  finding.remedy =
      "give the channel room for the answer that nobody takes: done := make(chan error, 1). "
      "Better, "
      "pass a context to the work (ctx, cancel := context.WithTimeout(ctx, d); defer cancel()) "
      "and select on ctx.Done() beside the send; errgroup.WithContext does both. Retries need a "
      "limit.";
  finding.check = "curl -o goroutine.txt 'http://HOST/debug/pprof/goroutine?debug=2'";
  return finding;
}

}  // namespace

void go_retry_leak(const evidence::Evidence& evidence, const DetectorOptions&,
                   std::vector<Finding>& findings) {
  if (!go::speaks_go(evidence)) return;
  const Incident& incident = evidence.incident;
  for (const auto& [starter, leak] : leaks_of(incident)) {
    std::uint64_t more = 0;
    bool alone = false;
    if (stands(incident, leak, more, alone)) {
      findings.push_back(make(incident, leak, more, alone));
    }
  }
}

}  // namespace ullage::diagnose
