// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>

#include "diagnose/detectors/case_incident_testing.h"

namespace ullage::diagnose {
namespace {

using evidence::CallKind;
using evidence::CallProof;
using evidence::Incident;

constexpr std::array kSections = {"go",         "jvm",       "window", "artefact", "snapshot",
                                  "site",       "pause",     "cycle",  "cycles",   "assist",
                                  "assists",    "samples",   "cpu",    "wait",     "delay",
                                  "goroutines", "retention", "defers", "metric"};

std::int64_t moment(Words& words) {
  return static_cast<std::int64_t>(time_ns(words.next("a time")));
}

evidence::Position here(const Incident& incident, evidence::Position::Unit unit, std::uint64_t at) {
  if (incident.artefacts.empty()) fail("an artefact must come first");
  return {static_cast<std::uint32_t>(incident.artefacts.size() - 1), unit, at};
}
evidence::Position at_byte(const Incident& incident) {
  return here(incident, evidence::Position::Unit::kByte, 1000);
}
std::uint32_t artefact(const Incident& incident) { return at_byte(incident).artefact; }

template <class T>
T named(const std::map<std::string, T>& names, const std::string& word) {
  const auto found = names.find(word);
  if (found == names.end()) fail("unknown word " + word);
  return found->second;
}

CallKind call(const std::string& word) {
  return named<CallKind>({{"unknown", CallKind::kUnknown},
                          {"append", CallKind::kAppend},
                          {"make", CallKind::kMake},
                          {"map", CallKind::kMapAssign},
                          {"makemap", CallKind::kMapMake},
                          {"new", CallKind::kNew},
                          {"concat", CallKind::kConcat},
                          {"convert", CallKind::kConvert},
                          {"defer", CallKind::kDefer},
                          {"stack", CallKind::kStack},
                          {"chan", CallKind::kChan}},
                         word);
}

CallProof proof(const std::string& word) {
  return named<CallProof>({{"none", CallProof::kNone},
                           {"ladder", CallProof::kLadder},
                           {"pc", CallProof::kProgramCounter},
                           {"callsite", CallProof::kCallSite},
                           {"stack", CallProof::kStack}},
                          word);
}

void add_rung(evidence::HeapSite& site, std::uint64_t size, const std::string& counts) {
  const std::size_t slash = counts.find('/');
  evidence::Rung rung;
  rung.bytes = size;
  rung.allocated_objects = std::stod(counts);
  rung.inuse_objects = slash == std::string::npos ? 0 : std::stod(counts.substr(slash + 1));
  site.rungs.push_back(rung);
  const auto allocated = static_cast<std::uint64_t>(rung.allocated_objects);
  const auto inuse = static_cast<std::uint64_t>(rung.inuse_objects);
  site.alloc_objects += allocated;
  site.alloc_bytes += allocated * size;
  site.inuse_objects += inuse;
  site.inuse_bytes += inuse * size;
}

void read_site(evidence::HeapSite& site, const std::string& key, Words& words) {
  if (key == "at") {
    site.stack.push_back(frame(words));
  } else if (key == "hidden") {
    site.hidden.push_back(frame(words));
  } else if (key == "call") {
    site.call = call(words.next("a call"));
    site.proof = proof(words.more() ? words.next("a proof") : "none");
  } else if (key == "element") {
    site.element_bytes = bytes(words.next("a size"));
  } else if (key == "rungs") {
    while (words.more()) {
      const std::string word = words.next("size*objects");
      const std::size_t star = word.find('*');
      if (star == std::string::npos) fail("expected size*objects, not " + word);
      add_rung(site, bytes(word.substr(0, star)), word.substr(star + 1));
    }
  } else if (key == "ladder") {
    auto size = static_cast<double>(bytes(words.next("the first size")));
    const double factor = std::stod(words.next("a factor"));
    const std::uint64_t count = bytes(words.next("how many sizes"));
    const std::string objects = words.next("*objects").substr(1);
    for (std::uint64_t i = 0; i < count; ++i, size *= factor) {
      add_rung(site, static_cast<std::uint64_t>(size), objects);
    }
  } else {
    fail("unknown line \"" + key + "\" of a site");
  }
}

void read_pause(evidence::Pause& pause, const std::string& key, Words& words) {
  using evidence::PauseReason;
  if (key == "when") {
    pause.start_ns = moment(words);
  } else if (key == "asked") {
    pause.asker = bytes(words.next("a goroutine"));
  } else if (key == "by") {
    pause.asker_stack.push_back(frame(words));
  } else if (key == "at") {
    pause.culprit_stack.push_back(frame(words));
  } else if (key == "grew") {
    pause.culprit_grew = true;
    if (words.more()) pause.growth_samples = bytes(words.next("a count"));
  } else if (key == "waited" || key == "nobody" || key == "inside") {
    if (key == "waited") pause.culprit = bytes(words.next("a goroutine"));
    pause.culprit_offset_ns = pause.stopping_ns = time_ns(words.next("a time"));
    pause.stopping_known = true;
    pause.reason = key == "waited"   ? PauseReason::kWaitedForOne
                   : key == "nobody" ? PauseReason::kNobodyLate
                                     : PauseReason::kWorkInside;
  } else {
    fail("unknown line \"" + key + "\" of a pause");
  }
}

void read_cycle(evidence::GcCycle& cycle, const std::string& key, Words& words) {
  if (key == "when") {
    cycle.start_ns = moment(words);
  } else if (key == "clock") {
    cycle.stop_first_ns = time_ns(words.next("the first stop"));
    cycle.mark_ns = cycle.duration_ns = time_ns(words.next("marking"));
    cycle.stop_last_ns = time_ns(words.next("the last stop"));
  } else if (key == "cpu") {
    cycle.assist_cpu_ns = time_ns(words.next("assists"));
    cycle.worker_cpu_ns = time_ns(words.next("workers"));
    cycle.idle_cpu_ns = time_ns(words.next("idle"));
    cycle.processors = bytes(words.next("processors"));
    cycle.cpu_known = true;
  } else if (key == "heap") {
    cycle.heap_start_bytes = bytes(words.next("a size"));
    cycle.heap_end_bytes = bytes(words.next("a size"));
    cycle.live_bytes = bytes(words.next("a size"));
    cycle.heap_known = true;
    read_pairs(words, {{"goal", &cycle.goal_bytes}, {"stacks", &cycle.stacks_bytes}});
  } else if (key == "forced") {
    cycle.forced = true;
  } else if (key == "cause") {
    cycle.cause = words.rest();
  } else if (key == "by") {
    cycle.asker_stack.push_back(frame(words));
  } else if (key == "samples") {
    cycle.growth_samples = bytes(words.next("a count"));
  } else if (key == "at") {
    cycle.growth_stack.push_back(frame(words));
  } else {
    fail("unknown line \"" + key + "\" of a cycle");
  }
}

void read_assist(evidence::AssistSite& site, const std::string& key, Words& words) {
  if (key == "at") {
    site.stack.push_back(frame(words));
  } else if (key == "over") {
    site.first_ns = moment(words);
    site.last_ns = moment(words);
  } else if (key == "goroutines") {
    site.goroutines = bytes(words.next("a count"));
  } else {
    fail("unknown line \"" + key + "\" of an assist");
  }
}

void read_wait(evidence::Wait& wait, const std::string& key, Words& words) {
  if (key == "at") {
    wait.stack.push_back(frame(words));
  } else if (key == "released") {
    wait.released_by.push_back(frame(words));
  } else if (key == "grew") {
    wait.growth_stack.push_back(frame(words));
  } else if (key == "over") {
    wait.first_ns = moment(words);
    wait.last_ns = moment(words);
  } else if (key == "waiters") {
    wait.waiters_max = bytes(words.next("a count"));
  } else if (key == "behind") {
    const std::string what = words.next("growth, assist or stop");
    const std::uint64_t count = bytes(words.next("a count"));
    const std::uint64_t ns = time_ns(words.next("a time"));
    if (what == "growth") {
      wait.behind_growth = count, wait.behind_growth_ns = ns;
    } else if (what == "assist") {
      wait.behind_assist = count, wait.behind_assist_ns = ns;
    } else {
      wait.behind_stop = count, wait.behind_stop_ns = ns;
    }
  } else {
    fail("unknown line \"" + key + "\" of a wait");
  }
}

void read_goroutines(evidence::GoroutineGroup& group, const std::string& key, Words& words) {
  if (key == "at") {
    group.stack.push_back(frame(words));
  } else if (key == "created") {
    group.created_by.push_back(frame(words));
  } else if (key == "snapshot") {
    group.snapshot = static_cast<std::uint32_t>(bytes(words.next("an index")));
  } else if (key == "told") {
    group.created = bytes(words.next("started"));
    group.ended = bytes(words.next("ended"));
  } else if (key == "over") {
    group.first_ns = moment(words);
    group.last_ns = moment(words);
  } else {
    fail("unknown line \"" + key + "\" of goroutines");
  }
}

void read_series(Incident& incident, Words& words) {
  const std::uint64_t count = bytes(words.next("a count"));
  std::map<std::string, std::string> words_by_name;
  while (words.more()) {
    const std::string name = words.next("a name");
    words_by_name[name] = words.next("a value");
  }
  const auto from = static_cast<double>(bytes(words_by_name["from"]));
  const auto to = static_cast<double>(bytes(words_by_name["to"]));
  const auto plateau = words_by_name.contains("plateau") ? std::stod(words_by_name["plateau"]) : 1;
  for (std::uint64_t i = 0; i < count; ++i) {
    evidence::GcCycle cycle;
    cycle.ordinal = i + 1;
    cycle.start_ns = static_cast<std::int64_t>(i * time_ns(words_by_name["every"]));
    const double at = static_cast<double>(i) / static_cast<double>(count - 1);
    cycle.live_bytes = static_cast<std::uint64_t>(from + (to - from) * std::min(1.0, at / plateau));
    cycle.heap_start_bytes = cycle.heap_end_bytes = cycle.live_bytes * 2;
    cycle.heap_known = true;
    cycle.mark_ns = 1'000'000;
    cycle.where = here(incident, evidence::Position::Unit::kLine, i + 1);
    incident.cycles.push_back(cycle);
  }
}

void read_delay(evidence::SchedulingDelay& delay, Words& words) {
  words.next("99%");
  const std::uint64_t ns = time_ns(words.next("a time"));
  // The upper edge of its bucket is what percentile() gives back.
  const auto bucket = static_cast<std::size_t>(std::bit_width(ns)) - 1;
  delay.buckets[bucket] = 990;
  delay.buckets[bucket + 3] = 10;
  delay.count = 1000;
  delay.max_ns = ns * 10;
}

void read_retention(Incident& incident, Words& words) {
  evidence::Retention one;
  one.object_bytes = bytes(words.next("the object's size"));
  one.offset = bytes(words.next("an offset"));
  one.length_bytes = bytes(words.next("a length"));
  one.capacity_bytes = bytes(words.next("a capacity"));
  one.holders = 1;
  one.wasted_bytes = one.object_bytes - one.length_bytes;
  one.where = at_byte(incident);
  std::uint64_t count = 1;
  if (words.peek().starts_with('*')) count = bytes(words.next("a count").substr(1));
  if (words.more()) {
    words.next("root");
    one.root = words.rest();
  }
  for (std::uint64_t i = 0; i < count; ++i) incident.retentions.push_back(one);
}

void read_counted(const std::string& key, Incident& incident, Words& words) {
  const std::uint64_t count = bytes(words.next("a count"));
  if (key == "goroutines") {
    evidence::GoroutineGroup& group = incident.goroutines.emplace_back();
    group.count = count;
    group.state = words.rest();
    group.artefact = artefact(incident);
    return;
  }
  const std::uint64_t total_ns = time_ns(words.next("the total time"));
  if (key == "samples") {
    incident.cpu.samples = count;
    incident.cpu.cpu_ns = total_ns;
    return;
  }
  if (key == "cpu") {
    evidence::CpuSite& site = incident.cpu_sites.emplace_back();
    site.samples = count;
    site.cpu_ns = total_ns;
    site.artefact = artefact(incident);
    return;
  }
  const std::uint64_t max_ns = time_ns(words.next("the longest"));
  if (key == "assist") {
    evidence::AssistSite& site = incident.assist_sites.emplace_back();
    site.count = count, site.total_ns = total_ns, site.max_ns = max_ns;
    site.longest = at_byte(incident);
  } else if (key == "assists") {
    incident.assist_count = count;
    incident.assist_total_ns = total_ns;
    incident.assist_max_ns = max_ns;
    if (words.more() && words.next("window") == "window") {
      incident.gc_window_ns = time_ns(words.next("a time"));
    }
  } else {
    evidence::Wait& wait = incident.waits.emplace_back();
    wait.count = count, wait.total_ns = total_ns, wait.max_ns = max_ns;
    wait.reason = words.rest();
    wait.longest = at_byte(incident);
  }
}

}  // namespace

bool is_incident_section(const std::string& word) {
  return std::find(kSections.begin(), kSections.end(), word) != kSections.end();
}

void read_incident_section(Incident& incident, const std::string& key, Words& words) {
  if (key == "go" || key == "jvm") {
    incident.facts.runtime = key == "go" ? evidence::Runtime::kGo : evidence::Runtime::kJvm;
    incident.facts.version = words.next("a version");
    read_pairs(words, {{"processors", &incident.facts.processors}});
  } else if (key == "window") {
    incident.start_ns = moment(words);
    incident.end_ns = moment(words);
  } else if (key == "artefact") {
    evidence::Artefact& one = incident.artefacts.emplace_back();
    one.name = words.next("a name");
    one.format = words.rest();
  } else if (key == "snapshot") {
    evidence::Snapshot& one = incident.snapshots.emplace_back();
    one.artefact = artefact(incident);
    one.kind = words.next("a kind");
    if (words.peek() == "dump") one.kind += " " + words.next("dump");
    if (words.peek() == "at") {
      words.next("at");
      one.at_ns = moment(words);
    }
    read_pairs(words, {{"alloc", &one.alloc_bytes},
                       {"inuse", &one.inuse_bytes},
                       {"goroutines", &one.goroutines}});
  } else if (key == "site") {
    evidence::HeapSite& site = incident.heap_sites.emplace_back();
    site.where = here(incident, evidence::Position::Unit::kNone, 0);
    if (!incident.snapshots.empty()) {
      site.snapshot = static_cast<std::uint32_t>(incident.snapshots.size() - 1);
    }
  } else if (key == "pause") {
    evidence::Pause& pause = incident.pauses.emplace_back();
    pause.duration_ns = time_ns(words.next("a time"));
    pause.kind = words.rest();
    pause.where = at_byte(incident);
  } else if (key == "cycle") {
    evidence::GcCycle& cycle = incident.cycles.emplace_back();
    cycle.ordinal = bytes(words.next("an ordinal"));
    cycle.where = here(incident, evidence::Position::Unit::kLine, cycle.ordinal);
  } else if (key == "cycles") {
    read_series(incident, words);
  } else if (key == "delay") {
    read_delay(incident.scheduling, words);
  } else if (key == "retention") {
    read_retention(incident, words);
  } else if (key == "defers") {
    evidence::DeferPile& pile = incident.defers.emplace_back();
    pile.goroutine = bytes(words.next("a goroutine"));
    pile.records = bytes(words.next("a count"));
    pile.where = at_byte(incident);
  } else if (key == "metric") {
    const std::string name = words.next("a name");
    incident.metrics.push_back({name, std::stod(words.next("a value")), artefact(incident), 0});
  } else {
    read_counted(key, incident, words);
  }
}

void read_incident_line(Incident& incident, const std::string& section, const std::string& key,
                        Words& words) {
  if (section == "site") {
    read_site(incident.heap_sites.back(), key, words);
  } else if (section == "pause") {
    read_pause(incident.pauses.back(), key, words);
  } else if (section == "cycle") {
    read_cycle(incident.cycles.back(), key, words);
  } else if (section == "assist") {
    read_assist(incident.assist_sites.back(), key, words);
  } else if (section == "wait") {
    read_wait(incident.waits.back(), key, words);
  } else if (section == "goroutines") {
    read_goroutines(incident.goroutines.back(), key, words);
  } else if (section == "defers" && key == "at") {
    incident.defers.back().stack.push_back(frame(words));
  } else if (section == "cpu" && key == "at") {
    incident.cpu_sites.back().stack.push_back(frame(words));
  } else if (section == "cpu" && key == "call") {
    incident.cpu_sites.back().call = call(words.next("a call"));
  } else {
    fail("unexpected \"" + key + "\" below \"" + section + "\"");
  }
}

}  // namespace ullage::diagnose
