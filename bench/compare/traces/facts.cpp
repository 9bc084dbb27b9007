// SPDX-License-Identifier: Apache-2.0
//
// Reads a Go execution trace and prints what was found, a fact a line, for bench/compare/traces and
// tests/go_trace.py:
//
//   facts [--threads N] [--verify] [--quiet] FILE
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#include "trace/go_trace/reader.h"

namespace {

void print(const ullage::evidence::Incident& incident) {
  for (const auto& [name, count] : incident.event_counts) {
    std::printf("count %s %llu\n", name.c_str(), static_cast<unsigned long long>(count));
  }
  for (const auto& pause : incident.pauses) {
    std::printf("pause %lld %llu %s\n", static_cast<long long>(pause.start_ns),
                static_cast<unsigned long long>(pause.duration_ns), pause.kind.c_str());
  }
  std::printf("assists %llu %llu %llu\n", static_cast<unsigned long long>(incident.assist_count),
              static_cast<unsigned long long>(incident.assist_total_ns),
              static_cast<unsigned long long>(incident.assist_max_ns));
  for (const auto& g : incident.assist_goroutines) {
    std::printf("assist %llu %llu %llu %llu\n", static_cast<unsigned long long>(g.goroutine),
                static_cast<unsigned long long>(g.count),
                static_cast<unsigned long long>(g.total_ns),
                static_cast<unsigned long long>(g.max_ns));
  }
  std::printf("cycles %zu\n", incident.cycles.size());
  for (const auto& artefact : incident.artefacts) {
    std::printf("cut %d\n", artefact.cut ? 1 : 0);
    for (const std::string& note : artefact.notes) std::printf("note %s\n", note.c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  ullage::trace::ReadOptions options;
  options.threads = 1;
  bool quiet = false;
  const char* file = nullptr;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--threads") == 0 && i + 1 < argc) {
      options.threads = static_cast<unsigned>(std::max(std::stoi(argv[++i]), 1));
    } else if (std::strcmp(argv[i], "--verify") == 0) {
      options.verify = true;
    } else if (std::strcmp(argv[i], "--quiet") == 0) {
      quiet = true;
    } else {
      file = argv[i];
    }
  }
  if (file == nullptr) return 2;
  const auto input = ullage::trace::Input::map(file);
  if (!input.ok()) {
    std::fprintf(stderr, "%s\n", input.error().message.c_str());
    return 1;
  }
  const auto evidence = ullage::trace::read_go_trace(*input, options);
  if (!evidence.ok()) {
    std::fprintf(stderr, "%s\n", evidence.error().message.c_str());
    return 1;
  }
  if (!quiet) print(evidence->incident);
  return 0;
}
