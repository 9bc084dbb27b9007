// SPDX-License-Identifier: Apache-2.0
#include "agent/writer.h"

#include <new>

#include "agent/config.h"

namespace ullage::agent {
namespace {

SpinLock lock;
Writer* free_writers = nullptr;
std::atomic<Writer*> all_writers{nullptr};
std::atomic<uint32_t> writer_count{0};

void add(uint64_t& counter, uint64_t now, uint64_t& before) {
  __atomic_fetch_add(&counter, now - before, __ATOMIC_RELAXED);
  before = now;
}

}  // namespace

Writer* acquire_writer() {
  Guard guard(lock);
  if (free_writers != nullptr) {
    Writer* w = free_writers;
    free_writers = w->next_free;
    w->in_use = true;
    return w;
  }
  if (writer_count.load() >= kWritersMax) return nullptr;
  void* memory = map_private(sizeof(Writer));
  if (memory == nullptr) return nullptr;
  auto* w = new (memory) Writer;
  if (!w->unwinder.init(g_config.max_depth)) {
    syscall(SYS_munmap, memory, sizeof(Writer));
    return nullptr;
  }
  w->id = writer_count.fetch_add(1);
  w->random = 0x9E3779B97F4A7C15ull * (w->id + 1) ^ g_config.run_id;
  w->in_use = true;
  w->next_all = all_writers.load();
  all_writers.store(w);
  if (g_output.file.header() != nullptr) {
    __atomic_fetch_add(&g_output.file.header()->counters.writers, 1, __ATOMIC_RELAXED);
  }
  return w;
}

void release_writer(Writer* writer) {
  flush_counters(writer);
  writer->recent = Recent{};
  Guard guard(lock);
  writer->in_use = false;
  writer->next_free = free_writers;
  free_writers = writer;
}

void reset_writers() {
  lock.reset();
  free_writers = nullptr;
  all_writers.store(nullptr);
  writer_count.store(0);
}

ULLAGE_COLD bool next_segment(Writer* writer) {
  KeepErrno keep;
  const SignalsHeld held;  // a segment that is given back twice would be somebody else's memory
  if (writer->segment != nullptr) {
    flush_counters(writer);
    if (writer->events.attached()) {
      g_output.file.finish_events(writer->segment, writer->events.at());
    } else {
      record::LiveFile::finish(writer->segment);
    }
    writer->segment = nullptr;
    writer->events.detach();
  }
  uint32_t bytes =
      writer->segment_bytes == 0 ? record::kSegmentBytesMin : writer->segment_bytes * 2;
  if (bytes > record::kSegmentBytesMax) bytes = record::kSegmentBytesMax;
  record::SegmentHeader head{};
  head.kind = static_cast<uint16_t>(record::Kind::kEvents);
  head.writer = writer->id;
  head.tid = writer->tid;
  head.seq = writer->seq;
  head.ticks0 = g_output.now();
  head.monotonic0_ns = monotonic_ns();
  record::LiveFile::Claim why{};
  record::SegmentHeader* segment = nullptr;
  if (bytes == record::kSegmentBytesMax) segment = g_output.file.take_kept(head);
  if (segment == nullptr) {
    segment = g_output.file.claim(bytes, head, bytes > record::kSegmentBytesMin, &why);
  }
  if (segment == nullptr && bytes > record::kSegmentBytesMin) {
    // Near the end of a disk, of a limit or of the address space, small ones use what is left.
    bytes = record::kSegmentBytesMin;
    segment = g_output.file.claim(bytes, head, false, &why);
  }
  if (segment == nullptr) {
    if (why == record::LiveFile::Claim::kDiskFull) {
      stop_recording(record::State::kStoppedDiskFull);
    } else if (why == record::LiveFile::Claim::kSizeLimit) {
      stop_recording(record::State::kStoppedSizeLimit);
    } else {
      stop_recording(record::State::kStoppedNoFile);
    }
    return false;
  }
  writer->segment = segment;
  writer->segment_bytes = bytes;
  ++writer->seq;
  writer->events.start(reinterpret_cast<uint8_t*>(segment + 1), bytes - sizeof *segment,
                       head.ticks0, kTickShift);
  return true;
}

void flush_counters(Writer* w) {
  record::FileHeader* header = g_output.file.header();
  if (header == nullptr) return;
  record::Counters& to = header->counters;
  record::Counters& before = w->flushed;
  const UnwindCounts& u = w->unwinder.counts;
  add(to.events, w->event_count, before.events);
  add(to.memo_hits, u.memo_hits, before.memo_hits);
  add(to.stack_resumes, u.resumes, before.stack_resumes);
  add(to.stack_walks, u.walks, before.stack_walks);
  add(to.frames_walked, u.frames, before.frames_walked);
  add(to.cfi_failures, u.failures, before.cfi_failures);
  add(to.foreign_stacks, u.foreign, before.foreign_stacks);
  add(to.stacks_truncated, u.truncated, before.stacks_truncated);
  add(to.verify_checked, w->verify_checked, before.verify_checked);
  add(to.verify_differences, w->verify_differences, before.verify_differences);
  add(to.free_candidates, w->free_candidates, before.free_candidates);
  add(to.unsampled, w->unsampled, before.unsampled);
  __atomic_store_n(&header->stack_nodes, g_stacks.count(), __ATOMIC_RELAXED);
}

void each_writer(void (*visit)(Writer*)) {
  for (Writer* w = all_writers.load(); w != nullptr; w = w->next_all) visit(w);
}

void flush_all_counters() { each_writer(&flush_counters); }

}  // namespace ullage::agent
