// SPDX-License-Identifier: Apache-2.0
#include "evidence/same_run.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "evidence/align.h"

namespace ullage::evidence {
namespace {

// Two starts of a process within this are one start, told by two clocks.
constexpr std::int64_t kStartApartNsMax = 2'000'000'000;
// One collection as two artefacts of one process tell it: gctrace writes milliseconds.
constexpr std::int64_t kSameCollectionNsMax = 50'000'000;
// So many collections that match none of another's are no accident.
constexpr std::size_t kTellingCycles = 4;

// Build ids of linkers are hexadecimal, Go's own have slashes: only like is compared with like.
std::set<std::string> ids(const RuntimeFacts& facts, bool go) {
  std::set<std::string> set;
  for (const std::string& id : facts.build_ids) {
    if (!id.empty() && (id.find('/') != std::string::npos) == go) set.insert(id);
  }
  return set;
}

bool disjoint(const std::set<std::string>& a, const std::set<std::string>& b) {
  if (a.empty() || b.empty()) return false;
  return std::none_of(a.begin(), a.end(), [&b](const std::string& id) { return b.contains(id); });
}

// "go1.26.10" and "17.0.15+6" are exact; "go1.23 or go1.24" (a trace's format) and "17" are not.
bool exact_version(const std::string& version) {
  return version.find(' ') == std::string::npos &&
         std::count(version.begin(), version.end(), '.') >= 2;
}

bool has_clock(const Incident& part) {
  return !part.artefacts.empty() && part.artefacts.front().has_times;
}

std::size_t timed_cycles(const Incident& part) {
  return static_cast<std::size_t>(std::count_if(part.cycles.begin(), part.cycles.end(),
                                                [](const GcCycle& c) { return c.times_known; }));
}

// Two that count from the start of their process: the same collection began at the same time in
// both. True, too, where they have too few in common to tell.
bool ordinals_agree(const Incident& a, const Incident& b) {
  std::map<std::uint64_t, std::int64_t> starts;
  for (const GcCycle& c : a.cycles) {
    if (c.times_known && c.ordinal_known && c.ordinal != 0) starts[c.ordinal] = c.start_ns;
  }
  std::size_t common = 0, together = 0;
  for (const GcCycle& c : b.cycles) {
    const auto found = starts.find(c.ordinal);
    if (!c.times_known || !c.ordinal_known || found == starts.end()) continue;
    ++common;
    together += std::llabs(found->second - c.start_ns) <= kSameCollectionNsMax;
  }
  return common < kTellingCycles || together * 2 >= common;
}

// Why the clocks of the two cannot be those of one run; empty when they can.
std::string clocks_differ(const Incident& a, const Incident& b) {
  if (!has_clock(a) || !has_clock(b)) return {};
  const Artefact &x = a.artefacts.front(), &y = b.artefacts.front();
  const bool wall = x.wall_ns_at_zero != 0 && y.wall_ns_at_zero != 0;
  if (wall && x.zero_is_process_start && y.zero_is_process_start &&
      std::llabs(x.wall_ns_at_zero - y.wall_ns_at_zero) > kStartApartNsMax) {
    return "its process began at another time";
  }
  if (wall) return {};
  if (x.zero_is_process_start && y.zero_is_process_start) {
    return ordinals_agree(a, b) ? "" : "its collections have the other's numbers at other times";
  }
  if (timed_cycles(a) < kTellingCycles || timed_cycles(b) < kTellingCycles) return {};
  const CycleFit fit = fit_cycles(a.cycles, b.cycles);
  if (fit.found || fit.ambiguous) return {};
  return "its collections match none of the other's, and nothing else relates their clocks";
}

std::string apart(const Incident& a, const Incident& b) {
  const RuntimeFacts &x = a.facts, &y = b.facts;
  const auto differ = [](const std::string& p, const std::string& q) {
    return !p.empty() && !q.empty() && p != q;
  };
  if (x.runtime != y.runtime && x.runtime != Runtime::kNative && y.runtime != Runtime::kNative) {
    return std::string("it is of a ") + to_string(y.runtime) + " program, the other of a " +
           to_string(x.runtime) + " program";
  }
  if (disjoint(ids(x, true), ids(y, true)) || disjoint(ids(x, false), ids(y, false))) {
    return "it is of another build (" + y.build_ids.front() + ", the other " + x.build_ids.front() +
           ")";
  }
  if (exact_version(x.version) && exact_version(y.version) && differ(x.version, y.version)) {
    return "it was written by " + y.version + ", the other by " + x.version;
  }
  if (differ(x.collector, y.collector)) {
    return "it is of collector " + y.collector + ", the other of " + x.collector;
  }
  return clocks_differ(a, b);
}

// Text facts: the longer of two where one begins with the other.
void unite_text(std::string& mine, const std::string& other, const char* what, Incident& part) {
  if (other.empty() || mine == other || mine.starts_with(other)) return;
  if (mine.empty() || other.starts_with(mine)) {
    mine = other;
    return;
  }
  part.artefacts.front().notes.push_back("It says " + other + " for the " + what +
                                         ", what was read before says " + mine + ".");
}

// A Go binary is told of by its module's path, a profile's program by the name of its file, which
// anyone may choose: these two are no contradiction. Two of one sort are compared by their last
// element.
void unite_program(std::string& mine, const std::string& other, Incident& part) {
  const auto is_path = [](const std::string& name) { return name.find('/') != std::string::npos; };
  if (!mine.empty() && !other.empty()) {
    if (is_path(mine) != is_path(other)) return;
    if (mine.substr(mine.rfind('/') + 1) == other.substr(other.rfind('/') + 1)) return;
  }
  unite_text(mine, other, "program", part);
}

template <class Number>
void unite_number(Number& mine, Number other, const char* what, Incident& part) {
  if (other == 0 || mine == other) return;
  if (mine == 0) {
    mine = other;
    return;
  }
  part.artefacts.front().notes.push_back("It says " + std::to_string(other) + " for " + what +
                                         ", what was read before says " + std::to_string(mine) +
                                         ".");
}

}  // namespace

std::vector<std::vector<Evidence>> by_run(std::vector<Evidence> parts) {
  // Those with a clock and an exact version first: what says little joins what says much.
  std::vector<std::vector<Evidence>> runs;
  for (Evidence& part : parts) {
    if (part.incident.empty()) {
      runs.emplace_back();
      runs.back().push_back(std::move(part));
      continue;
    }
    std::string reason, against;
    std::vector<Evidence>* home = nullptr;
    for (std::vector<Evidence>& run : runs) {
      if (run.front().incident.empty()) continue;
      std::string why;
      // Clocks that nothing relates directly may be related by a third artefact.
      bool related = false;
      for (const Evidence& member : run) {
        std::string differs = apart(member.incident, part.incident);
        if (differs.empty() && has_clock(member.incident)) related = true;
        if (!differs.empty() && why.empty()) {
          why = std::move(differs);
          against = member.incident.artefacts.front().name;
        }
      }
      const bool clocks_only = why.starts_with("its collections");
      if (why.empty() || (clocks_only && related)) {
        home = &run;
        break;
      }
      if (reason.empty()) reason = why;
    }
    if (home == nullptr) {
      if (!reason.empty()) {
        part.incident.artefacts.front().notes.push_back("Kept apart from " + against + ": " +
                                                        reason + ".");
      }
      runs.emplace_back();
      home = &runs.back();
    }
    home->push_back(std::move(part));
  }
  return runs;
}

void unite_facts(RuntimeFacts& facts, Incident& part) {
  const RuntimeFacts theirs = part.facts;
  if (part.artefacts.empty()) return;
  if (facts.runtime == Runtime::kNative) facts.runtime = theirs.runtime;
  // A trace's version is that of its format: an exact one beside it is no contradiction.
  if (exact_version(theirs.version) && !exact_version(facts.version)) {
    facts.version = theirs.version;
  } else if (exact_version(theirs.version) || facts.version.empty()) {
    unite_text(facts.version, theirs.version, "version", part);
  }
  unite_text(facts.collector, theirs.collector, "collector", part);
  facts.generational = facts.generational || theirs.generational;
  unite_number(facts.processors, theirs.processors, "the processors", part);
  unite_number(facts.gogc, theirs.gogc, "GOGC", part);
  unite_number(facts.memory_limit, theirs.memory_limit, "the memory limit", part);
  unite_number(facts.heap_min_bytes, theirs.heap_min_bytes, "the smallest heap", part);
  unite_number(facts.heap_max_bytes, theirs.heap_max_bytes, "the largest heap", part);
  unite_number(facts.region_bytes, theirs.region_bytes, "the region", part);
  unite_program(facts.program, theirs.program, part);
  unite_text(facts.crash, theirs.crash, "crash", part);
  if (facts.pprof_url.empty()) facts.pprof_url = theirs.pprof_url;
  const auto add_new = [](std::vector<std::string>& to, const std::vector<std::string>& from) {
    for (const std::string& text : from) {
      if (std::find(to.begin(), to.end(), text) == to.end()) to.push_back(text);
    }
  };
  add_new(facts.flags, theirs.flags);
  add_new(facts.build_ids, theirs.build_ids);
}

}  // namespace ullage::evidence
