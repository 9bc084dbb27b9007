// SPDX-License-Identifier: Apache-2.0
#include "diagnose/growth.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "base/format.h"
#include "base/text.h"

namespace ullage::diagnose {

using evidence::GrowthLaw;
using evidence::GrowthSite;
using evidence::Verdict;

namespace {

// Growths by one and the same step before we call it a law, and their share of all.
constexpr std::uint64_t kStepLinks = 4;
constexpr double kStepShare = 0.5;

// Doubling must save at least this share of the copying; below it the law hardly matters yet.
constexpr double kStepsWorthwhile = 0.5;

// What one chain from `first` to `final` bytes copies when it doubles: first * (1 + 2 + 4 + ...).
std::uint64_t copied_by_doubling(std::uint64_t first, std::uint64_t final) {
  std::uint64_t copied = 0;
  for (std::uint64_t size = std::max<std::uint64_t>(first, 1); size < final; size *= 2) {
    copied += size;
    if (size > UINT64_MAX / 4) break;
  }
  return copied;
}

// Blocks grown by at least this much keep room that nobody asked for.
constexpr double kGeometricFactor = 1.3;

// How a hash table's block relates to what it holds: slots of bytes_each (+ a control byte where
// the design has one), filled up to `load` before it grows.
struct TableRule {
  std::string_view name;  // found in the container's type or the growth function's name
  bool control_byte;
  double load;
};
constexpr std::array<TableRule, 10> kTables = {{{"flat_hash", true, 7.0 / 8},
                                                {"raw_hash_set", true, 7.0 / 8},
                                                {"hashbrown", true, 7.0 / 8},
                                                {"HashMap<", true, 7.0 / 8},
                                                {"DenseMap", false, 3.0 / 4},
                                                {"DenseSet", false, 3.0 / 4},
                                                {"StringMap", false, 3.0 / 4},
                                                {"robin", false, 1.0 / 2},
                                                {"QHash", false, 1.0 / 2},
                                                {"dictresize", false, 2.0 / 3}}};

bool is_table(const GrowthSite& site) {
  return site.container_kind.find("hash") != std::string::npos;
}

std::string replaced(std::string text, std::string_view what, const std::string& with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
    text.replace(at, what.size(), with);
  }
  return text;
}

// N elements in the object itself take their room wherever it lives: on the stack, mostly.
constexpr double kInlineBytesMax = 1024;

// A hint without the alternatives that would hold `bytes` inside the container's own object.
std::string fitting_hint(const std::string& hint, double bytes) {
  constexpr std::string_view kInline = "Small", kOr = ", or ";
  if (bytes <= kInlineBytesMax || !hint.starts_with(kInline)) return hint;
  const std::size_t other = hint.find(kOr);
  return other == std::string::npos ? std::string() : hint.substr(other + kOr.size());
}

// "X, Y and Z"
std::string listed(const std::vector<std::string>& parts) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += i + 1 == parts.size() ? " and " : ", ";
    text += parts[i];
  }
  return text;
}

}  // namespace

bool may_stand(const GrowthSite& site) {
  if (site.links == 0) return false;
  if (site.verdict == Verdict::kMixed) return site.named_growth;
  return evidence::strong(site.verdict);
}

std::uint64_t copying_links(const GrowthSite& site) {
  return site.links - std::min(site.links, site.in_place_links);
}

bool worth_telling(const GrowthSite& site, const DetectorOptions& options) {
  return may_stand(site) && copying_links(site) >= options.links_min &&
         site.copied_bytes >= options.copied_bytes_min;
}

bool grows_by_steps(const GrowthSite& site) {
  if (site.arithmetic_links < kStepLinks) return false;
  const auto share = static_cast<double>(site.arithmetic_links) / static_cast<double>(site.links);
  if (site.law != GrowthLaw::kArithmetic && share < kStepShare) return false;
  return static_cast<double>(copied_bytes_by_doubling(site)) <
         (1 - kStepsWorthwhile) * static_cast<double>(site.copied_bytes);
}

// One chain like the largest, the others like the middle one.
std::uint64_t copied_bytes_by_doubling(const GrowthSite& site) {
  const std::uint64_t others = site.chains > 1 ? site.chains - 1 : 0;
  return copied_by_doubling(site.first.p50, site.final.max) +
         others * copied_by_doubling(site.first.p50, site.final.p50);
}

bool mostly_presized(const GrowthSite& site) {
  return site.presized_chains > 0 && site.presized_chains * 2 >= site.chains;
}

bool missed_its_size(const GrowthSite& site) {
  constexpr std::uint64_t kMissedBytes = 16 << 10;  // less copied is not worth a changed line
  constexpr std::uint64_t kReservedElements = 8;    // fewer at first were nobody's reserve
  if (!may_stand(site) || !mostly_presized(site) || site.copied_bytes < kMissedBytes) return false;
  const Unit unit = unit_of(site);
  return !unit.elements || unit.of(site.first.p50) >= kReservedElements;
}

bool grows_index_only(const GrowthSite& site) { return site.container_kind == "deque map"; }

bool is_cpp(const GrowthSite& site) {
  const auto scoped = [](const evidence::Frame& frame) {
    return frame.function.find("::") != std::string::npos;
  };
  return !site.container.empty() || scoped(site.growth) || scoped(site.user) ||
         std::any_of(site.stack.begin(), site.stack.end(), scoped);
}

bool is_rust(const GrowthSite& site) {
  // Not its callers': Rust programs call C++.
  return site.reserve_hint.find("::with_capacity(") != std::string::npos ||
         site.growth.file.ends_with(".rs") || site.growth.function.starts_with("alloc::raw_vec::");
}

std::string chunked_instead(const GrowthSite& site) {
  if (is_table(site)) return "a table in shards";
  if (site.container_kind == "vector" && is_rust(site)) return "a Vec of fixed-size blocks";
  return site.container_kind == "vector" && is_cpp(site) ? "std::deque" : "a list of chunks";
}

double slack_share(const GrowthSite& site) {
  if (site.slack_painted_bytes == 0) return 0;
  return std::min(1.0, static_cast<double>(site.slack_unused_bytes) /
                           static_cast<double>(site.slack_painted_bytes));
}

std::uint64_t stall_ns_max(const GrowthSite& site) {
  return site.verdict == Verdict::kSeries ? 0 : site.credible_stall_ns_max;
}

std::uint64_t stall_ns_total(const GrowthSite& site) {
  return site.verdict == Verdict::kSeries ? 0 : site.credible_stall_ns_total;
}

std::string subject(const GrowthSite& site) {
  constexpr std::size_t kColumnsMax = 100;  // a type may be longer than a screen
  if (!site.container_site.empty()) {
    const std::string type = site.container.empty() ? "" : " (" + brief(site.container, 40) + ")";
    return shorten(clean_utf8(site.container_site + type), kColumnsMax);
  }
  if (!site.container.empty())
    return shorten(clean_utf8(brief(site.container, kColumnsMax)), kColumnsMax);
  const std::string kind = site.container_kind.empty() ? "buffer" : site.container_kind;
  if (!site.growth_in_code.empty()) return kind + " in " + site.growth_in_code;
  const bool telling = !site.growth.function.empty() && site.growth.function != "realloc";
  return telling ? shorten(clean_utf8(kind + " in " + brief(site.growth.label())), kColumnsMax)
                 : kind;
}

double confidence(const GrowthSite& site) {
  switch (site.verdict) {
    case Verdict::kReported:
    case Verdict::kRealloc:
      return 1.0;
    case Verdict::kContent:
      return site.named_growth ? 0.99 : 0.95;
    case Verdict::kStructure:
      return site.named_growth ? 0.98 : 0.85;
    case Verdict::kSeries:
      return site.named_growth ? 0.95 : 0.75;
    case Verdict::kMixed:
      return 0.6;
    case Verdict::kReplace:
    case Verdict::kWeak:
      break;
  }
  return 0.1;
}

std::uint64_t whole(double number) {
  constexpr double kMost = 1.8e19;  // below 2^64, which a double can't tell from UINT64_MAX
  return static_cast<std::uint64_t>(std::clamp(number, 0.0, kMost));
}

std::uint64_t Unit::of(std::uint64_t bytes) const {
  return whole(static_cast<double>(bytes) / bytes_each + 1e-6);
}

std::string Unit::count(std::uint64_t number) const {
  return elements ? format_counted(number, noun) : format_bytes(number);
}

std::string Unit::text(std::uint64_t bytes) const { return count(of(bytes)); }

Unit unit_of(const GrowthSite& site) {
  if (grows_index_only(site)) return {true, sizeof(void*), "pointer", false};
  if (site.container.find("vector<bool") != std::string::npos) return {true, 1.0 / 8};
  std::uint64_t each = site.element_bytes;
  bool guessed = site.element_source == "gcd";
  // A character is not wider than a byte because its string was enlarged in steps of eight.
  if (site.container_kind == "string" && (each == 0 || guessed)) each = 1, guessed = false;
  // A C buffer grown by pages has a large common divisor that is nobody's element.
  const bool typed = site.container_kind != "buffer" && site.container_kind != "realloc buffer";
  if (each == 0 || (guessed && (!typed || each == 1))) return {};
  Unit unit;
  unit.elements = true;
  unit.bytes_each = static_cast<double>(each);
  unit.guessed = guessed;
  if (site.container_kind == "string") unit.noun = each == 1 ? "byte" : "character";
  if (!is_table(site)) return unit;
  // Tables double from their first size: all of their sizes are multiples of that.
  if (guessed) return {};
  const auto mentions = [&](const TableRule& rule) {
    return site.container.find(rule.name) != std::string::npos ||
           site.growth.function.find(rule.name) != std::string::npos ||
           site.growth_in_code.find(rule.name) != std::string::npos;
  };
  const auto rule = std::find_if(kTables.begin(), kTables.end(), mentions);
  // A type of one byte is the control byte.
  if (rule != kTables.end() && rule->control_byte && each == 1) return {};
  if (rule != kTables.end()) {
    unit.bytes_each = (unit.bytes_each + (rule->control_byte ? 1 : 0)) / rule->load;
  }
  return unit;
}

std::string brief(const std::string& name, std::size_t columns_max) {
  if (columns(name) <= columns_max) return name;
  std::string text;
  int depth = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    // Operators are no brackets, and a name that starts with one ("<lambda>") is kept.
    const bool is_operator = i >= 8 && name.compare(i - 8, 8, "operator") == 0;
    if (c == '<' && (depth > 0 || (!is_operator && i > 0 && name[i - 1] != ':'))) {
      if (depth++ == 0) text += "<...";
    }
    if (depth == 0) text += c;
    if (c == '>' && depth > 0 && name[i - 1] != '-' && --depth == 0) text += '>';
  }
  return depth == 0 ? text : name;
}

std::uint64_t round_up(std::uint64_t n) {
  constexpr std::uint64_t kExact = 100;  // below this every digit is worth keeping
  if (n < kExact || n > UINT64_MAX / 2) return n;
  std::uint64_t power = 1;
  while (n / power >= 100) power *= 10;
  // Two digits where that adds at most 5 %, else three.
  const auto up = [n](std::uint64_t step) { return (n + step - 1) / step * step; };
  if (up(power) - n <= n / 20) return up(power);
  return up(std::max<std::uint64_t>(power / 10, 1));
}

bool grows_geometrically(const GrowthSite& site) {
  return site.law == GrowthLaw::kGeometric ||
         (site.factor >= kGeometricFactor && !grows_by_steps(site));
}

Advice advise_size(const GrowthSite& site, std::uint64_t bytes, double headroom,
                   const std::string& what) {
  Advice advice;
  advice.unit = unit_of(site);
  const std::uint64_t exact = advice.unit.of(bytes);
  advice.number =
      round_up(headroom > 0 ? whole(static_cast<double>(exact) * (1 + headroom) + 0.5) : exact);
  advice.basis = what + " " + advice.unit.count(exact);
  if (headroom > 0) advice.basis += " + " + format_percent(headroom);
  const std::string n = is_rust(site)  ? replaced(format_literal(advice.number), "'", "_")
                        : is_cpp(site) ? format_literal(advice.number)
                                       : std::to_string(advice.number);
  const std::string& kind = site.container_kind;
  const std::string hint =
      fitting_hint(site.reserve_hint, static_cast<double>(advice.number) * advice.unit.bytes_each);
  if (!hint.empty() && advice.unit.elements) {
    advice.call = replaced(hint, "{N}", n);
  } else if (kind == "realloc buffer") {
    advice.call = advice.unit.elements ? "malloc(" + n + " * sizeof *p) once, before it is filled"
                                       : "malloc(" + n + ") once, before it is filled";
  } else if (!advice.unit.elements && (is_table(site) || kind == "vector")) {
    advice.call = "reserve(N) for " + format_bytes(advice.number) + " (" + n +
                  " B; the element size is not known)";
  } else if (kind == "buffer" || kind.empty() || !is_cpp(site)) {
    advice.call = "room for " + n + " " +
                  (advice.unit.elements ? std::string(advice.unit.noun) + "s" : "bytes");
  } else {
    advice.call = "reserve(" + n + ")";
  }
  return advice;
}

std::string what_it_cost(const GrowthSite& site) {
  std::string text = "Growing copied " + format_bytes(site.copied_bytes);
  if (stall_ns_total(site) > 0) {
    text += " and stopped its callers for " + format_ns(stall_ns_total(site)) + " in all, " +
            format_ns(stall_ns_max(site)) + " at worst";
  }
  if (site.overlap_bytes_max > 0) {
    text += "; up to " + format_bytes(site.overlap_bytes_max) + " of it lived twice";
  }
  text += ".";
  if (site.verdict != Verdict::kSeries && stall_ns_total(site) < site.stall_ns_total) {
    text += " (" + format_ns(site.stall_ns_total - stall_ns_total(site)) +
            " more went by in growths that took longer than copying can";
    if (stall_ns_max(site) < site.stall_ns_max) {
      text += ", one of them " + format_ns(site.stall_ns_max);
    }
    text += ": threads were waiting for a processor.)";
  }
  return text;
}

std::string how_we_know(const GrowthSite& site) {
  const std::string links = format_counted(site.links, "growth");
  std::string text;
  switch (site.verdict) {
    case Verdict::kReported:
      text = "the container told of " + links + " itself";
      break;
    case Verdict::kRealloc:
      text = "the program called realloc";
      break;
    case Verdict::kContent:
      text = format_count(site.content_links) + " of " + links + " copied the same bytes over";
      break;
    case Verdict::kStructure:
      text = "one function obtains the larger block and frees the smaller, " +
             format_count(site.same_stack_links) + " of " + links + " from the same stack";
      break;
    case Verdict::kSeries:
      text =
          "each block is larger than the last, two live at once, and the older is freed later "
          "(a rehash in steps)";
      break;
    default:
      text = "block sizes and order suggest it";
      break;
  }
  if (site.named_growth) text += "; " + brief(site.growth.label()) + " is known to grow containers";
  if (!site.growth_in_code.empty()) {
    text += "; the machine code there holds or calls " + site.growth_in_code;
  }
  return "How we know: " + text + ".";
}

std::string saves(const GrowthSite& site) {
  std::vector<std::string> parts;
  parts.push_back(format_counted(copying_links(site), "growth"));
  if (site.copied_bytes > 0) parts.push_back(format_bytes(site.copied_bytes) + " of copying");
  if (stall_ns_total(site) > 0) parts.push_back(format_ns(stall_ns_total(site)) + " of stalls");
  if (site.overlap_bytes_max > 0) {
    parts.push_back(format_bytes(site.overlap_bytes_max) + " of old and new side by side");
  }
  if (slack_share(site) > 0 && site.chains <= 1) {
    parts.push_back(format_bytes(site.slack_unused_bytes) + " of capacity never written");
  }
  return "Saves " + listed(parts) + ".";
}

std::string when_and_how_far(const GrowthSite& site) {
  const std::string when =
      format_ns(site.last_ns) != format_ns(site.first_ns)
          ? " between " + format_ns(site.first_ns) + " and " + format_ns(site.last_ns)
      : site.first_ns > 0 ? " at " + format_ns(site.first_ns)
                          : std::string();
  const Unit unit = unit_of(site);
  const auto both = [&](std::uint64_t bytes) {
    return unit.elements && unit.bytes_each != 1
               ? unit.text(bytes) + " (" + format_bytes(bytes) + ")"
               : unit.text(bytes);
  };
  std::string text;
  if (site.chains <= 1) {
    text = "Grew " + format_counted(site.links, "time") + when + ", from " + both(site.first.min) +
           " to " + both(site.final.max);
  } else {
    text = format_counted(site.chains, "container") + " grew " +
           format_counted(site.links, "time") + when + ", ending at " + both(site.final.p50);
    if (site.final.max > site.final.p50) {
      text += " in the middle, " + both(site.final.p95) + " at p95, " + both(site.final.max) +
              " at most";
    } else {
      text += " each";
    }
  }
  if (site.chains_alive > 0) {
    text += site.chains == 1 ? "; still alive at the end"
                             : "; " + format_count(site.chains_alive) + " still alive at the end";
  }
  if (site.in_place_links > 0) {
    text += "; " + format_count(site.in_place_links) +
            " of the growths were in place or moved pages without copying, and are not counted";
  }
  if (unit.guessed) {
    text += " (element size " + format_bytes(site.element_bytes) + ", inferred from the sizes)";
  }
  return text + ".";
}

std::string container_sentence(const evidence::ContainerSite& site) {
  std::string text = "Its containers (site " + clean_utf8(shorten(site.name, 80)) + ") told of " +
                     format_counted(site.growths, "growth");
  if (site.moved_elements > 0)
    text += " that moved " + format_counted(site.moved_elements, "element");
  if (site.stall_ns_max > 0) text += ", the longest " + format_ns(site.stall_ns_max);
  if (site.final.count > 0) {
    text += "; they ended with " + format_counted(site.final.p50, "element") + " in the middle, " +
            format_count(site.final.p95) + " at p95, " + format_count(site.final.max) + " at most";
  }
  if (site.denied > 0) text += "; denied: " + format_counted(site.denied, "growth");
  return text + ".";
}

Finding growth_finding(const evidence::Evidence& evidence, std::size_t index) {
  const GrowthSite& site = evidence.growth_sites[index];
  Finding finding;
  finding.where = site.user;
  finding.growth = site.growth;
  finding.stack = site.stack;
  finding.confidence = confidence(site);
  finding.growth_site = index;
  finding.cost.events = copying_links(site);
  return finding;
}

}  // namespace ullage::diagnose
