// SPDX-License-Identifier: Apache-2.0
#pragma once

// Collector: finds the live files of one run as processes create them, follows each with a
// LiveArchiver, and gives each archive its name when its process has ended.

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "launch/launch.h"
#include "launch/live_archiver.h"
#include "launch/process.h"

namespace ullage::launch {

// Marks that one poll takes at most; with more processes the rest wait for the next poll.
inline constexpr size_t kMarksPerPollMax = 32;

struct Naming {
  std::string prefix;  // live files are PREFIX.PID.IMAGE.live
  std::string folder;  // of prefix
  std::string stem;    // archives are STEM.ulg, STEM.PID.ulg, STEM.PID-IMAGE.ulg; a full path
  std::string output;  // of the root's last image: a full path
};

// PID and IMAGE of a file name that begins with `base` and a dot and ends in ".live".
bool parse_live_name(const std::string& name, const std::string& base, uint32_t& pid,
                     uint32_t& image);

class Collector {
 public:
  Collector(Naming naming, record::ArchiveOptions options);

  void set_root(uint32_t pid) { root_pid_ = pid; }
  void root_left_by_itself() { root_left_ = true; }  // no signal ended it
  void set_output(const std::string& output, const std::string& stem);

  // Finds new files, archives full segments, takes marks. Completes processes that have ended, all
  // images of one (exec) together, except the root's last: it gets the name of the output, and
  // which one is last is known at its end.
  void poll(bool take_marks);
  bool any_running();
  // The root has ended: completes it and all others that have. The rest is left to itself.
  void finish();

  // After finish(): processes that still run and have not asked for memory since they were forked.
  size_t silent() const;

  Progress progress() const;
  std::vector<RecordedProcess> take_processes() { return std::move(done_); }
  std::vector<std::string> take_problems() { return std::move(problems_); }
  // Most anonymous memory that the root's last image was seen with.
  uint64_t root_anonymous_bytes() const { return root_anonymous_bytes_; }

 private:
  struct Follow {
    std::unique_ptr<LiveArchiver> file;
    ProcessWatch watch;
  };

  void discover();
  bool superseded(const LiveArchiver& file) const;
  bool ended(const Follow& follow) const;
  void complete(LiveArchiver& file);
  std::string final_path(const LiveArchiver& file);
  std::string run() const;  // as in the marks of live files (live_mappers.h)

  Naming naming_;
  record::ArchiveOptions options_;
  uint32_t root_pid_ = 0;
  bool root_left_ = false;
  int64_t folder_seen_ns_ = -1;  // mtime of the folder when it was last listed
  std::set<std::string> known_;
  std::set<std::string> waiting_;  // seen, but not yet (or not at all) live files
  std::vector<Follow> follows_;
  std::map<uint32_t, uint32_t> newest_image_;  // by pid
  std::set<std::string> given_;                // names of finished archives
  std::vector<RecordedProcess> done_;
  std::vector<std::string> problems_;
  size_t mark_from_ = 0;
  uint64_t root_anonymous_bytes_ = 0;
};

}  // namespace ullage::launch
