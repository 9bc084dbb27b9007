// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <unordered_map>

#include "base/text.h"
#include "trace/heap_dump/facts.h"

namespace ullage::trace::heap_dump {
namespace {

using evidence::Stack;

// Values of a goroutine's status as the runtime numbers them.
std::string state_of(const Goroutine& g) {
  switch (g.status & 0xfff) {
    case 1:
      return "runnable";
    case 2:
      return "running";
    case 3:
      return "syscall";
    default:
      return clean_utf8(g.wait_reason);
  }
}

// Functions only: a dump has no lines for these frames.
Stack stack_of(const Dump& dump, const Goroutine& g) {
  Stack stack;
  const std::uint64_t end = std::min<std::uint64_t>(
      g.first_frame + std::min(g.frames, kGroupFramesMax), dump.roots.size());
  for (std::uint64_t i = g.first_frame; i < end; ++i) {
    if (dump.roots[i].kind != Root::Kind::kFrame) continue;
    evidence::Frame frame;
    frame.function = clean_utf8(dump.roots[i].name);
    frame.library = evidence::is_go_runtime(frame.function);
    stack.push_back(std::move(frame));
  }
  return stack;
}

}  // namespace

void add_goroutines(const Dump& dump, evidence::Incident& incident) {
  std::unordered_map<std::string, std::size_t> groups;
  const auto snapshot = static_cast<std::uint32_t>(incident.snapshots.size() - 1);
  for (const Goroutine& g : dump.goroutines) {
    if (g.system) continue;
    ++incident.snapshots[snapshot].goroutines;
    Stack stack = stack_of(dump, g);
    if (g.defers >= kDefersMin) {
      incident.defers.push_back(
          {g.id, g.defers, stack, {0, evidence::Position::Unit::kByte, g.where}});
    }
    std::string key = state_of(g);
    for (const evidence::Frame& frame : stack) key.append("\n").append(frame.function);
    const auto known = groups.find(key);
    if (known != groups.end()) {
      ++incident.goroutines[known->second].count;
    } else if (incident.goroutines.size() < kGoroutineGroupsMax) {
      groups.emplace(std::move(key), incident.goroutines.size());
      evidence::GoroutineGroup& group = incident.goroutines.emplace_back();
      group.stack = std::move(stack);
      group.state = state_of(g);
      group.count = 1;
      group.snapshot = snapshot;
    }
  }
  std::stable_sort(incident.defers.begin(), incident.defers.end(),
                   [](const auto& a, const auto& b) { return a.records > b.records; });
  if (incident.defers.size() > kDeferPilesMax) incident.defers.resize(kDeferPilesMax);
  std::stable_sort(incident.goroutines.begin(), incident.goroutines.end(),
                   [](const auto& a, const auto& b) { return a.count > b.count; });
}

}  // namespace ullage::trace::heap_dump
