// SPDX-License-Identifier: Apache-2.0
#include "trace/jvm_gc/unified.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "trace/jvm_gc/decorations.h"

namespace ullage::trace::jvm {
namespace {

using evidence::GcCycle;
using evidence::Pause;
using evidence::Position;

Position at_line(std::uint64_t line) { return {0, Position::Unit::kLine, line}; }

// Ordinals begin at 1: 0 means unknown, and the JVM counts from 0.
std::uint64_t ordinal(std::uint64_t id) { return id + 1; }

// Takes a duration off the end: "... 12.5ms".
bool take_duration(std::string_view& text, std::uint64_t& ns) {
  const std::size_t blank = text.rfind(' ');
  if (blank == std::string_view::npos) return false;
  std::string_view tail = text.substr(blank + 1);
  if (!eat_duration(tail, ns) || !tail.empty()) return false;
  text = trimmed(text.substr(0, blank));
  return true;
}

// Takes "34M->33M(380M)" off the end.
bool take_heap(std::string_view& text, HeapChange& heap) {
  const std::size_t blank = text.rfind(' ');
  if (blank == std::string_view::npos) return false;
  std::string_view tail = text.substr(blank + 1);
  if (!eat_heap_change(tail, heap) || !tail.empty()) return false;
  text = trimmed(text.substr(0, blank));
  return true;
}

// Takes the last group in parentheses, which may hold others: "(System.gc())".
bool take_group(std::string_view& text, std::string_view& group) {
  if (text.empty() || text.back() != ')') return false;
  int depth = 0;
  for (std::size_t i = text.size(); i-- > 0;) {
    if (text[i] == ')') ++depth;
    if (text[i] == '(' && --depth == 0) {
      group = text.substr(i + 1, text.size() - i - 2);
      text = trimmed(text.substr(0, i));
      return true;
    }
  }
  return false;
}

constexpr std::array<std::string_view, 6> kYoungKinds = {
    "Normal", "Mixed", "Prepare Mixed", "Concurrent Start", "Concurrent End", "Full"};

bool is_young_kind(std::string_view group) {
  return std::find(kYoungKinds.begin(), kYoungKinds.end(), group) != kYoungKinds.end();
}

bool is_low_pause(const std::string& collector) {
  return collector == "Z" || collector == "Shenandoah";
}

// Lines of detail that are known and hold nothing that is used.
constexpr std::array<std::string_view, 36> kDetails = {"Using ",
                                                       "User=",
                                                       "Phase ",
                                                       "- age ",
                                                       "Age table",
                                                       "Desired survivor",
                                                       "MMU target",
                                                       "Attempting ",
                                                       "Clearing All Soft",
                                                       "Trigger: ",
                                                       "Pacer ",
                                                       "Free: ",
                                                       "Adaptive ",
                                                       "Cancelling GC",
                                                       "Failed to allocate",
                                                       "Skipped ",
                                                       "Cleaned ",
                                                       "Heap",
                                                       "Metaspace",
                                                       "garbage-first heap",
                                                       "region size",
                                                       "class space",
                                                       "Bad progress",
                                                       "Good progress",
                                                       "Initializing ",
                                                       "CDS archive",
                                                       "Compressed ",
                                                       "Narrow klass",
                                                       "Rescan",
                                                       "Live Live",
                                                       "Evacuation Reserve",
                                                       "Collectable Garbage",
                                                       "Immediate Garbage",
                                                       "TLAB",
                                                       "Minimum ",
                                                       "Serial collector"};

// "Name: value", "Name 1.5ms", "===" rules and tables of numbers.
bool is_detail(std::string_view text) {
  for (const std::string_view prefix : kDetails) {
    if (text.starts_with(prefix)) return true;
  }
  if (text.empty() || text.starts_with("===") || text.starts_with("Mark Start")) return true;
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos && colon > 0 && colon < 60) return true;
  std::uint64_t ns = 0;
  if (take_duration(text, ns)) return true;
  return text.ends_with("]") || text.ends_with(")") || text.ends_with(" us") ||
         text.find("space") != std::string_view::npos ||
         text.find("generation") != std::string_view::npos;
}

bool is_phase_start(std::string_view text) {  // "Marking Phase", "Post Compact", "ClassLoaderData"
  return text.size() < 60 && !text.empty() && text.front() >= 'A' && text.front() <= 'Z' &&
         text.find_first_of("=;{}\"\\") == std::string_view::npos;
}

}  // namespace

bool is_unified_message(std::string_view m) {
  if (eat(m, "GC(")) {
    std::uint64_t id = 0;
    return eat_integer(m, id) && m.starts_with(") ");
  }
  for (const std::string_view start :
       {"Using G1", "Using Parallel", "Using Serial", "Using Concurrent Mark Sweep",
        "Using The Z Garbage", "Using Shenandoah", "Initializing The",
        "Heap Region Size: ", "Heap region size: ", "Heap Min Capacity", "Safepoint \"",
        "Entering safepoint region", "Leaving safepoint region"}) {
    if (m.starts_with(start)) return true;
  }
  return m.starts_with("Allocation Stall (");
}

bool UnifiedParser::feed(std::string_view line, std::uint64_t number) {
  const Decorations d = parse_decorations(line);
  Message m;
  m.text = d.message;
  m.line = number;
  if (d.count > 0) {
    m.time = builder_.stamp(d.has_uptime, d.uptime_ns, d.has_wall, d.wall_ns, d.tick_ns);
  }
  if (m.text.starts_with("GC(")) {
    std::string_view rest = m.text.substr(3);
    if (eat_integer(rest, m.id) && eat(rest, ")")) {
      m.has_id = true;
      m.text = rest;
    }
  }
  skip_blanks(m.text);
  if (m.has_id && m.text.size() > 2 && m.text[1] == ':' && m.text[2] == ' ' &&
      std::strchr("YyOo", m.text[0]) != nullptr) {
    builder_.facts().generational = true;
    m.text.remove_prefix(3);
    skip_blanks(m.text);
  }
  if (m.text.empty()) return m.has_id || d.count > 0 || trimmed(line).empty();
  if (dispatch(m)) return true;
  const bool gc = d.tags.starts_with("gc") || d.tags.starts_with("safepoint");
  // Tables and their explanations: prose, understood as a whole.
  if (d.tags.starts_with("gc,stats") || d.tags.starts_with("gc,heap,exit")) return true;
  if (gc || m.has_id) return is_detail(m.text) || is_phase_start(m.text);
  return false;
}

bool UnifiedParser::dispatch(const Message& m) {
  switch (m.text.front()) {
    case 'P':
      if (m.text.starts_with("Pause ")) return pause(m);
      if (m.text.starts_with("Promotion failed")) {
        promotion_failed_ = true;
        builder_.count("promotion failed");
        return true;
      }
      if (m.text.starts_with("PSYoungGen:") && builder_.facts().collector.empty()) {
        return collector("Parallel");
      }
      return old_generation(m);
    case 'C':
      if (m.text.starts_with("Concurrent mode ")) {
        if (m.text.starts_with("Concurrent mode failure")) {
          concurrent_failure_ = true;
          builder_.count("concurrent mode failure");
        }
        return true;
      }
      if (m.text.starts_with("Concurrent ") && m.has_id) return concurrent(m);
      return old_generation(m) || fact(m);
    case 'c':
      if (!m.text.starts_with("concurrent mode failure")) return false;
      concurrent_failure_ = true;
      builder_.count("concurrent mode failure");
      return true;
    case 'D':
      if (m.text.starts_with("DefNew:") && builder_.facts().collector.empty()) {
        return collector("Serial");
      }
      return false;
    case 'H':
      if (m.text.starts_with("Humongous regions: ")) return regions(m, true);
      return fact(m);
    case 'O':
      if (m.text.starts_with("Old regions: ")) return regions(m, false);
      if (m.text.starts_with("Out Of Memory (")) {
        builder_.count("out of memory");
        return true;
      }
      return old_generation(m);
    case 'T':
      if (m.text.starts_with("To-space exhausted")) {
        open(m).cycle.to_space_exhausted = true;
        builder_.count("to-space exhausted");
        return true;
      }
      if (m.text.starts_with("Total time for which")) return stopped_line(m);
      return old_generation(m);
    case 'G':
      if (m.text.starts_with("Garbage Collection (")) return z_collection(m, "Concurrent");
      return false;
    case 'M':
      if (m.text.starts_with("Minor Collection (")) return z_collection(m, "Minor");
      if (m.text.starts_with("Major Collection (")) return z_collection(m, "Major");
      return fact(m);
    case 'A':
      if (m.text.starts_with("Allocation Stall (")) return stall(m, "Allocation Stall (");
      return m.text.starts_with("Application time: ");
    case 'R':
      return m.text.starts_with("Relocation Stall (") && stall(m, "Relocation Stall (");
    case 'S':
      return m.text.starts_with("Safepoint \"") && safepoint(m);
    case 'E':
      if (!m.text.starts_with("Entering safepoint region: ")) return false;
      operation_text_.assign(m.text.substr(27, 64));
      return true;
    case 'L':
      return m.text.starts_with("Leaving safepoint region");
    case 'U':
      if (m.text.starts_with("Using ")) collector(m.text.substr(6));
      return m.text.starts_with("Using ");
    case 'V':
    case 'I':
      return fact(m);
    default:
      return false;
  }
}

bool UnifiedParser::pause(const Message& m) {
  std::string_view words = trimmed(m.text);
  std::uint64_t ns = 0;
  if (!take_duration(words, ns)) {  // the line that announces it
    if (!m.has_id) return true;
    Open& o = open(m);
    o.pausing = true;
    return true;
  }
  HeapChange heap;
  const bool has_heap = take_heap(words, heap);
  return pause_end(m, words, heap, has_heap, ns);
}

bool UnifiedParser::pause_end(const Message& m, std::string_view words, const HeapChange& heap,
                              bool has_heap, std::uint64_t ns) {
  evidence::RuntimeFacts& facts = builder_.facts();
  bool exhausted = false;
  std::string_view cause, group, kind = words;
  // Of the groups in parentheses, those the collector names its kind with stay with the kind; the
  // last of the others is the cause, whatever it says.
  while (take_group(words, group)) {
    if (group.starts_with("Evacuation Failure")) {
      exhausted |= group.find("Allocation") != std::string_view::npos;
      kind = words;
      continue;
    }
    if (is_low_pause(facts.collector) || is_young_kind(group)) break;
    if (cause.empty()) {
      cause = group;
      kind = words;
      continue;
    }
    break;
  }
  if (facts.collector.empty()) {
    if (kind.starts_with("Pause Mark ") || kind.starts_with("Pause Relocate")) collector("Z");
    if (kind.starts_with("Pause Init ")) collector("Shenandoah");
    if (kind.starts_with("Pause Young (")) collector("G1");
  }
  Open& o = open(m);
  o.pausing = false;
  // A full collection inside a young one that failed: each is counted, its time once.
  const std::uint64_t own_ns = ns - std::min(ns, o.nested_ns);
  for (Open& other : open_) {
    if (&other != &o && other.pausing) other.nested_ns += ns;
  }
  o.nested_ns = 0;

  Pause pause;
  pause.kind = kind;
  pause.cause = cause;
  pause.duration_ns = own_ns;
  pause.start_ns = m.time.known ? m.time.ns - static_cast<std::int64_t>(ns) : 0;
  pause.gc = m.has_id ? ordinal(m.id) : 0;
  pause.full = kind.starts_with("Pause Full");
  if (has_heap) {
    pause.before_bytes = heap.before;
    pause.after_bytes = heap.after;
    pause.capacity_bytes = heap.capacity;
  }
  pause.where = at_line(m.line);
  if (exhausted) {
    o.cycle.to_space_exhausted = true;
    builder_.count("to-space exhausted");
  }
  if (pause.full) builder_.count("full collection");
  if (cause == "G1 Humongous Allocation") builder_.count("humongous allocation");

  GcCycle& cycle = o.cycle;
  const bool young = kind.starts_with("Pause Young") || kind.starts_with("Pause Mixed") ||
                     (kind.starts_with("Pause Initial Mark") && !cause.empty());
  const bool degenerated = kind.starts_with("Pause Degenerated");
  if (degenerated) builder_.count("degenerated collection");
  if (young || pause.full || degenerated) {
    cycle.kind = pause.full    ? "Full"
                 : degenerated ? "Degenerated"
                 : kind.find("Mixed)") != std::string_view::npos &&
                         kind.find("Prepare") == std::string_view::npos
                     ? "Mixed"
                 : kind.starts_with("Pause Mixed") ? "Mixed"
                                                   : "Young";
    cycle.cause = cause;
    cycle.start_ns = pause.start_ns;
    cycle.duration_ns = own_ns;
    cycle.times_known = m.time.known;
    cycle.forced = asked_for(cause);
    cycle.heap_start_bytes = pause.before_bytes;
    cycle.heap_end_bytes = pause.after_bytes;
    cycle.heap_known = has_heap;
    if (pause.full) cycle.live_bytes = pause.after_bytes;
    cycle.goal_bytes = pause.capacity_bytes;
    cycle.promotion_failed = std::exchange(promotion_failed_, false);
    cycle.concurrent_failure = std::exchange(concurrent_failure_, false);
    cycle.where = pause.where;
    builder_.pause(std::move(pause));
    close(static_cast<std::size_t>(&o - open_.data()));
    return true;
  }
  // A stop within a concurrent collection.
  (cycle.stop_first_ns == 0 ? cycle.stop_first_ns : cycle.stop_last_ns) = own_ns;
  if (!o.has_start) {
    o.has_start = true;
    cycle.start_ns = pause.start_ns;
    cycle.times_known = m.time.known;
  }
  o.concurrent = true;
  if (cycle.where.unit == Position::Unit::kNone) cycle.where = pause.where;
  if (has_heap) {
    if (!cycle.heap_known) cycle.heap_start_bytes = pause.before_bytes;
    cycle.heap_end_bytes = pause.after_bytes;
    cycle.heap_known = true;
    cycle.goal_bytes = pause.capacity_bytes;
  }
  builder_.pause(std::move(pause));
  return true;
}

}  // namespace ullage::trace::jvm
