// SPDX-License-Identifier: Apache-2.0
//
// go-retry-leak: each try starts a goroutine, the caller gives up, and the goroutine stays.
//
// It waits to send into a channel that nobody receives from any more (or to receive). Parked, it
// delays no stop; but its stack and all it holds are marked by every collection, for ever.
//
// Rule      goroutines of one go statement (of one function, where dumps lack it) that wait on a
//           channel, a select or a lock, and are kMore more at the end than before: by two dumps,
//           else by a trace (started less ended). By one dump alone: kAlone that wait to send or
//           receive.
// Silent    for pools: many, as many as before; for goroutines that run or end.
#include <algorithm>
#include <set>

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

// Who started a group. Traces and dumps in words know the go statement, profiles only the function
// that it started.
struct Origin {
  std::string starter, entry;
  std::string statement;  // "main.fetch:143"; empty = not known
};

Origin origin_of(const GoroutineGroup& group) {
  Origin origin;
  if (const go::Frame* entry = entry_of(group)) origin.entry = entry->function;
  const go::Frame* starter = go::user_frame(group.created_by);
  origin.starter = starter_of(starter ? starter->function : origin.entry);
  if (starter && starter->line > 0) {
    origin.statement = origin.starter + ':' + std::to_string(starter->line);
  }
  return origin;
}

// Finds the go statement of groups that do not know theirs, among those that do.
class Statements {
 public:
  void add(const Origin& origin) {
    if (origin.statement.empty()) {
      entries_[origin.starter].insert(origin.entry);
      return;
    }
    by_starter_[origin.starter].insert(origin.statement);
    if (!origin.entry.empty()) by_entry_[origin.entry].insert(origin.statement);
  }
  std::string key(const Origin& origin) const {
    if (!origin.statement.empty()) return origin.statement;
    if (const std::string* one = only(by_entry_, origin.entry)) return *one;
    const std::string* one = only(by_starter_, origin.starter);
    if (one && only(entries_, origin.starter)) return *one;
    return origin.entry.empty() ? origin.starter : origin.entry;
  }

 private:
  using Names = std::map<std::string, std::set<std::string>>;
  static const std::string* only(const Names& names, const std::string& name) {
    const auto found = names.find(name);
    return found != names.end() && found->second.size() == 1 ? &*found->second.begin() : nullptr;
  }
  Names by_starter_, by_entry_, entries_;
};

bool counts(const GoroutineGroup& group, const Origin& origin) {
  if (origin.starter.empty() || go::is_standard(origin.starter)) return false;
  return group.snapshot == UINT32_MAX || waits(state_of(group));
}

// Goroutines by the go statement that started them, or by function where nothing tells it.
std::map<std::string, Leak> leaks_of(const Incident& incident) {
  Statements statements;
  for (const GoroutineGroup& group : incident.goroutines) {
    const Origin origin = origin_of(group);
    if (counts(group, origin)) statements.add(origin);
  }
  std::map<std::string, Leak> leaks;
  for (const GoroutineGroup& group : incident.goroutines) {
    const Origin origin = origin_of(group);
    if (!counts(group, origin)) continue;
    const std::string state = state_of(group);
    const bool snapshot = group.snapshot != UINT32_MAX;
    Leak& leak = leaks[statements.key(origin)];
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

// Dumps of goroutines as time went, whatever their files are called; those of unknown time last.
std::vector<std::uint32_t> dumps_of(const Incident& incident) {
  std::vector<std::uint32_t> dumps;
  for (std::uint32_t i = 0; i < incident.snapshots.size(); ++i) {
    if (incident.snapshots[i].kind.find("goroutine") != std::string::npos) dumps.push_back(i);
  }
  std::stable_sort(dumps.begin(), dumps.end(), [&](std::uint32_t a, std::uint32_t b) {
    const std::int64_t x = incident.snapshots[a].at_ns;
    const std::int64_t y = incident.snapshots[b].at_ns;
    return std::make_pair(x == 0, x) < std::make_pair(y == 0, y);
  });
  return dumps;
}

// A dump of goroutines that does not have them had none.
std::uint64_t count_in(const Leak& leak, std::uint32_t dump) {
  const auto found = leak.by_snapshot.find(dump);
  return found == leak.by_snapshot.end() ? 0 : found->second;
}

// How many more there are at the end; 0 = none, or not known to be more.
std::uint64_t more_of(const std::vector<std::uint32_t>& dumps, const Leak& leak) {
  std::uint64_t more = leak.created > leak.ended ? leak.created - leak.ended : 0;
  if (leak.by_snapshot.empty()) return more;
  if (dumps.empty()) return more;
  const std::uint64_t first = count_in(leak, dumps.front());
  const std::uint64_t last = count_in(leak, dumps.back());
  // As many as before are a pool, also if a trace saw all of them start.
  if (dumps.size() >= 2) return last > first ? last - first : 0;
  // What the trace saw come and the dump still has.
  return std::min(more, last);
}

bool stands(const std::vector<std::uint32_t>& dumps, const Leak& leak, std::uint64_t& more,
            bool& alone) {
  more = more_of(dumps, leak);
  alone = false;
  if (more >= kMore) return leak.parked || leak.trace;
  const bool one_dump = leak.by_snapshot.size() == 1 && !leak.trace;
  if (!one_dump || !leak.parked || !on_channel(state_of(*leak.parked))) return false;
  more = leak.by_snapshot.begin()->second;
  alone = dumps.size() == 1 && more >= kAlone;
  return alone;
}

// What ends such a wait, by what is waited for.
std::string remedy_of(const std::string& state) {
  const std::string context =
      "pass a context to the work (ctx, cancel := context.WithTimeout(ctx, d); defer cancel()) and "
      "select on ctx.Done() beside the ";
  const std::string limit = "; errgroup.WithContext does both. Retries need a limit.";
  if (state.find("chan receive") != std::string::npos) {
    return "close the channel when nothing more will be sent: every receive, and range, ends then. "
           "Where the sender may have given up, " +
           context + "receive" + limit;
  }
  if (state.find("select") != std::string::npos) {
    return "give the select a case that comes in any event: " + context + "others" + limit;
  }
  if (state.empty() || on_channel(state)) {
    return "give the channel room for the answer that nobody takes: done := make(chan error, 1). "
           "Better, " +
           context + "send" + limit;
  }
  if (state.find("IO wait") != std::string::npos) {
    return "give the connection a deadline (SetDeadline, http.Client.Timeout) and close it when "
           "the caller gives up. Retries need a limit.";
  }
  return "release what they wait for on every path: defer mu.Unlock(), defer wg.Done(). Where the "
         "wait must have an end, wait on a channel and a context instead. Retries need a limit.";
}

Finding make(const Incident& incident, const std::vector<std::uint32_t>& dumps, const Leak& leak,
             std::uint64_t more, bool alone) {
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
    std::string counts;
    std::uint64_t before = UINT64_MAX;
    for (const std::uint32_t dump : dumps) {
      const std::uint64_t count = count_in(leak, dump);
      if (count == before) continue;  // the same moment in another form, as a rule
      before = count;
      evidence::Position position;
      position.artefact = incident.snapshots[dump].artefact;
      counts += (counts.empty() ? "" : ", then ") + go::position_text(incident, position) + ": " +
                format_count(count);
    }
    finding.evidence.push_back(counts + " wait (" + state + ") at " + go::site_text(finding.where) +
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
  finding.remedy = remedy_of(state);
  finding.check = go::fetch_command(incident, "goroutine?debug=2", "goroutine.txt");
  return finding;
}

}  // namespace

void go_retry_leak(const evidence::Evidence& evidence, const DetectorOptions&,
                   std::vector<Finding>& findings) {
  if (!go::speaks_go(evidence)) return;
  const Incident& incident = evidence.incident;
  const std::vector<std::uint32_t> dumps = dumps_of(incident);
  for (const auto& [statement, leak] : leaks_of(incident)) {
    std::uint64_t more = 0;
    bool alone = false;
    if (stands(dumps, leak, more, alone)) {
      findings.push_back(make(incident, dumps, leak, more, alone));
    }
  }
}

}  // namespace ullage::diagnose
