// SPDX-License-Identifier: Apache-2.0
#include "trace/incident_manifest/reader.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>

namespace ullage::trace {
namespace {

constexpr std::string_view kMagic = "ullage incident 1\n";
// Longer lines than any of ours are cut.
constexpr std::size_t kLineMax = 4096;

std::string_view take_word(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

// "localhost:6060/debug/pprof" and "http://localhost:6060/" are one server. What could end a quoted
// word of a shell is none.
std::string server_of(std::string_view url) {
  url = url.substr(0, url.find("/debug"));
  while (url.ends_with('/')) url.remove_suffix(1);
  if (url.empty() || url.find_first_of("'\" \\`$<>") != std::string_view::npos) return {};
  const bool scheme = url.find("://") != std::string_view::npos;
  return (scheme ? "" : "http://") + std::string(url);
}

bool number(std::string_view text, std::int64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

class Manifest {
 public:
  Manifest() {
    artefact_.format = "manifest of ullage record";
    artefact_.unit = "lines";
  }

  void line(std::string_view line) {
    ++artefact_.records;
    std::string_view rest = line.substr(0, kLineMax);
    const std::string_view word = take_word(rest);
    if (word == "program") {
      evidence_.incident.facts.program = std::string(rest);
      evidence_.process.program = std::string(rest);
    } else if (word == "command") {
      evidence_.process.command = {std::string(rest)};
    } else if (word == "runtime") {
      if (rest == "Go") evidence_.incident.facts.runtime = evidence::Runtime::kGo;
      if (rest == "JVM") evidence_.incident.facts.runtime = evidence::Runtime::kJvm;
    } else if (word == "started_ns" && number(rest, started_)) {
      artefact_.wall_ns_at_zero = started_;
    } else if (word == "ended_ns" && number(rest, ended_)) {
    } else if (word == "lack") {
      const std::string_view name = take_word(rest);
      artefact_.notes.push_back(std::string(name) +
                                " is missing or cut short: " + std::string(rest) + ".");
    } else if (word == "rss") {
      mark(rest);
    } else if (word == "calls") {
      count(rest);
    } else if (word == "pprof") {
      evidence_.incident.facts.pprof_url = server_of(rest);
    } else if (word != "have" && word != "pid" && word != "exit" && word != "attached_ns") {
      ++artefact_.records_unknown;
    }
  }

  evidence::Evidence finish(const Input& input) {
    artefact_.name = input.name();
    artefact_.bytes = input.bytes().size();
    if (started_ > 0) {
      artefact_.has_times = true;
      artefact_.zero_is_process_start = true;
      artefact_.tick_ns = 1'000'000;  // the start is that of the child, not of its runtime
      artefact_.last_ns = ended_ > started_ ? ended_ - started_ : 0;
    }
    evidence_.process.format = artefact_.format;
    evidence_.process.source = input.name();
    evidence_.understood.bytes_total = evidence_.understood.bytes_used = artefact_.bytes;
    evidence_.incident.artefacts.push_back(std::move(artefact_));
    return std::move(evidence_);
  }

 private:
  // "runtime.growslice 12345", of the functions that are known to be growth.
  void count(std::string_view rest) {
    const std::string_view function = take_word(rest);
    std::int64_t calls = 0;
    const auto& all = evidence::growth_functions();
    const bool known =
        std::any_of(all.begin(), all.end(), [&](const auto& one) { return one.name == function; });
    if (!known || !number(rest, calls) || calls < 0) {
      ++artefact_.records_unknown;
      return;
    }
    std::vector<evidence::Metric>& metrics = evidence_.incident.metrics;
    if (metrics.size() >= all.size()) return;
    metrics.push_back(
        {evidence::kGrowthCountPrefix + std::string(function), static_cast<double>(calls), 0, 0});
  }

  void mark(std::string_view rest) {
    std::int64_t at = 0, bytes = 0;
    if (!number(take_word(rest), at) || !number(rest, bytes) || at < 0 || bytes < 0) {
      ++artefact_.records_unknown;
      return;
    }
    if (evidence_.marks.size() >= kManifestMarksMax) return;
    evidence::MemoryMark mark;
    mark.at_ns = static_cast<std::uint64_t>(at);
    mark.rss_bytes = static_cast<std::uint64_t>(bytes);
    evidence_.process.rss_peak_bytes = std::max(evidence_.process.rss_peak_bytes, mark.rss_bytes);
    evidence_.marks.push_back(mark);
  }

  evidence::Evidence evidence_;
  evidence::Artefact artefact_;
  std::int64_t started_ = 0, ended_ = 0;
};

}  // namespace

bool sniff_manifest(std::span<const std::uint8_t> first_bytes) {
  const std::string_view text(reinterpret_cast<const char*>(first_bytes.data()),
                              first_bytes.size());
  return text.starts_with(kMagic);
}

Result<evidence::Evidence> read_manifest(const Input& input, const ReadOptions& /*options*/) {
  Manifest manifest;
  std::string_view text = input.text();
  text.remove_prefix(std::min(kMagic.size(), text.size()));
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) manifest.line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return manifest.finish(input);
}

}  // namespace ullage::trace
