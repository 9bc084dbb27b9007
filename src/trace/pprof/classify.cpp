// SPDX-License-Identifier: Apache-2.0
#include "trace/pprof/classify.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace ullage::trace {
namespace {

using evidence::CallKind;
using evidence::CallProof;

struct Word {
  std::string_view prefix, says;
};

// Assignment to a map that only may grow it: no growth by itself.
constexpr std::array<std::string_view, 5> kMapAssignment = {
    "runtime.mapassign", "internal/runtime/maps.runtime_mapassign",
    "internal/runtime/maps.(*Map).PutSlot", "internal/runtime/maps.(*Map).putSlot",
    "internal/runtime/maps.(*table).PutSlot"};

constexpr std::array<std::string_view, 15> kCollectorFunctions = {
    "runtime.gcBgMarkWorker", "runtime.gcDrain",       "runtime.gcAssistAlloc",
    "runtime.bgsweep",        "runtime.bgscavenge",    "runtime.gcStart",
    "runtime.gcMarkDone",     "runtime.gcMarkTerm",    "runtime.gcMarkTinyAllocs",
    "runtime.markroot",       "runtime.scanobject",    "runtime.scanblock",
    "runtime.sweepone",       "runtime.(*sweepLocked", "runtime.gcResetMarkState"};

// By the first frame, from the inner end, whose function begins so.
constexpr std::array<Word, 17> kStates = {{
    {"runtime.chansend", "chan send"},
    {"runtime.chanrecv", "chan receive"},
    {"runtime.selectgo", "select"},
    {"runtime.block", "select (no cases)"},
    {"time.Sleep", "sleep"},
    {"runtime.netpollblock", "IO wait"},
    {"internal/poll.runtime_pollWait", "IO wait"},
    {"sync.(*Mutex)", "sync.Mutex.Lock"},
    {"internal/sync.(*Mutex)", "sync.Mutex.Lock"},
    {"sync.(*RWMutex).RLock", "sync.RWMutex.RLock"},
    {"sync.(*RWMutex)", "sync.RWMutex.Lock"},
    {"sync.(*WaitGroup).Wait", "sync.WaitGroup.Wait"},
    {"sync.(*Cond).Wait", "sync.Cond.Wait"},
    {"sync.runtime_Semacquire", "semacquire"},
    {"runtime.notetsleepg", "syscall"},
    {"syscall.", "syscall"},
    {"runtime.gcAssistAlloc", "GC assist wait"},
}};

bool begins_with_any(std::string_view text, const auto& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return text.starts_with(prefix); });
}

// Innermost frames that are looked at for a state: further out the program's own code begins.
constexpr std::size_t kStateFrames = 12;

}  // namespace

std::uint8_t marks_of(const std::string& function) {
  if (!evidence::is_go_runtime(function)) return 0;
  std::uint8_t marks = 0;
  switch (evidence::call_kind_of(function)) {
    case CallKind::kAppend:
      marks |= kSliceGrowth;
      break;
    case CallKind::kMapAssign:
      if (!begins_with_any(function, kMapAssignment)) marks |= kMapGrowth;
      break;
    case CallKind::kStack:
      marks |= kStackGrowth;
      break;
    default:
      break;
  }
  if (function.starts_with("runtime.gcAssistAlloc")) marks |= kAssist;
  if (begins_with_any(function, kCollectorFunctions)) marks |= kCollector;
  return marks;
}

CallKind growth_of(std::uint8_t marks) {
  if ((marks & kSliceGrowth) != 0) return CallKind::kAppend;
  if ((marks & kMapGrowth) != 0) return CallKind::kMapAssign;
  return (marks & kStackGrowth) != 0 ? CallKind::kStack : CallKind::kUnknown;
}

bool allocates(const std::string& function) {
  return function.starts_with("runtime.mallocgc") || function.starts_with("runtime.(*m") ||
         evidence::call_kind_of(function) != CallKind::kUnknown;
}

std::string state_of(const evidence::Stack& stack) {
  for (std::size_t i = 0; i < std::min(stack.size(), kStateFrames); ++i) {
    for (const Word& word : kStates) {
      if (stack[i].function.starts_with(word.prefix)) {
        // What parks for another reason passes through the semaphore first.
        if (word.says != "semacquire") return std::string(word.says);
        const bool inner = i + 1 < stack.size();
        const std::string outer = inner ? state_of({stack.begin() + 1 + i, stack.end()}) : "";
        return outer.starts_with("sync.") ? outer : std::string(word.says);
      }
    }
  }
  const bool parked = !stack.empty() && stack.front().function == "runtime.gopark";
  return parked ? "waiting" : "running";
}

std::string wait_reason_of(const evidence::Stack& stack, bool& released) {
  released = false;
  for (std::size_t i = 0; i < std::min(stack.size(), kStateFrames); ++i) {
    const std::string& f = stack[i].function;
    if (f.starts_with("sync.") || f.starts_with("internal/sync.") ||
        f.starts_with("runtime.unlock") || f.starts_with("runtime.semrelease") ||
        f.starts_with("runtime.semacquire") || f.starts_with("runtime._LostContended")) {
      released = f.find("nlock") != std::string::npos ||
                 f.find("semrelease") != std::string::npos ||
                 f.find("_LostContended") != std::string::npos;
      return "sync";
    }
    for (const Word& word : kStates) {
      if (f.starts_with(word.prefix)) return std::string(word.says);
    }
  }
  return "unknown";
}

void separate_hidden(evidence::HeapSite& site) {
  std::size_t count = 0;
  while (count < site.stack.size() && evidence::is_go_runtime(site.stack[count].function) &&
         allocates(site.stack[count].function)) {
    ++count;
  }
  if (count == 0 || count == site.stack.size()) return;
  site.hidden.assign(site.stack.begin(), site.stack.begin() + static_cast<std::ptrdiff_t>(count));
  site.stack.erase(site.stack.begin(), site.stack.begin() + static_cast<std::ptrdiff_t>(count));
  // The outermost of the runtime's frames is what the program called.
  site.call = evidence::call_kind_of(site.hidden.back().function);
  if (site.call != CallKind::kUnknown) site.proof = CallProof::kStack;
}

std::string file_name_of(std::string_view path) {
  const std::size_t slash = path.find_last_of('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

}  // namespace ullage::trace
