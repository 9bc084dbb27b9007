// SPDX-License-Identifier: Apache-2.0
#include "trace/gctrace/reader.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/format.h"
#include "base/text.h"
#include "trace/gctrace/line.h"
#include "trace/wall_time.h"

namespace ullage::trace {
namespace {

using evidence::GcCycle;
using gctrace::Line;

constexpr std::string_view kTimerLine = "GC forced";
// Bytes between two reports of progress.
constexpr std::size_t kProgressBytes = std::size_t{1} << 20;
// Lines of a crash that are kept, and bytes of each.
constexpr std::size_t kCrashLinesMax = 2, kCrashBytesMax = 300;

// What the runtime says before it ends the program; found anywhere in a line.
constexpr std::array<std::string_view, 7> kCrashes = {
    "runtime: out of memory",
    "runtime: goroutine stack exceeds",
    "fatal error: all goroutines are asleep",
    "fatal error: stack overflow",
    "fatal error: runtime: out of memory",
    "fatal error: runtime: cannot allocate memory",
    "fatal error: concurrent map"};
// Found at the beginning of a line only: programs say such things too.
constexpr std::array<std::string_view, 2> kCrashesAtStart = {"fatal error: ", "panic: "};

// One program's collections.
struct Process {
  std::vector<GcCycle> cycles;
  std::uint64_t last_ordinal = 0, lines = 0;
  std::int64_t last_ns = 0;
  std::uint64_t processors = 0;
  std::int64_t wall_ns_at_zero = 0;
};

class GctraceText {
 public:
  GctraceText(const Input& input, const ReadOptions& options) : input_(input), options_(options) {}

  evidence::Evidence read() {
    const std::string_view text = input_.text();
    std::size_t at = 0, reported = 0;
    for (std::size_t next = gctrace::find_line(text, 0); next != std::string_view::npos;
         next = gctrace::find_line(text, at)) {
      others(text.substr(at, next - at));
      const std::string_view rest = text.substr(next, gctrace::kLineBytesMax);
      const auto line = gctrace::parse_line(rest);
      if (line) {
        add(*line, wall_time_of(text, next));
      } else {
        ++broken_;
      }
      const std::size_t size = line ? line->size : rest.find_first_of("@");
      count_lines(rest.substr(0, size));
      at = next + size;
      if (options_.progress && at - reported >= kProgressBytes) {
        reported = at;
        options_.progress(static_cast<double>(at) / static_cast<double>(text.size()));
      }
    }
    others(text.substr(at));
    return finish();
  }

 private:
  void count_lines(std::string_view text) {
    lines_ += static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
  }

  // Text between our lines. It may hold the mark of the timer, and a crash.
  void others(std::string_view text) {
    count_lines(text);
    if (text.find(kTimerLine) != std::string_view::npos) timer_ = true;
    for (const std::string_view crash : kCrashes) {
      if (crash_lines_.size() == kCrashLinesMax) return;
      if (const std::size_t at = text.find(crash); at != std::string_view::npos) {
        add_crash(text, at);
      }
    }
    for (const std::string_view crash : kCrashesAtStart) {
      std::size_t at = text.find(crash);
      while (at != std::string_view::npos && at > 0 && text[at - 1] != '\n') {
        at = text.find(crash, at + 1);
      }
      if (at != std::string_view::npos) add_crash(text, at);
    }
  }

  void add_crash(std::string_view text, std::size_t at) {
    const std::string_view line =
        text.substr(at, std::min(text.find_first_of("\n\"\\", at), text.size()) - at);
    std::string clean = clean_utf8(line.substr(0, kCrashBytesMax));
    if (crash_lines_.size() < kCrashLinesMax &&
        std::find(crash_lines_.begin(), crash_lines_.end(), clean) == crash_lines_.end()) {
      crash_lines_.push_back(std::move(clean));
    }
  }

  // The time that a logger put before or behind the line at `at`.
  static std::int64_t wall_time_of(std::string_view text, std::size_t at) {
    const std::size_t before = text.substr(0, at).rfind('\n');
    const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
    if (at - begin > gctrace::kLineBytesMax) return 0;
    const std::size_t end = std::min(text.find('\n', at), text.size());
    return find_wall_time(text.substr(begin, std::min(end - begin, gctrace::kLineBytesMax)))
        .value_or(0);
  }

  // The process that this line goes on with: ordinals count by one, time only grows. A line that
  // fits none begins one.
  Process* process_of(const Line& line) {
    const auto at = static_cast<std::int64_t>(line.at_ns);
    Process* later = nullptr;
    for (Process& p : processes_) {
      if (at < p.last_ns) continue;
      if (line.ordinal == p.last_ordinal + 1) return &p;
      if (line.ordinal > p.last_ordinal &&
          (later == nullptr || p.last_ordinal > later->last_ordinal)) {
        later = &p;
      }
    }
    if (later != nullptr) return later;  // lines between are lost
    if (processes_.size() == kGctraceProcessesMax) return nullptr;
    return &processes_.emplace_back();
  }

  void add(const Line& line, std::int64_t wall_ns) {
    Process* p = process_of(line);
    if (p == nullptr) {
      ++broken_;
      return;
    }
    splits_ += line.split;
    ++understood_;
    ++p->lines;
    p->last_ordinal = line.ordinal;
    p->last_ns = static_cast<std::int64_t>(line.at_ns);
    p->processors = line.processors;
    if (p->cycles.size() == evidence::kCyclesMax) return;
    GcCycle c;
    c.ordinal = line.ordinal;
    c.start_ns = static_cast<std::int64_t>(line.at_ns);
    c.stop_first_ns = line.stop_first_ns;
    c.mark_ns = line.mark_ns;
    c.stop_last_ns = line.stop_last_ns;
    c.duration_ns = line.stop_first_ns + line.mark_ns + line.stop_last_ns;
    c.assist_cpu_ns = line.assist_ns;
    c.worker_cpu_ns = line.worker_ns;
    c.idle_cpu_ns = line.idle_ns;
    c.cpu_known = c.heap_known = true;
    c.heap_start_bytes = line.start_bytes;
    c.heap_end_bytes = line.end_bytes;
    c.live_bytes = line.live_bytes;
    c.goal_bytes = line.goal_bytes;
    c.stacks_bytes = line.stacks_bytes;
    c.globals_bytes = line.globals_bytes;
    c.processors = line.processors;
    c.forced = line.forced || timer_;
    c.cause = line.forced ? "runtime.GC" : timer_ ? "timer" : "heap goal";
    c.where = {0, evidence::Position::Unit::kLine, lines_ + 1};
    timer_ = false;
    if (wall_ns != 0) {
      // It is written when the cycle has ended, and its logger adds time at most.
      const std::int64_t zero = wall_ns - c.start_ns - static_cast<std::int64_t>(c.duration_ns);
      if (p->wall_ns_at_zero == 0 || zero < p->wall_ns_at_zero) p->wall_ns_at_zero = zero;
    }
    p->cycles.push_back(std::move(c));
  }

  evidence::Evidence finish();
  void add_notes(evidence::Artefact& artefact, const Process& process) const;

  const Input& input_;
  const ReadOptions& options_;
  std::vector<Process> processes_;
  std::vector<std::string> crash_lines_;
  std::uint64_t lines_ = 0, understood_ = 0, broken_ = 0, splits_ = 0;
  bool timer_ = false;
};

void add_heap(evidence::Incident& incident) {
  // The highest of each slice, where there are more cycles than points.
  const std::size_t n = incident.cycles.size();
  const std::size_t slices = std::min(n, evidence::kHeapPointsMax);
  for (std::size_t s = 0; s < slices; ++s) {
    const auto begin = incident.cycles.begin() + static_cast<std::ptrdiff_t>(n * s / slices);
    const auto end = incident.cycles.begin() + static_cast<std::ptrdiff_t>(n * (s + 1) / slices);
    const auto top = std::max_element(
        begin, end, [](const GcCycle& a, const GcCycle& b) { return a.live_bytes < b.live_bytes; });
    incident.heap.push_back({top->start_ns + static_cast<std::int64_t>(top->duration_ns),
                             top->live_bytes, top->goal_bytes});
  }
}

evidence::Evidence GctraceText::finish() {
  evidence::Evidence evidence;
  evidence::Incident& incident = evidence.incident;
  const auto main = std::max_element(
      processes_.begin(), processes_.end(),
      [](const Process& a, const Process& b) { return a.cycles.size() < b.cycles.size(); });
  incident.facts.runtime = evidence::Runtime::kGo;
  incident.facts.processors = main->processors;
  for (const std::string& line : crash_lines_) {
    incident.facts.crash += (incident.facts.crash.empty() ? "" : "; ") + line;
  }
  incident.cycles = std::move(main->cycles);
  add_heap(incident);
  incident.start_ns = incident.cycles.front().start_ns;
  const GcCycle& last = incident.cycles.back();
  incident.end_ns = last.start_ns + static_cast<std::int64_t>(last.duration_ns);

  evidence::Artefact& artefact = incident.artefacts.emplace_back();
  artefact.name = input_.name();
  artefact.format = "gctrace";
  artefact.bytes = input_.bytes().size();
  artefact.records = understood_ + broken_;
  artefact.records_unknown = broken_;
  artefact.unit = "cycles";
  artefact.has_times = true;
  artefact.zero_is_process_start = true;
  artefact.wall_ns_at_zero = main->wall_ns_at_zero;
  artefact.first_ns = incident.start_ns;
  artefact.last_ns = incident.end_ns;
  artefact.tick_ns = 1'000'000;
  add_notes(artefact, *main);
  if (options_.progress) options_.progress(1);
  return evidence;
}

void GctraceText::add_notes(evidence::Artefact& artefact, const Process& process) const {
  if (broken_ > 0) {
    artefact.notes.push_back(format_counted(broken_, "line") +
                             " began like one of gctrace and could not be read.");
  }
  if (splits_ > 0) {
    artefact.notes.push_back(format_counted(splits_, "line") +
                             " had been split by other output, and put together again.");
  }
  if (processes_.size() > 1) {
    artefact.notes.push_back("Several programs wrote here; of the one with most collections " +
                             format_counted(process.lines, "line") + " were taken, of " +
                             format_counted(processes_.size() - 1, "other") + " " +
                             format_count(understood_ - process.lines) + " set aside.");
  }
  if (process.lines > evidence::kCyclesMax) {
    artefact.notes.push_back("The first " + format_count(evidence::kCyclesMax) +
                             " collections are kept.");
  }
}

}  // namespace

bool sniff_gctrace(std::span<const std::uint8_t> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (std::size_t at = gctrace::find_line(text, 0); at != std::string_view::npos;
       at = gctrace::find_line(text, at + 1)) {
    if (gctrace::parse_line(text.substr(at, gctrace::kLineBytesMax))) return true;
  }
  return false;
}

Result<evidence::Evidence> read_gctrace(const Input& input, const ReadOptions& options) {
  if (!sniff_gctrace(input.bytes())) {
    return Error{Code::kInvalid, input.name() +
                                     ": holds no whole line of gctrace.\n  Run the program with "
                                     "GODEBUG=gctrace=1 and keep its standard error."};
  }
  return GctraceText(input, options).read();
}

}  // namespace ullage::trace
