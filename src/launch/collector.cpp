// SPDX-License-Identifier: Apache-2.0
#include "launch/collector.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "launch/live_mappers.h"
#include "launch/memory_probe.h"

namespace ullage::launch {
namespace {

// A folder changed this recently may change again within the same tick of its timestamp.
constexpr int64_t kFreshNs = 50'000'000;

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// Decimal digits only, as the agent writes them.
bool digits(const std::string& s, uint32_t& value) {
  if (s.empty() || s.size() > 10 || s.find_first_not_of("0123456789") != std::string::npos) {
    return false;
  }
  value = static_cast<uint32_t>(strtoul(s.c_str(), nullptr, 10));
  return true;
}

}  // namespace

bool parse_live_name(const std::string& name, const std::string& base, uint32_t& pid,
                     uint32_t& image) {
  constexpr size_t kLiveBytes = 5;  // ".live"
  if (name.size() <= base.size() + kLiveBytes || name.compare(0, base.size(), base) != 0 ||
      name[base.size()] != '.' ||
      name.compare(name.size() - kLiveBytes, kLiveBytes, ".live") != 0) {
    return false;
  }
  const std::string middle =
      name.substr(base.size() + 1, name.size() - kLiveBytes - base.size() - 1);
  const size_t dot = middle.find('.');
  return dot != std::string::npos && digits(middle.substr(0, dot), pid) &&
         digits(middle.substr(dot + 1), image);
}

Collector::Collector(Naming naming, record::ArchiveOptions options)
    : naming_(std::move(naming)), options_(options) {}

void Collector::set_output(const std::string& output, const std::string& stem) {
  naming_.output = output;
  naming_.stem = stem;
}

// Lists the folder only when it changed: it may be a large one.
void Collector::discover() {
  struct stat st {};
  if (::stat(naming_.folder.c_str(), &st) != 0) return;
  const int64_t changed = int64_t{st.st_mtim.tv_sec} * 1'000'000'000 + st.st_mtim.tv_nsec;
  if (changed != folder_seen_ns_) {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t now_ns = int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
    DIR* folder = ::opendir(naming_.folder.c_str());
    if (folder == nullptr) return;
    const std::string base = base_name(naming_.prefix);
    uint32_t pid = 0, image = 0;
    while (const dirent* entry = ::readdir(folder)) {
      if (!parse_live_name(entry->d_name, base, pid, image)) continue;
      const std::string path = naming_.folder + "/" + entry->d_name;
      if (known_.count(path) == 0) waiting_.insert(path);
    }
    ::closedir(folder);
    folder_seen_ns_ = now_ns - changed > kFreshNs ? changed : -1;
  }
  std::string error;
  for (auto path = waiting_.begin(); path != waiting_.end() && follows_.size() < kLiveFilesMax;) {
    auto file = LiveArchiver::open(*path, options_, error);
    if (file == nullptr) {
      ++path;
      continue;
    }
    ProcessWatch watch(file->pid());
    // In a pid namespace of its own it goes by a number that may be another process's here.
    if (file->pid() != root_pid_ && counts_elsewhere(file->read_header().pid_namespace)) {
      watch = ProcessWatch();
    }
    uint32_t& newest = newest_image_[file->pid()];
    newest = std::max(newest, file->image());
    follows_.push_back({std::move(file), std::move(watch)});
    known_.insert(*path);
    path = waiting_.erase(path);
  }
}

// Whether the same process already runs another program.
bool Collector::superseded(const LiveArchiver& file) const {
  const auto newest = newest_image_.find(file.pid());
  return newest != newest_image_.end() && newest->second > file.image();
}

// A program that its process replaced waits for the process to end: while its live file is there,
// its number is taken, and the agent gives the next program the next one. Names would be handed out
// again otherwise, and the newest could not be told from the first.
bool Collector::ended(const Follow& follow) const {
  switch (follow.watch.look()) {
    case ProcessWatch::Now::kRunning:
      return false;
    case ProcessWatch::Now::kEnded:
      return true;
    case ProcessWatch::Now::kNeverSeen:
      break;
  }
  // It may live in another pid namespace: believe only what the agent itself said. The others are
  // completed in the end.
  return follow.file->read_header().state == static_cast<uint32_t>(record::State::kEnded);
}

std::string Collector::final_path(const LiveArchiver& file) {
  if (file.pid() == root_pid_ && !superseded(file)) return naming_.output;
  const std::string name = naming_.stem + "." + std::to_string(file.pid()) +
                           (file.image() == 0 ? "" : "-" + std::to_string(file.image()));
  // A long run may see a pid twice.
  std::string path = name + ".ulg";
  for (int again = 2; given_.count(path) != 0; ++again) {
    path = name + "." + std::to_string(again) + ".ulg";
  }
  given_.insert(path);
  return path;
}

void Collector::complete(LiveArchiver& file) {
  std::string problem;
  if (file.pid() == root_pid_ && root_left_ && !superseded(file)) file.left_by_itself();
  RecordedProcess p = file.complete(final_path(file), problem);
  if (!problem.empty()) problems_.push_back(problem);
  p.root = file.pid() == root_pid_;
  if (p.root) root_anonymous_bytes_ = file.anonymous_peak_bytes();
  done_.push_back(std::move(p));
  // The kernel may give the pid, and with it the name, to a new process.
  if (!superseded(file)) newest_image_.erase(file.pid());
  if (::access(file.live_path().c_str(), F_OK) != 0) known_.erase(file.live_path());
}

void Collector::poll(bool take_marks) {
  discover();
  for (Follow& f : follows_) f.file->poll();
  if (take_marks && !follows_.empty()) {
    const uint32_t pressure = memory_pressure();
    const size_t count = std::min(follows_.size(), kMarksPerPollMax);
    for (size_t i = 0; i < count; ++i) {
      Follow& f = follows_[(mark_from_ + i) % follows_.size()];
      MemorySample sample;
      if (f.watch.look() == ProcessWatch::Now::kRunning && !superseded(*f.file) &&
          probe_memory(f.file->pid(), f.file->use_tsc(), pressure, sample)) {
        f.file->mark(sample);
      }
    }
    mark_from_ += count;
  }
  std::vector<Follow> rest;
  for (Follow& f : follows_) {
    const bool roots_last = f.file->pid() == root_pid_ && !superseded(*f.file);
    if (roots_last || !ended(f)) {
      rest.push_back(std::move(f));
    } else {
      complete(*f.file);
    }
  }
  follows_.swap(rest);
}

bool Collector::any_running() {
  return std::any_of(follows_.begin(), follows_.end(),
                     [](const Follow& f) { return f.watch.look() == ProcessWatch::Now::kRunning; });
}

void Collector::finish() {
  folder_seen_ns_ = -1;
  LiveMappers mappers;
  for (bool looked = false;;) {
    poll(false);
    if (follows_.empty()) break;
    // Older images first, while it is known that a newer one exists.
    std::sort(follows_.begin(), follows_.end(),
              [](const Follow& a, const Follow& b) { return a.file->image() < b.file->image(); });
    if (!looked && std::any_of(follows_.begin(), follows_.end(), [](const Follow& f) {
          return f.watch.look() == ProcessWatch::Now::kNeverSeen;
        })) {
      mappers = live_mappers(run());
      looked = true;
    }
    for (Follow& f : follows_) {
      const ProcessWatch::Now now = f.watch.look();
      const bool goes_on = f.file->pid() != root_pid_ &&
                           (now == ProcessWatch::Now::kRunning ||
                            (now == ProcessWatch::Now::kNeverSeen &&
                             mappers.written.count(live_mark(f.file->live_path())) != 0));
      if (goes_on && !superseded(*f.file)) {
        done_.push_back(f.file->leave());
      } else {
        complete(*f.file);
      }
    }
    follows_.clear();  // and files beyond kLiveFilesMax have their turn
  }
  for (const std::string& path : waiting_) {
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0) continue;
    if (st.st_size == 0) {
      ::unlink(path.c_str());  // its process was killed before it wrote a byte
      continue;
    }
    std::string error;
    if (LiveArchiver::open(path, options_, error) != nullptr) {
      error = path + ": another `ullage record` had it until now, and left it as it is.\n  Next: " +
              "ullage record --finish " + path;
    }
    problems_.push_back(error);
  }
}

std::string Collector::run() const { return naming_.prefix.substr(naming_.prefix.rfind('.') + 1); }

size_t Collector::silent() const {
  const bool forked = std::any_of(done_.begin(), done_.end(),
                                  [](const RecordedProcess& p) { return p.forks != 0; });
  return forked ? live_mappers(run()).silent.size() : 0;
}

Progress Collector::progress() const {
  Progress p;
  p.processes = follows_.size() + done_.size();
  for (const Follow& f : follows_) {
    p.raw_bytes += f.file->raw_bytes();
    p.archive_bytes += f.file->archive_bytes();
  }
  for (const RecordedProcess& d : done_) {
    p.raw_bytes += d.raw_bytes;
    p.archive_bytes += d.archive_bytes;
  }
  return p;
}

}  // namespace ullage::launch
