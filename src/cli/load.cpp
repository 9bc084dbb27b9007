// SPDX-License-Identifier: Apache-2.0
#include "cli/load.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>

#include "base/terminal.h"
#include "base/text.h"
#include "record/layout.h"
#include "trace/readers.h"

namespace ullage::cli {

namespace {

// Columns of the bar that shows how far reading is.
constexpr int kBarColumns = 24;

// One line on standard error that replaces itself and leaves nothing behind.
class ProgressLine {
 public:
  explicit ProgressLine(const std::string& path) : name_(shorten(clean_utf8(path), 40)) {}
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() {
    if (shown_ >= 0) std::cerr << "\r\033[K" << std::flush;
  }
  void show(double fraction) {
    const int percent = static_cast<int>(fraction * 100);
    if (percent == shown_) return;
    shown_ = percent;
    const int full = kBarColumns * percent / 100;
    std::cerr << "\r\033[Kreading " << name_ << " ["
              << std::string(static_cast<std::size_t>(full), '=')
              << std::string(static_cast<std::size_t>(kBarColumns - full), ' ') << "] " << percent
              << " %" << std::flush;
  }

 private:
  std::string name_;
  int shown_ = -1;
};

Error cannot_read(const std::string& path, const std::string& why) {
  return {Code::kIo, path + ": can't be read: " + why + "."};
}

}  // namespace

void Loader::describe(Command& command) {
  command
      .option("--debug-dir", "FOLDER",
              "Look for separate debug files here before /usr/lib/debug. May be repeated.",
              debug_dirs_)
      .completes = Completes::kFolders;
  command.flag("--debuginfod", "Ask the servers in DEBUGINFOD_URLS for what is missing.",
               debuginfod_);
  command.flag("--no-progress", "No progress line on standard error.", no_progress_);
}

Result<evidence::Evidence> Loader::load(const std::string& path) const {
  trace::ReadOptions options;
  options.debuginfod = debuginfod_;
  options.debug_dirs = debug_dirs_;
  ProgressLine line(path);
  if (!no_progress_ && is_terminal(STDERR_FILENO)) {
    options.progress = [&line](double fraction) { line.show(fraction); };
  }
  return trace::read(path, options);
}

Result<std::string> read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return cannot_read(path, std::strerror(errno));
  std::string text;
  std::array<char, 1 << 16> part;
  while (file.read(part.data(), part.size()) || file.gcount() > 0) {
    text.append(part.data(), static_cast<std::size_t>(file.gcount()));
    if (text.size() > kTextBytesMax) {
      return cannot_read(path, "it is larger than 256 MiB, which no report of ours is");
    }
  }
  if (file.bad()) return cannot_read(path, std::strerror(errno));
  return text;
}

bool is_recording(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::array<char, sizeof record::kFileMagic> magic{};
  file.read(magic.data(), magic.size());
  return file && std::memcmp(magic.data(), record::kFileMagic, magic.size()) == 0;
}

}  // namespace ullage::cli
