// SPDX-License-Identifier: Apache-2.0
#include "cli/load.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>

#include "base/format.h"
#include "base/terminal.h"
#include "base/text.h"
#include "evidence/merge.h"
#include "record/layout.h"
#include "trace/input_open.h"
#include "trace/pprof/recover.h"
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

void Loader::describe_incidents(Command& command) {
  command.flag("--separate",
               "Diagnose every artefact of a Go or JVM program on its own. Default: those given in "
               "one command are one incident.",
               separate_);
  command.flag("--verify",
               "Read Go execution traces in strict order and check every sequence number: slower, "
               "refuses what is broken.",
               verify_);
  command.count_option("--threads",
                       "Threads that read Go execution traces; 0 for as many as there are "
                       "processors. Default: 0.",
                       threads_);
}

namespace {

// Inputs that were left out and are named one by one.
constexpr std::size_t kLeftOutNamed = 8;

std::string folder_of(const std::string& name) {
  return name.substr(0, name.find_last_of("/!") + 1);
}

// What the program itself wrote, kept in an incident folder: its manifest names it, and that it has
// no format is no news.
bool is_output_of_program(const trace::InputReport& report,
                          const std::vector<trace::InputReport>& reports) {
  const std::string folder = folder_of(report.name);
  const std::string name = report.name.substr(folder.size());
  if (name != "stdout.log" && name != "stderr.log") return false;
  return std::any_of(reports.begin(), reports.end(), [&](const trace::InputReport& other) {
    return other.kind == trace::InputReport::Kind::kRead && other.name == folder + "manifest.txt";
  });
}

// What a person should hear of the inputs beside the artefacts' own notes.
std::vector<std::string> notes_of(const std::vector<trace::InputReport>& reports,
                                  std::vector<Error>& failures) {
  using Kind = trace::InputReport::Kind;
  std::vector<std::string> notes;
  std::size_t unnamed = 0;
  for (const trace::InputReport& report : reports) {
    switch (report.kind) {
      case Kind::kFailed:
        failures.push_back({Code::kInvalid, report.message});
        break;
      case Kind::kSame:
        notes.push_back(report.message + ", read once.");
        break;
      case Kind::kEmpty:
      case Kind::kNotRecognised:
        if (is_output_of_program(report, reports)) break;
        if (notes.size() >= kLeftOutNamed) {
          ++unnamed;
        } else {
          notes.push_back(report.name + ": " + trace::to_string(report.kind) + ", left out.");
        }
        break;
      case Kind::kRead:
      case Kind::kBinary:
        break;
    }
  }
  if (unnamed > 0) {
    notes.push_back(format_counted(unnamed, "more file") + " left out: empty or not recognised.");
  }
  return notes;
}

}  // namespace

Result<std::vector<evidence::Evidence>> Loader::load_incidents(
    const std::vector<std::string>& paths, std::vector<Error>& failures) const {
  trace::ReadOptions options;
  options.debuginfod = debuginfod_;
  options.debug_dirs = debug_dirs_;
  options.verify = verify_;
  options.threads = static_cast<unsigned>(threads_);
  std::vector<trace::InputReport> reports;
  Result<std::vector<evidence::Evidence>> parts = [&] {
    ProgressLine line(paths.size() == 1 ? paths.front() : format_counted(paths.size(), "file"));
    if (!no_progress_ && is_terminal(STDERR_FILENO)) {
      options.progress = [&line](double fraction) { line.show(fraction); };
    }
    return trace::read_all(paths, options, &reports);
  }();
  if (!parts.ok()) return parts.error();
  std::vector<evidence::Evidence> whole;
  if (separate_) {
    for (evidence::Evidence& part : parts.value()) {
      std::vector<evidence::Evidence> alone;
      alone.push_back(std::move(part));
      for (evidence::Evidence& one : evidence::merge(std::move(alone))) {
        whole.push_back(std::move(one));
      }
    }
  } else {
    whole = evidence::merge(std::move(parts).value());
  }
  // A CPU profile names the hidden frames of a heap profile of the same build.
  for (evidence::Evidence& one : whole) trace::recover_calls(one.incident, {});
  std::vector<std::string>& notes = whole.front().understood.notes;
  for (std::string& note : notes_of(reports, failures)) notes.push_back(std::move(note));
  return whole;
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
  // A pipe gives its bytes once, and holds no recording.
  std::error_code unknown;
  if (!std::filesystem::is_regular_file(path, unknown)) return false;
  std::ifstream file(path, std::ios::binary);
  std::array<char, sizeof record::kFileMagic> magic{};
  file.read(magic.data(), magic.size());
  return file && std::memcmp(magic.data(), record::kFileMagic, magic.size()) == 0;
}

bool is_artefact(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return true;
  const Result<std::vector<trace::Input>> inputs = trace::open_inputs(path);
  if (!inputs.ok()) return false;
  return std::any_of(inputs->begin(), inputs->end(), [](const trace::Input& input) {
    return trace::recognise(input).kind == trace::InputReport::Kind::kRead;
  });
}

}  // namespace ullage::cli
