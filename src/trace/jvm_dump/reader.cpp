// SPDX-License-Identifier: Apache-2.0
#include "trace/jvm_dump/reader.h"

#include <algorithm>
#include <string>
#include <utility>

#include "trace/jvm_dump/exceptions.h"
#include "trace/jvm_dump/frames.h"
#include "trace/jvm_dump/histogram.h"
#include "trace/jvm_dump/hs_err.h"
#include "trace/jvm_dump/threads.h"
#include "trace/jvm_gc/scan.h"

namespace ullage::trace {
namespace {

using namespace jvm;  // NOLINT(google-build-using-namespace)

constexpr std::size_t kChunkBytes = 8 << 20;

enum class Kind { kNone, kHistogram, kThreads, kCrash, kExceptions };

Kind kind_of_line(std::string_view line) {
  if (is_histogram_header(line)) return Kind::kHistogram;
  if (line.starts_with("Full thread dump ")) return Kind::kThreads;
  if (is_hs_err_line(line)) return Kind::kCrash;
  evidence::Frame frame;
  const bool trace = line.find("java.lang.StackOverflowError") != std::string_view::npos ||
                     line.find("java.lang.OutOfMemoryError") != std::string_view::npos ||
                     (line.starts_with("\tat ") && parse_java_frame(line, frame));
  return trace ? Kind::kExceptions : Kind::kNone;
}

// "28608:" and "2026-11-27 21:10:33": what jcmd and the JVM write above a dump.
bool is_stamp(std::string_view line) {
  std::int64_t wall = 0;
  std::uint64_t pid = 0;
  std::string_view rest = line;
  if (eat_wall_time(rest, wall)) return rest.empty();
  return eat_integer(rest, pid) && rest == ":";
}

const char* format_of(Kind kind) {
  switch (kind) {
    case Kind::kHistogram:
      return "JVM class histogram";
    case Kind::kThreads:
      return "JVM thread dump";
    case Kind::kCrash:
      return "JVM crash report (hs_err)";
    default:
      return "Java program output";
  }
}

}  // namespace

bool sniff_jvm_dump(std::span<const std::uint8_t> first_bytes) {
  std::string_view text{reinterpret_cast<const char*>(first_bytes.data()), first_bytes.size()};
  if (text.find('\0') != std::string_view::npos) return false;
  while (!text.empty()) {
    if (kind_of_line(next_line(text)) != Kind::kNone) return true;
  }
  return false;
}

Result<evidence::Evidence> read_jvm_dump(const Input& input, const ReadOptions& options) {
  evidence::Evidence evidence;
  evidence::Incident& incident = evidence.incident;
  HistogramParser histogram(incident);
  ThreadDumpParser threads(incident);
  HsErrParser crash(incident);
  ExceptionScanner exceptions(incident);
  evidence::Artefact artefact;
  Kind kind = Kind::kNone;
  std::string_view text = input.text();
  std::uint64_t number = 0;
  std::size_t told = 0;
  while (!text.empty()) {
    const std::string_view line = next_line(text);
    ++number;
    if (kind == Kind::kNone) kind = kind_of_line(line);
    // A crash report is one whole: its text has stacks of other forms in it.
    const bool known = crash.any() ? crash.feed(line, number)
                                   : histogram.feed(line) || exceptions.feed(line, number) ||
                                         crash.feed(line, number) || threads.feed(line, number) ||
                                         is_stamp(line);
    ++artefact.records;
    artefact.records_unknown += known || trimmed(line).empty() ? 0 : 1;
    const std::size_t at = input.text().size() - text.size();
    if (at - told >= kChunkBytes) {
      input.drop(told, at - told);
      told = at;
      if (options.progress) {
        options.progress(static_cast<double>(at) / static_cast<double>(input.text().size()));
      }
    }
  }
  exceptions.finish();
  threads.finish();
  crash.finish();
  if (kind == Kind::kNone) {
    return Error{Code::kInvalid,
                 input.name() +
                     ": holds no class histogram, thread dump, crash report or stack overflow of "
                     "a JVM.\n  Expected the output of: jcmd PID GC.class_histogram (or jmap "
                     "-histo), jcmd PID Thread.print (or jstack), or a file hs_err_pidN.log."};
  }
  std::sort(incident.goroutines.begin(), incident.goroutines.end(),
            [](const auto& a, const auto& b) {
              return a.snapshot != b.snapshot ? a.snapshot < b.snapshot : a.count > b.count;
            });
  std::stable_sort(incident.waits.begin(), incident.waits.end(),
                   [](const auto& a, const auto& b) { return a.count > b.count; });
  incident.facts.runtime = evidence::Runtime::kJvm;
  artefact.name = input.name();
  artefact.format = format_of(kind);
  if (!incident.facts.version.empty()) artefact.version = "JDK " + incident.facts.version;
  artefact.bytes = input.bytes().size();
  artefact.unit = "lines";
  artefact.cut = !input.text().empty() && input.text().back() != '\n';
  incident.artefacts.push_back(std::move(artefact));
  if (options.progress) options.progress(1.0);
  return evidence;
}

}  // namespace ullage::trace
