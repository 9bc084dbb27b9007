// SPDX-License-Identifier: Apache-2.0
#pragma once

// The facts of an incident of a managed program (Go, JVM), as its runtime left them in traces,
// profiles, logs and dumps. Each reader fills what its artefact proves and leaves the rest empty;
// parts of one incident are put on one clock and merged by evidence/merge.h.
//
// Times are nanoseconds on the incident's clock (see Clock), signed: what came before its zero is
// negative. Sizes are bytes. Plain data: copyable, no thread-safety.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "evidence/frame.h"

namespace ullage::evidence {

enum class Runtime { kNative, kGo, kJvm };
const char* to_string(Runtime runtime);

// Where a fact stands, so that a reader can look it up: "load.trace byte 18 233", "gc.log line 7".
struct Position {
  std::uint32_t artefact = 0;  // index into Incident::artefacts
  enum class Unit { kNone, kByte, kLine } unit = Unit::kNone;
  std::uint64_t at = 0;
};

// How the times of one artefact were put on the incident's clock.
struct Alignment {
  enum class How {
    kNone,       // has no times, or nothing to align them with
    kReference,  // the incident's clock is its own
    kWallClock,  // both know the wall clock
    kGcOrdinal,  // the same collections are in both
    kStart,      // both begin with the process: as good as their first line
  };
  How how = How::kNone;
  std::int64_t shift_ns = 0;   // was added to its times
  std::uint64_t error_ns = 0;  // they may be off by as much
};
const char* to_string(Alignment::How how);

// One input that was read, and how much of it was understood.
struct Artefact {
  std::string name;     // as given: path, or "archive.tar!member", "-" for standard input
  std::string format;   // "Go execution trace", "pprof heap profile", "gctrace", "JVM GC log", ...
  std::string version;  // what wrote it: "go1.26", "JDK 17.0.15", "G1"; empty = unknown
  std::uint64_t bytes = 0;  // after decompression
  // What is counted in `unit`: all of it, and how many of these were not understood.
  std::uint64_t records = 0, records_unknown = 0;
  std::string unit = "records";     // "events", "samples", "lines", "objects"
  std::uint64_t bytes_skipped = 0;  // not understood, or cut off
  bool cut = false;                 // ends in the middle; analysed up to there
  std::vector<std::string> notes;   // sentences for the reader of the report
  // Its own clock: what is known of its zero.
  bool has_times = false;
  std::int64_t wall_ns_at_zero = 0;        // Unix time of its zero; 0 = unknown
  bool zero_is_process_start = false;      // to within what the format writes
  std::int64_t first_ns = 0, last_ns = 0;  // extent on its own clock before alignment
  std::uint64_t tick_ns = 1;               // resolution of its times
  Alignment alignment;
  std::string build_id;  // of the program it tells of, as it has it; empty = not told
};

// ---- stops of the world

// Why a pause took as long as it did, as far as the evidence goes.
enum class PauseReason {
  kUnknown,
  kWaitedForOne,  // one goroutine (or thread) stopped late: `culprit`
  kNobodyLate,    // everyone stopped at once: the stopping thread was not run (no processor)
  kWorkInside,    // everyone stopped early, the runtime worked for the rest
};
const char* to_string(PauseReason reason);

struct Pause {
  std::int64_t start_ns = 0;
  std::uint64_t duration_ns = 0;
  std::uint64_t stopping_ns = 0;  // until the last one had stopped; <= duration
  bool stopping_known = false;
  std::string kind;   // as the runtime names it: "GC sweep termination", "Pause Young (Normal)"
  std::string cause;  // "G1 Humongous Allocation", "Allocation Failure"; empty for Go
  std::uint64_t asker = 0;  // goroutine (thread) that stopped the world; 0 = unknown
  Stack asker_stack;
  PauseReason reason = PauseReason::kUnknown;
  std::uint64_t culprit = 0;  // goroutine that stopped last
  std::uint64_t culprit_offset_ns = 0;
  Stack culprit_stack;        // innermost first; the user's frames after the runtime's
  bool culprit_grew = false;  // its stack, or CPU samples of it inside the pause, are growth
  std::uint64_t growth_samples = 0, samples = 0;  // CPU samples inside the pause
  std::uint64_t gc = 0;                           // ordinal of its collection, 0 = none
  // JVM: heap before -> after (capacity); 0 = not told.
  std::uint64_t before_bytes = 0, after_bytes = 0, capacity_bytes = 0;
  bool full = false;  // a collection of the whole heap
  Position where;
};
// Pauses kept singly: the longest. All are in PauseKind.
inline constexpr std::size_t kPausesMax = 20000;

struct PauseKind {
  std::string kind, cause;
  std::uint64_t count = 0, total_ns = 0, max_ns = 0;
  std::int64_t first_ns = 0, last_ns = 0;
};

// ---- allocation that had to pay for marking

struct AssistSite {
  Stack stack;
  std::uint64_t count = 0, total_ns = 0, max_ns = 0;
  std::uint64_t goroutines = 0;  // that were stalled here
  std::int64_t first_ns = 0, last_ns = 0;
  Position longest;
};
struct AssistGoroutine {
  std::uint64_t goroutine = 0, count = 0, total_ns = 0, max_ns = 0;
};

// ---- collections

struct GcCycle {
  std::uint64_t ordinal = 0;  // as the runtime counts; 0 = unknown
  std::int64_t start_ns = 0;
  std::uint64_t duration_ns = 0;  // begin to end of marking (Go), of the whole cycle (JVM)
  bool times_known = true;
  std::uint64_t stop_first_ns = 0, mark_ns = 0, stop_last_ns = 0;  // wall
  // CPU: assists, dedicated and fractional workers, idle workers.
  std::uint64_t assist_cpu_ns = 0, worker_cpu_ns = 0, idle_cpu_ns = 0;
  bool cpu_known = false;
  std::uint64_t heap_start_bytes = 0, heap_end_bytes = 0, live_bytes = 0, goal_bytes = 0;
  bool heap_known = false;
  std::uint64_t stacks_bytes = 0, globals_bytes = 0;
  std::uint64_t processors = 0;
  bool forced = false;
  std::string kind;   // JVM: "Young", "Mixed", "Full", "Concurrent"; Go: empty
  std::string cause;  // JVM: as told; Go: "timer", "runtime.GC", "heap goal" where it is known
  Stack asker_stack;  // Go trace: who began it
  std::uint64_t growth_samples = 0;  // CPU samples in growth functions while it marked
  Stack growth_stack;                // of most of these
  // G1: humongous regions before -> after, old regions likewise; -1 = not told.
  std::int64_t humongous_before = -1, humongous_after = -1;
  bool to_space_exhausted = false;
  // Occupancy of the old generation, where the collector has one and tells.
  std::uint64_t old_before_bytes = 0, old_after_bytes = 0, old_capacity_bytes = 0;
  bool old_known = false;
  Position where;
  // JVM: the collector could not finish as it should (CMS: "promotion failed", "concurrent mode
  // failure"), or a concurrent cycle was given up.
  bool promotion_failed = false, concurrent_failure = false, aborted = false;
  // False: `ordinal` counts from 1 within its artefact (Go traces, logs of JDK 8: none is told).
  bool ordinal_known = true;
};
inline constexpr std::size_t kCyclesMax = 200000;

struct HeapPoint {
  std::int64_t at_ns = 0;
  std::uint64_t live_bytes = 0, goal_bytes = 0;  // goal 0 = not told
};
// Points kept: thinned to the highest of each of as many slices.
inline constexpr std::size_t kHeapPointsMax = 4096;

// Waits for memory that a collector could not give in time (ZGC, Shenandoah).
struct AllocationStall {
  std::string thread;
  std::int64_t at_ns = 0;
  std::uint64_t duration_ns = 0;
  std::uint64_t gc = 0;
  Position where;
};
// Stalls kept singly: the longest.
inline constexpr std::size_t kStallsMax = 20000;

// ---- growth

// Which runtime routine a site called to get memory; found by stack, program counter or decoding.
enum class CallKind {
  kUnknown,
  kAppend,     // runtime.growslice
  kMake,       // runtime.makeslice
  kMapAssign,  // runtime.mapassign*, map tables
  kMapMake,    // runtime.makemap*
  kNew,        // runtime.newobject
  kConcat,     // runtime.concatstring*
  kConvert,    // runtime.slicebytetostring, stringtoslice*, ...
  kDefer,      // runtime.deferproc
  kStack,      // runtime.newstack, copystack, morestack
  kChan,       // runtime.makechan
};
const char* to_string(CallKind kind);
// A function of Go's runtime whose every call is one growth, in the versions that have it.
struct GrowthFunction {
  const char* name;
  CallKind kind;
};
const std::vector<GrowthFunction>& growth_functions();
// Metrics with this prefix are calls of such a function in the whole program, counted by probes.
inline constexpr const char* kGrowthCountPrefix = "calls:";
// True for what makes a container larger: append, map assign, stack.
bool is_growth(CallKind kind);
// By the name of a runtime function, Go 1.19 to 1.27; kUnknown for others.
CallKind call_kind_of(const std::string& function);
// True for frames of the runtime and of what captures profiles and traces.
bool is_go_runtime(const std::string& function);

// How a call kind was found: what a finding says of its certainty.
enum class CallProof { kNone, kLadder, kProgramCounter, kCallSite, kStack };
const char* to_string(CallProof proof);

struct Rung {               // objects of one size at one site
  std::uint64_t bytes = 0;  // of one object
  double allocated_objects = 0, inuse_objects = 0;
};

// What one stack allocated, by a heap profile. One profile is one `snapshot`.
struct HeapSite {
  Stack stack;   // user's frames, innermost first (profiles hide the runtime's)
  Stack hidden;  // runtime frames that were recovered, innermost first
  CallKind call = CallKind::kUnknown;
  CallProof proof = CallProof::kNone;
  std::vector<Rung> rungs;  // ascending; at most kRungsMax, the largest kept
  std::uint64_t alloc_bytes = 0, alloc_objects = 0, inuse_bytes = 0, inuse_objects = 0;
  std::uint64_t element_bytes = 0;  // of the slice, where the binary or a dump tells; 0 = unknown
  std::uint32_t snapshot = 0;       // index into Incident::snapshots
  Position where;
};
inline constexpr std::size_t kRungsMax = 128;
inline constexpr std::size_t kHeapSitesMax = 20000;  // per snapshot, most bytes first

// One profile, histogram or dump: totals, so that two of them can be compared.
struct Snapshot {
  std::uint32_t artefact = 0;
  std::string kind;        // "heap", "allocs", "goroutine", "histogram", "heap dump"
  std::int64_t at_ns = 0;  // Unix time where `wall`, else the incident's clock
  bool wall = false;
  std::uint64_t alloc_bytes = 0, inuse_bytes = 0;
  std::uint64_t goroutines = 0;
};

// CPU samples by what the program did, from CPU profiles and from traces.
struct CpuSite {
  Stack stack;                         // full: runtime frames are kept, innermost first
  CallKind call = CallKind::kUnknown;  // growth the sample was in; kUnknown = none
  bool assist = false;                 // in gcAssistAlloc
  std::uint64_t samples = 0, cpu_ns = 0;
  std::uint32_t artefact = 0;
};
inline constexpr std::size_t kCpuSitesMax = 20000;
struct CpuTotals {
  std::uint64_t samples = 0, cpu_ns = 0;
  std::uint64_t gc_samples = 0, assist_samples = 0, stack_growth_samples = 0;
  std::uint64_t map_growth_samples = 0, slice_growth_samples = 0;
};

// ---- retention, proved by a heap dump

struct Retention {
  std::uint64_t object = 0, object_bytes = 0;  // address and size of what is kept alive
  std::uint64_t offset = 0, length_bytes = 0, capacity_bytes = 0;  // what is reached, from within
  std::uint64_t holders = 0;       // slice headers (or strings) that reach it
  std::uint64_t holder = 0;        // address of one of them
  std::string root;                // how that is reached: "global main.kept", "goroutine 7 main.f"
  std::uint64_t wasted_bytes = 0;  // object_bytes - union of what all holders reach
  Position where;
  std::uint64_t element_bytes = 1;  // of the slice, as its place within the object tells
  bool string = false;              // reached by a string, not a slice
  Stack allocated_at;  // where the object was allocated, when the dump's profile sampled it
};
// Retentions of one kind of object, most waste first; at most kRetentionsMax singly.
inline constexpr std::size_t kRetentionsMax = 1000;
struct RetentionTotals {
  std::uint64_t objects = 0, object_bytes = 0, wasted_bytes = 0;
};

// Records of `defer` that wait on goroutines (heap dump, or frames in a goroutine dump).
struct DeferPile {
  std::uint64_t goroutine = 0, records = 0;
  Stack stack;  // of the goroutine, where known
  Position where;
};

// ---- goroutines and threads

struct GoroutineGroup {
  Stack created_by;                      // creation site, innermost first
  Stack stack;                           // where they are now; empty = from creations only
  std::string state;                     // "chan send", "select", "running"; JVM: "BLOCKED"
  std::uint64_t count = 0;               // in this snapshot, or alive at the end of the trace
  std::uint64_t created = 0, ended = 0;  // during a trace
  std::uint64_t waiting_ns_max = 0;      // goroutine dumps tell minutes
  std::uint32_t snapshot = UINT32_MAX;   // index into Incident::snapshots; UINT32_MAX = a trace
  std::uint32_t artefact = 0;
  std::int64_t first_ns = 0, last_ns = 0;
};

struct Wait {
  Stack stack;         // who waited
  std::string reason;  // "sync", "chan receive", "select", "GC mark assist wait for work", ...
  Stack released_by;   // stack of the unblocking goroutine
  std::uint64_t count = 0, total_ns = 0, max_ns = 0;
  // Of these, during an assist, a stop, or growth (CPU samples) of whoever released them.
  std::uint64_t behind_assist = 0, behind_assist_ns = 0;
  std::uint64_t behind_stop = 0, behind_stop_ns = 0;
  std::uint64_t behind_growth = 0, behind_growth_ns = 0;
  Stack growth_stack;             // of that growth
  std::uint64_t waiters_max = 0;  // released within one such growth or assist
  std::int64_t first_ns = 0, last_ns = 0;
  Position longest;
};
inline constexpr std::size_t kWaitsMax = 5000;

// Runnable until running, in powers of two of nanoseconds: bucket i holds [2^i, 2^(i+1)).
struct SchedulingDelay {
  std::array<std::uint64_t, 48> buckets{};
  std::uint64_t count = 0, max_ns = 0;
  std::uint64_t percentile(double share) const;  // upper edge of its bucket; 0 when empty
};

// A stack that calls itself over and over (overflow, deep delegation).
struct Recursion {
  std::string thread;
  std::vector<Frame> cycle;   // 1 to 12 frames, innermost first
  std::uint64_t repeats = 0;  // of the cycle
  std::uint64_t frames = 0;
  bool overflowed = false;  // a StackOverflowError, or "goroutine stack exceeds"
  bool cut = false;         // the trace was cut at its limit (1024)
  Frame entered_from;       // first frame outside the cycle
  Position where;
  std::uint64_t count = 1;  // traces that show this cycle; `where` and `frames` are of the first
};
inline constexpr std::size_t kRecursionsMax = 200;

// JVM: an allocation that did not fit (OutOfMemoryError), with the stack that asked for it.
struct OutOfMemory {
  std::string what;  // "Java heap space", "GC overhead limit exceeded", "Metaspace", ...
  std::string thread;
  Stack stack;
  Position where;
  std::uint64_t count = 1;  // with this stack
};
// Different stacks; and frames of each, the innermost.
inline constexpr std::size_t kOutOfMemoriesMax = 200, kOutOfMemoryFramesMax = 128;

struct ClassCount {  // jmap -histo
  std::string name;
  std::uint64_t instances = 0, bytes = 0;
  std::uint32_t snapshot = 0;
};
inline constexpr std::size_t kClassesMax = 20000;  // per snapshot, most bytes first

// What the runtime counts of itself (runtime/metrics, memstats): name as the runtime has it.
struct Metric {
  std::string name;
  double value = 0;
  std::uint32_t artefact = 0;
  std::int64_t at_ns = 0;
};
struct MetricHistogram {
  std::string name;
  std::vector<double> edges;          // n + 1 of them, may begin and end infinite
  std::vector<std::uint64_t> counts;  // n
  std::uint32_t artefact = 0;
};

// ---- the program

struct RuntimeFacts {
  Runtime runtime = Runtime::kNative;
  std::string version;    // "go1.26.10", "17.0.15+6"
  std::string collector;  // JVM: "G1", "Parallel", "Serial", "CMS", "Z", "Shenandoah"
  bool generational = false;
  std::uint64_t processors = 0;    // GOMAXPROCS, or the JVM's CPUs
  std::int64_t gogc = 0;           // 0 = unknown, -1 = off
  std::uint64_t memory_limit = 0;  // GOMEMLIMIT, or the JVM's maximal heap; 0 = unknown
  std::uint64_t heap_min_bytes = 0, heap_max_bytes = 0, region_bytes = 0;
  std::vector<std::string> flags;  // as the log tells them
  std::string program;
  std::vector<std::string> build_ids;
  std::string crash;  // hs_err: signal and problematic frame; Go: fatal error
  std::string
      pprof_url;  // where a Go program serves net/http/pprof, without the path; empty = unknown
};

struct Incident {
  RuntimeFacts facts;
  std::vector<Artefact> artefacts;
  std::vector<Snapshot> snapshots;
  std::int64_t start_ns = 0, end_ns = 0;  // extent of everything that has times

  std::vector<Pause> pauses;                       // by start
  std::vector<PauseKind> pause_kinds;              // every pause, by kind and cause
  std::vector<AssistSite> assist_sites;            // most time first
  std::vector<AssistGoroutine> assist_goroutines;  // most time first, at most 1000
  std::uint64_t assist_total_ns = 0, assist_count = 0, assist_max_ns = 0;
  std::uint64_t gc_window_ns = 0;  // time during which some cycle marked (trace)
  std::vector<GcCycle> cycles;     // by ordinal or start
  std::vector<HeapPoint> heap;     // by time
  std::vector<AllocationStall> stalls;
  std::vector<HeapSite> heap_sites;  // most allocated bytes first within a snapshot
  std::vector<CpuSite> cpu_sites;    // most samples first
  CpuTotals cpu;
  std::vector<Retention> retentions;
  RetentionTotals retention_totals;
  std::vector<DeferPile> defers;  // most records first
  std::vector<GoroutineGroup> goroutines;
  std::vector<Wait> waits;  // most time first
  SchedulingDelay scheduling;
  std::vector<Recursion> recursions;
  std::vector<ClassCount> classes;
  std::vector<Metric> metrics;
  std::vector<MetricHistogram> histograms;
  // Counts of events by type (Go traces, JVM logs), for --verify and for whoever wants to compare.
  std::vector<std::pair<std::string, std::uint64_t>> event_counts;
  std::vector<OutOfMemory> out_of_memory;  // in the order they were met

  bool empty() const { return artefacts.empty(); }
};

}  // namespace ullage::evidence
