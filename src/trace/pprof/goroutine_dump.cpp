// SPDX-License-Identifier: Apache-2.0
//
// Goroutine dumps: /debug/pprof/goroutine?debug=2, SIGQUIT, and what a crash leaves on stderr,
// among any other lines. Goroutines that wait at the same place, made by the same line, are one
// group.
#include <algorithm>
#include <unordered_map>

#include "base/format.h"
#include "trace/pprof/classify.h"
#include "trace/pprof/profile.h"
#include "trace/pprof/text_lines.h"
#include "trace/pprof/text_profile.h"

namespace ullage::trace {
namespace {

using evidence::Frame;
using evidence::Incident;
using evidence::Stack;

constexpr std::uint64_t kMinuteNs = 60'000'000'000;
// Frames of one goroutine that are kept: Go prints 100 itself.
constexpr std::size_t kDepthMax = 4096;
// A cycle of calls is told when so many frames in a row are it: fewer is a recursive algorithm.
constexpr std::size_t kCycleMax = 4;
constexpr std::uint64_t kRepeatedFramesMin = 48;

struct Goroutine {
  std::string state;
  std::uint64_t id = 0, waiting_ns = 0, line = 0;
  Stack stack, created_by;
  std::uint64_t elided = 0;      // frames that the runtime left out, in the middle
  std::size_t elided_after = 0;  // of stack
};

// "goroutine 18 gp=0xc000102380 m=5 [chan send, 3 minutes, locked to thread]:"
bool read_title(std::string_view line, Goroutine& goroutine) {
  if (!take(line, "goroutine ") || !take_number(line, goroutine.id) || !line.starts_with(' ')) {
    return false;
  }
  const std::size_t open = line.find('[');
  if (open == std::string_view::npos || !line.ends_with("]:")) return false;
  const std::string_view between = line.substr(0, open);
  if (between != " " && between.find("gp=") == std::string_view::npos) return false;
  std::string_view inside = line.substr(open + 1, line.size() - open - 3);
  const std::size_t comma = inside.find(", ");
  goroutine.state = inside.substr(0, comma);
  while (comma != std::string_view::npos) {
    const std::size_t next = inside.find(", ");
    if (next == std::string_view::npos) break;
    inside.remove_prefix(next + 2);
    std::string_view part = inside;
    std::uint64_t minutes = 0;
    if (take_number(part, minutes) && part.starts_with(" minutes")) {
      goroutine.waiting_ns = std::min<std::uint64_t>(minutes, 100'000'000) * kMinuteNs;
    }
  }
  return true;
}

// "\t/src/main.go:26 +0x1d fp=0x..": into the frame before it.
bool read_place(std::string_view line, Frame& frame) {
  if (!take(line, "\t")) return false;
  for (const std::string_view behind : {" +0x", " fp=0x"}) {
    line = line.substr(0, std::min(line.rfind(behind), line.size()));
  }
  frame.file = split_line(line, frame.line);
  return frame.line > 0;
}

// "main.(*T).f(0x1, {0x2, ...})": arguments have no parentheses of their own.
bool read_call(std::string_view line, Frame& frame) {
  if (!line.ends_with(')') || line.starts_with('\t')) return false;
  const std::size_t open = line.rfind('(');
  if (open == 0 || open == std::string_view::npos) return false;
  const std::string_view name = line.substr(0, open);
  // Names have no spaces outside of brackets: this is a sentence.
  if (name.find(' ') != std::string_view::npos && name.find('[') == std::string_view::npos) {
    return false;
  }
  frame.function = name == "panic" ? "runtime.gopanic" : std::string(name);
  frame.inlined = line.substr(open) == "(...)";
  frame.library = evidence::is_go_runtime(frame.function);
  return true;
}

bool read_elided(std::string_view line, Goroutine& goroutine) {
  if (!take(line, "...") || line.find("elided") == std::string_view::npos) return false;
  std::uint64_t count = 0;
  take_number(line, count);
  goroutine.elided = std::max<std::uint64_t>(count, 1);  // "...additional frames elided..."
  goroutine.elided_after = goroutine.stack.size();
  return true;
}

void read_goroutine(Lines& lines, Goroutine& goroutine) {
  while (lines.next()) {
    std::string_view line = lines.line();
    if (read_elided(line, goroutine)) continue;
    Frame frame;
    const bool creation = take(line, "created by ");
    if (creation) {
      frame.function = line.substr(0, line.find(" in goroutine "));
      frame.library = evidence::is_go_runtime(frame.function);
    } else if (!read_call(line, frame)) {
      lines.back();
      return;
    }
    if (lines.next() && !read_place(lines.line(), frame)) lines.back();
    Stack& stack = creation ? goroutine.created_by : goroutine.stack;
    if (stack.size() < kDepthMax) stack.push_back(std::move(frame));
  }
}

// The longest run of one repeated cycle, from its first frame.
void find_recursion(const Goroutine& goroutine, bool overflowed, Incident& incident) {
  const Stack& s = goroutine.stack;
  std::size_t best_begin = 0, best_frames = 0, best_cycle = 0;
  for (std::size_t cycle = 1; cycle <= kCycleMax; ++cycle) {
    for (std::size_t begin = 0; begin + cycle < s.size();) {
      std::size_t end = begin + cycle;
      while (end < s.size() && s[end].function == s[end - cycle].function) ++end;
      if (end - begin >= 2 * cycle && end - begin > best_frames) {
        best_begin = begin, best_frames = end - begin, best_cycle = cycle;
      }
      begin = end - cycle + 1;
    }
  }
  if (best_cycle == 0) return;
  const std::size_t end = best_begin + best_frames;
  std::uint64_t frames = best_frames;
  if (goroutine.elided_after > best_begin && goroutine.elided_after <= end) {
    frames += goroutine.elided;
  }
  if (frames < kRepeatedFramesMin) return;
  evidence::Recursion& r = incident.recursions.emplace_back();
  r.thread = "goroutine " + std::to_string(goroutine.id);
  const auto first = s.begin() + static_cast<std::ptrdiff_t>(best_begin);
  r.cycle.assign(first, first + static_cast<std::ptrdiff_t>(best_cycle));
  r.frames = frames;
  r.repeats = frames / best_cycle;
  r.overflowed = overflowed;
  r.cut = goroutine.elided > 0;
  if (end < s.size()) r.entered_from = s[end];
  r.where = {0, evidence::Position::Unit::kLine, goroutine.line};
}

std::string key_of(const Goroutine& g) {
  std::string key = g.state;
  for (const Stack* stack : {&g.stack, &g.created_by}) {
    key += '\0';
    for (const Frame& f : *stack) key += f.function + ':' + std::to_string(f.line) + '\n';
  }
  return key;
}

}  // namespace

bool begins_goroutine(std::string_view line) {
  Goroutine goroutine;
  return read_title(line, goroutine);
}

void read_goroutine_dump(std::string_view text, Incident& incident) {
  constexpr std::size_t kRecursionsMax = 100;
  evidence::Artefact& artefact = incident.artefacts.front();
  std::unordered_map<std::string, std::size_t> groups;
  std::uint64_t total = 0, frames = 0, beyond = 0;
  bool overflow = false;
  Lines lines(text);
  while (lines.next()) {
    const std::string_view line = lines.line();
    if (line.starts_with("panic: ") || line.starts_with("fatal error: ")) {
      // A panic that panics again names both; the last line is what ended the program.
      if (total == 0) incident.facts.crash = line.substr(0, 1000);
    } else if (line.starts_with("runtime: goroutine stack exceeds ")) {
      overflow = true;
    }
    Goroutine goroutine;
    goroutine.line = lines.number();
    if (!read_title(line, goroutine)) {
      artefact.bytes_skipped += total > 0 && !line.empty() ? line.size() + 1 : 0;
      continue;
    }
    read_goroutine(lines, goroutine);
    const bool crashed = total++ == 0;
    if (incident.recursions.size() < kRecursionsMax) {
      find_recursion(goroutine, overflow && crashed, incident);
    }
    auto [found, fresh] = groups.try_emplace(key_of(goroutine), incident.goroutines.size());
    if (fresh) {
      frames += goroutine.stack.size() + goroutine.created_by.size();
      if (frames > kFramesMax) {
        groups.erase(found);
        ++beyond;
        continue;
      }
      evidence::GoroutineGroup& group = incident.goroutines.emplace_back();
      group.state = std::move(goroutine.state);
      group.stack = std::move(goroutine.stack);
      group.created_by = std::move(goroutine.created_by);
      group.snapshot = 0;
    }
    evidence::GoroutineGroup& group = incident.goroutines[found->second];
    ++group.count;
    group.waiting_ns_max = std::max(group.waiting_ns_max, goroutine.waiting_ns);
  }
  if (beyond > 0) {
    artefact.notes.push_back(format_counted(beyond, "goroutine") +
                             " beyond the first stacks are counted only.");
  }
  std::stable_sort(incident.goroutines.begin(), incident.goroutines.end(),
                   [](const auto& a, const auto& b) { return a.count > b.count; });
  evidence::Snapshot& snapshot = incident.snapshots.emplace_back();
  snapshot.kind = "goroutine";
  snapshot.goroutines = total;
  artefact.records = total;
}

}  // namespace ullage::trace
