// SPDX-License-Identifier: Apache-2.0
#pragma once

// Evidence: the facts of one incident, whatever they came from. Readers fill it, detectors judge
// it, reports show it; a detector never sees a file format.
//
// Times are nanoseconds since the start of the process they belong to; sizes are bytes as
// requested. Plain data: copyable, no invariants beyond those written here, no thread-safety.

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "evidence/frame.h"
#include "evidence/incident.h"

namespace ullage::evidence {

// Slices of a process's life in every series below. 64 gives four quarters of 16 for trends.
inline constexpr std::size_t kSlices = 64;
using Series = std::array<std::uint64_t, kSlices>;

struct SizeSummary {
  std::uint64_t count = 0, min = 0, p50 = 0, p95 = 0, max = 0;
};

// What kind of proof says that old and new blocks are one container (docs/growth-chains.md).
enum class Verdict {
  kReported,   // the container said so itself (<ullage/recording.h>)
  kRealloc,    // the program said so: realloc
  kContent,    // at least half of the links copied equal bytes
  kStructure,  // the same stack allocates ever larger and frees the smaller
  kSeries,     // the old one is freed much later: incremental rehash
  kMixed,      // structure is weak, but the function is a known growth function
  kReplace,    // suppressed: blocks also get smaller; a buffer being replaced
  kWeak,       // suppressed: single links, different stacks, no content
};
const char* to_string(Verdict verdict);
// Verdicts on which findings may stand.
bool strong(Verdict verdict);

enum class GrowthLaw { kGeometric, kArithmetic, kOneShot, kIrregular };
const char* to_string(GrowthLaw law);

// All growth of one place in the program: one growth function called from one user function.
struct GrowthSite {
  Frame growth;  // the function that allocates the new block and frees the old
  Frame user;    // first frame outside container and allocator code; = growth when there is none
  Stack stack;   // the most frequent full stack, from the growth frame outwards
  std::string container;  // "std::vector<Order>"; empty = unknown
  // "vector" "string" "hash table" "deque map" "realloc buffer" ...; "buffer" = unknown
  std::string container_kind;
  // how to pre-size it, with {N} for elements: "v.reserve({N})"; empty = none known
  std::string reserve_hint;
  // Name of the container site (ContainerSite) whose growth this is; empty = none told of it.
  std::string container_site;
  Verdict verdict = Verdict::kWeak;
  GrowthLaw law = GrowthLaw::kIrregular;
  // growth (or one of the 2 frames around it) is a known growth function
  bool named_growth = false;
  // Where it is not: the growth function that its machine code holds or calls. For naming only: no
  // verdict rests on it.
  std::string growth_in_code;
  double factor = 0;  // median of new/old over links

  std::uint64_t chains = 0;  // containers seen here that grew at least once
  std::uint64_t chains_alive = 0;
  std::uint64_t links = 0;        // growths
  std::uint64_t moved_links = 0;  // growths that copied
  // realloc that grew where it was, or moved pages without copying
  std::uint64_t in_place_links = 0;
  std::uint64_t checked_links = 0;  // growths whose contents the agent compared ...
  std::uint64_t content_links = 0;  // ... and found equal
  std::uint64_t same_stack_links = 0;
  std::uint64_t shrinks = 0;           // "down": replacements by something not larger, same stack
  std::uint64_t arithmetic_links = 0;  // growths by the same step as one next to them
  std::uint64_t arithmetic_step_bytes = 0;
  std::uint64_t copied_bytes = 0;
  // new block obtained -> old block freed; realloc: time in the call. As measured, and with each
  // growth bounded by copying_ns_max(its old block): what findings are ranked by.
  std::uint64_t stall_ns_total = 0, stall_ns_max = 0;
  std::uint64_t credible_stall_ns_total = 0, credible_stall_ns_max = 0;
  std::uint64_t spread_ns_max = 0;  // series: longest that old and new table were alive together
  std::uint64_t overlap_bytes_max = 0;      // largest old block alive together with its successor
  std::uint64_t overlap_bytes_at_peak = 0;  // old blocks of this site alive at the process's peak
  SizeSummary first;                        // size of the first block of each chain
  SizeSummary final;  // size of the last block of each chain (alive ones: so far)
  std::uint64_t size_gcd = 0;
  std::uint64_t element_bytes = 0;  // sizeof the element; 0 = unknown
  std::string element_type;
  std::string element_source;  // "dwarf", "gcd" or empty

  // Capacity missed by a little: containers whose first block was meant to be the last.
  std::uint64_t presized_chains = 0;  // first block >= 1 KiB, then exactly one growth
  // Slack (record --slack): capacity never written.
  std::uint64_t slack_blocks = 0, slack_painted_bytes = 0, slack_unused_bytes = 0;

  std::uint64_t first_ns = 0, last_ns = 0;  // when its first and last growth happened
  Series copied_series{};                   // bytes copied per slice
  std::vector<std::uint32_t> threads;       // up to 8 thread ids that grew it
};

// What containers of the library told of one of their sites. Growth that went through the
// allocator, or moved elements without it, is in growth_sites as well, with the name of the site.
struct ContainerSite {
  std::string name;  // empty: containers without a site
  std::string type;  // "vector", "hash_map", ...; empty = none of them grew
  Frame where;       // the user's line that most growths came from (or most denials)
  Stack stack;
  std::uint64_t growths = 0;  // first memory not counted
  std::uint64_t moving_growths = 0, moved_elements = 0, moved_bytes = 0;
  std::uint64_t stall_ns_total = 0, stall_ns_max = 0;
  std::uint64_t denied = 0, degraded = 0, poor_hash = 0, retained = 0, exhausted = 0;
  std::uint64_t capacity_max = 0;  // elements
  std::uint64_t bytes_max = 0;
  std::uint64_t element_bytes = 0;
  SizeSummary final;  // elements that its containers held at most, of those that ended
  std::vector<std::pair<std::uint64_t, std::uint64_t>> final_counts;  // the same: size, containers
  std::uint64_t first_ns = 0, last_ns = 0;
  std::vector<std::uint32_t> threads;
};

// The most that growing by copying `bytes` can take: 100 us + 30 ns per byte, which is 33 MB/s.
// What a growth took beyond it, its thread was waiting for a processor.
std::uint64_t copying_ns_max(std::uint64_t bytes);

// One growth, kept for timelines: the costliest of the run (kWorstLinks of them). Ends no later
// than copying its old block can.
inline constexpr std::size_t kWorstLinks = 512;
struct GrowthLink {
  std::uint32_t site = 0;  // index into growth_sites
  std::uint32_t tid = 0;
  std::uint64_t start_ns = 0, end_ns = 0;
  std::uint64_t old_bytes = 0, new_bytes = 0, copied_bytes = 0;
};

// Lifetime classes, upper edges (LLAMA, ASPLOS 2020, one order of magnitude apart where it
// matters).
inline constexpr std::array<std::uint64_t, 6> kLifetimeEdgesNs = {
    1'000, 1'000'000, 100'000'000, 1'000'000'000, 5'000'000'000, UINT64_MAX};
inline constexpr std::size_t kLifetimeClasses = kLifetimeEdgesNs.size() + 1;  // last: never freed
struct Lifetimes {
  std::array<std::uint64_t, kLifetimeClasses> blocks{};
  std::array<std::uint64_t, kLifetimeClasses> bytes{};
};

// Everything allocated at one stack (merged by symbol like growth sites).
struct AllocationSite {
  Frame user;
  Stack stack;
  std::uint64_t allocations = 0, bytes = 0;  // scaled up under sampling
  std::uint64_t live_blocks_end = 0, live_bytes_end = 0, live_bytes_max = 0;
  SizeSummary sizes;
  Lifetimes lifetimes;
  Series live_series{};  // live bytes at the end of each slice
  Series allocated_series{};
  bool growth_function = false;  // the allocating frame is a known growth function
  // Median lifetime of freed blocks, ns, upper edge of its power-of-two bucket.
  std::uint64_t lifetime_ns_p50 = 0;
};

struct MemoryMark {
  std::uint64_t at_ns = 0, rss_bytes = 0, swap_bytes = 0;
  double psi_some_percent = -1;  // < 0: unknown
};

struct ProcessFacts {
  std::string source;   // the file these facts came from
  std::string format;   // "ULG1"
  std::string program;  // file name of the executable
  std::vector<std::string> command;
  std::uint32_t pid = 0, ppid = 0;
  std::string build_id;
  std::uint64_t started_realtime_ns = 0;
  std::uint64_t duration_ns = 0;
  std::uint64_t events = 0, allocations = 0, frees = 0, reallocs = 0;
  std::uint64_t allocated_bytes = 0;
  std::uint64_t live_bytes_max = 0, live_bytes_max_at_ns = 0, live_bytes_end = 0;
  std::uint64_t rss_peak_bytes = 0, memory_limit_bytes = 0;  // 0: unknown; none known
  std::uint64_t threads = 0;
  std::uint64_t sample_bytes = 0;
  std::uint64_t stack_nodes = 0, cfi_failures = 0, stacks_truncated = 0;
  std::uint64_t verify_checked = 0, verify_differences = 0;
  std::string ended;  // "normally", "killed or still running", "disk full", ...
  bool slack_recorded = false;
  bool symbols_missing = false;            // much of the program had no debug information
  std::vector<std::string> missing_debug;  // modules, most frequent first
};

// How much of the input was understood: printed, never hidden.
struct Understood {
  std::uint64_t bytes_total = 0, bytes_used = 0;
  std::uint64_t segments_total = 0, segments_damaged = 0, segments_dropped = 0;
  std::uint64_t events_unmatched = 0;  // frees of blocks never seen allocated, and the like
  std::vector<std::string> notes;      // sentences for the reader
};

struct Evidence {
  ProcessFacts process;
  Understood understood;
  std::vector<GrowthSite> growth_sites;          // most copied bytes first
  std::vector<AllocationSite> allocation_sites;  // most bytes first, at most kAllocationSites
  std::vector<ContainerSite> container_sites;    // most moved bytes first
  std::vector<GrowthLink> worst_links;           // by duration, longest first
  // Of threads that grew something above, where they have names: (thread id, name), by id.
  std::vector<std::pair<std::uint32_t, std::string>> thread_names;
  Lifetimes lifetimes;
  Series live_series{};      // live bytes of the process at the end of each slice
  Series live_max_series{};  // and at its highest within each slice
  std::vector<MemoryMark> marks;
  Incident incident;  // of managed programs; empty for recordings of native ones
};

// Allocation sites kept for reports; smaller ones are summed into the process's totals only.
inline constexpr std::size_t kAllocationSites = 2000;

}  // namespace ullage::evidence
