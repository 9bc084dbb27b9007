// SPDX-License-Identifier: Apache-2.0
#include "trace/pprof/text_profile.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_map>

#include "base/format.h"
#include "trace/pprof/classify.h"
#include "trace/pprof/profile.h"
#include "trace/pprof/text_lines.h"

namespace ullage::trace {
namespace {

using evidence::Frame;
using evidence::Incident;

// Different stacks that are told apart, as in Groups; and program counters of one.
constexpr std::size_t kStacksMax = std::size_t{1} << 20;
constexpr std::size_t kCountersMax = 4096;

struct Record {
  // Heap: objects and bytes in use, then allocated. Others: count, or cycles and count.
  std::array<std::uint64_t, 4> values{};
  std::vector<std::uint64_t> counters;
  std::uint64_t first_shown = 0;  // address of its first symbolised frame; 0 = none
  evidence::Stack frames;         // with_frames only
  std::size_t offset = 0;
  std::uint64_t line = 0;
};

struct Group {
  std::size_t offset = 0;
  std::uint64_t line = 0, weight = 0;
  std::array<std::uint64_t, 4> values{};
  std::vector<evidence::Rung> rungs;
};

// "5: 40 [7: 56] @", "1280 @", "2592 3 @": false when the line is no such thing.
bool read_values(std::string_view& text, bool heap, Record& record) {
  auto& v = record.values;
  if (heap) {
    if (!take_number(text, v[0]) || !take(text, ": ") || !take_number(text, v[1]) ||
        !take(text, " [") || !take_number(text, v[2]) || !take(text, ": ") ||
        !take_number(text, v[3]) || !take(text, "] @")) {
      return false;
    }
    return true;
  }
  if (!take_number(text, v[0])) return false;
  take_spaces(text);
  if (take(text, "@")) return true;
  if (!take_number(text, v[1])) return false;
  take_spaces(text);
  return take(text, "@");
}

// "#	0x4eefc4	main.appendNo+0x1804	incident/main.go:26"
bool read_frame(std::string_view line, Frame& frame) {
  if (!take(line, "#\t") || !take_number(line, frame.offset, 16)) return false;
  take_spaces(line);
  const std::size_t end = line.find('\t');
  std::string_view function = line.substr(0, end);
  const std::size_t plus = function.rfind("+0x");
  if (plus != std::string_view::npos) {
    std::string_view distance = function.substr(plus + 1);
    if (take_number(distance, frame.symbol_offset, 16)) function = function.substr(0, plus);
  }
  while (function.ends_with(' ')) function.remove_suffix(1);
  frame.function = function;
  frame.library = evidence::is_go_runtime(frame.function);
  if (end == std::string_view::npos) return true;
  line.remove_prefix(end);
  take_spaces(line);
  frame.file = split_line(line, frame.line);
  return true;
}

// The record that begins at the current line; false when none does. Takes its frames, too.
bool read_record(Lines& lines, bool heap, bool with_frames, Record& record) {
  std::string_view text = lines.line();
  if (!read_values(text, heap, record)) return false;
  record.offset = lines.offset();
  record.line = lines.number();
  record.counters.clear();
  record.frames.clear();
  record.first_shown = 0;
  for (take_spaces(text); !text.empty(); take_spaces(text)) {
    std::uint64_t counter = 0;
    if (!take_number(text, counter, 16)) break;
    if (record.counters.size() < kCountersMax) record.counters.push_back(counter);
  }
  while (lines.next()) {
    if (lines.line().starts_with("# labels:")) continue;
    Frame frame;
    if (!lines.line().starts_with("#\t") || !read_frame(lines.line(), frame)) {
      lines.back();
      break;
    }
    if (record.first_shown == 0) record.first_shown = frame.offset;
    if (with_frames && record.frames.size() < kCountersMax) {
      record.frames.push_back(std::move(frame));
    }
  }
  return true;
}

// Counters before the first frame that is shown: what the profile hides. The list has return
// addresses, the frames the addresses before.
std::size_t hidden_counters(const Record& record) {
  for (std::size_t i = 0; i < record.counters.size() && record.first_shown != 0; ++i) {
    if (record.counters[i] == record.first_shown + 1 || record.counters[i] == record.first_shown) {
      return i;
    }
  }
  return 0;
}

// Go samples one allocation in `rate` bytes: what a sample of this size stands for.
double scale_of(std::uint64_t objects, std::uint64_t bytes, double rate) {
  if (rate <= 1 || objects == 0) return 1;
  const double size = static_cast<double>(bytes) / static_cast<double>(objects);
  return size > 0 ? 1 / (1 - std::exp(-size / rate)) : 1;
}

std::uint64_t scaled(std::uint64_t value, double scale) {
  const double product = static_cast<double>(value) * scale;
  return product < 9e18 ? static_cast<std::uint64_t>(product) : value;
}

void add_sizes(Record& record, double rate, Group& group) {
  auto& v = record.values;
  const std::uint64_t size = v[2] > 0 ? v[3] / v[2] : v[0] > 0 ? v[1] / v[0] : 0;
  const double in_use = scale_of(v[0], v[1], rate), allocated = scale_of(v[2], v[3], rate);
  v = {scaled(v[0], in_use), scaled(v[1], in_use), scaled(v[2], allocated),
       scaled(v[3], allocated)};
  if (size == 0) return;
  const auto at = std::lower_bound(
      group.rungs.begin(), group.rungs.end(), size,
      [](const evidence::Rung& r, std::uint64_t bytes) { return r.bytes < bytes; });
  if (at != group.rungs.end() && at->bytes == size) {
    at->allocated_objects += static_cast<double>(v[2]);
    at->inuse_objects += static_cast<double>(v[0]);
    return;
  }
  group.rungs.insert(at, {size, static_cast<double>(v[2]), static_cast<double>(v[0])});
  if (group.rungs.size() > evidence::kRungsMax) group.rungs.erase(group.rungs.begin());
}

// Everything up to the records: what they count, and in which unit.
struct Header {
  double rate = 0;               // heap
  double cycles_per_second = 0;  // mutex, block
  double sampling_period = 1;
};

// "... @ heap/1048576": the text form writes twice the rate; gperftools' heap_v2 the rate itself.
double heap_rate(std::string_view line) {
  const std::size_t at = line.rfind("@ heap");
  if (at == std::string_view::npos) return 0;
  line.remove_prefix(at + 6);
  const bool doubled = line.starts_with('/');
  const std::size_t slash = line.find('/');
  if (slash == std::string_view::npos) return 0;
  line.remove_prefix(slash + 1);
  std::uint64_t rate = 0;
  if (!take_number(line, rate)) return 0;
  return static_cast<double>(rate) / (doubled ? 2 : 1);
}

std::uint64_t nanoseconds(double cycles, const Header& header) {
  const double ns = header.cycles_per_second > 0 ? cycles * 1e9 / header.cycles_per_second : cycles;
  return ns < 9e18 ? static_cast<std::uint64_t>(ns) : UINT64_MAX / 2;
}

// "# HeapInuse = 264142848", "# Stack = 425984 / 425984" (in use, and taken from the system).
void read_memstats(Lines& lines, Incident& incident) {
  constexpr std::size_t kMetricsMax = 256;
  const auto add = [&incident](std::string name, double value) {
    if (incident.metrics.size() >= kMetricsMax) return;
    evidence::Metric& metric = incident.metrics.emplace_back();
    metric.name = "MemStats." + std::move(name);
    metric.value = value;
  };
  while (lines.next()) {
    std::string_view text = lines.line();
    const std::size_t equal = text.find(" = ");
    if (!take(text, "# ") || equal == std::string_view::npos) continue;
    const std::string name(text.substr(0, equal - 2));
    const std::string first(text.substr(equal + 1, 64));
    char* end = nullptr;
    const double value = std::strtod(first.c_str(), &end);
    if (end == first.c_str()) continue;  // lists, true and false
    if (std::string_view(end).starts_with(" / ")) {
      add(name + "Inuse", value);
      add(name + "Sys", std::strtod(end + 3, nullptr));
    } else {
      add(name, value);
    }
  }
}

std::string sizes_note(std::size_t kept, std::size_t all) {
  return "Of " + format_count(all) + " different stacks the " + format_count(kept) +
         " that weigh most are kept; all are in the totals.";
}

evidence::Stack hidden_frames(const Record& record) {
  evidence::Stack hidden;
  for (std::size_t i = 0; i < hidden_counters(record); ++i) {
    Frame& frame = hidden.emplace_back();
    frame.offset = record.counters[i] - 1;
    frame.library = true;
  }
  return hidden;
}

void add_site(TextKind kind, const Group& group, Record& record, const Header& header,
              Incident& incident) {
  const auto& v = group.values;
  const evidence::Position where{0, evidence::Position::Unit::kLine, group.line};
  if (kind == TextKind::kHeap) {
    evidence::HeapSite& site = incident.heap_sites.emplace_back();
    site.hidden = hidden_frames(record);
    site.stack = std::move(record.frames);
    site.inuse_objects = v[0], site.inuse_bytes = v[1];
    site.alloc_objects = v[2], site.alloc_bytes = v[3];
    site.rungs = group.rungs;
    site.where = where;
    if (site.hidden.empty()) separate_hidden(site);
  } else if (kind == TextKind::kGoroutines) {
    evidence::GoroutineGroup& g = incident.goroutines.emplace_back();
    // What they wait in is hidden: named by a binary (recover.h), or known by its address only.
    g.stack = hidden_frames(record);
    if (g.stack.empty()) g.state = state_of(record.frames);
    for (Frame& f : record.frames) g.stack.push_back(std::move(f));
    g.count = v[0];
    g.snapshot = 0;
  } else if (kind == TextKind::kMutex || kind == TextKind::kBlock) {
    evidence::Wait& wait = incident.waits.emplace_back();
    bool released = false;
    wait.reason = wait_reason_of(record.frames, released);
    // The stack of a mutex profile is that of the unlocking side, whatever its innermost frame.
    (released || kind == TextKind::kMutex ? wait.released_by : wait.stack) =
        std::move(record.frames);
    const double cycles = static_cast<double>(v[0]) * header.sampling_period;
    wait.total_ns = nanoseconds(cycles, header);
    wait.count = scaled(v[1], header.sampling_period);
    wait.longest = where;
  }
}

bool read_header_line(std::string_view line, TextKind kind, Header& header) {
  std::uint64_t number = 0;
  if (kind == TextKind::kHeap && line.starts_with("heap profile: ")) {
    header.rate = heap_rate(line);
  } else if (take(line, "cycles/second=") && take_number(line, number)) {
    header.cycles_per_second = static_cast<double>(number);
  } else if (take(line, "sampling period=") && take_number(line, number)) {
    header.sampling_period = static_cast<double>(std::max<std::uint64_t>(number, 1));
  } else {
    return line.starts_with("---") || line.find(" profile: total ") != std::string_view::npos;
  }
  return true;
}

void add_snapshot(TextKind kind, const std::array<std::uint64_t, 4>& totals, Incident& incident) {
  if (kind != TextKind::kHeap && kind != TextKind::kGoroutines) return;
  evidence::Snapshot& snapshot = incident.snapshots.emplace_back();
  snapshot.kind = kind == TextKind::kHeap ? "heap" : "goroutine";
  if (kind == TextKind::kGoroutines) snapshot.goroutines = totals[0];
  if (kind == TextKind::kHeap) snapshot.inuse_bytes = totals[1], snapshot.alloc_bytes = totals[3];
  // A heap profile shows the heap as the last collection left it; text has no other time.
  for (const evidence::Metric& m : incident.metrics) {
    if (m.name != "MemStats.LastGC" || m.value <= 0 || m.value > 9e18) continue;
    snapshot.at_ns = static_cast<std::int64_t>(m.value);
    snapshot.wall = true;
    incident.artefacts.front().has_times = true;
    incident.artefacts.front().wall_ns_at_zero = snapshot.at_ns;
  }
}

}  // namespace

TextKind text_kind_of(std::string_view line) {
  if (line.starts_with("heap profile: ")) return TextKind::kHeap;
  if (line.starts_with("goroutine profile: total ")) return TextKind::kGoroutines;
  if (line.starts_with("goroutineleak profile: total ")) return TextKind::kGoroutines;
  if (line.starts_with("threadcreate profile: total ")) return TextKind::kThreads;
  if (line.starts_with("--- mutex:")) return TextKind::kMutex;
  return line.starts_with("--- contention") ? TextKind::kBlock : TextKind::kNone;
}

void read_text_profile(std::string_view text, TextKind kind, Incident& incident) {
  const bool heap = kind == TextKind::kHeap;
  evidence::Artefact& artefact = incident.artefacts.front();
  Header header;
  std::vector<Group> groups;
  std::unordered_map<std::uint64_t, std::uint32_t> index;
  std::array<std::uint64_t, 4> totals{};
  Record record;
  Lines lines(text);
  while (lines.next()) {
    if (lines.line().empty() || read_header_line(lines.line(), kind, header)) continue;
    if (lines.line() == "# runtime.MemStats") {
      read_memstats(lines, incident);
      break;
    }
    ++artefact.records;
    if (!read_record(lines, heap, false, record)) {
      ++artefact.records_unknown;
      artefact.bytes_skipped += lines.line().size() + 1;
      continue;
    }
    std::uint64_t hash = 0x9e3779b97f4a7c15;
    for (std::size_t i = hidden_counters(record); i < record.counters.size(); ++i) {
      hash = (hash ^ record.counters[i]) * 0xff51afd7ed558ccd;
      hash ^= hash >> 32;
    }
    Group beyond;
    Group* group = &beyond;
    const auto found = index.find(hash);
    if (found != index.end()) {
      group = &groups[found->second];
    } else if (groups.size() < kStacksMax) {
      index.emplace(hash, static_cast<std::uint32_t>(groups.size()));
      group = &groups.emplace_back();
      group->offset = record.offset;
      group->line = record.line;
    }
    if (heap) add_sizes(record, header.rate, *group);
    for (std::size_t i = 0; i < totals.size(); ++i) {
      group->values[i] += record.values[i];
      totals[i] += record.values[i];
    }
    const auto& v = group->values;
    group->weight = heap ? std::max(v[1], v[3]) : v[0];
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) { return a.weight > b.weight; });
  std::size_t frames = 0, kept = 0;
  for (const Group& group : groups) {
    Lines at(text, group.offset, group.line - 1);
    if (kept >= evidence::kHeapSitesMax || !at.next() || !read_record(at, heap, true, record))
      break;
    frames += record.frames.size();
    if (frames > kFramesMax) break;
    ++kept;
    add_site(kind, group, record, header, incident);
  }
  if (kept < groups.size()) artefact.notes.push_back(sizes_note(kept, groups.size()));
  std::stable_sort(incident.heap_sites.begin(), incident.heap_sites.end(),
                   [](const auto& a, const auto& b) { return a.alloc_bytes > b.alloc_bytes; });
  add_snapshot(kind, totals, incident);
}

}  // namespace ullage::trace
