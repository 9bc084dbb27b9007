// SPDX-License-Identifier: Apache-2.0
#include "diagnose/join.h"

#include <algorithm>
#include <limits>
#include <map>
#include <string_view>
#include <tuple>

#include "evidence/evidence.h"

namespace ullage::diagnose {
namespace {

using evidence::Frame;

std::string_view base_name(std::string_view path) {
  const std::size_t slash = path.find_last_of("/\\");
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool has_line(const Finding& finding) {
  return !finding.where.function.empty() && finding.where.line > 0;
}

bool has_function(const Finding& finding) { return !finding.where.function.empty(); }

bool same_function(const Frame& a, const Frame& b) {
  if (a.function != b.function) return false;
  return a.file.empty() || b.file.empty() || base_name(a.file) == base_name(b.file);
}

// "any" joins every growth: allocation is allocation.
bool compatible(const Finding& cause, const Finding& symptom) {
  return symptom.family == "any" || cause.family == symptom.family;
}

bool grows(const Finding& finding) {
  return finding.family == "append" || finding.family == "map" || finding.family == "lock";
}

bool of_jvm(const Finding& finding) { return finding.detector.starts_with("jvm-"); }

// What fills the heap of a JVM: grown arrays, classes, the allocation that did not fit.
bool fills(const Finding& finding) { return finding.family == "array" || finding.family == "held"; }

// What a wait is a view of: two detectors that measure the same time have the same name here.
std::string_view measure_of(const Finding& finding) {
  if (finding.detector == "go-growth-delays-mark") return "go-growth-delays-stop";
  // A collector's log tells the same pauses under several names.
  if (of_jvm(finding) &&
      (fills(finding) || finding.family == "room" || finding.family == "churn")) {
    return "pauses of a JVM";
  }
  return finding.detector;
}

// Could `cause` have made `symptom`, which has no line?
bool explains(const Finding& cause, const Finding& symptom) {
  if (cause.detector == symptom.detector) return true;
  if (symptom.family == "room") return fills(cause) || cause.family == "churn";
  if (symptom.family == "any") return grows(cause) || cause.family == "held";
  if (symptom.family == "held") return fills(cause) || grows(cause);
  if (!compatible(cause, symptom)) return false;
  if (symptom.family != "append") return true;
  // Somebody who measured the wait for it needs no arithmetic.
  if (cause.detector == "go-growth-delays-stop" && has_line(cause)) return true;
  constexpr std::uint64_t kLargeBytes = 1 << 20;
  return cause.largest_copy_bytes >= kLargeBytes &&
         evidence::copying_ns_max(cause.largest_copy_bytes) >= symptom.cost.stall_ns_max;
}

bool leads(const Finding& a, const Finding& b) {
  const auto key = [](const Finding& f) {
    return std::make_tuple(f.symptom, !has_line(f), f.severity == Severity::kNote);
  };
  return key(a) < key(b);
}

void add_sentences(std::vector<std::string>& into, const std::vector<std::string>& sentences) {
  for (const std::string& sentence : sentences) {
    if (std::find(into.begin(), into.end(), sentence) == into.end()) into.push_back(sentence);
  }
}

std::uint64_t sum(std::uint64_t a, std::uint64_t b) {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

// Findings that became one, the leading one first.
struct Group {
  std::vector<Finding> members;
  void join(Finding finding) {
    if (leads(finding, members.front())) {
      members.insert(members.begin(), std::move(finding));
    } else {
      members.push_back(std::move(finding));
    }
  }
  Finding one() const;
};

Finding Group::one() const {
  Finding lead = members.front();
  std::map<std::string_view, std::uint64_t> stalls;
  for (const Finding& member : members) {
    std::uint64_t& stall = stalls[measure_of(member)];
    stall = std::max(stall, member.cost.stall_ns);
    if (&member == &members.front()) continue;
    lead.severity = std::max(lead.severity, member.severity);
    lead.cost.stall_ns_max = std::max(lead.cost.stall_ns_max, member.cost.stall_ns_max);
    lead.cost.cpu_ns = std::max(lead.cost.cpu_ns, member.cost.cpu_ns);
    lead.cost.copied_bytes = std::max(lead.cost.copied_bytes, member.cost.copied_bytes);
    lead.cost.wasted_bytes = std::max(lead.cost.wasted_bytes, member.cost.wasted_bytes);
    lead.cost.growths = std::max(lead.cost.growths, member.cost.growths);
    lead.largest_copy_bytes = std::max(lead.largest_copy_bytes, member.largest_copy_bytes);
    lead.confidence = std::max(lead.confidence, member.confidence);
    add_sentences(lead.evidence, member.evidence);
    lead.also.push_back({member.detector, member.fingerprint});
    for (const Related& related : member.also) lead.also.push_back(related);
  }
  // A class histogram names no line; the stack of what ran out of memory does.
  const auto placed = std::find_if(members.begin(), members.end(), has_function);
  if (!has_function(lead) && placed != members.end()) {
    lead.where = placed->where;
    lead.growth = placed->growth;
    lead.stack = placed->stack;
  }
  lead.cost.stall_ns = 0;
  for (const auto& [measure, stall] : stalls) lead.cost.stall_ns = sum(lead.cost.stall_ns, stall);
  return lead;
}

bool joins_line(const Group& group, const Finding& finding) {
  return std::any_of(group.members.begin(), group.members.end(), [&](const Finding& member) {
    return has_line(member) && has_line(finding) && member.where.line == finding.where.line &&
           same_function(member.where, finding.where);
  });
}

bool joins_function(const Group& group, const Finding& finding) {
  return std::any_of(group.members.begin(), group.members.end(), [&](const Finding& member) {
    if (!has_line(member) || !has_line(finding) || member.symptom == finding.symptom) return false;
    const Finding& cause = member.symptom ? finding : member;
    const Finding& symptom = member.symptom ? member : finding;
    return same_function(member.where, finding.where) && compatible(cause, symptom);
  });
}

// A JVM has one heap: what its log, its histograms and its last stack say of it is one thing.
bool joins_heap(const Group& group, const Finding& finding) {
  const auto speaks = [](const Finding& f) {
    return of_jvm(f) && fills(f) && f.severity != Severity::kNote;
  };
  return speaks(finding) && std::any_of(group.members.begin(), group.members.end(), speaks);
}

using Joins = bool (*)(const Group&, const Finding&);

// Each finding joins the first group that takes it. Lines first, so that a symptom in a function of
// two causes goes to the one on its own line.
std::vector<Group> regroup(std::vector<Group> groups, Joins joins) {
  std::vector<Group> result;
  for (Group& group : groups) {
    const auto home = std::find_if(result.begin(), result.end(), [&](const Group& other) {
      return std::any_of(group.members.begin(), group.members.end(),
                         [&](const Finding& member) { return joins(other, member); });
    });
    if (home == result.end()) {
      result.push_back(std::move(group));
    } else {
      for (Finding& member : group.members) home->join(std::move(member));
    }
  }
  return result;
}

void join_without_line(std::vector<Group>& groups) {
  std::vector<Group> result;
  std::vector<Finding> homeless;
  for (Group& group : groups) {
    const bool alone = group.members.size() == 1 && group.members.front().symptom &&
                       !has_line(group.members.front());
    if (alone) {
      homeless.push_back(std::move(group.members.front()));
    } else {
      result.push_back(std::move(group));
    }
  }
  // Want of room comes last: what fills the heap may be a symptom itself.
  std::stable_sort(homeless.begin(), homeless.end(), [](const Finding& a, const Finding& b) {
    return (a.family == "room") < (b.family == "room");
  });
  for (Finding& symptom : homeless) {
    Group* best = nullptr;
    double cost = -1;
    for (Group& group : result) {
      if (std::none_of(group.members.begin(), group.members.end(), [&](const Finding& member) {
            return (has_line(member) || of_jvm(member)) && explains(member, symptom);
          })) {
        continue;
      }
      // The same thing seen with a line and without beats everything else.
      const bool same =
          std::any_of(group.members.begin(), group.members.end(),
                      [&](const Finding& member) { return member.detector == symptom.detector; });
      const double rank = same ? std::numeric_limits<double>::infinity() : group.one().rank();
      if (rank <= cost) continue;
      best = &group;
      cost = rank;
    }
    if (best) {
      best->members.push_back(std::move(symptom));
    } else {
      Group alone;
      alone.members.push_back(std::move(symptom));
      result.push_back(std::move(alone));
    }
  }
  groups = std::move(result);
}

}  // namespace

void join_incident(std::vector<Finding>& findings) {
  std::vector<Finding> others;
  std::vector<Group> groups;
  for (Finding& finding : findings) {
    if (finding.family.empty()) {
      others.push_back(std::move(finding));
    } else {
      groups.emplace_back().members.push_back(std::move(finding));
    }
  }
  groups = regroup(std::move(groups), joins_line);
  groups = regroup(std::move(groups), joins_function);
  groups = regroup(std::move(groups), joins_heap);
  join_without_line(groups);
  for (const Group& group : groups) others.push_back(group.one());
  findings = std::move(others);
}

}  // namespace ullage::diagnose
