// SPDX-License-Identifier: Apache-2.0
#pragma once

// ULG1: the bytes of a recording. The agent writes them, everything else reads them; this header is
// the single source of both. Prose and byte tables: docs/formats/ulg1.md.
//
//   | FileHeader: 4 KiB | segment | segment | ...
//
// A segment is a SegmentHeader and a payload; its offset and its whole size are multiples of 4 KiB
// in a *live* file (written by the agent through MAP_SHARED), and of 8 bytes in an *archive*
// (written by the recording parent, payloads zstd-compressed). Both kinds are valid recordings. All
// integers are little-endian. A reader skips kinds it does not know, and takes what it can of a
// torn file.
//
// Uses nothing but the C library's headers: the agent is a guest.

#include <stddef.h>
#include <stdint.h>

namespace ullage::record {

inline constexpr char kFileMagic[4] = {'U', 'L', 'G', '1'};
inline constexpr uint16_t kVersionMajor = 1;           // a reader refuses another major
inline constexpr uint16_t kVersionMinor = 3;           // a reader accepts any minor
inline constexpr uint32_t kSegmentMagic = 0x474d4553;  // "SEMG" in memory order
inline constexpr uint32_t kFileHeaderBytes = 4096;
inline constexpr uint32_t kPageBytes = 4096;  // alignment of segments in a live file

// First segment of a writer; it doubles with each further one. Small, so that a thread that lives
// for ten events costs 16 KiB of sparse file and not 2 MiB.
inline constexpr uint32_t kSegmentBytesMin = 16u << 10;
// Largest segment: holds about 300 000 events, so changing segments is rare. It lies on a step of
// its own size, and is one huge page where the kernel has them for files: 64 MiB of segments cost
// 14 ms of the kernel's time instead of 97 (Linux 6.18, ext4).
inline constexpr uint32_t kSegmentBytesMax = 2u << 20;
// Readers refuse a segment that claims more than this: nothing writes one.
inline constexpr uint32_t kSegmentBytesLimit = 64u << 20;
// Longest encoding of one event or record in an EVENTS payload (a growth of a container with its
// name); a writer keeps this much room.
inline constexpr uint32_t kEventBytesMax = 288;

enum class Kind : uint16_t {
  kEvents = 1,     // LEB128 events of one writer (below)
  kStacks = 2,     // StackNode[], ids from header.first_id on
  kModules = 3,    // ModuleRecord sequence
  kMarks = 4,      // Mark[], sampled by the recording parent
  kAggregate = 5,  // AggregateRecord[]: what ring mode dropped, summed per stack
  kFiller = 6,     // nothing: before a largest segment, up to its step; live files only
};

enum SegmentFlags : uint32_t {
  kSegmentFull = 1u << 0,     // the writer has moved on; the payload will not change
  kSegmentZstd = 1u << 1,     // payload is one zstd frame
  kSegmentDropped = 1u << 2,  // payload was archived or dropped, and its hole punched
  // EVENTS of live files, since 1.2. With kSegmentFull: its process keeps it mapped and uses it
  // again once it is dropped, under another seq and ticks0; no hole is punched.
  kSegmentKept = 1u << 3,
  kSegmentReused = 1u << 4,  // what lies behind the zero tag is left of an earlier use
};

// How a recording came to its end. Anything but kEnded is still readable.
enum class State : uint32_t {
  kRecording = 0,  // no end was written: the process was killed, or still runs
  kEnded = 1,      // the process ended and the agent said so
  kStoppedDiskFull = 2,
  kStoppedSizeLimit = 3,  // RLIMIT_FSIZE
  kStoppedByProgram = 4,  // ullage_agent_stop()
  // the file can't be reached any more (chroot, other user) or not be mapped
  kStoppedNoFile = 6,
  kExecuted = 5,   // the process replaced itself by another program
  kSanitized = 7,  // nothing was recorded: the program brings a sanitizer's runtime
};

enum Features : uint32_t {
  kFeatureClockTsc = 1u << 0,    // ticks are invariant TSC; otherwise CLOCK_MONOTONIC ns
  kFeatureSampled = 1u << 1,     // sample_bytes applies
  kFeatureSlack = 1u << 2,       // blocks of known growth sites were painted
  kFeatureRing = 1u << 3,        // early segments may be missing: see kAggregate
  kFeatureCmdlineCut = 1u << 4,  // cmdline did not fit
  // an archive: segments lie at 8-byte steps, not at their live offset
  kFeatureArchive = 1u << 5,
};

// Counters that the agent keeps in the header while it runs. Thread-local counts are added when a
// writer changes segment and at the end; after a kill they lag by at most one segment.
struct Counters {
  uint64_t events;
  uint64_t memo_hits;      // stack found by the verified memo
  uint64_t stack_resumes;  // stack found by suffix resume
  uint64_t stack_walks;    // stack walked to its root
  uint64_t frames_walked;
  uint64_t cfi_failures;      // walks cut short by a rule we could not follow
  uint64_t foreign_stacks;    // stacks outside the thread's own (coroutines, alternate stacks)
  uint64_t stacks_truncated;  // deeper than max_depth, or the node table was full
  uint64_t verify_checked;
  uint64_t verify_differences;
  uint64_t skipped_in_signal;  // allocator calls made while the agent was busy on that thread
  uint64_t skipped_no_writer;  // events lost: no segment could be had
  uint64_t writers;
  uint64_t threads;
  uint64_t forks;
  uint64_t free_candidates;  // frees that carried a stack
  uint64_t unsampled;        // allocations that sampling passed over
  uint64_t children_lost;    // forked, and could not make a recording of their own
  uint64_t spare[6];
};

struct FileHeader {
  char magic[4];
  uint16_t version_major;
  uint16_t version_minor;
  uint32_t header_bytes;
  uint32_t features;
  uint16_t machine;     // ELF e_machine: 62 is x86-64
  uint16_t tick_shift;  // events store ticks >> tick_shift
  uint32_t page_bytes;
  uint32_t pid;
  uint32_t ppid;
  uint64_t run_id;  // the same for every process of one `ullage record`
  uint64_t start_realtime_ns;
  uint64_t start_monotonic_ns;
  uint64_t start_ticks;
  uint64_t end_monotonic_ns;    // 0 until the end
  uint64_t end_ticks;           // 0 until the end
  uint64_t file_bytes;          // next free offset in a live file
  uint64_t sample_bytes;        // mean bytes between samples; 0 = everything
  uint64_t memory_limit_bytes;  // cgroup limit of the recorded process; 0 = none known
  uint32_t max_depth;
  uint32_t state;        // State
  uint32_t stack_nodes;  // ids handed out so far, including 0
  uint32_t image;        // which program of this pid: 0, then 1 after exec, ...
  Counters counters;
  uint8_t build_id_bytes;
  uint8_t build_id[31];
  char exe[512];       // NUL-terminated, cut if longer
  char cmdline[2048];  // NUL-separated, ends with two NULs
  // File whose malloc answers the program instead of the agent's, which then sees nothing of it
  // unless that one calls on; empty: the agent's does.
  char malloc_owner[256];
  uint64_t pid_namespace;  // in which `pid` counts: inode of /proc/PID/ns/pid; 0 = unknown
};
static_assert(sizeof(FileHeader) <= kFileHeaderBytes, "the header has one page");

struct SegmentHeader {
  uint32_t magic;
  uint16_t kind;     // Kind
  uint16_t version;  // of the kind; 1 today
  uint64_t offset;   // of this header in the live file: tells a header from look-alike payload
  uint32_t bytes;    // the whole segment as stored here, header included
  // as stored (zstd: compressed). A live EVENTS payload may end earlier, at a zero tag
  uint32_t payload_bytes;
  uint32_t raw_bytes;  // payload size once decompressed
  uint32_t flags;      // SegmentFlags
  uint32_t writer;  // EVENTS: stream id; a stream is monotone in time and may serve several threads
  uint32_t tid;     // EVENTS: the thread that starts the segment
  uint32_t seq;     // position in its stream (EVENTS), or among its kind
  uint32_t first_id;       // STACKS: id of the first node
  uint64_t ticks0;         // EVENTS: clock that the first event's delta counts from
  uint64_t monotonic0_ns;  // CLOCK_MONOTONIC at ticks0: a calibration pair
};
static_assert(sizeof(SegmentHeader) == 64, "one cache line");

// Tells the segments of an agent apart: one place of a live file may hold several, one after
// another.
struct SegmentKey {
  uint64_t offset;
  uint64_t ticks0;
  explicit SegmentKey(const SegmentHeader& h) : offset(h.offset), ticks0(h.ticks0) {}
  bool operator==(const SegmentKey& o) const { return offset == o.offset && ticks0 == o.ticks0; }
  bool operator<(const SegmentKey& o) const {
    return offset != o.offset ? offset < o.offset : ticks0 < o.ticks0;
  }
};

// One frame of a calling context: a path to the root by parent. Id 0 is the root and is not stored
// as a frame. The depth of a root's child is 1.
struct StackNode {
  uint32_t parent;
  uint32_t depth;
  // return address | occupant << 48 (see ModuleRecord); frame 0 of a fault: exact pc
  uint64_t pc;
  uint64_t function;  // start of the function by .eh_frame, or pc when unknown; same high bits
};
static_assert(sizeof(StackNode) == 24, "fixed, mapped as an array");
// Nodes that a writer puts in one STACKS segment (96 KiB); readers go by raw_bytes.
inline constexpr uint32_t kStackNodesPerSegment = 4096;
// Ids that one recording may hold. At the limit new stacks end at their deepest known frame and are
// counted in stacks_truncated.
inline constexpr uint32_t kStackNodesMax = 4u << 20;
inline constexpr uint64_t kPcMask = (uint64_t{1} << 48) - 1;
// A frame that stands for all the outer frames that max_depth cut away.
inline constexpr uint64_t kPcTruncated = 1;

// A module that was mapped (or unmapped), in the order it was noticed. `occupant` tells apart
// modules that held the same addresses one after another: it is the high 16 bits of their pcs.
struct ModuleRecord {
  uint32_t bytes;  // of this record, path included, multiple of 8
  uint16_t event;  // 1 mapped, 2 unmapped
  uint16_t occupant;
  uint64_t ticks;
  uint64_t bias;  // load address minus link address
  uint64_t low;   // executable range
  uint64_t high;
  uint8_t build_id_bytes;
  uint8_t build_id[31];
  // char path[]; NUL-terminated, padded with NUL
};
static_assert(sizeof(ModuleRecord) == 72, "path follows at 72");

// Every 100 ms, by the recording parent.
struct Mark {
  uint64_t monotonic_ns;
  uint64_t ticks;
  uint64_t rss_bytes;
  uint64_t rss_peak_bytes;
  uint64_t swap_bytes;
  uint32_t psi_some_avg10_percent_x100;  // of the memory pressure stall information; ~0u = unknown
  uint32_t spare;
};
static_assert(sizeof(Mark) == 48);

// What ring mode dropped from the front, per stack.
struct AggregateRecord {
  uint32_t stack;
  uint32_t spare;
  uint64_t allocations;
  uint64_t bytes;
  uint64_t reallocs;
};
static_assert(sizeof(AggregateRecord) == 32);

// Events. Each is a tag byte, then unsigned LEB128 numbers. "dt" is the tick delta to the event
// before it in the segment (or to ticks0), >> tick_shift. "dp" is zigzag((address - last address)
// >> 3), the last address starting at 0 in each segment. Tag 0 ends the segment: a torn tail is
// harmless.
enum class Tag : uint8_t {
  kEnd = 0,
  kAlloc = 1,        // dt dp size stack
  kFree = 2,         // dt dp
  kFreeContent = 3,  // dt dp stack      a recent larger block holds the same bytes
  // dt dp stack      a recent block is larger by a growth-like step; contents differ
  kFreeSize = 4,
  kAllocZeroed = 5,   // dt dp size stack calloc
  kRealloc = 6,       // dt dp size stack old duration   dt/dp are of the end and of the new block;
                      //                  old = 0 for NULL, else 1 + zigzag((old - new) >> 3);
                      //                  duration >> tick_shift
  kAllocPainted = 7,  // dt dp size stack slack canaries were written
  kUnused = 8,        // bytes            precedes a free: untouched tail of that block
  kMap = 9,           // dt dp size stack mmap by a non-allocator
  kUnmap = 10,        // dt dp size
  kRemap = 11,        // dt dp size stack old old_size duration
  kThread = 12,       // ticks tid        another thread takes over this stream; sets the clock
  kThreadName = 13,   // tid length bytes
  kFreeUnchecked = 14,  // dt dp stack      as kFreeSize, contents not compared (sampled check)
  // dt dp size stack sampling on: a growth-known site, recorded in full (weight 1)
  kAllocFull = 15,
  kReallocFull = 16,  // as kRealloc, weight 1 under sampling
  // length payload   since 1.1. A reader skips what it does not know: it moves neither the clock
  //                  nor the last address
  kExtension = 17,
  kLast = 17,
};

// What an extension's payload begins with (LEB128). "since" is the distance in ticks >> tick_shift
// from the event before; "name" a slot that a kContainerName of the same segment filled before, or
// 0 for a container without a site.
enum class Extension : uint8_t {
  kContainerName = 1,    // slot type_length type bytes, and the name to the end
  kContainerGrowth = 2,  // since name container stack kind cause depth bytes_before bytes_after
                         // capacity elements moved element_bytes duration_ns
  kContainerEnd = 3,     // since name elements
};
// Names of container sites that one segment knows at a time: 1 ... this.
inline constexpr uint32_t kContainerNames = 32;
// Longer names and types are cut.
inline constexpr uint32_t kContainerNameBytesMax = 96;
inline constexpr uint32_t kContainerTypeBytesMax = 16;

// A growth of a container, as <ullage/growth.h> numbers kinds and causes.
struct ContainerGrowth {
  uint64_t kind, cause, depth;
  uint64_t bytes_before, bytes_after;
  uint64_t capacity, elements, moved;
  uint64_t element_bytes, duration_ns;
};
inline constexpr unsigned kContainerNumbers = 10;
static_assert(sizeof(ContainerGrowth) == kContainerNumbers * sizeof(uint64_t));

}  // namespace ullage::record
