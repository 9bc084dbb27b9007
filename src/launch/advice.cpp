// SPDX-License-Identifier: Apache-2.0
#include "launch/advice.h"

#include <stdlib.h>

#include <algorithm>

#include "record/event.h"
#include "record/reader.h"

namespace ullage::launch {
namespace {

using namespace record;

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string mib(uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

bool is_python(const std::string& program) {
  return base_name(program).compare(0, 6, "python") == 0;
}

bool of_allocator(Tag tag) {
  return tag != Tag::kMap && tag != Tag::kUnmap && tag != Tag::kRemap && tag != Tag::kThread &&
         tag != Tag::kThreadName && tag != Tag::kExtension;
}

struct Requested {
  uint64_t bytes = 0;  // that the events of a small recording asked for
  uint64_t calls = 0;  // of the allocator
};

// Of a recording that can't be read: more than any.
Requested requested(const std::string& path) {
  std::string error;
  const auto recording = Recording::open(path, error);
  if (recording == nullptr) return {~uint64_t{0}, ~uint64_t{0}};
  Requested sum;
  std::vector<uint8_t> payload;
  for (const SegmentRef& s : recording->segments()) {
    if (s.header.kind != static_cast<uint16_t>(Kind::kEvents) ||
        !recording->payload(s, payload, error)) {
      continue;
    }
    EventDecoder decoder(s.header, payload.data(), payload.size(), recording->header().tick_shift);
    Event e;
    while (decoder.next(e)) {
      if (e.tag != Tag::kUnmap) sum.bytes += e.size;
      sum.calls += of_allocator(e.tag) ? 1 : 0;
    }
  }
  return sum;
}

std::string answered_by_another(const RecordedProcess& p) {
  const std::string name = base_name(p.program) + " (pid " + std::to_string(p.pid) + ")";
  if (p.malloc_owner.find(".so") == std::string::npos) {
    return name +
           ": nothing that it asked for was seen: it defines malloc itself, and that does not call "
           "the next one. Build it with the C library's allocator, or with a shared one.";
  }
  return name + ": nothing that it asked for was seen: " + p.malloc_owner +
         " comes before the agent in LD_PRELOAD, and its malloc answers without it. Preload it "
         "behind the agent (LD_PRELOAD=$LD_PRELOAD:" +
         p.malloc_owner + "), or before `ullage record` itself, which then puts the agent first.";
}

std::string nothing_recorded(const Program& program, const LaunchReport& report) {
  const std::string name = base_name(program.path);
  std::string note = name + ": nothing was recorded: the agent was not loaded into any process.";
  if (report.signal != 0)
    return note + " It was ended by signal " + std::to_string(report.signal) + ".";
  return note +
         " LD_PRELOAD may have been cleared on the way (env -i, sudo, a setuid program), or what "
         "it "
         "starts is static. Run ullage record directly before the program that should be recorded.";
}

}  // namespace

void advise(const Program& program, const LaunchOptions& options, uint64_t anonymous_bytes,
            LaunchReport& report) {
  const auto note = [&](std::string s) { report.notes.push_back(std::move(s)); };
  const auto root = std::find_if(report.processes.begin(), report.processes.end(),
                                 [](const RecordedProcess& p) { return p.root; });
  if (report.processes.empty() && options.standby && report.signal == 0) {
    note(base_name(program.path) +
         ": nothing was recorded: with --standby the agent sleeps until the program calls "
         "ullage::agent::start() (<ullage/agent.h>), and it did not. Without --standby everything "
         "is recorded.");
    return;
  }
  if (report.processes.empty()) {
    note(nothing_recorded(program, report));
    return;
  }
  if (root == report.processes.end()) {
    note(base_name(program.path) + " itself was not recorded, only what it started.");
  }
  uint64_t lost = 0;
  for (const RecordedProcess& p : report.processes) lost += p.children_lost;
  if (lost != 0) {
    note(std::to_string(lost) + (lost == 1 ? " child process" : " child processes") +
         " could not be recorded: no file could be made beside the recording (no descriptor left, "
         "another root folder, another user, or a full disk).");
  }
  for (RecordedProcess& p : report.processes) {
    p.unseen = !p.malloc_owner.empty() && p.events < kFewEvents && requested(p.path).calls == 0;
    if (p.unseen) note(answered_by_another(p));
    const std::string name = base_name(p.program) + " (pid " + std::to_string(p.pid) + ")";
    switch (static_cast<State>(p.state)) {
      case State::kStoppedDiskFull:
        note(name + ": recording stopped when the disk was full. What precedes is in " + p.path +
             ". Make room, record to another disk with -o, or bound it with --max-size.");
        break;
      case State::kStoppedSizeLimit:
        note(name + ": recording stopped at the file size limit (ulimit -f). What precedes is in " +
             p.path + ". Raise the limit.");
        break;
      case State::kStoppedNoFile:
        note(name + ": recording stopped when its file could no longer be reached (the program " +
             "changed its root or its user). What precedes is in " + p.path + ".");
        break;
      case State::kSanitized:
        note(name +
             " is built with a sanitizer, which replaces the allocator itself: it ran, but " +
             "was not recorded. Build it without -fsanitize and record that.");
        break;
      default:
        break;
    }
    if (p.segments_dropped != 0) {
      note(name + ": kept the newest events only (--max-size); " +
           std::to_string(p.segments_dropped) + " older segments are sums per stack.");
    }
    if (p.outcome == Outcome::kStillRunning) {
      note(name + " still runs and goes on recording into " + p.path +
           ", which can be diagnosed at any time.");
    }
  }
  if (root == report.processes.end() || root->outcome == Outcome::kStillRunning) return;
  if (root->unseen) return;
  const std::string& last = report.last_program;
  const bool executed = root->state == static_cast<uint32_t>(State::kExecuted);
  const bool other = (executed || root->state == static_cast<uint32_t>(State::kRecording)) &&
                     !last.empty() && !root->program.empty() && last != root->program;
  if (options.follow && (other || executed)) {
    note(base_name(root->program) + " replaced itself by " +
         (other ? base_name(last) : std::string("a program")) +
         ", which could not be recorded (static, setuid, or LD_PRELOAD was cleared). Name that "
         "program itself after -- to learn why.");
    return;
  }
  if (is_python(root->program) && ::getenv("PYTHONMALLOC") == nullptr) {
    note(
        "CPython keeps objects of up to 512 bytes in its own arenas, which are seen as a whole "
        "only. "
        "PYTHONMALLOC=malloc ullage record … shows each of them.");
    return;
  }
  if (anonymous_bytes > kHiddenGrowthBytes && root->events < kFewEvents &&
      options.sample_bytes == 0 && !options.standby &&
      requested(root->path).bytes < anonymous_bytes / 4) {
    note(base_name(root->program) + ": its memory grew to " + mib(anonymous_bytes) + ", but only " +
         std::to_string(root->events) +
         " allocator calls were seen: it seems to bring its own allocator. Build it with the C "
         "library's, or with a shared libjemalloc.so or libtcmalloc.so, and record that.");
  }
}

}  // namespace ullage::launch
