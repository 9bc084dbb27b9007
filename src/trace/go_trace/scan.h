// SPDX-License-Identifier: Apache-2.0
#pragma once

// The fast scan: a whole trace, generation by generation, in windows of batches that are decoded
// and paired in parallel.
//
// Memory: the pages of one generation, two windows' steps (about 4 MB for each thread), living
// goroutines, and what is found. Finished generations are given back to the kernel.

#include <functional>
#include <memory>
#include <vector>

#include "evidence/incident.h"
#include "trace/go_trace/assists.h"
#include "trace/go_trace/cycles.h"
#include "trace/go_trace/decode.h"
#include "trace/go_trace/pairing.h"
#include "trace/go_trace/pauses.h"
#include "trace/go_trace/samples.h"
#include "trace/go_trace/workers.h"
#include "trace/input.h"

namespace ullage::trace::go {

struct ScanOptions {
  unsigned threads = 1;
  std::function<void(double)> progress;
};

// How much was read, and what was not.
struct ScanReport {
  std::uint64_t generations = 0, events = 0;
  std::uint64_t damaged_batches = 0, bytes_skipped = 0, unmatched = 0, dropped = 0;
  std::string first_damage;  // a sentence
  bool cut = false;
  std::string problem;  // why the bytes after problem_at were not read
  std::size_t problem_at = 0;
  bool without_clock = false;    // nothing told how long a tick is
  bool last_incomplete = false;  // the last generation lacks some of its tables
  std::uint64_t begin_ns = 0, end_ns = 0;
  bool has_wall = false;
  std::int64_t wall_ns_at_begin = 0;
  std::uint64_t ticks_per_second = 0;
};

class Scan {
 public:
  Scan(const Input& input, int version, ScanOptions options);
  ScanReport run(evidence::Incident& incident);

 private:
  struct Thread {
    Running running;
  };
  void scan_generation();
  struct Window {
    std::size_t begin = 0, end = 0;  // of the generation's batches
  };
  Window window_from(std::size_t begin) const;
  void decode_and_pair(const Window& decoded, const Window& paired);
  void pair(const Window& window, std::size_t owner);
  void stitch(const Window& window);
  void resolve(Mark mark, const Running& running);
  void close_spells();
  void sum_up(bool complete);
  void count_structure();
  void damaged(const Batch& batch, const BatchOutput& out);
  void fill(evidence::Incident& incident);

  const Input& input_;
  ScanOptions options_;
  DecodeContext context_;
  Container container_;
  Workers workers_;
  Stacks stacks_;
  Samples samples_;
  Assists assists_;
  Pauses pauses_;
  Cycles cycles_;
  std::vector<std::unique_ptr<Pairing>> owners_;

  Generation generation_;
  Tables tables_;
  std::vector<std::uint64_t> inherited_;   // by batch of the generation
  std::vector<BatchOutput> outputs_;       // by batch of the window that is paired
  std::vector<BatchOutput> next_outputs_;  // and of the one that is decoded meanwhile
  std::vector<Step> stitched_;             // spells that span batches, of this window
  std::unordered_map<std::uint64_t, Thread> threads_;
  std::vector<EventCounts> counts_;  // by worker
  EventCounts structure_{};
  std::uint64_t generation_begin_ns_ = 0, generation_end_ns_ = 0;
  ScanReport report_;
};

}  // namespace ullage::trace::go
