// SPDX-License-Identifier: Apache-2.0
//
// go-growth-under-lock: whoever holds a lock grows something, and everyone else waits for both.
//
// Rule      waits for a lock (reason sync) that ended when the holder came out of growth or an
//           assist: kWaiters or more behind one, or kBehindNs in all; and they are kShare of all
//           waiting at that line.
// Silent    for contention with other causes: long critical sections, or merely many writers.
#include <algorithm>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"
#include "diagnose/detectors/go/common.h"

namespace ullage::diagnose {
namespace {

using evidence::Wait;

constexpr std::uint64_t kWaiters = 2;
constexpr std::uint64_t kBehindNs = 10'000'000;
// Two waiters of microseconds are no finding.
constexpr std::uint64_t kFeltNs = 1'000'000;
// Whoever queues behind several holders is charged only with the one that let it in, so a tenth of
// all waiting is much.
constexpr double kShare = 0.1;
constexpr std::uint64_t kErrorNs = 100'000'000;

// The runtime calls its own semaphores "sync" as well, and WaitGroups: a lock has its name in the
// stack, unless the stack begins with the user's own lines.
bool waits_for_lock(const Wait& wait) {
  const auto is_lock = [](const go::Frame& frame) {
    return frame.function.find("Mutex)") != std::string::npos;
  };
  const bool deep = !wait.stack.empty() && go::is_standard(wait.stack.front().function);
  if (deep && std::none_of(wait.stack.begin(), wait.stack.end(), is_lock)) return false;
  if (go::has_function(wait.stack, "runtime.gcAssist")) return false;
  return wait.reason.find("sync") != std::string::npos ||
         wait.reason.find("mutex") != std::string::npos ||
         wait.reason.find("semacquire") != std::string::npos;
}

std::uint64_t behind_ns(const Wait& wait) {
  return std::min(wait.behind_growth_ns + wait.behind_assist_ns, wait.total_ns);
}

}  // namespace

void go_growth_under_lock(const evidence::Evidence& evidence, const DetectorOptions&,
                          std::vector<Finding>& findings) {
  if (!go::speaks_go(evidence)) return;
  const evidence::Incident& incident = evidence.incident;
  std::map<std::string, std::vector<const Wait*>> holders;
  for (const Wait& wait : incident.waits) {
    if (!waits_for_lock(wait) || behind_ns(wait) == 0) continue;
    const bool many = wait.waiters_max >= kWaiters && behind_ns(wait) >= kFeltNs;
    const auto total = static_cast<double>(wait.total_ns);
    if ((!many && behind_ns(wait) < kBehindNs) ||
        static_cast<double>(behind_ns(wait)) < kShare * total) {
      continue;
    }
    const evidence::Stack& stack = wait.growth_stack.empty() ? wait.released_by : wait.growth_stack;
    const go::Frame* user = go::user_frame(stack);
    holders[user ? user->function + ':' + std::to_string(user->line) : ""].push_back(&wait);
  }
  for (const auto& [line, waits] : holders) {
    const Wait* worst = *std::max_element(
        waits.begin(), waits.end(),
        [](const Wait* a, const Wait* b) { return behind_ns(*a) < behind_ns(*b); });
    const evidence::Stack& stack =
        worst->growth_stack.empty() ? worst->released_by : worst->growth_stack;
    Finding finding = go::at_stack(stack);
    std::uint64_t count = 0;
    std::uint64_t total_ns = 0;
    for (const Wait* wait : waits) {
      count += wait->behind_growth + wait->behind_assist;
      total_ns += behind_ns(*wait);
    }
    const bool grew = worst->behind_growth_ns >= worst->behind_assist_ns;
    finding.family = go::grows_map(stack)             ? "map"
                     : go::copies_in_one_piece(stack) ? "append"
                                                      : "lock";
    finding.severity = worst->max_ns >= kErrorNs ? Severity::kError : Severity::kWarning;
    finding.confidence = worst->growth_stack.empty() ? 0.6 : 0.85;
    finding.title = format_counted(count, "wait") + " for a lock while its holder " +
                    (grew ? "grew something" : "marked for the collector");
    finding.cost.stall_ns = total_ns;
    finding.cost.stall_ns_max = std::min(worst->max_ns, behind_ns(*worst));
    finding.cost.events = count;
    finding.cost.events_unit = "waits";
    const go::Frame* waiter = go::user_frame(worst->stack);
    const go::Frame* holder = go::user_frame(worst->released_by);
    finding.evidence.push_back(go::position_text(incident, worst->longest) + ": at " +
                               (waiter ? go::site_text(*waiter) : std::string("an unknown line")) +
                               " " + format_counted(worst->count, "wait") + " (" + worst->reason +
                               ") took " + format_ns(worst->total_ns) + " " +
                               go::window_text(worst->first_ns, worst->last_ns) + ", the longest " +
                               format_ns(worst->max_ns) + ".");
    std::string sentence = format_count(count) + " of them, " + format_ns(total_ns) +
                           ", ended when the holder came out of " + (grew ? "growth" : "an assist");
    if (!worst->growth_stack.empty()) sentence += " at " + go::site_text(finding.where);
    if (holder) sentence += "; released at " + go::site_text(*holder);
    if (worst->waiters_max > 1) {
      sentence += "; up to " + format_count(worst->waiters_max) + " waited for one";
    }
    finding.evidence.push_back(sentence + ".");
    finding.remedy =
        "take the growth out of the lock: build the entry, or the larger map or slice "
        "(make(map[K]V, N), make([]T, n, N)), before Lock(), and only put it in place inside. Or "
        "spread the keys over 16 shards with a lock each; readers of rare changes take "
        "an atomic.Pointer to a copy.";
    finding.check = "go tool trace -pprof=sync " + go::artefact_name(incident, worst->longest) +
                    " > sync.pb.gz && go tool pprof -top sync.pb.gz";
    findings.push_back(std::move(finding));
  }
}

}  // namespace ullage::diagnose
