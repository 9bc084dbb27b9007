// SPDX-License-Identifier: Apache-2.0
//
// perfetto_report: Chrome's JSON trace events, which ui.perfetto.dev and chrome://tracing open.
//
// One asynchronous slice per kept growth, from the new block obtained to the old one freed (two
// growths of one thread may overlap, so they can't be ordinary slices); counters for the bytes
// alive in all, at the largest sites, copied, and resident. Times are microseconds.
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "base/format.h"
#include "base/json.h"
#include "base/text.h"
#include "diagnose/growth.h"
#include "diagnose/reports/common.h"
#include "diagnose/reports/incident_perfetto.h"
#include "diagnose/reports/reports.h"

namespace ullage::diagnose {
namespace {

using evidence::Evidence;
using evidence::kSlices;

// Sites with a counter of their own; more would bury the timeline.
constexpr std::size_t kSiteCounters = 8;
// Columns of one name in the trace; longer ones end in an ellipsis.
constexpr std::size_t kNameColumns = 200;

double microseconds(std::uint64_t ns) { return static_cast<double>(ns) / 1000; }

std::string name_text(const std::string& name) { return shorten(clean_utf8(name), kNameColumns); }

class Trace {
 public:
  explicit Trace(const Evidence& evidence)
      : evidence_(evidence), json_(JsonWriter::Style::kCompact) {
    json_.begin_object();
    json_.begin_array("traceEvents");
  }

  void names() {
    metadata("process_name", 0, evidence_.process.program);
    std::set<std::uint32_t> threads;
    for (const auto& link : evidence_.worst_links) threads.insert(link.tid);
    for (const std::uint32_t tid : threads) {
      metadata("thread_name", tid, thread_name(tid));
    }
  }

  // Its own name; without one the main thread is called by its program.
  std::string thread_name(std::uint32_t tid) const {
    const auto named =
        std::lower_bound(evidence_.thread_names.begin(), evidence_.thread_names.end(), tid,
                         [](const auto& one, std::uint32_t wanted) { return one.first < wanted; });
    if (named != evidence_.thread_names.end() && named->first == tid) return named->second;
    if (tid == evidence_.process.pid) return evidence_.process.program;
    return "thread " + std::to_string(tid);
  }

  void growth(const evidence::GrowthLink& link, std::size_t id) {
    const evidence::GrowthSite* site =
        link.site < evidence_.growth_sites.size() ? &evidence_.growth_sites[link.site] : nullptr;
    const std::string name =
        site == nullptr ? "growth" : name_text(site->user.place() + " " + subject(*site));
    slice_edge('b', name, link.tid, id, link.start_ns);
    json_.begin_object("args");
    if (site != nullptr) {
      json_.field("site", name_text(place_text(site->user)));
      json_.field("growth", name_text(site->growth.label()));
      json_.field("verdict", evidence::to_string(site->verdict));
    }
    json_.field("old_bytes", link.old_bytes);
    json_.field("new_bytes", link.new_bytes);
    json_.field("copied_bytes", link.copied_bytes);
    json_.field("stall_us", microseconds(std::max(link.end_ns, link.start_ns) - link.start_ns));
    json_.end_object();
    json_.end_object();
    slice_edge('e', name, link.tid, id, std::max(link.end_ns, link.start_ns));
    json_.end_object();
  }

  void counter(const std::string& name, std::uint64_t at_ns, std::uint64_t value) {
    event('C', name, 0, at_ns);
    json_.begin_object("args");
    json_.field("bytes", value);
    json_.end_object();
    json_.end_object();
  }

  // `offset` 0: the value holds from the start of its slice; 1: it was read at the end of it.
  void counters(const std::string& name, const evidence::Series& series, std::uint64_t offset) {
    for (std::size_t i = 0; i < kSlices; ++i) counter(name, slice_ns(i + offset), series[i]);
  }

  std::uint64_t slice_ns(std::size_t i) const {
    const std::uint64_t whole = evidence_.process.duration_ns;
    return whole / kSlices * i + whole % kSlices * i / kSlices;
  }

  std::string finish() {
    json_.end_array();
    json_.field("displayTimeUnit", "ms");
    json_.begin_object("otherData");
    std::string command;
    for (const std::string& word : evidence_.process.command) {
      command += (command.empty() ? "" : " ") + shell_word(word);
    }
    json_.field("command", command);
    json_.field("recording", evidence_.process.source);
    json_.field("understood", understood_text(evidence_.understood));
    if (evidence_.worst_links.size() >= evidence::kWorstLinks) {
      std::uint64_t growths = 0;
      for (const evidence::GrowthSite& site : evidence_.growth_sites) {
        growths += may_stand(site) ? site.links : 0;
      }
      json_.field("slices", "the " + format_count(evidence_.worst_links.size()) + " longest of " +
                                format_counted(growths, "growth"));
    }
    json_.end_object();
    json_.end_object();
    return json_.text();
  }

 private:
  // Opens an event; the caller may add to it and closes it.
  void event(char phase, const std::string& name, std::uint32_t tid, std::uint64_t at_ns) {
    json_.begin_object();
    json_.field("ph", std::string(1, phase));
    json_.field("name", name);
    json_.field("pid", evidence_.process.pid);
    json_.field("tid", tid == 0 ? evidence_.process.pid : tid);
    json_.field("ts", microseconds(at_ns));
  }

  void slice_edge(char phase, const std::string& name, std::uint32_t tid, std::size_t id,
                  std::uint64_t at_ns) {
    event(phase, name, tid, at_ns);
    json_.field("cat", "growth");
    json_.field("id", std::to_string(id));
  }

  void metadata(const char* kind, std::uint32_t tid, const std::string& name) {
    event('M', kind, tid, 0);
    json_.begin_object("args");
    json_.field("name", name_text(name));
    json_.end_object();
    json_.end_object();
  }

  const Evidence& evidence_;
  JsonWriter json_;
};

// The allocation sites that held most at their highest, largest first.
std::vector<std::size_t> largest_sites(const Evidence& evidence) {
  const auto& sites = evidence.allocation_sites;
  std::vector<std::size_t> order(sites.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return sites[a].live_bytes_max > sites[b].live_bytes_max;
  });
  order.resize(std::min(order.size(), kSiteCounters));
  return order;
}

}  // namespace

std::string perfetto_report(const Evidence& evidence, const Findings& findings,
                            const ReportOptions& /*options*/) {
  if (!evidence.incident.empty()) return incident_perfetto(evidence, findings);
  Trace trace(evidence);
  trace.names();
  for (std::size_t i = 0; i < evidence.worst_links.size(); ++i) {
    trace.growth(evidence.worst_links[i], i);
  }

  trace.counter("alive", 0, 0);
  trace.counters("alive", evidence.live_series, 1);
  trace.counters("alive, highest", evidence.live_max_series, 0);
  evidence::Series copied{};
  for (const evidence::GrowthSite& site : evidence.growth_sites) {
    if (!may_stand(site)) continue;
    for (std::size_t i = 0; i < kSlices; ++i) copied[i] += site.copied_series[i];
  }
  trace.counters("copied by growth, per slice", copied, 0);
  for (const evidence::MemoryMark& mark : evidence.marks) {
    trace.counter("resident", mark.at_ns, mark.rss_bytes);
    if (mark.swap_bytes > 0) trace.counter("swapped", mark.at_ns, mark.swap_bytes);
  }
  std::size_t rank = 0;
  for (const std::size_t i : largest_sites(evidence)) {
    const evidence::AllocationSite& site = evidence.allocation_sites[i];
    // The rank keeps two sites with one name apart, and the tracks in order.
    const std::string name = "alive at " + std::to_string(++rank) + ": " + site.user.place();
    trace.counters(name_text(name), site.live_series, 1);
  }
  return trace.finish();
}

}  // namespace ullage::diagnose
