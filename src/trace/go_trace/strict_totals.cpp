// SPDX-License-Identifier: Apache-2.0
#include "trace/go_trace/strict_totals.h"

#include <algorithm>

#include "trace/go_trace/pairing.h"

namespace ullage::trace::go {

void StrictTotals::begin_generation(const Tables& tables) {
  tables_ = &tables;
  stack_.clear();
  reasons_.clear();
  counts_[kStrings] += tables.strings_batches;
  counts_[kString] += tables.strings.size();
  counts_[kStacks] += tables.stacks_batches;
  counts_[kStack] += tables.stack_ends.size();
  counts_[kCpuSamples] += tables.samples_batches;
  counts_[kCpuSample] += tables.samples.size();
  counts_[kFrequency] += tables.frequencies;
  counts_[kSync] += tables.syncs;
  counts_[kClockSnapshot] += tables.snapshots;
}

StrictTotals::Goroutine& StrictTotals::of(std::uint64_t id) {
  const std::uint32_t place = goroutines_.find(id);
  return goroutines_[place == UINT32_MAX ? goroutines_.add(id) : place];
}

void StrictTotals::runnable(Goroutine& g, std::uint64_t at_ns) {
  g.runnable = true;
  g.since_ns = at_ns;
  g.waits = nullptr;
}

void StrictTotals::starts(std::uint64_t id, std::uint64_t at_ns) {
  Goroutine& g = of(id);
  if (g.runnable && g.since_ns != 0) {
    ++totals_.delays;
    const std::uint64_t delay = at_ns > g.since_ns ? at_ns - g.since_ns : 0;
    totals_.delay_ns_max = std::max(totals_.delay_ns_max, delay);
  }
  g.runnable = false;
}

void StrictTotals::blocks(Goroutine& g, const EventCursor& event) {
  g.runnable = false;
  g.waits = nullptr;
  g.since_ns = event.at_ns;
  const auto stack = static_cast<std::uint32_t>(event.arguments[1]);
  if ((stack_(stack) & Stacks::kRuntimeOnly) != 0) return;
  const auto [it, added] = reasons_.try_emplace(event.arguments[0], nullptr);
  if (added) {
    const std::string_view reason = tables_->string(event.arguments[0]);
    if (!is_idle_reason(reason)) it->second = &totals_.waits[std::string(reason)];
  }
  g.waits = it->second;
}

void StrictTotals::take(const EventCursor& event, std::uint64_t before, std::uint64_t after) {
  ++counts_[event.type];
  const std::uint64_t now = event.at_ns;
  switch (event.type) {
    case kGoCreate:
    case kGoCreateBlocked: {
      ++totals_.created;
      Goroutine& g = of(event.arguments[0]);
      if (event.type == kGoCreate) runnable(g, now);
      break;
    }
    case kGoCreateSyscall:
      ++totals_.created;
      of(event.arguments[0]);
      break;
    case kGoStatus:
    case kGoStatusStack:
      if (goroutines_.find(event.arguments[0]) == UINT32_MAX) {
        of(event.arguments[0]).runnable = event.arguments[2] == kRunnable;
      }
      break;
    case kGoStart:
      starts(event.arguments[0], now);
      break;
    case kGoStop:
    case kGoSyscallEndBlocked:
      runnable(of(before), now);
      break;
    case kGoBlock:
      blocks(of(before), event);
      break;
    case kGoSwitch: {
      Goroutine& g = of(before);
      g.runnable = false;
      g.waits = nullptr;
      of(after).waits = nullptr;
      break;
    }
    case kGoDestroy:
    case kGoDestroySyscall:
    case kGoSwitchDestroy:
      ++totals_.ended;
      of(before);
      goroutines_.erase(goroutines_.find(before));
      if (event.type == kGoSwitchDestroy) of(after).waits = nullptr;
      break;
    case kGoUnblock: {
      Goroutine& g = of(event.arguments[0]);
      if (g.waits != nullptr) g.waits->add(now > g.since_ns ? now - g.since_ns : 0);
      runnable(g, now);
      break;
    }
    case kStwBegin:
      stops_[before] = {now, std::string(tables_->string(event.arguments[0]))};
      break;
    case kStwEnd:
      if (const auto open = stops_.find(before); open != stops_.end()) {
        const auto& [start, kind] = open->second;
        totals_.pauses[kind].add(now > start ? now - start : 0);
        stops_.erase(open);
      }
      break;
    case kAssistBegin:
    case kAssistActive: {
      Goroutine& g = of(event.type == kAssistBegin ? before : event.arguments[0]);
      if (!g.assists) g.assist_ns = now;
      g.assists = true;
      break;
    }
    case kAssistEnd: {
      Goroutine& g = of(before);
      if (g.assists) totals_.assists.add(now > g.assist_ns ? now - g.assist_ns : 0);
      g.assists = false;
      break;
    }
    case kGcBegin:
      ++totals_.cycles;
      break;
    case kGcActive:
      if (totals_.cycles == 0) ++totals_.cycles;
      break;
    default:
      break;
  }
}

void StrictTotals::finish(Totals& totals, const Container& container) {
  counts_[kEventBatch] = container.event_batches();
  counts_[kExperimentalBatch] = container.experimental_batches();
  counts_[kEndOfGeneration] = container.ends();
  for (std::size_t type = 0; type < counts_.size(); ++type) {
    if (counts_[type] != 0) totals_.events[kEvents[type].name] = counts_[type];
  }
  totals = std::move(totals_);
}

void Totals::Sum::add(std::uint64_t ns) {
  ++count;
  total_ns += ns;
  max_ns = std::max(max_ns, ns);
}

Totals Totals::of(const evidence::Incident& incident) {
  Totals totals;
  for (const auto& [name, count] : incident.event_counts) totals.events[name] = count;
  for (const evidence::PauseKind& kind : incident.pause_kinds) {
    totals.pauses[kind.kind] = {kind.count, kind.total_ns, kind.max_ns};
  }
  totals.assists = {incident.assist_count, incident.assist_total_ns, incident.assist_max_ns};
  for (const evidence::Wait& wait : incident.waits) {
    Sum& sum = totals.waits[wait.reason];
    sum.count += wait.count;
    sum.total_ns += wait.total_ns;
    sum.max_ns = std::max(sum.max_ns, wait.max_ns);
  }
  totals.delays = incident.scheduling.count;
  totals.delay_ns_max = incident.scheduling.max_ns;
  totals.cycles = incident.cycles.size();
  for (const evidence::GoroutineGroup& group : incident.goroutines) {
    totals.created += group.created;
    totals.ended += group.ended;
  }
  return totals;
}

namespace {

using Sums = std::map<std::string, Totals::Sum>;

std::string differ(const std::string& what, const Sums& a, const Sums& b) {
  for (const auto* sums : {&a, &b}) {
    for (const auto& [name, unused] : *sums) {
      const auto x = a.find(name);
      const auto y = b.find(name);
      const Totals::Sum left = x == a.end() ? Totals::Sum{} : x->second;
      const Totals::Sum right = y == b.end() ? Totals::Sum{} : y->second;
      if (left == right) continue;
      return what + " \"" + name + "\": " + std::to_string(left.count) + " of " +
             std::to_string(left.total_ns) + " ns, and " + std::to_string(right.count) + " of " +
             std::to_string(right.total_ns) + " ns";
    }
  }
  return {};
}

std::string differ(const std::string& what, std::uint64_t a, std::uint64_t b) {
  return a == b ? "" : what + ": " + std::to_string(a) + ", and " + std::to_string(b);
}

}  // namespace

std::string Totals::difference(const Totals& other) const {
  for (const auto* counts : {&events, &other.events}) {
    for (const auto& [name, unused] : *counts) {
      const auto a = events.find(name);
      const auto b = other.events.find(name);
      std::string found =
          differ(name, a == events.end() ? 0 : a->second, b == other.events.end() ? 0 : b->second);
      if (!found.empty()) return found;
    }
  }
  for (std::string found :
       {differ("pauses", pauses, other.pauses),
        differ("assists", Sums{{"all", assists}}, Sums{{"all", other.assists}}),
        differ("waits", waits, other.waits), differ("scheduling delays", delays, other.delays),
        differ("longest scheduling delay", delay_ns_max, other.delay_ns_max),
        differ("cycles", cycles, other.cycles),
        differ("goroutines created", created, other.created),
        differ("goroutines ended", ended, other.ended)}) {
    if (!found.empty()) return found;
  }
  return {};
}

}  // namespace ullage::trace::go
