// SPDX-License-Identifier: Apache-2.0
#include "diagnose/fail_on.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "base/format.h"
#include "diagnose/reports/common.h"

namespace ullage::diagnose {
namespace {

constexpr std::string_view kViolation = "contract-violation";

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

Result<std::uint64_t> parse_count(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem == std::errc() && end == text.data() + text.size()) return number;
  return Error{Code::kInvalid,
               "\"" + std::string(text) + "\": expected a whole number, like 1000."};
}

std::string place_of(const Finding& finding) {
  const std::string place = place_text(finding.where);
  return finding.detector + (place.empty() ? "" : " at " + place);
}

bool is_by(const Finding& finding, const std::string& detector) {
  return finding.detector == detector ||
         std::any_of(finding.also.begin(), finding.also.end(),
                     [&detector](const Related& r) { return r.detector == detector; });
}

bool known(const Finding& finding, const Baseline& baseline) {
  return baseline.contains(finding.fingerprint);
}

std::string worth(std::uint64_t value, std::string (*format)(std::uint64_t), const char* what) {
  return format(value) + " " + what;
}

}  // namespace

Result<FailOn> FailOn::parse(const std::vector<std::string>& expressions) {
  FailOn all;
  for (const std::string& expression : expressions) {
    Result<FailOn> one = parse(expression);
    if (!one.ok()) return one;
    std::move(one->conditions_.begin(), one->conditions_.end(),
              std::back_inserter(all.conditions_));
  }
  return all;
}

Result<FailOn> FailOn::parse(std::string_view expression) {
  FailOn fail_on;
  std::string_view rest = expression;
  for (bool more = true; more;) {
    const std::size_t comma = rest.find(',');
    more = comma != std::string_view::npos;
    const std::string_view part = trimmed(rest.substr(0, comma));
    if (more) rest.remove_prefix(comma + 1);
    Result<Condition> condition = parse_condition(part);
    if (!condition.ok()) {
      return Error{Code::kInvalid,
                   "--fail-on " + std::string(expression) + ": " + condition.error().message};
    }
    fail_on.conditions_.push_back(std::move(condition.value()));
  }
  return fail_on;
}

Result<FailOn::Condition> FailOn::parse_condition(std::string_view part) {
  struct Word {
    std::string_view name;
    Kind kind;
    Severity severity;
  };
  static constexpr Word kWords[] = {{"any", Kind::kAny, Severity::kWarning},
                                    {"note", Kind::kSeverity, Severity::kNote},
                                    {"warning", Kind::kSeverity, Severity::kWarning},
                                    {"error", Kind::kSeverity, Severity::kError},
                                    {"new", Kind::kNew, Severity::kWarning},
                                    {"worse", Kind::kWorse, Severity::kWarning}};
  struct Limit {
    std::string_view name;
    Kind kind;
    Result<std::uint64_t> (*parse)(std::string_view);
  };
  static constexpr Limit kLimits[] = {{"stall", Kind::kStallMax, parse_duration_ns},
                                      {"stall-total", Kind::kStallTotal, parse_duration_ns},
                                      {"copied", Kind::kCopied, parse_bytes},
                                      {"wasted", Kind::kWasted, parse_bytes},
                                      {"growths", Kind::kGrowths, parse_count}};
  Condition condition;
  condition.text = part;
  const std::size_t sign = part.find_first_of("<>=");
  if (sign == std::string_view::npos) {
    for (const Word& word : kWords) {
      if (word.name != part) continue;
      condition.kind = word.kind;
      condition.severity = word.severity;
      return condition;
    }
    for (const Detector& detector : detectors()) {
      if (detector.name != (part == "violation" ? kViolation : part)) continue;
      condition.kind = Kind::kDetector;
      condition.detector = detector.name;
      return condition;
    }
    std::string names;
    for (const Word& word : kWords) names += std::string(word.name) + ", ";
    names += "violation, ";
    for (const Detector& detector : detectors()) names += std::string(detector.name) + ", ";
    return Error{Code::kInvalid, "\"" + std::string(part) + "\" is no condition. Known: " + names +
                                     "and limits like stall>5ms, copied>10MB."};
  }
  const std::string_view name = trimmed(part.substr(0, sign));
  const bool or_equal = part.substr(sign).starts_with(">=");
  if (part[sign] != '>') {
    return Error{Code::kInvalid, "\"" + std::string(part) +
                                     "\": only > and >= are limits (a build " +
                                     "fails above them), like stall>5ms."};
  }
  for (const Limit& limit : kLimits) {
    if (limit.name != name) continue;
    const Result<std::uint64_t> value =
        limit.parse(trimmed(part.substr(sign + (or_equal ? 2 : 1))));
    if (!value.ok()) return Error{Code::kInvalid, std::string(name) + ": " + value.error().message};
    condition.kind = limit.kind;
    condition.limit = value.value();
    condition.or_equal = or_equal;
    return condition;
  }
  return Error{Code::kInvalid, "\"" + std::string(name) +
                                   "\" has no limit. Known: stall, stall-total, copied, wasted, "
                                   "growths."};
}

bool FailOn::needs_baseline() const {
  return std::any_of(conditions_.begin(), conditions_.end(),
                     [](const Condition& c) { return c.kind == Kind::kNew; });
}

bool FailOn::needs_contract() const {
  return std::any_of(conditions_.begin(), conditions_.end(),
                     [](const Condition& c) { return c.detector == kViolation; });
}

namespace {

using evidence::Incident;

bool times_stalls(const Incident& incident) {
  return !incident.event_counts.empty() || !incident.pause_kinds.empty() ||
         !incident.cycles.empty() || !incident.stalls.empty() || !incident.waits.empty() ||
         !incident.metrics.empty() || !incident.histograms.empty();
}

// Sizes of what a place allocated, step by step.
bool sees_growths(const Incident& incident) {
  const auto regions = [](const evidence::GcCycle& c) { return c.humongous_before >= 0; };
  const auto sizes = [](const evidence::Snapshot& s) {
    return s.kind.find("heap") != std::string::npos ? s.kind != "heap dump" : s.kind == "allocs";
  };
  return std::any_of(incident.cycles.begin(), incident.cycles.end(), regions) ||
         std::any_of(incident.snapshots.begin(), incident.snapshots.end(), sizes);
}

bool knows_memory(const Incident& incident) {
  const auto heap = [](const evidence::GcCycle& c) { return c.heap_known; };
  const auto held = [](const evidence::Snapshot& s) {
    return s.kind.find("heap") != std::string::npos || s.kind == "allocs" ||
           s.kind == "histogram" || s.kind == "goroutine";
  };
  return std::any_of(incident.snapshots.begin(), incident.snapshots.end(), held) ||
         !incident.goroutines.empty() || !incident.heap.empty() ||
         std::any_of(incident.cycles.begin(), incident.cycles.end(), heap);
}

struct Measure {
  std::string_view limits;
  bool (*there)(const Incident&);
  std::string_view by;  // "... measures it"
};
constexpr Measure kStalls = {"stall, stall-total", times_stalls,
                             "an execution trace, gctrace or the log of a JVM's collector"};
constexpr Measure kGrown = {"copied, growths", sees_growths,
                            "a heap or allocs profile of a Go program, or a log of G1"};
constexpr Measure kMemory = {"wasted", knows_memory,
                             "a heap profile, a heap dump, class histograms or a log of "
                             "collections"};

}  // namespace

std::string FailOn::unmeasured(const evidence::Evidence& evidence) const {
  const Incident& incident = evidence.incident;
  if (incident.empty()) return {};
  std::string text;
  for (const Condition& condition : conditions_) {
    const Measure* measure = nullptr;
    if (condition.kind == Kind::kStallMax || condition.kind == Kind::kStallTotal) {
      measure = &kStalls;
    } else if (condition.kind == Kind::kCopied || condition.kind == Kind::kGrowths) {
      measure = &kGrown;
    } else if (condition.kind == Kind::kWasted) {
      measure = &kMemory;
    }
    if (!measure || measure->there(incident)) continue;
    text += "\"" + condition.text + "\": nothing here measures that; " + std::string(measure->by) +
            " does. ";
  }
  if (text.empty()) return {};
  std::string judged;
  for (const Measure& measure : {kStalls, kGrown, kMemory}) {
    if (!measure.there(incident)) continue;
    judged += (judged.empty() ? "" : ", ") + std::string(measure.limits);
  }
  return text + (judged.empty() ? "No limit can be judged by these artefacts."
                                : "Limits that these artefacts can be judged by: " + judged + ".");
}

std::string FailOn::exceeded(const Condition& condition, const Measured& measured) {
  const auto over = [&condition](std::uint64_t value) {
    return condition.or_equal ? value >= condition.limit : value > condition.limit;
  };
  switch (condition.kind) {
    case Kind::kStallMax:
      return over(measured.stall_ns_max) ? worth(measured.stall_ns_max, format_ns, "in one stall")
                                         : "";
    case Kind::kStallTotal:
      return over(measured.stall_ns) ? worth(measured.stall_ns, format_ns, "of stalls") : "";
    case Kind::kCopied:
      return over(measured.copied_bytes) ? worth(measured.copied_bytes, format_bytes, "copied")
                                         : "";
    case Kind::kWasted:
      return over(measured.wasted_bytes) ? worth(measured.wasted_bytes, format_bytes, "wasted")
                                         : "";
    case Kind::kGrowths:
      return over(measured.growths) ? worth(measured.growths, format_count, "growths") : "";
    default:
      return "";
  }
}

std::vector<std::string> FailOn::failures(const std::vector<Finding>& findings,
                                          const Baseline* baseline) const {
  std::vector<std::string> sentences;
  for (const Condition& condition : conditions_) {
    for (const Finding& finding : findings) {
      std::string why;
      switch (condition.kind) {
        case Kind::kAny:
        case Kind::kSeverity:
          if (finding.severity >= condition.severity) why = to_string(finding.severity);
          break;
        case Kind::kDetector:
          if (is_by(finding, condition.detector)) why = finding.title;
          break;
        case Kind::kNew:
          if (finding.severity != Severity::kNote && baseline != nullptr &&
              !known(finding, *baseline)) {
            why = "not in the baseline";
          }
          break;
        case Kind::kWorse:
          break;
        default:
          why = exceeded(condition, {finding.cost.stall_ns_max, finding.cost.stall_ns,
                                     finding.cost.copied_bytes, finding.cost.wasted_bytes,
                                     finding.cost.growths});
      }
      if (!why.empty()) sentences.push_back(condition.text + ": " + place_of(finding) + ": " + why);
    }
  }
  return sentences;
}

std::vector<std::string> FailOn::failures(const Difference& difference) const {
  std::vector<std::string> sentences;
  for (const Condition& condition : conditions_) {
    for (const SiteChange& site : difference.sites) {
      const bool is_new = site.change == Change::kNew;
      const bool is_worse = site.change == Change::kWorse;
      if (!is_new && !is_worse) continue;
      std::string why;
      switch (condition.kind) {
        case Kind::kAny:
          why = to_string(site.change);
          break;
        case Kind::kNew:
          if (is_new) why = "grows now, and did not before";
          break;
        case Kind::kWorse:
          if (is_worse) why = "costs more than before";
          break;
        case Kind::kSeverity:
        case Kind::kDetector:
          break;
        default:
          why = exceeded(condition,
                         {site.after.stall_ns_max, site.after.stall_ns_total,
                          site.after.copied_bytes, site.after.overlap_bytes_max, site.after.links});
      }
      if (!why.empty()) {
        sentences.push_back(condition.text + ": " + site.container + " at " +
                            place_text(site.where) + ": " + why);
      }
    }
  }
  return sentences;
}

}  // namespace ullage::diagnose
