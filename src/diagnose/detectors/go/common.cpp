// SPDX-License-Identifier: Apache-2.0
#include "diagnose/detectors/go/common.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/format.h"
#include "diagnose/growth.h"

namespace ullage::diagnose::go {
namespace {

using evidence::CallKind;
using evidence::CallProof;

// First elements of the standard library's package paths. A user's package has a dot in its first
// element, or is "main", or has a name of its own.
constexpr std::array<std::string_view, 54> kStandard = {
    "archive", "arena",    "bufio",   "bytes",   "cmp",      "compress", "container", "context",
    "crypto",  "database", "debug",   "embed",   "encoding", "errors",   "expvar",    "flag",
    "fmt",     "go",       "hash",    "html",    "image",    "index",    "internal",  "io",
    "iter",    "log",      "maps",    "math",    "mime",     "net",      "os",        "path",
    "plugin",  "reflect",  "regexp",  "runtime", "slices",   "sort",     "strconv",   "strings",
    "structs", "sync",     "syscall", "testing", "text",     "time",     "type:",     "unicode",
    "unique",  "unsafe",   "vendor",  "weak",    "_cgo",     "cgo"};

std::string_view base_name(std::string_view path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool begins_with_any(const std::string& name, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

bool profiles_itself(const Stack& stack) {
  return has_function(stack, "runtime/pprof.") || has_function(stack, "runtime/trace.") ||
         has_function(stack, "net/http/pprof.");
}

}  // namespace

bool speaks_go(const evidence::Evidence& evidence) {
  return !evidence.incident.empty() && evidence.incident.facts.runtime != evidence::Runtime::kJvm;
}

bool is_standard(const std::string& function) {
  const std::string_view name = function;
  const std::string_view first = name.substr(0, name.find_first_of("./"));
  // "golang.org/x/..." has a dot before its first slash and is somebody's module.
  const std::size_t slash = name.find('/');
  if (slash != std::string_view::npos && first.size() < slash) return false;
  return std::find(kStandard.begin(), kStandard.end(), first) != kStandard.end();
}

const Frame* user_frame(const Stack& stack) {
  const auto named = [](const Frame& f) { return !f.function.empty(); };
  for (const Frame& frame : stack) {
    if (named(frame) && !is_standard(frame.function)) return &frame;
  }
  for (const Frame& frame : stack) {
    if (named(frame) && !evidence::is_go_runtime(frame.function)) return &frame;
  }
  return stack.empty() ? nullptr : &stack.front();
}

std::size_t user_depth(const Stack& stack) {
  return static_cast<std::size_t>(std::count_if(stack.begin(), stack.end(), [](const Frame& f) {
    return !f.function.empty() && !is_standard(f.function);
  }));
}

bool has_function(const Stack& stack, const std::string& prefix) {
  return std::any_of(stack.begin(), stack.end(),
                     [&](const Frame& f) { return f.function.starts_with(prefix); });
}

bool copies_in_one_piece(const Stack& stack) {
  for (const Frame& frame : stack) {
    const std::string& name = frame.function;
    if (begins_with_any(
            name, {"runtime.memmove", "runtime.memclr", "runtime.typedmemmove",
                   "runtime.bulkBarrier", "runtime.typedslicecopy", "runtime.growslice",
                   "runtime.makeslice", "runtime.reflect_growslice", "runtime.typedmemclr"})) {
      return true;
    }
    if (!is_standard(name)) return false;
  }
  return false;
}

bool grows_map(const Stack& stack) {
  // make(map[K]V, N) builds its tables by the same routines, and is the remedy.
  if (has_function(stack, "runtime.makemap") ||
      has_function(stack, "internal/runtime/maps.NewMap")) {
    return false;
  }
  return std::any_of(stack.begin(), stack.end(), [](const Frame& frame) {
    return begins_with_any(
        frame.function,
        {"runtime.hashGrow", "runtime.growWork", "runtime.evacuate", "runtime.makeBucketArray",
         "internal/runtime/maps.(*table).grow", "internal/runtime/maps.(*table).split",
         "internal/runtime/maps.(*table).rehash", "internal/runtime/maps.(*table).reset",
         "internal/runtime/maps.(*table).uncheckedPutSlot", "internal/runtime/maps.newTable",
         "internal/runtime/maps.(*Map).growTo", "internal/runtime/maps.(*Map).installTableSplit"});
  });
}

std::string artefact_name(const Incident& incident, const Position& position) {
  if (position.artefact >= incident.artefacts.size()) return "the input";
  const std::string& name = incident.artefacts[position.artefact].name;
  if (name == "-") return "standard input";
  return name.empty() ? "the input" : std::string(base_name(name));
}

std::string position_text(const Incident& incident, const Position& position) {
  std::string text = artefact_name(incident, position);
  if (position.unit == Position::Unit::kByte) text += " byte " + format_count(position.at);
  if (position.unit == Position::Unit::kLine) text += " line " + format_count(position.at);
  return text;
}

std::string site_text(const Frame& frame) {
  if (frame.function.empty()) return frame.place();
  return frame.file.empty() ? frame.label() : frame.place() + " in " + frame.label();
}

std::string at_text(std::int64_t at_ns) {
  const auto size = static_cast<std::uint64_t>(at_ns < 0 ? -(at_ns + 1) : at_ns);
  return (at_ns < 0 ? "-" : "") + format_ns(size);
}

std::uint64_t span_ns(std::int64_t first_ns, std::int64_t last_ns) {
  return last_ns <= first_ns
             ? 0
             : static_cast<std::uint64_t>(last_ns) - static_cast<std::uint64_t>(first_ns);
}

std::string window_text(std::int64_t first_ns, std::int64_t last_ns) {
  if (last_ns <= first_ns) return "at " + at_text(first_ns);
  return "between " + at_text(first_ns) + " and " + at_text(last_ns);
}

std::string literal(std::uint64_t value) {
  std::string text = format_literal(value);
  std::replace(text.begin(), text.end(), '\'', '_');
  return text;
}

bool same_function(const Frame& a, const Frame& b) {
  return !a.function.empty() && a.function == b.function;
}

bool same_place(const Frame& a, const Frame& b) {
  if (a.line != b.line || a.line <= 0) return false;
  if (!a.function.empty() && !b.function.empty() && a.function != b.function) return false;
  const std::string_view x = a.file;
  const std::string_view y = b.file;
  if (x.empty() || y.empty()) return same_function(a, b);
  const std::string_view shorter = x.size() < y.size() ? x : y;
  const std::string_view longer = x.size() < y.size() ? y : x;
  if (longer.ends_with(shorter)) return true;
  // Two builds, two roots: the file's own name and the function's must do.
  return base_name(x) == base_name(y) && same_function(a, b);
}

Finding at_stack(const Stack& stack) {
  Finding finding;
  finding.stack = stack;
  if (const Frame* user = user_frame(stack)) finding.where = *user;
  if (!stack.empty() && is_standard(stack.front().function)) finding.growth = stack.front();
  return finding;
}

Finding at_position(const Incident& incident, const Position& position) {
  Finding finding;
  finding.where.file = artefact_name(incident, position);
  if (position.unit == Position::Unit::kLine && position.at <= 2'000'000'000) {
    finding.where.line = static_cast<int>(position.at);
  }
  return finding;
}

std::string pprof_list(const Frame& user, const char* index, const std::string& artefact) {
  std::string name;
  for (const char c : user.function) {
    if (std::string_view("()*[].+?{}^$|\\").find(c) != std::string_view::npos) name += '\\';
    if (c != '\'') name += c;
  }
  return "go tool pprof -sample_index=" + std::string(index) + " -list='" + name + "' " + artefact;
}

std::string fetch_command(const Incident& incident, const std::string& path,
                          const std::string& file) {
  const std::string& known = incident.facts.pprof_url;
  return "curl " + (file.empty() ? "" : "-o " + file + " ") + "'" +
         (known.empty() ? "http://<address>" : known) + "/debug/pprof/" + path + "'";
}

double confidence_of(CallProof proof) {
  switch (proof) {
    case CallProof::kProgramCounter:
    case CallProof::kStack:
      return 0.95;
    case CallProof::kCallSite:
      return 0.9;
    case CallProof::kLadder:
      return 0.8;
    case CallProof::kNone:
      return 0.6;
  }
  return 0.6;
}

std::string proof_text(CallProof proof) {
  switch (proof) {
    case CallProof::kProgramCounter:
      return "the profile's program counters show the call";
    case CallProof::kStack:
      return "the stack shows the call";
    case CallProof::kCallSite:
      return "the call instruction in the binary shows it";
    case CallProof::kLadder:
      return "the sizes tell it; give the binary as well to be sure";
    case CallProof::kNone:
      return "only the sizes tell it; give the binary as well to be sure";
  }
  return {};
}

std::string share_text(double part, double of) {
  return format_percent(of > 0 ? std::min(part / of, 1.0) : 0);
}

std::uint64_t whole_number(double number) { return number > 0 ? whole(number + 0.5) : 0; }

namespace {

bool as_good_or_better(const HeapPlace& a, const HeapPlace& b) {
  const auto key = [](const HeapPlace& p) {
    return std::make_tuple(p.proof != CallProof::kNone, p.snapshot, p.alloc_bytes);
  };
  return key(a) >= key(b);
}

void add(HeapPlace& place, const evidence::HeapSite& site) {
  if (static_cast<double>(site.alloc_bytes) > place.alloc_bytes || place.stack.empty()) {
    place.stack = site.stack;
    place.hidden = site.hidden;
    place.where = site.where;
  }
  place.proof = std::max(place.proof, site.proof);
  place.alloc_bytes += static_cast<double>(site.alloc_bytes);
  place.alloc_objects += static_cast<double>(site.alloc_objects);
  place.inuse_bytes += static_cast<double>(site.inuse_bytes);
  place.inuse_objects += static_cast<double>(site.inuse_objects);
  place.element_bytes = std::max(place.element_bytes, site.element_bytes);
  for (const evidence::Rung& rung : site.rungs) {
    evidence::Rung& sum = place.rungs[rung.bytes];
    sum.bytes = rung.bytes;
    sum.allocated_objects += rung.allocated_objects;
    sum.inuse_objects += rung.inuse_objects;
  }
}

// A line as its function names it: the same in every profile of the incident.
std::string line_key(const Frame& user) {
  return user.function + '\n' + std::string(base_name(user.file)) + '\n' +
         std::to_string(user.line);
}

}  // namespace

std::vector<HeapPlace> heap_places(const Incident& incident) {
  // (line, snapshot, call) -> sums; then per line the snapshot that knows it best.
  std::map<std::string, std::map<std::uint32_t, std::map<CallKind, HeapPlace>>> lines;
  for (const evidence::HeapSite& site : incident.heap_sites) {
    const Frame* user = user_frame(site.stack);
    if (!user || profiles_itself(site.stack)) continue;
    HeapPlace& place = lines[line_key(*user)][site.snapshot][site.call];
    place.user = *user;
    place.call = site.call;
    place.snapshot = site.snapshot;
    add(place, site);
  }
  std::vector<HeapPlace> places;
  for (auto& [line, snapshots] : lines) {
    const auto best =
        std::max_element(snapshots.begin(), snapshots.end(), [](const auto& a, const auto& b) {
          const auto proved = [](const auto& calls) {
            const HeapPlace* most = nullptr;
            for (const auto& [call, place] : calls) {
              if (!most || as_good_or_better(place, *most)) most = &place;
            }
            return most;
          };
          return !as_good_or_better(*proved(a.second), *proved(b.second));
        });
    for (auto& [call, place] : best->second) places.push_back(std::move(place));
  }
  std::stable_sort(places.begin(), places.end(), [](const HeapPlace& a, const HeapPlace& b) {
    return a.alloc_bytes > b.alloc_bytes;
  });
  return places;
}

double alloc_bytes_total(const std::vector<HeapPlace>& places) {
  double sum = 0;
  for (const HeapPlace& place : places) sum += place.alloc_bytes;
  return sum;
}

double inuse_bytes_total(const std::vector<HeapPlace>& places) {
  double sum = 0;
  for (const HeapPlace& place : places) sum += place.inuse_bytes;
  return sum;
}

}  // namespace ullage::diagnose::go
