// SPDX-License-Identifier: Apache-2.0
#include "launch/incident/folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/text.h"

namespace ullage::launch {
namespace {

namespace fs = std::filesystem;

// One line of the manifest holds one thing, whatever its text was.
std::string one_line(const std::string& text) {
  std::string line = clean_utf8(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

}  // namespace

Result<IncidentFolder> IncidentFolder::create(const std::string& path) {
  std::error_code error;
  const std::string absolute = fs::absolute(path, error).lexically_normal().string();
  if (::mkdir(absolute.c_str(), 0700) != 0) {
    const bool there = errno == EEXIST && fs::is_directory(absolute, error);
    if (!there || !fs::is_empty(absolute, error)) {
      const std::string why = there ? "is not empty" : strerror(errno);
      return Error{Code::kIo, path + ": can't become the incident's folder: " + why +
                                  ".\n  Give another name with --output."};
    }
  }
  return IncidentFolder(absolute);
}

IncidentFolder::IncidentFolder(IncidentFolder&& other) noexcept
    : path_(std::move(other.path_)),
      facts_(std::move(other.facts_)),
      collected_(std::move(other.collected_)),
      marks_(std::move(other.marks_)),
      rss_distance_ns_(other.rss_distance_ns_) {}

void IncidentFolder::fact(const std::string& name, const std::string& value) {
  const std::lock_guard lock(mutex_);
  facts_.emplace_back(name, value);
}

void IncidentFolder::add(Collected collected) {
  const std::lock_guard lock(mutex_);
  const auto known = std::find_if(collected_.begin(), collected_.end(),
                                  [&](const Collected& c) { return c.name == collected.name; });
  if (known == collected_.end()) {
    collected_.push_back(std::move(collected));
  } else {
    *known = std::move(collected);
  }
}

void IncidentFolder::rss(std::int64_t at_ns, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  marks_.emplace_back(at_ns, bytes);
  if (marks_.size() < kRssMarksMax) return;
  for (std::size_t i = 0; i < marks_.size() / 2; ++i) marks_[i] = marks_[2 * i];
  marks_.resize(marks_.size() / 2);
  rss_distance_ns_ *= 2;
}

std::vector<Collected> IncidentFolder::collected() const {
  const std::lock_guard lock(mutex_);
  return collected_;
}

Result<void> IncidentFolder::close() {
  std::error_code error;
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path_, error)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    const std::vector<Collected> known = collected();
    if (std::none_of(known.begin(), known.end(), [&](const auto& c) { return c.name == name; })) {
      add({name, name.starts_with("gc.") ? "log of the collector and of safepoints" : "", 0, {}});
    }
  }
  std::ofstream out(file(kManifestName));
  out << "ullage incident 1\n";
  for (const auto& [name, value] : facts_) out << name << ' ' << one_line(value) << '\n';
  for (Collected& one : collected_) {
    const auto bytes = fs::file_size(file(one.name), error);
    one.bytes = error ? 0 : bytes;
    if (one.bytes > 0) out << "have " << one.name << ' ' << one.bytes << ' ' << one.what << '\n';
    if (!one.problem.empty()) out << "lack " << one.name << ' ' << one_line(one.problem) << '\n';
  }
  for (const auto& [at_ns, bytes] : marks_) out << "rss " << at_ns << ' ' << bytes << '\n';
  out.close();
  if (!out) {
    return Error{Code::kIo, file(kManifestName) + ": can't be written: " + strerror(errno) +
                                ".\n  What was collected is there all the same."};
  }
  return {};
}

}  // namespace ullage::launch
