// SPDX-License-Identifier: Apache-2.0
//
// finish(): completes what a killed `ullage record` left behind.
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "launch/collector.h"
#include "launch/launch.h"
#include "launch/live_archiver.h"
#include "launch/live_hold.h"
#include "launch/live_mappers.h"
#include "record/archive.h"
#include "record/reader.h"

namespace ullage::launch {
namespace {

using namespace record;

// Whether the process that wrote `path` still runs: it has the file mapped. When its maps can't be
// read, a process of that pid is believed to be it: waiting loses nothing.
bool still_running(const std::string& path, const FileHeader& header) {
  if (!counts_elsewhere(header.pid_namespace)) return maps_live_file(header.pid, path);
  const std::string mark = live_mark(path);
  return live_mappers(mark.substr(0, mark.find('.'))).written.count(mark) != 0;
}

// Whether `path` is an archive of the very recording that `header` begins: its recorder was killed
// after giving it its name.
bool same_recording(const std::string& path, const FileHeader& header) {
  std::string error;
  const auto other = Recording::open(path, error);
  return other == nullptr ||
         (other->header().run_id == header.run_id && other->header().pid == header.pid &&
          other->header().start_monotonic_ns == header.start_monotonic_ns);
}

std::string unfinished(const RecordedProcess& p, bool followed) {
  if (followed) {
    return p.path +
           ": nothing was completed: the `ullage record` that follows it still runs.\n  It "
           "completes it when the program has ended; until then it can be diagnosed as it is.";
  }
  const std::string name = p.program.substr(p.program.rfind('/') + 1);
  return p.path + ": nothing was completed: " + (name.empty() ? "its process" : name) + " (pid " +
         std::to_string(p.pid) +
         ") still runs and goes on recording into it.\n  Finish it when that has ended; until then "
         "it can be diagnosed as it is.";
}

Result<RecordedProcess> finish_one(const std::string& live, std::vector<std::string>& notes) {
  const LiveHold hold(live);
  if (hold.error() != 0) return Error{Code::kIo, live + ": " + strerror(hold.error()) + "."};
  const FileHeader now = hold.read_header();
  const bool followed = hold.got() == LiveHold::Got::kOthers || RunMark::exists(now.run_id);
  // Asked before it is read: what is read is then all there will be.
  const bool goes_on = followed || still_running(live, now);
  std::string error;
  const auto recording = Recording::open(live, error);
  if (recording == nullptr) return Error{Code::kInvalid, error};
  const FileHeader& h = recording->header();
  RecordedProcess p;
  p.pid = h.pid;
  p.image = h.image;
  p.program = h.exe;
  p.called.assign(h.cmdline, strnlen(h.cmdline, sizeof h.cmdline));
  p.children_lost = h.counters.children_lost;
  p.state = h.state;
  p.events = h.counters.events;
  if (h.state == static_cast<uint32_t>(State::kRecording)) p.events += uncounted_events(*recording);
  p.path = live;
  if (goes_on) {
    p.outcome = Outcome::kStillRunning;
    notes.push_back(unfinished(p, followed));
    return p;
  }
  const std::string part = part_path(live);
  const std::string stem = part.substr(0, part.size() - (sizeof ".ulg.part" - 1));
  std::string target = stem + ".ulg";
  for (int again = 2; ::access(target.c_str(), F_OK) == 0; ++again) {
    if (same_recording(target, h)) {
      return Error{Code::kIo,
                   target + " exists already, and " + live +
                       " may hold less than it does.\n  Remove one of them and try again."};
    }
    target = stem + "." + std::to_string(again) + ".ulg";  // an earlier program of this process
  }
  // A new file, so that live file and part stay untouched until it is complete.
  const std::string fresh = target + ".finish";
  ::unlink(fresh.c_str());  // of an attempt that was killed: it holds nothing of its own
  uint64_t lost = 0;
  auto archive = ArchiveWriter::create(fresh, h, {}, error);
  if (archive == nullptr || !append_all(*recording, *archive, lost, error) ||
      !archive->finish(h, target, error)) {
    ::unlink(fresh.c_str());
    return Error{Code::kIo, error + "\n  Nothing is lost: " + live + " stays as it is."};
  }
  p.path = target;
  p.raw_bytes = archive->raw_bytes();
  p.archive_bytes = archive->bytes();
  if (lost == 0) {
    ::unlink(live.c_str());
    ::unlink(part.c_str());
  }
  return p;
}

}  // namespace

Result<LaunchReport> finish(const std::string& path) {
  std::vector<std::string> live;
  if (!part_path(path).empty()) {
    live.push_back(path);
  } else {
    const size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const std::string base = path.substr(slash == std::string::npos ? 0 : slash + 1);
    uint32_t pid = 0, image = 0;
    if (DIR* d = ::opendir(folder.c_str())) {
      while (const dirent* entry = ::readdir(d)) {
        if (!parse_live_name(entry->d_name, base, pid, image)) continue;
        live.push_back(slash == std::string::npos ? entry->d_name : folder + entry->d_name);
      }
      ::closedir(d);
    }
    std::sort(live.begin(), live.end());
  }
  if (live.empty()) {
    return Error{Code::kNotFound, path +
                                      ": no unfinished recordings of this name.\n  Expected "
                                      "files like " +
                                      path + ".PID.0.live"};
  }
  LaunchReport report;
  for (const std::string& file : live) {
    Result<RecordedProcess> p = finish_one(file, report.notes);
    if (p.ok()) {
      report.processes.push_back(p.value());
    } else if (live.size() == 1) {
      return p.error();
    } else {
      report.notes.push_back(p.error().message);
    }
  }
  return report;
}

}  // namespace ullage::launch
