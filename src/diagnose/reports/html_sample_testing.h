// SPDX-License-Identifier: Apache-2.0
#pragma once

// A made-up incident with a bit of everything, for the tests of the reports: two strong sites, one
// weak one, inlined frames, guesses, hostile names, RSS marks, and the findings about it.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "diagnose/finding.h"
#include "evidence/evidence.h"

namespace ullage::diagnose::sample {

inline evidence::Frame frame(std::string function, std::string file, int line, std::uint64_t offset,
                             std::string module = "checkout") {
  evidence::Frame f;
  f.function = std::move(function);
  f.module = std::move(module);
  f.file = std::move(file);
  f.line = line;
  f.offset = offset;
  return f;
}

inline evidence::Frame library(evidence::Frame f) {
  f.library = true;
  return f;
}

inline evidence::Frame inlined(evidence::Frame f) {
  f.inlined = true;
  return f;
}

inline evidence::Frame guess(std::string near, std::uint64_t offset, std::string module) {
  evidence::Frame f;
  f.function = std::move(near);
  f.module = std::move(module);
  f.offset = offset;
  f.symbol_offset = 0x30;
  f.exact = false;
  f.library = true;
  return f;
}

inline constexpr const char* kHostileName = "</script><img src=x onerror=alert(1)>{{script}}";

// main -> serve -> ... with the innermost frames given; outermost last.
inline evidence::Stack below_main(evidence::Stack inner, bool worker) {
  if (worker) {
    inner.push_back(frame("checkout::Worker::run", "/build/checkout/src/worker.cpp", 71, 0x5100));
    inner.push_back(inlined(library(
        frame("std::__invoke_impl<void>", "/usr/include/c++/12/bits/invoke.h", 61, 0x5200))));
    inner.push_back(library(frame("std::thread::_State_impl<checkout::Worker>::_M_run",
                                  "/usr/include/c++/12/bits/std_thread.h", 210, 0x5200)));
    inner.push_back(guess("execute_native_thread_routine", 0xd44a0, "libstdc++.so.6.0.30"));
  } else {
    inner.push_back(frame("checkout::serve", "/build/checkout/src/main.cpp", 40, 0x5300));
    inner.push_back(frame("main", "/build/checkout/src/main.cpp", 12, 0x5400));
  }
  return inner;
}

inline evidence::GrowthSite orders_site() {
  evidence::GrowthSite site;
  site.growth = library(frame("std::vector<checkout::Order>::_M_realloc_insert<checkout::Order>",
                              "/usr/include/c++/12/bits/vector.tcc", 459, 0x4000));
  site.user = frame("checkout::Book::add", "/build/checkout/src/book.cpp", 88, 0x4200);
  site.stack = below_main(
      {site.growth,
       inlined(library(frame("std::vector<checkout::Order>::push_back",
                             "/usr/include/c++/12/bits/stl_vector.h", 1287, 0x4200))),
       site.user, frame("checkout::Book::load", "/build/checkout/src/book.cpp", 131, 0x4300)},
      false);
  site.container = "std::vector<checkout::Order>";
  site.container_kind = "vector";
  site.reserve_hint = "v.reserve({N})";
  site.verdict = evidence::Verdict::kContent;
  site.law = evidence::GrowthLaw::kGeometric;
  site.named_growth = true;
  site.factor = 2;
  site.chains = 3;
  site.chains_alive = 1;
  site.links = site.moved_links = 71;
  site.content_links = 60;
  site.same_stack_links = 71;
  site.copied_bytes = 3'221'225'472;
  site.stall_ns_total = site.credible_stall_ns_total = 412'000'000;
  site.stall_ns_max = site.credible_stall_ns_max = 97'300'000;
  site.overlap_bytes_max = 536'870'912;
  site.overlap_bytes_at_peak = 402'653'184;
  site.first = {3, 64, 64, 64, 64};
  site.final = {3, 134'217'728, 402'653'184, 537'600'000, 537'600'000};
  site.element_bytes = 64;
  site.element_type = "checkout::Order";
  site.element_source = "dwarf";
  site.slack_blocks = 3;
  site.slack_painted_bytes = 805'306'368;
  site.slack_unused_bytes = 201'326'592;
  site.first_ns = 1'200'000'000;
  site.last_ns = 51'000'000'000;
  for (std::size_t i = 2; i < evidence::kSlices; ++i) {
    site.copied_series[i] = i % 9 == 0 ? 1'000'000ull * i * i : 4'000'000ull * (i % 5);
  }
  site.threads = {4711};
  return site;
}

inline evidence::GrowthSite sessions_site() {
  evidence::GrowthSite site;
  site.growth = library(frame("std::_Hashtable<std::string, Session>::_M_rehash",
                              "/usr/include/c++/12/bits/hashtable.h", 2517, 0x6000));
  site.user = frame("checkout::Sessions::open", "/build/checkout/src/sessions.cpp", 52, 0x6200);
  site.stack = below_main({site.growth, site.user,
                           frame(std::string("checkout::handle<") + kHostileName + ">",
                                 "/build/checkout/src/<b>.cpp", 9, 0x6300)},
                          true);
  site.container = "std::unordered_map<std::string, Session>";
  site.container_kind = "hash table";
  site.reserve_hint = "m.reserve({N})";
  site.verdict = evidence::Verdict::kStructure;
  site.law = evidence::GrowthLaw::kGeometric;
  site.named_growth = true;
  site.factor = 2.17;
  site.chains = 8;
  site.chains_alive = 8;
  site.links = site.moved_links = site.same_stack_links = 96;
  site.copied_bytes = 268'435'456;
  site.stall_ns_total = site.credible_stall_ns_total = 181'000'000;
  site.stall_ns_max = site.credible_stall_ns_max = 41'000'000;
  site.overlap_bytes_max = 67'108'864;
  site.first = {8, 104, 104, 104, 104};
  site.final = {8, 8'388'608, 12'582'912, 16'777'216, 16'777'216};
  site.element_bytes = 8;
  site.element_source = "gcd";
  site.slack_painted_bytes = 100'000'000;
  site.slack_unused_bytes = 36'000'000;
  site.first_ns = 400'000'000;
  site.last_ns = 30'000'000'000;
  for (std::size_t i = 1; i < 34; ++i) site.copied_series[i] = i % 6 == 0 ? 40'000'000 : 2'000'000;
  site.threads = {4712, 4713, 4714};
  return site;
}

inline evidence::GrowthSite log_site() {
  evidence::GrowthSite site;
  site.growth = site.user = frame("log_append", "/build/checkout/src/log.c", 203, 0x7000);
  site.stack = below_main(
      {site.user, frame("checkout::audit", "/build/checkout/src/audit.cpp", 17, 0x7100)}, false);
  site.container_kind = "realloc buffer";
  site.verdict = evidence::Verdict::kRealloc;
  site.law = evidence::GrowthLaw::kArithmetic;
  site.factor = 1.01;
  site.chains = site.chains_alive = 1;
  site.links = 4096;
  site.moved_links = 800;
  site.in_place_links = 3296;
  site.arithmetic_links = 4095;
  site.arithmetic_step_bytes = 4096;
  site.copied_bytes = 1'610'612'736;
  site.stall_ns_total = site.credible_stall_ns_total = 240'000'000;
  site.stall_ns_max = site.credible_stall_ns_max = 2'100'000;
  site.first = {1, 4096, 4096, 4096, 4096};
  site.final = {1, 16'781'312, 16'781'312, 16'781'312, 16'781'312};
  site.last_ns = 58'000'000'000;
  for (std::size_t i = 0; i < evidence::kSlices; ++i) site.copied_series[i] = 400'000ull * i;
  site.threads = {4711};
  return site;
}

// A buffer being replaced: looks like growth and is not.
inline evidence::GrowthSite weak_site() {
  evidence::GrowthSite site;
  site.growth = site.user =
      frame("checkout::render", "/build/checkout/src/render.cpp", 310, 0x8000);
  site.stack = below_main({site.user}, false);
  site.container_kind = "buffer";
  site.verdict = evidence::Verdict::kReplace;
  site.links = 40;
  site.shrinks = 31;
  site.copied_bytes = 999'000'000;
  site.stall_ns_total = site.credible_stall_ns_total = 9'000'000'000;
  return site;
}

inline evidence::Evidence rich() {
  evidence::Evidence e;
  auto& p = e.process;
  p.source = "checkout.4711.ulg";
  p.format = "ULG1";
  p.program = "checkout";
  p.command = {"./checkout", "--orders", "eight million.csv", "--it's", "<b>"};
  p.pid = 4711;
  p.ppid = 4700;
  p.build_id = "5a1f0c3d9e2b47788899aabbccddeeff00112233";
  p.started_realtime_ns = 1'790'000'000'000'000'000;
  p.duration_ns = 58'200'000'000;
  p.events = 48'213'991;
  p.allocations = 24'200'000;
  p.frees = 23'900'000;
  p.reallocs = 4'096;
  p.allocated_bytes = 91'000'000'000;
  p.live_bytes_max = 1'180'000'000;
  p.live_bytes_max_at_ns = 46'000'000'000;
  p.live_bytes_end = 610'000'000;
  p.rss_peak_bytes = 1'310'000'000;
  p.memory_limit_bytes = 1'610'000'000;
  p.threads = 9;
  p.stack_nodes = 21'044;
  p.verify_checked = 48'000;
  p.ended = "normally";
  p.slack_recorded = true;
  p.missing_debug = {"libcrypto.so.3", "libstdc++.so.6.0.30"};
  e.understood = {91'000'000, 90'990'000, 88, 1, 0, 12, {"One segment was cut short at its end."}};

  e.growth_sites = {orders_site(), log_site(), weak_site(), sessions_site()};
  for (int i = 0; i < 26; ++i) {  // a tail of small ones
    evidence::GrowthSite site = orders_site();
    const auto n = std::to_string(i);
    site.user =
        frame("checkout::rule_" + n + "::apply", "/build/checkout/src/rules/rule_" + n + ".cpp",
              20 + i, 0x9000 + 0x100u * static_cast<unsigned>(i));
    site.stack =
        below_main({site.growth, site.user,
                    frame("checkout::Rules::run", "/build/checkout/src/rules.cpp", 61, 0x8800)},
                   i % 3 == 0);
    const auto share = static_cast<std::uint64_t>(400 / (i + 2));
    site.copied_bytes = share * 1'000'000;
    site.stall_ns_total = site.credible_stall_ns_total = share * 100'000;
    site.stall_ns_max = site.credible_stall_ns_max = share * 9'000;
    site.links = share;
    site.slack_unused_bytes = share * 40'000;
    site.copied_series = {};
    e.growth_sites.push_back(site);
  }

  for (std::size_t i = 0; i < e.growth_sites.size(); ++i) {
    evidence::AllocationSite site;
    site.user = e.growth_sites[i].user;
    site.stack = e.growth_sites[i].stack;
    site.allocations = e.growth_sites[i].links;
    site.bytes = e.growth_sites[i].copied_bytes * 2;
    site.live_bytes_end = site.bytes / 16;
    site.live_bytes_max = site.bytes / 8;
    for (std::size_t s = 0; s < evidence::kSlices; ++s)
      site.live_series[s] = site.bytes / 8 / 64 * s;
    e.allocation_sites.push_back(site);
  }
  evidence::AllocationSite nodes;
  nodes.user = frame("checkout::Index::insert", "/build/checkout/src/index.cpp", 301, 0xa000);
  nodes.stack = below_main({nodes.user}, true);
  nodes.bytes = 9'000'000'000;
  nodes.allocations = 90'000'000;
  nodes.live_bytes_end = 50'000'000;
  nodes.live_bytes_max = 90'000'000;
  nodes.live_series.fill(60'000'000);
  e.allocation_sites.insert(e.allocation_sites.begin(), nodes);

  std::uint64_t size = 64;
  for (int i = 0; i < 23; ++i, size *= 2) {
    const auto at = 1'200'000'000ull + static_cast<std::uint64_t>(i) * 2'260'000'000ull;
    e.worst_links.push_back(
        {0, 4711, at, at + 1'000 + size * 97'300'000 / 268'435'456, size, size * 2, size});
  }
  for (int i = 0; i < 40; ++i) {
    const auto at = 400'000'000ull + static_cast<std::uint64_t>(i) * 760'000'000ull;
    const auto bytes = 100'000ull << (i / 5);
    e.worst_links.push_back(
        {3, 4712u + static_cast<unsigned>(i % 3), at, at + bytes * 3, bytes, bytes * 2, bytes});
  }
  std::stable_sort(e.worst_links.begin(), e.worst_links.end(), [](const auto& a, const auto& b) {
    return a.end_ns - a.start_ns > b.end_ns - b.start_ns;
  });

  e.lifetimes.blocks = {9'000'000, 11'000'000, 2'500'000, 900'000, 300'000, 200'000, 300'000};
  e.lifetimes.bytes = {600'000'000,   3'000'000'000,  20'000'000'000, 30'000'000'000,
                       9'000'000'000, 27'790'000'000, 610'000'000};
  for (std::size_t i = 0; i < evidence::kSlices; ++i) {
    const double x = static_cast<double>(i) / 63;
    const double base = 1.5e8 + 7.5e8 * x * x + (i % 9 == 0 ? 9e7 : 0);
    e.live_series[i] = static_cast<std::uint64_t>(i > 56 ? base * 0.72 : base);
    e.live_max_series[i] = static_cast<std::uint64_t>(base * (i % 9 == 0 ? 1.3 : 1.06));
  }
  e.live_max_series[50] = p.live_bytes_max;
  for (std::uint64_t t = 0; t <= 58; t += 2) {
    const double x = static_cast<double>(t) / 58;
    e.marks.push_back({t * 1'000'000'000,
                       static_cast<std::uint64_t>(2.1e8 + 1.1e9 * std::pow(x, 1.7)), 0,
                       t > 40 ? 4.5 : 0.0});
  }
  return e;
}

inline std::vector<Finding> rich_findings(const evidence::Evidence& e) {
  std::vector<Finding> findings;
  const auto add = [&](std::string detector, Severity severity, std::string title, std::size_t site,
                       std::vector<std::string> sentences, std::string remedy) {
    const evidence::GrowthSite& s = e.growth_sites[site];
    Finding f;
    f.detector = std::move(detector);
    f.severity = severity;
    f.title = std::move(title);
    f.where = s.user;
    f.growth = s.growth;
    f.stack = s.stack;
    f.cost = {s.stall_ns_total,    s.stall_ns_max, s.copied_bytes,
              s.overlap_bytes_max, s.links,        "growths"};
    f.evidence = std::move(sentences);
    f.remedy = std::move(remedy);
    f.check = "ullage diff before.ulg after.ulg";
    f.fingerprint = "9c1f7a2e5b80d34" + std::to_string(site);
    f.growth_site = site;
    findings.push_back(f);
  };
  add("repeated-growth", Severity::kError, "orders vector grew 71 times to 538 MB", 0,
      {"3 vectors of checkout::Order (64 B) grew 71 times between 1.2 s and 51 s, doubling each "
       "time.",
       "60 of 71 growths copied equal bytes (verdict: content).",
       "The largest had 8 400 000 elements; while it grew, 537 MB of old and 1.07 GB of new were "
       "alive "
       "together, 34.1 % of the peak RSS."},
      "orders_.reserve(8'400'000);  // largest seen 7'636'363 + 10 %");
  add("arithmetic-growth", Severity::kError, "log buffer grows by 4.1 kB each time", 1,
      {"4 096 growths by exactly 4 096 B: the copying is quadratic in the final size.",
       "3 296 stayed in place, 800 moved and copied 1.61 GB."},
      "double the capacity when full: capacity = capacity * 2");
  add("growth-stall", Severity::kWarning, "one rehash made a caller wait 41 ms", 3,
      {"The longest of 96 rehashes took 41 ms on thread 4712.", std::string(kHostileName)},
      "sessions.reserve(1'048'576);");
  findings.back().confidence = 0.8;
  add("unbounded-growth", Severity::kNote, "still growing when the recording ended", 4,
      {"Live bytes rose in 60 of 64 slices."}, "give the cache a bound, or an age");
  return findings;
}

}  // namespace ullage::diagnose::sample
