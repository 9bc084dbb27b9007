// SPDX-License-Identifier: Apache-2.0
#pragma once

// IncidentFolder: the directory NAME.incident, and its manifest: what is in it, what is not, and
// why not (docs/formats/incident-manifest.md). `ullage diagnose NAME.incident` reads both.
//
// Threads: all functions may be called by any; the manifest is written by close().

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"

namespace ullage::launch {

// Marks of resident memory kept; of more, every other one is dropped and the distance doubled.
inline constexpr std::size_t kRssMarksMax = 4096;

struct Collected {
  std::string name;  // file name in the folder
  std::string what;  // a sentence for people
  std::uint64_t bytes = 0;
  std::string problem;  // why it is missing or cut short; empty = whole
};

class IncidentFolder {
 public:
  // Makes the directory, readable by its owner only; it may exist when it is empty.
  static Result<IncidentFolder> create(const std::string& path);
  IncidentFolder(IncidentFolder&& other) noexcept;

  const std::string& path() const { return path_; }  // absolute
  std::string file(const std::string& name) const { return path_ + "/" + name; }

  // "program", "command", "runtime", "pid", "started_ns", "ended_ns", "exit"
  void fact(const std::string& name, const std::string& value);
  void add(Collected collected);
  void rss(std::int64_t at_ns, std::uint64_t bytes);  // since the start
  // Time between two marks, which grows with their number.
  std::int64_t rss_distance_ns() const { return rss_distance_ns_; }

  std::vector<Collected> collected() const;
  // Adds the files that others wrote into the folder, and writes the manifest.
  Result<void> close();

 private:
  explicit IncidentFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
  mutable std::mutex mutex_;
  std::vector<std::pair<std::string, std::string>> facts_;
  std::vector<Collected> collected_;
  std::vector<std::pair<std::int64_t, std::uint64_t>> marks_;
  std::int64_t rss_distance_ns_ = 500'000'000;
};

inline constexpr const char* kManifestName = "manifest.txt";

}  // namespace ullage::launch
