// SPDX-License-Identifier: Apache-2.0
//
// The home of nlohmann-json.
#include "trace/runtime_metrics/reader.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/format.h"
#include "base/text.h"
#include "trace/wall_time.h"

namespace ullage::trace {
namespace {

using nlohmann::json;

// Snapshots within arrays within objects; what is deeper is no form that we know.
constexpr int kDepthMax = 4;
constexpr std::array<const char*, 4> kTimeKeys = {"time", "timestamp", "ts", "@timestamp"};
constexpr std::array<std::string_view, 7> kMetricRoots = {"/gc/",   "/sched/", "/memory/", "/cpu/",
                                                          "/sync/", "/cgo/",   "/godebug/"};

bool is_metric_name(std::string_view name) {
  return name.find(':') != std::string_view::npos &&
         std::any_of(kMetricRoots.begin(), kMetricRoots.end(),
                     [name](std::string_view root) { return name.starts_with(root); });
}

// Infinities as people write them where JSON has none: "+Inf", null at an end, the largest double.
std::optional<double> edge_of(const json& value, bool first) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (value.is_null()) return first ? -kInfinity : kInfinity;
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (text == "-Inf" || text == "-inf" || text == "-Infinity") return -kInfinity;
    if (text == "+Inf" || text == "Inf" || text == "inf" || text == "Infinity") return kInfinity;
    return std::nullopt;
  }
  if (!value.is_number()) return std::nullopt;
  const double number = value.get<double>();
  if (std::abs(number) == std::numeric_limits<double>::max()) {
    return number < 0 ? -kInfinity : kInfinity;
  }
  return number;
}

// Unix nanoseconds: RFC 3339, or a number in seconds to nanoseconds, told apart by its size.
std::optional<std::int64_t> time_of(const json& object) {
  for (const char* key : kTimeKeys) {
    const auto found = object.find(key);
    if (found == object.end()) continue;
    if (found->is_string()) return find_wall_time(found->get_ref<const std::string&>());
    if (!found->is_number()) continue;
    double seconds = found->get<double>();
    if (!(seconds > 0) || seconds > 9e18) continue;
    for (int i = 0; i < 3 && seconds > 1e11; ++i) seconds /= 1e3;
    if (found->is_number_integer() && found->get<double>() > 1e17)
      return found->get<std::int64_t>();
    if (seconds < 9e9) return static_cast<std::int64_t>(seconds * 1e9);
  }
  return std::nullopt;
}

class Snapshots {
 public:
  evidence::Incident incident;
  std::uint64_t values = 0, unknown = 0, left_out = 0, snapshots = 0;
  std::optional<std::int64_t> first_time, last_time;

  // True when there was something to read in it.
  bool add(const json& value, int depth = 0) {
    if (depth == kDepthMax) return false;
    bool any = false;
    if (value.is_array()) {
      for (const json& element : value) any |= add(element, depth + 1);
    } else if (value.is_object()) {
      if (const auto time = time_of(value)) set_time(*time);
      const auto name = value.find("name");
      if (name != value.end() && name->is_string()) {
        any = add_value(name->get_ref<const std::string&>(), value);
      }
      for (const auto& [key, member] : value.items()) any |= add_member(key, member, depth);
    }
    if (any && depth == 0) ++snapshots;
    return any;
  }

  void finish() {
    for (auto& [name, histogram] : histograms_) incident.histograms.push_back(std::move(histogram));
    if (!first_time) return;
    for (evidence::HeapPoint& point : incident.heap) point.at_ns -= *first_time;
    for (evidence::Metric& metric : incident.metrics) {
      metric.at_ns = metric.at_ns == 0 ? 0 : metric.at_ns - *first_time;
    }
    incident.end_ns = *last_time - *first_time;
  }

 private:
  void set_time(std::int64_t time) {
    time_ = time;
    if (!first_time || time < *first_time) first_time = time;
    if (!last_time || time > *last_time) last_time = time;
  }

  bool add_member(const std::string& key, const json& member, int depth) {
    if (is_metric_name(key)) return add_value(key, member);
    if (key == "memstats" && member.is_object()) return add_memstats(member);
    if (key == "cmdline" && member.is_array() && !member.empty() && member[0].is_string()) {
      const std::string program = clean_utf8(member[0].get_ref<const std::string&>());
      incident.facts.program = program.substr(program.rfind('/') + 1);
      return false;
    }
    return member.is_structured() && add(member, depth + 1);
  }

  bool add_memstats(const json& memstats) {
    for (const auto& [key, member] : memstats.items()) {
      if (member.is_number()) add_number("memstats." + key, member.get<double>());
    }
    return true;
  }

  // A number, or an object around a number or a histogram.
  bool add_value(const std::string& name, const json& value) {
    if (!is_metric_name(name)) return false;
    if (value.is_number()) return add_number(name, value.get<double>());
    if (value.is_object()) {
      if (const auto number = value.find("value"); number != value.end()) {
        return add_value(name, *number);
      }
      for (const auto& [key, member] : value.items()) {
        if (key == "histogram" || key == "Float64Histogram") return add_value(name, member);
      }
      const json* edges = member(value, "buckets", "Buckets");
      const json* counts = member(value, "counts", "Counts");
      if (edges != nullptr && counts != nullptr) return add_histogram(name, *edges, *counts);
    }
    ++unknown;
    return false;
  }

  static const json* member(const json& object, const char* name, const char* or_name) {
    auto found = object.find(name);
    if (found == object.end()) found = object.find(or_name);
    return found != object.end() && found->is_array() ? &*found : nullptr;
  }

  bool add_number(const std::string& name, double number) {
    ++values;
    if (incident.metrics.size() == kMetricsMax) return ++left_out, true;
    incident.metrics.push_back({clean_utf8(name), number, 0, time_});
    evidence::RuntimeFacts& facts = incident.facts;
    constexpr double kIntegerMax = 9e18;  // GOMEMLIMIT is this when it is off
    if (!(number >= 0 && number < kIntegerMax)) return true;
    const auto whole = static_cast<std::uint64_t>(number);
    if (name == "/sched/gomaxprocs:threads") facts.processors = whole;
    if (name == "/gc/gogc:percent") facts.gogc = whole > INT32_MAX ? -1 : static_cast<int>(whole);
    if (name == "/gc/gomemlimit:bytes") facts.memory_limit = whole;
    if (name == "/gc/heap/goal:bytes") goal_ = whole;
    if (name == "/gc/heap/live:bytes" && time_ != 0 &&
        incident.heap.size() < evidence::kHeapPointsMax) {
      incident.heap.push_back({time_, whole, goal_});
    }
    return true;
  }

  bool add_histogram(const std::string& name, const json& edges, const json& counts) {
    evidence::MetricHistogram histogram;
    histogram.name = clean_utf8(name);
    const bool sizes = edges.size() == counts.size() + 1 && counts.size() <= kMetricBucketsMax;
    for (std::size_t i = 0; sizes && i < edges.size(); ++i) {
      const auto edge = edge_of(edges[i], i == 0);
      if (!edge || (i > 0 && !(*edge > histogram.edges.back()))) break;
      histogram.edges.push_back(*edge);
    }
    for (std::size_t i = 0; sizes && i < counts.size() && counts[i].is_number_unsigned(); ++i) {
      histogram.counts.push_back(counts[i].get<std::uint64_t>());
    }
    if (!sizes || histogram.edges.size() != edges.size() ||
        histogram.counts.size() != counts.size()) {
      return ++unknown, false;
    }
    ++values;
    // They only ever grow: the last one of a series has counted what the others did.
    if (histograms_.size() < kMetricHistogramsMax || histograms_.contains(name)) {
      histograms_[name] = std::move(histogram);
    } else {
      ++left_out;
    }
    return true;
  }

  std::map<std::string, evidence::MetricHistogram> histograms_;
  std::int64_t time_ = 0;
  std::uint64_t goal_ = 0;
};

// JSON lines when the first line is a whole value by itself.
bool is_lines(std::string_view text) {
  const std::size_t end = text.find('\n');
  return end != std::string_view::npos && end <= kJsonBytesMax &&
         text.find_first_not_of(" \t\r\n", end) != std::string_view::npos &&
         json::accept(text.substr(0, end));
}

struct Parsed {
  std::uint64_t skipped_lines = 0, skipped_bytes = 0;
  bool cut = false;
};

Parsed parse_lines(std::string_view text, const ReadOptions& options, Snapshots& snapshots) {
  Parsed parsed;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    const bool blank = line.find_first_not_of(" \t\r") == std::string_view::npos;
    const json value = line.size() <= kJsonBytesMax
                           ? json::parse(line, nullptr, /*allow_exceptions=*/false)
                           : json(json::value_t::discarded);
    if (!blank && (value.is_discarded() || !snapshots.add(value))) {
      ++parsed.skipped_lines;
      parsed.skipped_bytes += line.size();
      parsed.cut |= value.is_discarded() && end == text.size();
    }
    at = end + 1;
    if (options.progress) {
      options.progress(static_cast<double>(std::min(at, text.size())) /
                       static_cast<double>(text.size()));
    }
  }
  return parsed;
}

evidence::Artefact& add_artefact(const Input& input, Snapshots& snapshots, const Parsed& parsed) {
  evidence::Artefact& a = snapshots.incident.artefacts.emplace_back();
  a.name = input.name();
  a.format = "Go runtime metrics";
  a.bytes = input.bytes().size();
  a.records = snapshots.values + snapshots.unknown;
  a.records_unknown = snapshots.unknown;
  a.unit = "values";
  a.bytes_skipped = parsed.skipped_bytes;
  a.cut = parsed.cut;
  if (snapshots.first_time) {
    a.has_times = true;
    a.wall_ns_at_zero = *snapshots.first_time;
    a.last_ns = *snapshots.last_time - *snapshots.first_time;
  }
  if (parsed.skipped_lines > 0) {
    a.notes.push_back(format_counted(parsed.skipped_lines, "line") + " held no metrics.");
  }
  if (snapshots.left_out > 0) {
    a.notes.push_back(format_counted(snapshots.left_out, "value") + " beyond the first " +
                      format_count(kMetricsMax) + " were left out.");
  }
  if (snapshots.snapshots > 1) {
    a.notes.push_back(format_counted(snapshots.snapshots, "snapshot") +
                      "; of a histogram the last one is kept.");
  }
  return a;
}

}  // namespace

bool sniff_runtime_metrics(std::span<const std::uint8_t> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || (text[begin] != '{' && text[begin] != '[')) return false;
  if (text.find("\"memstats\"") != std::string_view::npos) return true;
  for (std::size_t at = text.find("\"/"); at != std::string_view::npos;
       at = text.find("\"/", at + 1)) {
    const std::size_t end = text.find('"', at + 1);
    if (end != std::string_view::npos && is_metric_name(text.substr(at + 1, end - at - 1))) {
      return true;
    }
  }
  return false;
}

Result<evidence::Evidence> read_runtime_metrics(const Input& input, const ReadOptions& options) {
  Snapshots snapshots;
  snapshots.incident.facts.runtime = evidence::Runtime::kGo;
  Parsed parsed;
  if (is_lines(input.text())) {
    parsed = parse_lines(input.text(), options, snapshots);
  } else if (input.bytes().size() > kJsonBytesMax) {
    return Error{Code::kExhausted, input.name() + ": one JSON value of more than " +
                                       format_bytes(kJsonBytesMax) +
                                       ".\n  Write a snapshot to each line."};
  } else {
    const json value = json::parse(input.text(), nullptr, /*allow_exceptions=*/false);
    if (value.is_discarded()) {
      return Error{Code::kInvalid, input.name() +
                                       ": no whole JSON document.\n  Expected a snapshot of "
                                       "runtime/metrics or /debug/vars, or one to each line."};
    }
    snapshots.add(value);
  }
  if (snapshots.values == 0) {
    return Error{Code::kInvalid, input.name() +
                                     ": holds no metrics of the Go runtime.\n  Expected names such "
                                     "as \"/gc/heap/live:bytes\", or \"memstats\"."};
  }
  snapshots.finish();
  add_artefact(input, snapshots, parsed);
  evidence::Evidence evidence;
  evidence.incident = std::move(snapshots.incident);
  if (options.progress) options.progress(1);
  return evidence;
}

}  // namespace ullage::trace
