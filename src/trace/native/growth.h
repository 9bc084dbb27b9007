// SPDX-License-Identifier: Apache-2.0
#pragma once

// Growth: the chains that the rules found, summed per place in the program.
//
// The rules (linker.h, series.h) tell of links; a chain lives as long as its last block and is then
// folded into its site. docs/growth-chains.md says what the words mean.
//
// Memory       one Chain per live block that has grown, one GrowthPlace per place
//              (StackTable::place of the growth function's frame). Nothing per link, except the
//              kWorstLinks longest.
// Threads      One at a time.

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "evidence/evidence.h"
#include "trace/native/clock.h"
#include "trace/native/growth_element.h"
#include "trace/native/histogram.h"
#include "trace/native/live_table.h"
#include "trace/native/stacks.h"

namespace ullage::trace {

enum class LinkKind : std::uint8_t { kCopy, kRealloc, kSeries };

struct Link {
  LinkKind kind = LinkKind::kCopy;
  bool moved = true;     // the old bytes were copied; false: grew in place, or pages moved
  bool checked = false;  // the agent compared contents ...
  bool content = false;  // ... and they were equal
  std::uint32_t tid = 0;
  std::uint32_t node = 0;  // context that ends in the growth function
  std::uint64_t function = 0;
  std::uint32_t old_stack = 0, new_stack = 0;
  std::uint64_t old_size = 0, new_size = 0;
  std::uint64_t start = 0, end = 0;  // steps: the new block is there, the old one is gone
};

struct Chain {
  std::uint64_t function = 0;
  std::uint32_t place = 0;  // of the last link
  std::uint32_t links = 0, moved = 0, same_stack = 0, checked = 0, content = 0, reallocs = 0;
  std::uint32_t series = 0;
  // Links that repeat the step of the one before; runs of such, each begun by one link more.
  std::uint32_t repeats = 0, runs = 0;
  bool in_run = false;
  std::uint64_t copied = 0, stall = 0, stall_max = 0, spread_max = 0;
  std::uint64_t stall_credible = 0, stall_credible_max = 0;  // each link: evidence::copying_ns_max
  std::uint64_t first_size = 0, last_old_size = 0, gcd = 0, step = 0;
  std::uint64_t first_time = 0, last_time = 0;
};

// Keeps the candidate that most of the votes are for (Boyer and Moore, 1981: exact when one has
// more than half of them).
template <class T>
struct Majority {
  T value{};
  std::uint64_t votes = 0;
  void vote(const T& v, std::uint64_t weight = 1) {
    if (v == value) {
      votes += weight;
    } else if (votes < weight) {
      value = v;
      votes = weight - votes;
    } else {
      votes -= weight;
    }
  }
};

// Different sizes kept exactly per place; beyond it quantiles may be 1/8 high (Histogram).
inline constexpr std::size_t kFinalSizesExact = 1024;
// Threads named per site.
inline constexpr std::size_t kSiteThreads = 8;

struct GrowthPlace {
  Majority<std::uint32_t> node, new_stack;
  std::uint64_t function = 0;
  std::uint64_t chains = 0, chains_alive = 0, strong_chains = 0, presized_chains = 0;
  std::uint64_t strong_links = 0, strong_copied = 0;  // of the strong chains
  std::uint64_t links = 0, moved = 0, same_stack = 0, checked = 0, content = 0, reallocs = 0;
  std::uint64_t series = 0, series_misfits = 0, repeats = 0, runs = 0, downs = 0;
  Majority<std::uint64_t> step;
  std::uint64_t copied = 0, stall = 0, stall_max = 0, spread_max = 0;
  std::uint64_t stall_credible = 0, stall_credible_max = 0;
  std::uint64_t overlap_max = 0, overlap_at_peak = 0, peak_time = 0;
  std::uint64_t gcd = 0;  // of all sizes; `divisors` knows what most agree on
  std::uint64_t first_time = UINT64_MAX, last_time = 0;
  std::uint64_t slack_blocks = 0, slack_painted = 0, slack_unused = 0;
  Histogram first{kFinalSizesExact}, final{kFinalSizesExact};
  Histogram factor{256};               // new/old in thousandths
  Histogram divisors{kDivisorsExact};  // Chain::gcd, once per link
  evidence::Series copied_series{};
  std::vector<std::uint32_t> threads;
};

class Growth {
 public:
  Growth(const StackTable& stacks, const Clock& clock) : stacks_(stacks), clock_(clock) {}

  // Adds a growth to `chain`, or to a new chain when it has none, or when another function grew it
  // until now and nothing proves that it is the same container; the chain that the new block is in.
  // `slice` and `peak_time` are of the moment of the link.
  std::uint32_t link(const Link& link, std::uint32_t chain, std::size_t slice,
                     std::uint64_t peak_time);
  // The last block of a chain is gone, or the recording ends with it alive.
  void end(std::uint32_t chain, std::uint64_t final_size, bool alive);
  // A block went while a newer one from the same stack, not larger, was there.
  void down(std::uint32_t stack);
  // The series rule saw a block go whose younger mates do not continue it.
  void series_misfit(std::uint32_t stack);
  // The function that grows a chain, if its next block after `last_size` bytes would have `size`
  // bytes: it grew twice at least, and by the same factor the last time. 0: no.
  std::uint64_t continues(std::uint32_t chain, std::uint64_t last_size, std::uint64_t size) const;
  // Where the last link of a chain is counted: an index into places().
  std::uint32_t place(std::uint32_t chain) const { return chains_[chain].place; }
  // The last block of a container went with `unused` bytes never written.
  void slack(std::uint32_t chain, std::uint32_t stack, std::uint64_t size, std::uint64_t unused);
  // After the last event: settles what was counted per stack.
  void finish();

  const std::vector<GrowthPlace>& places() const { return places_; }
  // Longest first after finish(); `site` is an index into places().
  const std::vector<evidence::GrowthLink>& worst() const { return worst_; }
  std::size_t live_chains() const { return chains_.size() - free_chains_.size(); }

 private:
  std::uint32_t place_of(const Link& link);
  void keep_worst(const Link& link, std::uint32_t place, std::uint64_t copied,
                  std::uint64_t stalled);

  const StackTable& stacks_;
  Clock clock_;
  std::vector<Chain> chains_;
  std::vector<std::uint32_t> free_chains_;
  std::vector<GrowthPlace> places_;
  std::unordered_map<std::uint64_t, std::uint32_t> place_index_;
  struct Recent {
    std::uint32_t node = UINT32_MAX, place = 0;  // no such node: the entry is empty
    std::uint64_t function = 0;
  };
  std::vector<Recent> recent_ = std::vector<Recent>(1024);
  struct PerStack {
    std::uint32_t place = UINT32_MAX;  // that a block from here last grew at
    std::uint32_t downs = 0, series_misfits = 0;
  };
  PerStack& per_stack(std::uint32_t stack);
  std::vector<PerStack> per_stack_;
  std::vector<evidence::GrowthLink> worst_;  // a heap, shortest on top; times in steps
};

}  // namespace ullage::trace
