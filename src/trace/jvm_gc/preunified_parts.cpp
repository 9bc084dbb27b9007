// SPDX-License-Identifier: Apache-2.0
//
// What stands beside the collections of a JDK 8 log: headers, ages, stops, concurrent phases; and
// what becomes of a collection when it is complete.
#include <algorithm>
#include <array>

#include "trace/jvm_gc/preunified.h"

namespace ullage::trace::jvm {
namespace {

using evidence::Position;

// Flags kept of a command line; a JVM rarely has a hundred.
constexpr std::size_t kFlagsMax = 256;

constexpr std::array<std::string_view, 42> kKnown = {"Desired survivor",
                                                     "- age ",
                                                     "Heap",
                                                     " PSYoungGen",
                                                     " ParOldGen",
                                                     " PSOldGen",
                                                     " PSPermGen",
                                                     " Metaspace",
                                                     " class space",
                                                     " par new gen",
                                                     " concurrent",
                                                     " def new gen",
                                                     " tenured gen",
                                                     " compacting perm",
                                                     " garbage-first",
                                                     " region size",
                                                     "{Heap",
                                                     "}",
                                                     "No shared spaces",
                                                     "Java HotSpot",
                                                     "OpenJDK",
                                                     "Memory: ",
                                                     "CommandLine flags:",
                                                     "AdaptiveSize",
                                                     "PSAdaptiveSize",
                                                     "PSYoungGen::",
                                                     "Finished generation",
                                                     "Before GC:",
                                                     "After GC:",
                                                     "Statistics for",
                                                     "--------",
                                                     "Total Free Space",
                                                     "Max   Chunk",
                                                     "Number of Blocks",
                                                     "Av.  Block",
                                                     "Tree      He",
                                                     "Concurrent",
                                                     "avg_",
                                                     "CMS: Large",
                                                     "UseAdaptiveSizePolicy",
                                                     "  region size",
                                                     "  class space"};

}  // namespace

bool is_preunified_line(std::string_view line) {
  std::string_view rest = line;
  std::int64_t wall = 0;
  std::uint64_t value = 0;
  unsigned digits = 0;
  if (eat_wall_time(rest, wall) && !eat(rest, ": ")) return false;
  std::string_view after = rest;
  if (eat_decimal(after, 3, value, &digits) && digits == 3 && eat(after, ": ")) rest = after;
  for (const std::string_view start :
       {"[GC pause (", "[GC (", "[GC [", "[GC--", "[GC remark", "[GC concurrent-", "[Full GC",
        "[CMS-concurrent-", "Total time for which application threads were stopped: "}) {
    if (rest.starts_with(start)) return true;
  }
  if (eat(rest, "[GC ")) return eat_size(rest, value) || eat_decimal(rest, 3, value);
  return (rest.starts_with("Java HotSpot(TM)") || rest.starts_with("OpenJDK ")) &&
         rest.find(" VM (") != std::string_view::npos && rest.find("built on") != rest.npos;
}

bool PreunifiedParser::known_text(std::string_view line, std::uint64_t number) {
  const char first = line.front();
  if (first == '[' || first == ',') return false;
  const std::size_t stopped = is_digit(first) || first == ' ' || first == 'T'
                                  ? line.find("Total time for which application threads were")
                                  : std::string_view::npos;
  if (stopped != std::string_view::npos) {
    std::string_view rest = line;
    LineTime time = now_;
    if (eat_stamp(rest, time)) now_ = time;
    std::uint64_t total = 0, stopping = 0;
    const std::size_t at = line.find("stopped: ", stopped);
    if (at == std::string_view::npos) return false;
    rest = line.substr(at + 9);
    if (!eat_decimal(rest, 9, total)) return false;
    bool known = eat(rest, " seconds, Stopping threads took: ");
    known = known && eat_decimal(rest, 9, stopping);
    emit();
    builder_.stopped(time, total, known, stopping, {}, number);
    builder_.count("safepoint");
    return true;
  }
  if (is_digit(first)) {
    // "2.001: Application time: 1.0 seconds", also where another thread printed into its stamp.
    if (line.find(" GC log file ") != std::string_view::npos) return true;  // of rotated files
    if (line.find("Application time: ") == std::string_view::npos) return false;
    std::string_view rest = line;
    LineTime time;
    if (eat_stamp(rest, time)) now_ = time;
    return true;
  }
  if (header(line)) return true;
  for (const std::string_view start : kKnown) {
    if (line.starts_with(start)) return true;
  }
  return line.find("[0x") != std::string_view::npos;
}

bool PreunifiedParser::header(std::string_view line) {
  evidence::RuntimeFacts& facts = builder_.facts();
  if (line.starts_with("CommandLine flags:")) {
    flags(line.substr(18));
    return true;
  }
  if (!line.starts_with("Java HotSpot") && !line.starts_with("OpenJDK")) return false;
  const std::size_t jre = line.find(" JRE (");
  if (jre != std::string_view::npos) {
    const std::string_view version = line.substr(jre + 6, 64);
    facts.version = version.substr(0, version.find(')'));
  }
  return true;
}

void PreunifiedParser::flags(std::string_view text) {
  evidence::RuntimeFacts& facts = builder_.facts();
  while (!text.empty() && facts.flags.size() < kFlagsMax) {
    skip_blanks(text);
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view flag = text.substr(0, end);
    text.remove_prefix(end);
    if (flag.empty()) continue;
    facts.flags.emplace_back(flag.substr(0, 256));
    std::string_view value = flag;
    std::uint64_t number = 0;
    if (eat(value, "-XX:MaxHeapSize=") && eat_integer(value, number)) {
      facts.heap_max_bytes = facts.memory_limit = number;
    } else if (eat(value, "-XX:InitialHeapSize=") && eat_integer(value, number)) {
      facts.heap_min_bytes = number;
    } else if (eat(value, "-XX:G1HeapRegionSize=") && eat_integer(value, number)) {
      facts.region_bytes = number;
    } else if (flag == "-XX:+UseG1GC") {
      facts.collector = "G1";
    } else if (flag == "-XX:+UseConcMarkSweepGC") {
      facts.collector = "CMS";
    } else if (flag == "-XX:+UseParallelGC" || flag == "-XX:+UseParallelOldGC") {
      facts.collector = "Parallel";
    } else if (flag == "-XX:+UseSerialGC") {
      facts.collector = "Serial";
    }
  }
}

void PreunifiedParser::collector(const char* name) {
  std::string& known = builder_.facts().collector;
  if (known.empty()) known = name;
}

// "   [Eden: 18.0M(24.0M)->0.0B(5120.0K) Survivors: 0.0B->0.0B Heap: 17.2M(256.0M)->3758.6K(13M)]"
void PreunifiedParser::g1_sizes(std::string_view line) {
  const std::size_t at = line.find(" Heap: ");
  if (at == std::string_view::npos || !record_.ended) return;
  std::string_view rest = line.substr(at + 7);
  HeapChange change;
  if (!eat_heap_change(rest, change)) return;
  record_.has_heap = true;
  record_.pause.before_bytes = change.before;
  record_.pause.after_bytes = change.after;
  record_.pause.capacity_bytes = change.capacity;
}

void PreunifiedParser::concurrent_event(std::string_view name, std::uint64_t number) {
  if (name == "concurrent-mark-start" || name == "CMS-concurrent-mark-start") {
    if (in_concurrent_) end_concurrent(true);
    in_concurrent_ = true;
    concurrent_ = {};
    concurrent_.kind = "Concurrent";
    concurrent_.start_ns = now_.known ? now_.ns : 0;
    concurrent_.times_known = now_.known;
    concurrent_.where = {0, Position::Unit::kLine, number};
    builder_.count("concurrent cycle");
    return;
  }
  if (!in_concurrent_) return;
  const auto since_start = [this] {
    return now_.known && now_.ns > concurrent_.start_ns
               ? static_cast<std::uint64_t>(now_.ns - concurrent_.start_ns)
               : 0;
  };
  if (name == "concurrent-mark-end" || name == "CMS-concurrent-mark") {
    concurrent_.mark_ns = since_start();
  } else if (name == "concurrent-mark-abort") {
    end_concurrent(true);
  } else if (name == "CMS-concurrent-reset" || name == "concurrent-cleanup-end") {
    end_concurrent(false);
  }
  concurrent_.duration_ns = since_start();
}

void PreunifiedParser::end_concurrent(bool aborted) {
  in_concurrent_ = false;
  if (now_.known && now_.ns > concurrent_.start_ns) {
    concurrent_.duration_ns = static_cast<std::uint64_t>(now_.ns - concurrent_.start_ns);
  }
  concurrent_.aborted = aborted;
  if (aborted) builder_.count("concurrent cycle aborted");
  concurrent_.ordinal = ++ordinal_;
  concurrent_.ordinal_known = false;
  builder_.cycle(concurrent_);
}

// The collection that was read last is complete: its brackets and, for G1, the lines below them.
void PreunifiedParser::emit() {
  if (!record_.ended) return;
  record_.ended = false;
  evidence::Pause& pause = record_.pause;
  evidence::GcCycle& cycle = record_.cycle;
  if (pause.full) builder_.count("full collection");
  if (pause.cause == "G1 Humongous Allocation") builder_.count("humongous allocation");
  const bool stop_of_concurrent = record_.cms_mark || pause.kind.starts_with("GC remark") ||
                                  pause.kind.starts_with("GC cleanup");
  if (stop_of_concurrent) {
    if (in_concurrent_) concurrent_.stop_last_ns = pause.duration_ns;
    if (in_concurrent_ && pause.kind.starts_with("GC cleanup") &&
        pause.before_bytes == pause.after_bytes) {
      end_concurrent(false);  // nothing to clean up concurrently
    }
  } else {
    cycle.ordinal = pause.gc = ++ordinal_;  // the log has no numbers
    cycle.ordinal_known = false;
    cycle.kind = pause.full                                      ? "Full"
                 : pause.kind.find("mixed") != std::string::npos ? "Mixed"
                                                                 : "Young";
    cycle.cause = pause.cause;
    cycle.start_ns = pause.start_ns;
    cycle.duration_ns = pause.duration_ns;
    cycle.forced = asked_for(pause.cause);
    cycle.heap_known = record_.has_heap;
    cycle.heap_start_bytes = pause.before_bytes;
    cycle.heap_end_bytes = pause.after_bytes;
    cycle.goal_bytes = pause.capacity_bytes;
    // A collection that ended by collecting everything: CMS does so inside a young one.
    const bool whole = pause.full || cycle.concurrent_failure;
    if (whole) cycle.live_bytes = pause.after_bytes;
    cycle.where = pause.where;
    builder_.cycle(cycle);
  }
  builder_.pause(pause);
}

void PreunifiedParser::finish() {
  emit();
  if (record_.open) builder_.not_understood();
  if (in_concurrent_) end_concurrent(false);
}

}  // namespace ullage::trace::jvm
