// SPDX-License-Identifier: Apache-2.0
//
// realloc and mremap, which link by themselves, and mappings that go in pieces.
#include <algorithm>

#include "trace/native/linker.h"

namespace ullage::trace {
namespace {

using record::Event;
using record::Tag;

// glibc serves blocks of this size and more by mmap of their own, with a 16-byte header: both
// addresses at page offset 0x10 say that realloc moved pages (mremap) instead of bytes.
constexpr std::uint64_t kPageMoveBytes = 128 << 10;
constexpr std::uint64_t kChunkHeaderBytes = 0x10;

bool pages_moved(std::uint64_t from, std::uint64_t to, std::uint64_t old_size) {
  return old_size >= kPageMoveBytes && (from & 0xfff) == kChunkHeaderBytes &&
         (to & 0xfff) == kChunkHeaderBytes;
}

}  // namespace

// The address of a live block is handed out again. Either its free was not recorded, or it is the
// old block of a realloc that another thread has not come back from: the event of a realloc carries
// the time of its end. Keep it where that realloc will look.
void Linker::displace(std::uint64_t address) {
  if (limbo_.size() == kLimboBlocks) {
    ++counts_.lost_frees;
    gone(limbo_.front().block);
    limbo_.erase(limbo_.begin());
  }
  Limbo entry;
  live_.take(address, entry.block);
  entry.displaced = now_;
  limbo_.push_back(entry);
}

// The block that a realloc which began at `start` took away from `address`.
bool Linker::take_old(std::uint64_t address, std::uint64_t start, Block& old) {
  // Times are rounded in each stream by itself: two may be one step out of order.
  constexpr std::uint64_t kRounding = 1;
  for (auto it = limbo_.begin(); it != limbo_.end(); ++it) {
    if (it->block.address == address && it->displaced + kRounding >= start &&
        it->block.time <= start + kRounding) {
      old = it->block;
      limbo_.erase(it);
      return true;
    }
  }
  const LiveTable::Slot* slot = live_.find(address);
  if (slot == nullptr || slot->time() > start + kRounding) return false;  // a newer tenant
  return live_.take(address, old);
}

void Linker::reallocate(const Event& e) {
  ++counts_.reallocs;
  Block block;
  block.address = e.address;
  block.size = std::min(e.size, LiveTable::kSizeMax);
  block.time = now_;
  block.stack = stacks_.checked(e.stack);
  block.full = e.tag != Tag::kRealloc;
  block.mapped = e.tag == Tag::kRemap;
  const std::uint64_t end = now_;
  const std::uint64_t start = end - std::min(end, e.duration >> options_.clock.shift);

  Block old;
  const bool known = e.old_address != 0 && take_old(e.old_address, start, old);
  if (e.old_address != 0 && !known) ++counts_.unmatched;
  if (known) {
    allocations_.freed(old.stack, old.size, weight(old.size, old.full), now_ - old.time);
    if (block.address == 0) {  // realloc(p, 0)
      growth_.end(old.chain, old.size, false);
      if (old.in_series) {
        series_.freed(old, now_, allocations_.slice(), allocations_.peak_time());
      }
      return;
    }
    if (old.in_series) series_.claimed(old);
    block.chain = old.chain;
  }
  if (block.address == 0) return;
  if (!live_.insert(block)) {
    displace(block.address);
    live_.insert(block);
  }
  allocations_.allocated(block.stack, block.size, weight(block.size, block.full));
  if (known && block.size > old.size) {
    Link link;
    link.kind = LinkKind::kRealloc;
    link.moved = old.address != block.address && e.tag != Tag::kRemap &&
                 !pages_moved(old.address, block.address, old.size);
    link.tid = e.tid;
    link.node = block.stack;
    link.function = stacks_.function(block.stack);
    link.old_stack = old.stack;
    link.new_stack = block.stack;
    link.old_size = old.size;
    link.new_size = block.size;
    link.start = start;
    link.end = end;
    const std::uint32_t chain =
        growth_.link(link, old.chain, allocations_.slice(), allocations_.peak_time());
    live_.find(block.address)->set_chain(chain);
    ring(e.tid).last = {chain, growth_.place(chain), now_, false};
  } else if (!known && block.size >= kRingBytesMin) {
    Ring& r = ring(e.tid);
    RingBlock& oldest = r.blocks[r.next++ % kRingBlocks];
    if (oldest.size >= kElderBytesMin) grow_old(r, oldest);
    oldest = {block.address, block.size, block.time, block.stack, false};
  }
}

// Any part of any mappings may go: what lies before and behind it lives on.
void Linker::unmap(const Event& e) {
  ++counts_.frees;
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t end = e.address + (e.size + kPage - 1) / kPage * kPage;
  bool found = false;
  auto at = mappings_.upper_bound(e.address);
  if (at != mappings_.begin()) --at;
  while (at != mappings_.end() && at->first < end) {
    if (at->second <= e.address) {
      ++at;
      continue;
    }
    const LiveTable::Slot* slot = live_.find(at->first);
    const std::uint64_t address = at->first;
    at = mappings_.erase(at);
    Block old;
    if (slot == nullptr || !live_.take(address, old)) continue;  // it ended in another way
    found = true;
    unmap_part(old, e.address, end);
  }
  if (found) return;
  Block old;
  if (live_.take(e.address, old)) {
    gone(old);
  } else {
    ++counts_.unmatched;
  }
}

void Linker::unmap_part(const Block& old, std::uint64_t from, std::uint64_t to) {
  const std::uint64_t end = old.address + old.size;
  if (!old.mapped || (from <= old.address && to >= end)) {
    gone(old);
    return;
  }
  allocations_.freed(old.stack, old.size, weight(old.size, old.full), now_ - old.time);
  Block rest = old;
  bool lives_on = false;
  const auto keep = [&](std::uint64_t address, std::uint64_t size) {
    rest.address = address;
    rest.size = size;
    if (!live_.insert(rest)) return;
    allocations_.allocated(rest.stack, rest.size, weight(rest.size, rest.full));
    mappings_[address] = address + size;
    rest.chain = kNoChain;  // only one part goes on with it
    lives_on = true;
  };
  if (from > old.address) keep(old.address, from - old.address);
  if (to < end) keep(to, end - to);
  if (!lives_on) growth_.end(old.chain, old.size, false);
}

}  // namespace ullage::trace
