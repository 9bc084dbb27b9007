// SPDX-License-Identifier: Apache-2.0
//
// The messages of a unified log beside pauses: concurrent work, stops, stalls, regions and facts.
#include <algorithm>
#include <utility>

#include "trace/jvm_gc/unified.h"

namespace ullage::trace::jvm {
namespace {

using evidence::Position;

constexpr std::size_t kThreadNameMax = 128;

Position at_line(std::uint64_t line) { return {0, Position::Unit::kLine, line}; }

// "... Total: 12 345 ns": the number after `name`.
bool number_after(std::string_view text, std::string_view name, std::uint64_t& value) {
  const std::size_t at = text.find(name);
  if (at == std::string_view::npos) return false;
  std::string_view rest = text.substr(at + name.size());
  return eat_integer(rest, value);
}

bool seconds_after(std::string_view text, std::string_view name, std::uint64_t& ns) {
  const std::size_t at = text.find(name);
  if (at == std::string_view::npos) return false;
  std::string_view rest = text.substr(at + name.size());
  return eat_decimal(rest, 9, ns) && rest.starts_with(" second");
}

}  // namespace

UnifiedParser::Open* UnifiedParser::find(std::uint64_t id) {
  for (Open& o : open_) {
    if (o.id == id) return &o;
  }
  return nullptr;
}

// Lines without an id (messages with no GC(n)) belong to the collection that began last.
UnifiedParser::Open& UnifiedParser::open(const Message& m) {
  const std::uint64_t id = m.has_id ? m.id : open_.empty() ? UINT64_MAX : open_.back().id;
  if (Open* found = find(id); found != nullptr) return *found;
  if (builder_.facts().collector == "Shenandoah") close_all_but(id);
  if (open_.size() >= kOpenMax) close(0);
  Open o;
  o.id = id;
  o.cycle.ordinal = m.has_id ? id + 1 : 0;
  open_.push_back(std::move(o));
  return open_.back();
}

// What was begun and only announced is no collection.
void UnifiedParser::close(std::size_t index) {
  Open o = std::move(open_[index]);
  open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(index));
  if (o.cycle.kind.empty()) {
    if (!o.concurrent) return;
    o.cycle.kind = "Concurrent";
  }
  if (o.cycle.kind.starts_with("Concurrent") || o.cycle.kind == "Minor" ||
      o.cycle.kind == "Major") {
    builder_.count("concurrent cycle");
    if (o.cycle.aborted) builder_.count("concurrent cycle aborted");
  }
  builder_.cycle(std::move(o.cycle));
}

void UnifiedParser::close_all_but(std::uint64_t id) {
  for (std::size_t i = open_.size(); i-- > 0;) {
    if (open_[i].id != id) close(i);
  }
}

void UnifiedParser::finish() {
  while (!open_.empty()) close(0);
}

bool UnifiedParser::concurrent(const Message& m) {
  std::string_view words = trimmed(m.text.substr(11));
  const std::size_t blank = words.rfind(' ');
  std::uint64_t ns = 0;
  bool ended = false;
  if (blank != std::string_view::npos) {
    std::string_view tail = words.substr(blank + 1);
    ended = eat_duration(tail, ns) && tail.empty();
    if (ended) words = trimmed(words.substr(0, blank));
  }
  if (words.starts_with("Class Unloading") || words.starts_with("Roots")) return true;
  Open& o = open(m);
  o.concurrent = true;
  evidence::GcCycle& cycle = o.cycle;
  if (!o.has_start && m.time.known) {
    o.has_start = true;
    cycle.start_ns = m.time.ns - static_cast<std::int64_t>(ended ? ns : 0);
  }
  cycle.times_known = o.has_start;
  if (cycle.where.unit == Position::Unit::kNone) cycle.where = at_line(m.line);
  if (m.time.known && m.time.ns > cycle.start_ns) {
    cycle.duration_ns = static_cast<std::uint64_t>(m.time.ns - cycle.start_ns);
  }
  if (words == "Mark Abort") {
    cycle.aborted = true;
    return true;
  }
  if (ended && (words == "Mark" || words.starts_with("Mark (") || words.starts_with("marking"))) {
    cycle.mark_ns += ns;
  }
  const bool undo = words == "Undo Cycle";
  if (words == "Cycle" || words == "Mark Cycle" || undo) {
    cycle.kind = undo ? "Concurrent Undo" : "Concurrent";
    if (ended) {
      cycle.duration_ns = ns;
      close(static_cast<std::size_t>(&o - open_.data()));
    }
  } else if (ended && words == "Reset" && builder_.facts().collector == "CMS") {
    close(static_cast<std::size_t>(&o - open_.data()));
  }
  return true;
}

// ZGC: "Garbage Collection (Warmup)" when it begins, with sizes when it ends; generational:
// "Minor Collection (Allocation Rate) 104M(3%)->28M(1%) 0.012s".
bool UnifiedParser::z_collection(const Message& m, std::string_view kind) {
  builder_.facts().collector = "Z";
  if (kind != "Concurrent") builder_.facts().generational = true;
  std::string_view rest = m.text;
  const std::size_t begin = rest.find('(');
  std::size_t end = begin;
  for (int depth = 0; end < rest.size(); ++end) {
    if (rest[end] == '(') ++depth;
    if (rest[end] == ')' && --depth == 0) break;
  }
  Open& o = open(m);
  evidence::GcCycle& cycle = o.cycle;
  o.concurrent = true;
  cycle.kind = kind;
  cycle.cause = rest.substr(begin + 1, end - begin - 1);
  cycle.forced = asked_for(cycle.cause);
  if (cycle.where.unit == Position::Unit::kNone) cycle.where = at_line(m.line);
  rest = end < rest.size() ? trimmed(rest.substr(end + 1)) : std::string_view{};
  if (!o.has_start && m.time.known) {
    o.has_start = true;
    cycle.start_ns = m.time.ns;
    cycle.times_known = true;
  }
  cycle.times_known = o.has_start;
  HeapChange heap;
  const bool ended = eat_heap_change(rest, heap);
  const bool aborted = rest.starts_with("Aborted");
  if (!ended && !aborted) return true;
  if (m.time.known && m.time.ns > cycle.start_ns) {
    cycle.duration_ns = static_cast<std::uint64_t>(m.time.ns - cycle.start_ns);
  }
  skip_blanks(rest);
  std::uint64_t ns = 0;
  if (ended && eat_duration(rest, ns)) cycle.duration_ns = ns;
  cycle.aborted = aborted;
  if (ended) {
    cycle.heap_known = true;
    cycle.heap_start_bytes = heap.before;
    cycle.heap_end_bytes = cycle.live_bytes = heap.after;
    cycle.goal_bytes = builder_.facts().heap_max_bytes;
    if (m.time.known) {
      builder_.incident().heap.push_back({m.time.ns, heap.after, cycle.goal_bytes});
    }
  }
  close(static_cast<std::size_t>(&o - open_.data()));
  return true;
}

bool UnifiedParser::safepoint(const Message& m) {
  std::string_view name = m.text.substr(11);
  name = name.substr(0, name.find('"'));
  std::uint64_t reaching = 0, total = 0;
  if (!number_after(m.text, "Total: ", total)) return false;
  const bool known = number_after(m.text, "Reaching safepoint: ", reaching);
  builder_.stopped(m.time, total, known, reaching, name.substr(0, 64), m.line);
  builder_.count("safepoint");
  return true;
}

bool UnifiedParser::stopped_line(const Message& m) {
  std::uint64_t total = 0, reaching = 0;
  if (!seconds_after(m.text, "threads were stopped: ", total)) return false;
  const bool known = seconds_after(m.text, "Stopping threads took: ", reaching);
  builder_.stopped(m.time, total, known, reaching, operation_text_, m.line);
  operation_text_.clear();
  builder_.count("safepoint");
  return true;
}

bool UnifiedParser::stall(const Message& m, std::string_view prefix) {
  std::string_view rest = m.text.substr(prefix.size());
  const std::size_t close = rest.rfind(") ");
  if (close == std::string_view::npos) return true;
  evidence::AllocationStall stall;
  stall.thread = rest.substr(0, std::min(close, kThreadNameMax));
  rest.remove_prefix(close + 2);
  if (!eat_duration(rest, stall.duration_ns)) return true;
  stall.at_ns = m.time.known ? m.time.ns - static_cast<std::int64_t>(stall.duration_ns) : 0;
  stall.gc = m.has_id ? m.id + 1 : 0;
  stall.where = at_line(m.line);
  builder_.stall(std::move(stall));
  return true;
}

// "Humongous regions: 112->28", "Old regions: 14->29(31)".
bool UnifiedParser::regions(const Message& m, bool humongous) {
  std::string_view rest = m.text.substr(m.text.find(": ") + 2);
  std::uint64_t before = 0, after = 0;
  if (!eat_integer(rest, before) || !eat(rest, "->") || !eat_integer(rest, after)) return false;
  evidence::GcCycle& cycle = open(m).cycle;
  if (builder_.facts().collector.empty()) collector("G1");
  if (humongous) {
    cycle.humongous_before = static_cast<std::int64_t>(before);
    cycle.humongous_after = static_cast<std::int64_t>(after);
  } else if (builder_.facts().region_bytes != 0) {
    const std::uint64_t region = builder_.facts().region_bytes;
    cycle.old_before_bytes = std::min<std::uint64_t>(before, 1U << 30) * region;
    cycle.old_after_bytes = std::min<std::uint64_t>(after, 1U << 30) * region;
    cycle.old_known = true;
  }
  return true;
}

// "ParOldGen: 0K(174592K)->123K(174592K)", "CMS: 7360K->8141K(43712K)".
bool UnifiedParser::old_generation(const Message& m) {
  std::string_view rest = m.text;
  bool known = false;
  for (const std::string_view name : {"ParOldGen: ", "PSOldGen: ", "Tenured: ", "CMS: ", "Old: "}) {
    if (eat(rest, name)) {
      known = true;
      if (builder_.facts().collector.empty()) {
        collector(name == "CMS: " ? "CMS" : name == "Tenured: " ? "Serial" : "Parallel");
      }
      break;
    }
  }
  HeapChange change;
  if (!known || !eat_heap_change(rest, change)) return false;
  evidence::GcCycle& cycle = open(m).cycle;
  cycle.old_before_bytes = change.before;
  cycle.old_after_bytes = change.after;
  cycle.old_capacity_bytes = change.capacity;
  cycle.old_known = true;
  return true;
}

bool UnifiedParser::collector(std::string_view name) {
  std::string& known = builder_.facts().collector;
  for (const auto& [start, short_name] :
       {std::pair{"G1", "G1"}, std::pair{"Parallel", "Parallel"}, std::pair{"Serial", "Serial"},
        std::pair{"Concurrent Mark Sweep", "CMS"}, std::pair{"CMS", "CMS"},
        std::pair{"The Z Garbage", "Z"}, std::pair{"Z", "Z"}, std::pair{"Shenandoah", "Shenandoah"},
        std::pair{"Epsilon", "Epsilon"}}) {
    if (name.starts_with(start)) {
      known = short_name;
      return true;
    }
  }
  return false;
}

bool UnifiedParser::fact(const Message& m) {
  evidence::RuntimeFacts& facts = builder_.facts();
  std::string_view rest = m.text;
  std::uint64_t value = 0;
  if (eat(rest, "Version: ")) {
    facts.version = rest.substr(0, std::min<std::size_t>(rest.find(' '), 64));
    return true;
  }
  if (eat(rest, "CPUs: ")) {
    if (number_after(rest, "total, ", value) || eat_integer(rest, value)) facts.processors = value;
    return true;
  }
  if (eat(rest, "Heap Region Size: ") || eat(rest, "Heap region size: ")) {
    if (eat_size(rest, value)) facts.region_bytes = value;
    if (facts.collector.empty()) collector("G1");
    return true;
  }
  if (eat(rest, "Heap Max Capacity: ") || eat(rest, "Max Capacity: ")) {
    if (eat_size(rest, value)) facts.heap_max_bytes = facts.memory_limit = value;
    return true;
  }
  if (eat(rest, "Heap Min Capacity: ") || eat(rest, "Min Capacity: ")) {
    if (eat_size(rest, value)) facts.heap_min_bytes = value;
    return true;
  }
  return false;
}

}  // namespace ullage::trace::jvm
