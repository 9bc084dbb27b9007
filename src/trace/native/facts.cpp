// SPDX-License-Identifier: Apache-2.0
#include "trace/native/facts.h"

#include <algorithm>
#include <cstring>
#include <set>

namespace ullage::trace {
namespace {

using record::FileHeader;
using record::State;

const char* how_it_ended(const FileHeader& header) {
  switch (static_cast<State>(header.state)) {
    case State::kRecording:  // a recorder archives what has ended
      return (header.features & record::kFeatureArchive) != 0 ? "killed, or left unseen (_exit)"
                                                              : "killed or still running";
    case State::kEnded:
      return "normally";
    case State::kStoppedDiskFull:
      return "disk full";
    case State::kStoppedSizeLimit:
      return "file size limit reached";
    case State::kStoppedByProgram:
      return "stopped by the program";
    case State::kStoppedNoFile:
      return "its file was out of reach";
    case State::kExecuted:
      return "became another program";
    case State::kSanitized:
      return "not recorded: built with a sanitizer";
  }
  return "unknown";
}

std::vector<std::string> command_of(const FileHeader& h) {
  std::vector<std::string> words;
  const char* at = h.cmdline;
  const char* end = h.cmdline + sizeof h.cmdline;
  while (at < end && *at != 0) {
    words.emplace_back(at, strnlen(at, static_cast<std::size_t>(end - at)));
    at += words.back().size() + 1;
  }
  return words;
}

void fill_process(const record::Recording& recording, const Loaded& loaded, const Linker& linker,
                  evidence::ProcessFacts& p) {
  const FileHeader& h = recording.header();
  const LinkerCounts& counts = linker.counts();
  const Allocations& book = linker.allocations();
  p.source = recording.path();
  p.format = "ULG1";
  p.command = command_of(h);
  // As it was called: /proc/self/exe has followed links (Debian's redis-server is a link).
  p.program = p.command.empty() || p.command[0].empty()
                  ? std::string(h.exe, strnlen(h.exe, sizeof h.exe))
                  : p.command[0];
  p.program.erase(0, p.program.find_last_of('/') + 1);
  p.pid = h.pid;
  p.ppid = h.ppid;
  for (std::size_t i = 0; i < h.build_id_bytes; ++i) {
    p.build_id += "0123456789abcdef"[h.build_id[i] >> 4];
    p.build_id += "0123456789abcdef"[h.build_id[i] & 15];
  }
  p.started_realtime_ns = h.start_realtime_ns;
  p.duration_ns = loaded.clock.ns(std::max(loaded.clock.steps_total, counts.last_step));
  p.events = counts.events;
  p.allocations = counts.allocations;
  p.frees = counts.frees;
  p.reallocs = counts.reallocs;
  p.allocated_bytes = book.bytes();
  for (const record::AggregateRecord& a : loaded.aggregates) {
    p.allocations += a.allocations - std::min(a.reallocs, a.allocations);
    p.reallocs += a.reallocs;
    p.allocated_bytes += a.bytes;
  }
  p.live_bytes_max = book.live_bytes_max();
  p.live_bytes_max_at_ns = loaded.clock.ns(book.peak_time());
  p.live_bytes_end = book.live_bytes();
  p.memory_limit_bytes = h.memory_limit_bytes;
  p.threads = std::max<std::uint64_t>(h.counters.threads, counts.threads);
  p.sample_bytes = h.sample_bytes;
  p.stack_nodes = loaded.stacks.size();
  p.cfi_failures = h.counters.cfi_failures;
  p.stacks_truncated = h.counters.stacks_truncated;
  p.verify_checked = h.counters.verify_checked;
  p.verify_differences = h.counters.verify_differences;
  p.ended = how_it_ended(h);
  p.slack_recorded = (h.features & record::kFeatureSlack) != 0;
  for (const record::Mark& m : loaded.marks) {
    p.rss_peak_bytes = std::max({p.rss_peak_bytes, m.rss_peak_bytes, m.rss_bytes});
  }
}

void fill_understood(const record::Recording& recording, const Loaded& loaded,
                     const StreamDamage& damage, const Linker& linker, evidence::Understood& u) {
  const LinkerCounts& counts = linker.counts();
  u.bytes_total = recording.file_bytes();
  u.segments_damaged = recording.segments_damaged() + loaded.segments_damaged + damage.segments;
  u.segments_dropped = recording.segments_dropped();
  u.segments_total =
      recording.segments().size() + recording.segments_damaged() + recording.segments_dropped();
  const std::uint64_t lost = loaded.bytes_damaged + damage.bytes;
  u.bytes_used = recording.bytes_understood() - std::min(lost, recording.bytes_understood());
  const bool partial = recording.header().sample_bytes != 0 ||
                       (recording.header().features & record::kFeatureRing) != 0;
  // When only some allocations were recorded, frees of the others are no surprise.
  u.events_unmatched = partial ? 0 : counts.unmatched + counts.lost_frees;
  for (const auto* notes : {&recording.notes(), &loaded.notes, &damage.notes}) {
    u.notes.insert(u.notes.end(), notes->begin(), notes->end());
  }
  if (!loaded.clock_calibrated) {
    u.notes.push_back("The clock could not be calibrated: times are in ticks rather than ns.");
  }
  if (counts.stackless != 0) {
    u.notes.push_back("Growth can't be linked: the calling contexts of " +
                      std::to_string(counts.stackless) + " of " +
                      std::to_string(counts.allocations) + " allocations are missing.");
  }
  const FileHeader& h = recording.header();
  if (h.malloc_owner[0] != 0 && counts.allocations + counts.reallocs == 0) {
    u.notes.push_back(std::string("Nothing that it asked for was seen: ") + h.malloc_owner +
                      " answered its malloc instead of the agent.");
  }
  if (recording.segments().empty()) {
    u.notes.push_back("The recording holds no events: it was cut short behind its header.");
  }
  if (loaded.stacks.nodes_missing() != 0) {
    u.notes.push_back(std::to_string(loaded.stacks.nodes_missing()) +
                      " stack nodes are missing: some stacks end early.");
  }
  if (!loaded.aggregates.empty()) {
    u.notes.push_back(
        "Early events were dropped to stay within --max-size: growth chains cover the"
        " end of the run, totals all of it.");
  }
  const record::Counters& c = recording.header().counters;
  if (c.skipped_no_writer != 0) {
    u.notes.push_back(std::to_string(c.skipped_no_writer) +
                      " events were lost because no room could be had in the file.");
  }
}

}  // namespace

void fill_facts(const record::Recording& recording, const Loaded& loaded,
                const StreamDamage& damage, const Linker& linker, evidence::Evidence& out) {
  fill_process(recording, loaded, linker, out.process);
  fill_understood(recording, loaded, damage, linker, out.understood);
  out.lifetimes = linker.allocations().lifetimes();
  out.live_series = linker.allocations().live_series();
  out.live_max_series = linker.allocations().live_max_series();
  for (const record::Mark& m : loaded.marks) {
    evidence::MemoryMark mark;
    mark.at_ns = loaded.clock.ns(loaded.clock.step(m.ticks));
    mark.rss_bytes = m.rss_bytes;
    mark.swap_bytes = m.swap_bytes;
    if (m.psi_some_avg10_percent_x100 != UINT32_MAX) {
      mark.psi_some_percent = m.psi_some_avg10_percent_x100 / 100.0;
    }
    out.marks.push_back(mark);
  }
}

void fill_thread_names(const Linker& linker, evidence::Evidence& out) {
  std::set<std::uint32_t> threads;
  for (const evidence::GrowthLink& link : out.worst_links) threads.insert(link.tid);
  for (const auto& site : out.growth_sites) threads.insert(begin(site.threads), end(site.threads));
  for (const auto& site : out.container_sites) {
    threads.insert(begin(site.threads), end(site.threads));
  }
  for (const std::uint32_t tid : threads) {
    const auto named = linker.thread_names().find(tid);
    if (named != linker.thread_names().end() && !named->second.empty()) {
      out.thread_names.emplace_back(tid, named->second);
    }
  }
}

bool mostly_unnamed(const evidence::Evidence& e) {
  std::size_t shown = 0, unnamed = 0;
  const auto look = [&](const evidence::Frame& f) {
    ++shown;
    unnamed += f.function.empty() || !f.exact;
  };
  for (const evidence::GrowthSite& s : e.growth_sites) {
    if (evidence::strong(s.verdict)) look(s.user);
  }
  for (const evidence::AllocationSite& s : e.allocation_sites) look(s.user);
  return unnamed * 2 > shown;
}

}  // namespace ullage::trace
