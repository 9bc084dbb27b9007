// SPDX-License-Identifier: Apache-2.0
#include "trace/native/linker.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace ullage::trace {
namespace {

using record::Event;
using record::Tag;

// What glibc hands out for a request: 16-byte granules less an 8-byte header, 24 at the least.
// Other allocators round less; of theirs, only steps between the smallest blocks go unseen.
constexpr std::uint64_t usable_bytes(std::uint64_t size) {
  return std::max<std::uint64_t>((size + 8 + 15) / 16 * 16 - 8, 24);
}

constexpr std::size_t elder_of(std::uint64_t size) {
  return std::min<std::size_t>(std::bit_width(size) - 1 - kElderPowerMin, kElders - 1);
}

}  // namespace

Linker::Linker(const StackTable& stacks, const LinkerOptions& options)
    : stacks_(stacks),
      options_(options),
      growth_(stacks, options.clock),
      containers_(options.clock),
      series_(stacks, growth_),
      allocations_(stacks, options_.clock) {}

Linker::Ring& Linker::ring(std::uint32_t tid) {
  if (last_ring_ != nullptr && last_tid_ == tid) return *last_ring_;
  if (rings_.size() >= kThreadsMax && !rings_.contains(tid)) rings_.clear();
  const auto [it, fresh] = rings_.try_emplace(tid);
  if (fresh && counts_.threads < kThreadsMax) ++counts_.threads;
  last_tid_ = tid;
  last_ring_ = &it->second;
  return it->second;
}

// Under sampling an allocation stands for the ones that were passed over (Poisson by bytes).
double Linker::weight(std::uint64_t size, bool full) const {
  if (options_.sample_bytes == 0 || full) return 1.0;
  const double share = static_cast<double>(std::max<std::uint64_t>(size, 1)) /
                       static_cast<double>(options_.sample_bytes);
  return share > 40 ? 1.0 : -1.0 / std::expm1(-share);
}

void Linker::add(const Event& e) {
  counts_.events += e.tag == Tag::kThreadName ? 0 : 1;  // as the agent counts
  now_ = std::max(now_, options_.clock.step(e.ticks));
  allocations_.advance(now_);
  Block block;
  switch (e.tag) {
    case Tag::kAllocPainted:
      block.painted = true;
      allocate(e, block);
      break;
    case Tag::kAllocFull:
      block.full = true;
      allocate(e, block);
      break;
    case Tag::kMap:
      block.full = block.mapped = true;
      allocate(e, block);
      mappings_[e.address] = e.address + e.size;
      break;
    case Tag::kAlloc:
    case Tag::kAllocZeroed:
      allocate(e, block);
      break;
    case Tag::kFree:
    case Tag::kFreeContent:
    case Tag::kFreeSize:
    case Tag::kFreeUnchecked:
      free(e);
      break;
    case Tag::kRealloc:
    case Tag::kReallocFull:
      reallocate(e);
      break;
    case Tag::kRemap:
      reallocate(e);
      mappings_.erase(e.old_address);
      mappings_[e.address] = e.address + e.size;
      break;
    case Tag::kUnmap:
      unmap(e);
      break;
    case Tag::kThreadName:
      if (thread_names_.size() < kThreadsMax || thread_names_.contains(e.tid)) {
        thread_names_[e.tid].assign(e.name, e.name_bytes);
      }
      break;
    case Tag::kExtension:
      container(e);
      break;
    case Tag::kEnd:
    case Tag::kUnused:
    case Tag::kThread:
      break;  // the decoder keeps these to itself
  }
}

void Linker::allocate(const Event& e, Block block) {
  ++counts_.allocations;
  counts_.stackless += e.stack >= stacks_.size();
  block.address = e.address;
  block.size = std::min(e.size, LiveTable::kSizeMax);
  block.time = now_;
  block.stack = stacks_.checked(e.stack);
  block.in_series = series_.allocated(block, e.tid);
  if (!live_.insert(block)) {
    if (e.address == 0) return;
    displace(e.address);
    live_.insert(block);
  }
  allocations_.allocated(block.stack, block.size, weight(block.size, block.full));
  if (block.size >= kRingBytesMin) {
    Ring& r = ring(e.tid);
    RingBlock& oldest = r.blocks[r.next++ % kRingBlocks];
    if (oldest.size >= kElderBytesMin) grow_old(r, oldest);
    oldest = {block.address, block.size, block.time, block.stack, false};
  }
  if (block.size >= kGapBytesMin) note_made(block, e.tid, false);
}

// A block ended without a successor.
void Linker::gone(const Block& old) {
  allocations_.freed(old.stack, old.size, weight(old.size, old.full), now_ - old.time);
  growth_.end(old.chain, old.size, false);
  if (old.in_series) {
    series_.freed(old, now_, allocations_.slice(), allocations_.peak_time());
  }
}

void Linker::free(const Event& e) {
  ++counts_.frees;
  Block old;
  if (!live_.take(e.address, old)) {
    ++counts_.unmatched;
    return;
  }
  if (e.tag != Tag::kFree) {
    ++counts_.candidates;
    if (link_by_ring(e, old) != kNoChain) {
      allocations_.freed(old.stack, old.size, weight(old.size, old.full), now_ - old.time);
      return;
    }
  }
  if (link_over_gap(e, old) != kNoChain) {
    allocations_.freed(old.stack, old.size, weight(old.size, old.full), now_ - old.time);
    return;
  }
  note_down(e, old);
  if (old.painted || e.unused != 0) growth_.slack(old.chain, old.stack, old.size, e.unused);
  gone(old);
}

void Linker::grow_old(Ring& r, const RingBlock& b) {
  const LiveTable::Slot* slot = live_.find(b.address);
  if (slot != nullptr && slot->time() == b.time) r.elders[elder_of(b.size)] = b;
}

// A container that grows frees what its elements own before its own old block. That block is from
// the same stack as the new one, and older than anything its elements own.
bool Linker::owed_to_another(std::uint32_t tid, const RingBlock& b, const Block& old) {
  const Ring& r = ring(tid);
  const auto precedes = [&](const RingBlock& a) {
    if (a.stack != b.stack || a.address == 0 || a.time > old.time) return false;
    if (b.size <= a.size || b.size > 4 * usable_bytes(a.size) + 64) return false;
    const LiveTable::Slot* slot = live_.find(a.address);
    return slot != nullptr && slot->time() == a.time;
  };
  if (std::any_of(r.blocks.begin(), r.blocks.end(), precedes) ||
      std::any_of(r.elders.begin(), r.elders.end(), precedes)) {
    return true;
  }
  // One that was pushed out, too. Many containers of one stack may live: the factor has to agree.
  const Made* made = made_by(b.stack);
  if (made == nullptr || made->before_tid != tid || !precedes(made->before)) return false;
  const std::uint32_t chain = live_.find(made->before.address)->chain();
  return chain != kNoChain && growth_.continues(chain, made->before.size, b.size) != 0;
}

std::uint32_t Linker::link_by_ring(const Event& e, const Block& old) {
  const Ring& r = ring(e.tid);
  // What the same stack allocated goes first, unless contents decide: an element's block may be
  // newer than its container's, and larger than the old one.
  for (const bool any : {e.tag == Tag::kFreeContent, true}) {
    for (std::uint32_t k = 1; k <= kRingBlocks && k <= r.next; ++k) {
      const RingBlock& b = r.blocks[(r.next - k) % kRingBlocks];
      if (!any && b.stack != old.stack) continue;
      const std::uint32_t chain = link_to(b, false, e, old);
      if (chain != kNoChain) return chain;
    }
    if (any) break;
    // Rather than what an element owns, its stack's next block: sizes agree there.
    const std::uint32_t chain = link_over_gap(e, old);
    if (chain != kNoChain) return chain;
  }
  if (old.size < kElderBytesMin) return kNoChain;
  for (std::size_t i = elder_of(old.size); i < kElders; ++i) {
    const std::uint32_t chain = link_to(r.elders[i], true, e, old);
    if (chain != kNoChain) return chain;
  }
  return kNoChain;
}

std::uint32_t Linker::link_to(const RingBlock& b, bool elder, const Event& e, const Block& old) {
  if (b.address == 0 || b.time < old.time) return kNoChain;
  const bool content = e.tag == Tag::kFreeContent && !elder;
  // As the agent asks before it marks a free; what it marked may be owed to another block.
  const std::uint64_t room = usable_bytes(old.size);
  if (b.size <= room || b.size > (elder ? 4 : 8) * room + 64) return kNoChain;
  if (!content && 5 * b.size < 6 * room) return kNoChain;
  LiveTable::Slot* slot = live_.find(b.address);
  if (slot == nullptr || slot->time() != b.time || slot->chain() != kNoChain) return kNoChain;
  // Between the two an element's own block may have gone, too: it was not made where this one was.
  if (elder && stacks_.function(b.stack) != stacks_.function(old.stack)) return kNoChain;
  const Meeting meeting = stacks_.meet(b.stack, stacks_.checked(e.stack));
  if (meeting.node == 0) return kNoChain;
  if (!content && b.stack != old.stack && owed_to_another(e.tid, b, old)) return kNoChain;
  ++counts_.ring_links;
  counts_.tail_call_links += meeting.tail_call;
  if (b.size >= kGapBytesMin && made_by(b.stack) == nullptr) note_made(slot->block(), e.tid, true);
  Link link;
  link.checked = e.tag != Tag::kFreeUnchecked && !elder;
  link.content = content;
  link.node = meeting.node;
  link.function = meeting.function;
  return joined(link, b, *slot, e, old);
}

// The old block went, and `b` in `slot` has taken its place: what every such link has in common.
std::uint32_t Linker::joined(Link link, const RingBlock& b, LiveTable::Slot& slot, const Event& e,
                             const Block& old) {
  link.tid = e.tid;
  link.old_stack = old.stack;
  link.new_stack = b.stack;
  link.old_size = old.size;
  link.new_size = b.size;
  link.start = b.time;
  link.end = now_;
  const std::uint32_t chain =
      growth_.link(link, old.chain, allocations_.slice(), allocations_.peak_time());
  slot.set_chain(chain);
  ring(e.tid).last = {chain, growth_.place(chain), now_, false};
  if (old.in_series) series_.claimed(old);
  if (slot.in_series()) series_.claimed(slot.block());
  return chain;
}

void Linker::note_made(const Block& made, std::uint32_t tid, bool grows) {
  if (options_.sample_bytes != 0) return;  // "exactly one since" can't be said then
  if (!grows && made_by(made.stack) == nullptr) return;
  if (made_index_.empty()) made_index_.resize(stacks_.size());
  std::uint32_t& index = made_index_[made.stack];
  if (index == 0) {
    made_.emplace_back();
    index = static_cast<std::uint32_t>(made_.size());
  }
  Made& m = made_[index - 1];
  m.before = m.newest;
  m.before_tid = m.newest_tid;
  m.newest_tid = tid;
  m.newest = {made.address, made.size, made.time, made.stack, false};
}

// The new block was neither among the eight nor an elder when the old one went, as what elements
// own had pushed it out; so the agent gave no context of the free. What is left to go by: this
// container grew at least twice, its stack made exactly one block since its own, that one is of the
// thread that lets go of it, alive and nobody's successor, and it is larger by the factor of the
// growth before.
std::uint32_t Linker::link_over_gap(const Event& e, const Block& old) {
  const Made* made = old.chain != kNoChain ? made_by(old.stack) : nullptr;
  if (made == nullptr || made->newest_tid != e.tid) return kNoChain;
  const RingBlock& b = made->newest;
  const RingBlock& before = made->before;
  if (before.address != old.address || before.time != old.time || b.time < old.time)
    return kNoChain;
  LiveTable::Slot* slot = live_.find(b.address);
  if (slot == nullptr || slot->time() != b.time || slot->chain() != kNoChain) return kNoChain;
  const std::uint64_t function = growth_.continues(old.chain, old.size, b.size);
  std::uint32_t node = b.stack;
  for (int calls = 0; stacks_.function(node) != function && calls < kGapCalls; ++calls) {
    node = stacks_.parent(node);
  }
  if (function == 0 || node == 0 || stacks_.function(node) != function) return kNoChain;
  ++counts_.gap_links;
  Link link;
  link.node = node;
  link.function = function;
  return joined(link, b, *slot, e, old);
}

// A newer block from the same stack that is not larger: this place replaces rather than grows. A
// block replaces one other at most, and one that has grown has replaced its own predecessor: else
// every one of many containers that end together would count the few that were made last.
void Linker::note_down(const Event& e, const Block& old) {
  Ring& r = ring(e.tid);
  for (std::uint32_t k = 1; k <= kRingBlocks && k <= r.next; ++k) {
    RingBlock& b = r.blocks[(r.next - k) % kRingBlocks];
    if (b.stack != old.stack || b.size > old.size || b.time < old.time || b.address == 0) continue;
    if (b.replaced || b.address == old.address) continue;
    const LiveTable::Slot* slot = live_.find(b.address);
    if (slot == nullptr || slot->time() != b.time || slot->chain() != kNoChain) continue;
    b.replaced = true;
    growth_.down(old.stack);
    return;
  }
}

void Linker::container(const Event& e) {
  if (e.extension == record::Extension::kContainerEnd) {
    containers_.ended(e);
  } else {
    containers_.grew(e, stacks_.checked(e.stack), now_, allocations_.slice(), ring(e.tid).last);
  }
}

void Linker::finish() {
  counts_.last_step = now_;
  for (const Limbo& entry : limbo_) {
    ++counts_.lost_frees;
    gone(entry.block);
  }
  limbo_.clear();
  live_.for_each([this](const Block& b) { growth_.end(b.chain, b.size, true); });
  series_.finish();
  growth_.finish();
  containers_.finish();
  allocations_.finish();
}

}  // namespace ullage::trace
