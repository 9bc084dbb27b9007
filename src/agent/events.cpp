// SPDX-License-Identifier: Apache-2.0
#include "agent/events.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "agent/config.h"
#include "agent/real.h"
#include "agent/sampling.h"
#include "agent/slack.h"
#include "agent/verify.h"

namespace ullage::agent {

using record::Tag;

namespace {

SampledSet g_sampled;
GrowthContexts g_growing;  // by context hash (sampling) and by stack id (slack)
bool g_sampling = false;
bool g_slack = false;
bool g_special = false;  // either: keeps the common path to one test

// Smallest old block that can have grown: below it chunks are all alike (minimum chunk of 24
// bytes).
constexpr size_t kGrowthBytesMin = 24;
// Blocks that may be successors.
constexpr size_t kRecentBytesMin = 16;

ULLAGE_COLD void forget_recent(Writer* w) {
  w->recent = Recent{};
  w->recent_stale = false;
}

uint64_t context_of(const Writer* w, const Registers& at) {
  const uint64_t height = w->unwinder.stack_high() - at.sp;
  return (at.pc ^ (height << 20)) * 0x9E3779B97F4A7C15ull >> 20;
}

uint32_t stack_of(Writer* w, const Registers& at) {
  const uint32_t id = w->unwinder.stack_id(at);
  if (ULLAGE_UNLIKELY(g_config.verify_every != 0) && --w->verify_countdown + 1 == 0) {
    w->verify_countdown = g_config.verify_every - 1;
    verify_stack(w, at, id);
  }
  return id;
}

// Does the recent block hold a copy of the old one? Its beginning must be equal, and so must a
// window further in: buffers made afresh one after another share a header and differ behind it. The
// first word alone proves nothing (a vtable, a small number), so the second must not be zero.
enum class Same { kYes, kNo, kUnchecked };

constexpr size_t kHeadBytesMax = 64;
constexpr size_t kWindowBytes = 32;
// Below this the window would lie in the second half of the block, or in its head.
constexpr size_t kWindowBlockBytesMin = 2 * (kHeadBytesMax + kWindowBytes);

// Where to look. A container that outgrows its block has filled it, and what is inserted in the
// middle moves only what comes after: so no later than the middle. A string that makes room for a
// long text may have used less of its block, and it grows by more: then at a quarter.
struct Windows {
  size_t head_bytes;
  size_t at = 0, bytes = 0;  // the second one; none in a small block
  Windows(size_t usable, bool much_larger)
      : head_bytes(usable < kHeadBytesMax + 8 ? usable - 8 : kHeadBytesMax) {
    if (usable < kWindowBlockBytesMin) return;
    at = much_larger ? usable / 4 : usable / 2 - kWindowBytes;
    if (at < kHeadBytesMax) at = kHeadBytesMax;
    bytes = kWindowBytes;
  }
};

Same same_bytes(const void* old_block, const Windows& w, uintptr_t recent) {
  const auto* old_bytes = static_cast<const char*>(old_block);
  const auto* new_bytes = reinterpret_cast<const char*>(recent);
  if (static_cast<const uint64_t*>(old_block)[1] == 0) return Same::kNo;
  if (memcmp(old_bytes, new_bytes, w.head_bytes) != 0) return Same::kNo;
  return memcmp(old_bytes + w.at, new_bytes + w.at, w.bytes) == 0 ? Same::kYes : Same::kNo;
}

// With threads about, the recent block may have been freed by another one and unmapped since. The
// kernel reads it for us.
Same same_bytes_shared(Writer* w, const void* old_block, const Windows& windows, uintptr_t recent,
                       uintptr_t pc, bool much_larger) {
  if (static_cast<const uint64_t*>(old_block)[1] == 0) return Same::kNo;
  CheckRate& rate = w->check_rates[(pc >> 2 ^ pc >> 10) % Writer::kCheckRates];
  if (rate.pc != pc) rate = CheckRate{pc, 0, 0};
  if (rate.passes_over(much_larger)) return Same::kUnchecked;
  KeepErrno keep;
  alignas(8) char copy[kHeadBytesMax + kWindowBytes];
  iovec local{copy, windows.head_bytes + windows.bytes};
  const iovec remote[] = {{reinterpret_cast<void*>(recent), windows.head_bytes},
                          {reinterpret_cast<void*>(recent + windows.at), windows.bytes}};
  const auto pid = static_cast<pid_t>(g_output.file.header()->pid);  // without a call for it
  const ssize_t got = process_vm_readv(pid, &local, 1, remote, windows.bytes != 0 ? 2 : 1, 0);
  // Sandboxes refuse the call whatever it is about.
  if (got < 0 && (errno == EPERM || errno == ENOSYS)) return Same::kUnchecked;
  if (got != static_cast<ssize_t>(local.iov_len)) return Same::kNo;
  const auto* old_bytes = static_cast<const char*>(old_block);
  if (memcmp(old_bytes, copy, windows.head_bytes) != 0 ||
      memcmp(old_bytes + windows.at, copy + windows.head_bytes, windows.bytes) != 0) {
    return Same::kNo;
  }
  ++rate.matched;
  return Same::kYes;
}

// Has a block that is no longer recent, of a frame that may still run, taken this one's place?
Tag elder_tag(Writer* w, size_t usable, uint32_t age, uintptr_t sp, uint64_t* context,
              uint32_t* successor) {
  const int i = w->recent.elder_larger_than(usable, age, sp);
  if (ULLAGE_LIKELY(i < 0)) return Tag::kFree;
  if (ULLAGE_UNLIKELY(w->recent_stale)) {
    forget_recent(w);
    return Tag::kFree;
  }
  *context = w->recent.elder_context[i];
  *successor = w->recent.elder_stack[i];
  return Tag::kFreeUnchecked;
}

// The tag of a free: has a recent block taken this one's place?
Tag free_tag(Writer* w, const void* block, size_t usable, const Registers& at, uint64_t* context,
             uint32_t* successor) {
  unsigned bits = w->recent.larger_than(usable);
  if (ULLAGE_LIKELY(bits == 0)) return Tag::kFree;
  if (ULLAGE_UNLIKELY(w->recent_stale)) {
    forget_recent(w);
    return Tag::kFree;
  }
  const auto address = reinterpret_cast<uintptr_t>(block);
  for (unsigned k = 1; k <= Recent::kCount; ++k) {  // newest first
    const unsigned i = (w->recent.next - k) & (Recent::kCount - 1);
    if ((bits >> i & 1) == 0 || w->recent.address[i] == address) continue;
    const bool much_larger = static_cast<size_t>(w->recent.size[i]) * 5 >= usable * 6;
    const Windows windows(usable, much_larger);
    const Same same =
        g_shared->many_threads == 0
            ? same_bytes(block, windows, w->recent.address[i])
            : same_bytes_shared(w, block, windows, w->recent.address[i], at.pc, much_larger);
    if (same != Same::kYes && !much_larger) continue;
    *context = w->recent.context[i];
    *successor = w->recent.stack[i];
    return same == Same::kYes  ? Tag::kFreeContent
           : same == Same::kNo ? Tag::kFreeSize
                               : Tag::kFreeUnchecked;
  }
  return Tag::kFree;
}

// Under sampling: should this allocation be recorded, and as what?
bool sampled(Writer* w, size_t bytes, uint64_t context, Tag* tag) {
  if (g_growing.contains(context)) {
    *tag = *tag == Tag::kRealloc ? Tag::kReallocFull : Tag::kAllocFull;
    return true;
  }
  w->sample_left -= static_cast<int64_t>(bytes);
  if (ULLAGE_LIKELY(w->sample_left > 0)) return false;
  w->sample_left = next_sample(w->random, g_config.sample_bytes);
  return true;
}

ULLAGE_COLD void alloc_special(Writer* w, Tag tag, void* block, size_t bytes, const Registers& at) {
  const auto address = reinterpret_cast<uintptr_t>(block);
  w->last_block = address;
  if (ULLAGE_UNLIKELY(w->recent_stale)) forget_recent(w);
  const uint64_t context = context_of(w, at);
  if (g_sampling) {
    if (!sampled(w, bytes, context, &tag) || !g_sampled.insert(address)) {
      ++w->unsampled;
      if (bytes >= kRecentBytesMin) w->recent.push(address, bytes, 0, context, at.sp);
      return;
    }
  }
  const uint32_t id = stack_of(w, at);
  if (g_slack && tag != Tag::kAllocZeroed && bytes >= kPaintBytesMin && g_growing.contains(id)) {
    const size_t usable = usable_size(block);
    if (usable <= kPaintBytesMax) paint(block, usable);
    if (tag == Tag::kAlloc) tag = Tag::kAllocPainted;
  }
  w->events.alloc(tag, g_output.now(), address, bytes, id);
  ++w->event_count;
  if (bytes >= kRecentBytesMin) w->recent.push(address, bytes, id, context, at.sp);
}

ULLAGE_COLD void free_special(Writer* w, void* block, const Registers& at) {
  const uint64_t now = g_output.now();  // first: unwinding is not the program's stall
  const auto address = reinterpret_cast<uintptr_t>(block);
  const size_t usable = usable_size(block);
  uint64_t context = 0;
  uint32_t successor = 0;
  Tag tag = Tag::kFree;
  if (usable >= kGrowthBytesMin) tag = free_tag(w, block, usable, at, &context, &successor);
  const uint32_t age = w->recent.remove(address, usable);
  if (tag == Tag::kFree && usable >= Recent::kElderBytesMin && age != Recent::kYoung) {
    tag = elder_tag(w, usable, age, at.sp, &context, &successor);
  }
  if (tag != Tag::kFree) {
    if (g_sampling) g_growing.add(context);
    if (g_slack && successor != 0) g_growing.add(successor);
  }
  if (g_sampling && !g_sampled.erase(address)) return;
  if (g_slack && usable >= kPaintBytesMin) {
    const size_t unused =
        usable <= kPaintBytesMax ? unpainted_tail(block, usable) : absent_tail(block, usable);
    if (unused != 0) w->events.unused(unused);
  }
  if (tag == Tag::kFree) {
    w->events.free(now, address);
  } else {
    ++w->free_candidates;
    const uint32_t id = stack_of(w, at);
    w->events.free(tag, now, address, id);
  }
  ++w->event_count;
}

}  // namespace

bool prepare_events() {
  g_sampling = g_config.sample_bytes != 0;
  g_slack = g_config.slack;
  g_special = g_sampling || g_slack;
  return !g_special || (g_sampled.init() && g_growing.init());
}

void on_alloc(Writer* w, Tag tag, void* block, size_t bytes, const Registers& at) {
  if (ULLAGE_UNLIKELY(g_special)) return alloc_special(w, tag, block, bytes, at);
  const uint32_t id = stack_of(w, at);
  const auto address = reinterpret_cast<uintptr_t>(block);
  w->last_block = address;
  if (ULLAGE_UNLIKELY(w->recent_stale)) forget_recent(w);
  w->events.alloc(tag, g_output.now(), address, bytes, id);
  ++w->event_count;
  if (bytes >= kRecentBytesMin) w->recent.push(address, bytes, id, 0, at.sp);
}

void on_free(Writer* w, void* block, const Registers& at) {
  if (ULLAGE_UNLIKELY(g_special)) return free_special(w, block, at);
  const uint64_t now = g_output.now();  // first: unwinding is not the program's stall
  const auto address = reinterpret_cast<uintptr_t>(block);
  const size_t usable = usable_size(block);
  uint64_t context = 0;
  uint32_t successor = 0;
  Tag tag = Tag::kFree;
  if (usable >= kGrowthBytesMin) tag = free_tag(w, block, usable, at, &context, &successor);
  const uint32_t age = w->recent.remove(address, usable);
  if (tag == Tag::kFree && usable >= Recent::kElderBytesMin && age != Recent::kYoung) {
    tag = elder_tag(w, usable, age, at.sp, &context, &successor);
  }
  if (ULLAGE_LIKELY(tag == Tag::kFree)) {
    w->events.free(now, address);
  } else {
    ++w->free_candidates;
    const uint32_t id = stack_of(w, at);
    w->events.free(tag, now, address, id);
  }
  ++w->event_count;
}

ReallocStart before_realloc(Writer* w, void* old_block) {
  const size_t usable = old_block != nullptr ? usable_size(old_block) : 0;
  if (old_block != nullptr) w->recent.remove(reinterpret_cast<uintptr_t>(old_block), usable);
  return {g_output.now(), usable};
}

void on_realloc(Writer* w, const ReallocStart& start, void* old_block, void* block, size_t bytes,
                const Registers& at) {
  const uint64_t end = g_output.now();
  const auto address = reinterpret_cast<uintptr_t>(block);
  const auto old_address = reinterpret_cast<uintptr_t>(old_block);
  Tag tag = Tag::kRealloc;
  if (ULLAGE_UNLIKELY(g_sampling)) {
    const uint64_t context = context_of(w, at);
    const bool known = g_growing.contains(context);
    const bool old_recorded = old_block != nullptr && g_sampled.erase(old_address);
    if (old_block != nullptr && bytes > start.old_usable) g_growing.add(context);
    const bool take = sampled(w, bytes, context, &tag) || old_recorded || known;
    if (!take || !g_sampled.insert(address)) {
      if (old_recorded) {  // its end, at least: the new block has no room in the set
        w->events.free(end, old_address);
        ++w->event_count;
      }
      ++w->unsampled;
      return;
    }
  }
  const uint32_t id = stack_of(w, at);
  w->events.realloc(tag, end, address, bytes, id, old_address, end - start.ticks);
  ++w->event_count;
}

void on_realloc_to_nothing(Writer* w, const ReallocStart& start, void* old_block) {
  const auto old_address = reinterpret_cast<uintptr_t>(old_block);
  if (ULLAGE_UNLIKELY(g_sampling) && !g_sampled.erase(old_address)) return;
  w->events.free(start.ticks, old_address);
  ++w->event_count;
}

void on_map(Writer* w, void* address, size_t bytes, const Registers& at) {
  const uint32_t id = stack_of(w, at);
  w->events.alloc(Tag::kMap, g_output.now(), reinterpret_cast<uintptr_t>(address), bytes, id);
  ++w->event_count;
}

void on_unmap(Writer* w, void* address, size_t bytes) {
  w->events.unmap(g_output.now(), reinterpret_cast<uintptr_t>(address), bytes);
  ++w->event_count;
}

void on_remap(Writer* w, uint64_t start, void* old_address, size_t old_bytes, void* address,
              size_t bytes, const Registers& at) {
  const uint32_t id = stack_of(w, at);
  const uint64_t end = g_output.now();
  w->events.remap(end, reinterpret_cast<uintptr_t>(address), bytes, id,
                  reinterpret_cast<uintptr_t>(old_address), old_bytes, end - start);
  ++w->event_count;
}

void on_container_growth(Writer* w, const char* site, const char* type, const void* container,
                         const record::ContainerGrowth& growth, const Registers& at) {
  const uint64_t now = g_output.now();  // first: unwinding is not the container's stall
  const uint32_t id = stack_of(w, at);
  w->events.container_growth(now, site, type, reinterpret_cast<uintptr_t>(container), id, growth);
  ++w->event_count;
}

void on_container_end(Writer* w, const char* site, uint64_t elements) {
  w->events.container_end(g_output.now(), site, elements);
  ++w->event_count;
}

}  // namespace ullage::agent
