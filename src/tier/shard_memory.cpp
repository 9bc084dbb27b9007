// SPDX-License-Identifier: Apache-2.0
//
// How a shard stays within what it was granted: eviction, packing, and the slices of step().
#include <algorithm>
#include <bit>

#include "tier/state.h"

namespace ullage::tier {
namespace {

// Cells moved, or entries evicted, between two looks at whether it is enough.
constexpr std::size_t kPackCells = 128;
constexpr std::size_t kEvictSlice = 16;
// What one write evicts and moves ahead of time, at most.
constexpr int kPayEvictions = 4;
constexpr std::size_t kPayMoves = 16;
// Slabs without entries that are kept for the next growth.
constexpr std::size_t kSparesMin = 2;
// Of the shard's share, what step() keeps free when memory is all granted: 1/256, up to 2 MiB.
constexpr std::uint64_t kReserveShift = 8;
constexpr std::uint64_t kReserveBytesMax = 2 << 20;
// Below this a shard has too little for a reserve.
constexpr std::uint64_t kHeldBytesMin = 16 * kSlabBytes;
// A segment of which this share had expired was worth it: there may be more. One in ...
constexpr std::size_t kWorthOneIn = 8;
// Segments of a table looked at in one slice for what has expired.
constexpr int kSegmentsPerSlice = 64;

struct SegmentHost {
  Store& store;
  Segment* segment;
  bool expiring_only;
  const Spared& spared;

  Ranks& ranks() { return segment->ranks; }
  std::span<std::uint16_t> words() { return segment->all_words(); }
  std::uint32_t bytes(std::size_t slot) { return store.weight(segment->ref(slot)); }
  unsigned frequency(std::size_t slot) {
    const std::uint64_t hash = store.hash_of(segment->ref(slot));
    return sketch::estimate(segment->sketch(segment->home(place_of(hash))), hash);
  }
  bool may_go(std::size_t slot) {
    const Ref ref = segment->ref(slot);
    if (expiring_only && store.entry(ref).expires_ms() == 0) return false;
    const std::uint8_t tag = segment->tags(static_cast<unsigned>(slot / 16))[slot % 16];
    if (spared.none() || !spared.may_hold(tag)) return true;
    return !spared.holds(segment->table, store.hash_of(ref));
  }
  std::uint16_t stamp() { return store.clock().stamp(); }
};

}  // namespace

std::size_t Shard::State::collect_expired(Segment& segment) {
  if (segment.expiring == 0 || segment.earliest_ms > now_ms) return 0;
  std::size_t gone = 0;
  std::uint64_t earliest = kNever;
  for (unsigned group = 0; group < segment.groups; ++group) {
    if (group + 1u < segment.groups) store->prefetch_group(segment, group + 1);
    for (unsigned bits = ~match(segment.tags(group), 0) & 0x7fffu; bits != 0; bits &= bits - 1) {
      const std::size_t slot =
          group * std::size_t{16} + static_cast<unsigned>(std::countr_zero(bits));
      const Ref ref = segment.ref(slot);
      const Entry e = store->entry(ref);
      const std::uint64_t expires = e.expires_ms();
      if (expires == 0) continue;
      if (expires > now_ms) {
        earliest = std::min(earliest, expires);
        continue;
      }
      remove(Spot{&segment, &segment, slot, ref}, store->hash_of(ref),
             static_cast<unsigned>(db_of(segment.table)), Removal::kExpired);
      ++gone;
    }
  }
  segment.earliest_ms = earliest;
  return gone;
}

bool Shard::State::collect(Segment& segment) noexcept {
  return collect_expired(segment) != 0 && segment.entries < segment.limit;
}

Segment* Shard::State::advance(Hand& hand) {
  for (unsigned passed = 0; passed <= kTables; ++passed) {
    const Table& table = store->table(hand.table);
    if (db_of(hand.table) >= 0 && !table.directory.empty() && hand.place < kPlaceEnd) {
      Segment* segment =
          store->segment_at(table.directory[hand.place >> (kPlaceBits - table.depth)]);
      hand.place = segment->end();
      return segment;
    }
    hand.table = (hand.table + 1) % kTables;
    hand.place = 0;
  }
  return nullptr;
}

Segment* Shard::State::next_in_turn() { return advance(evict_hand); }

Spared Shard::State::spared() const {
  Spared spared;
  if (options.inclusive) spared.kept = options.listener->kept();
  if (spared.kept != nullptr && spared.kept->empty()) spared.kept = nullptr;
  spared.source = moving_hash;
  if (own_may_go) spared.target = own_hash;
  spared.target_table = own_table;
  return spared;
}

bool Shard::State::evict_of(Segment& one, Segment& other, const Spared& spared) {
  if (collect_expired(one) + (&one == &other ? 0 : collect_expired(other)) != 0) return true;
  store->catch_up(one);
  store->catch_up(other);
  const bool expiring_only = options.eviction == Eviction::kVolatile;
  SegmentHost first{*store, &one, expiring_only, spared};
  SegmentHost second{*store, &other, expiring_only, spared};
  const auto out = rank::choose(first, &one == &other ? first : second, window_percent,
                                rank::kNobody, static_cast<std::uint32_t>(random() >> 32));
  if (out.host == nullptr) return false;
  Segment* from = out.host->segment;
  const Ref ref = from->ref(out.slot);
  remove(Spot{from, from, out.slot, ref}, store->hash_of(ref),
         static_cast<unsigned>(db_of(from->table)), Removal::kEvicted);
  return true;
}

bool Shard::State::thin(Segment& segment) noexcept {
  if (options.eviction == Eviction::kNone) return false;
  const bool gone = evict_of(segment, segment, spared());
  if (gone) use_up(0, 1);
  return gone;
}

bool Shard::State::evict_one() {
  if (options.eviction == Eviction::kNone) return false;
  Segment* next = next_in_turn();
  if (next == nullptr) return false;
  Segment* first = own_hash ? store->segment_for(store->table(own_table), *own_hash) : nullptr;
  if (first == nullptr) first = next_in_turn();
  const Spared stay = spared();
  for (int attempt = 0; attempt < 4; ++attempt) {
    if (evict_of(*first, *next, stay)) return true;
    first = next;  // nothing there may go: further on
    next = next_in_turn();
  }
  return false;
}

// Counts what an operation does. False: it has done enough.
bool Shard::State::use_up(std::size_t moves, std::size_t evictions) {
  moves_done += moves;
  evictions_done += evictions;
  const std::uint64_t all = moves_done + evictions_done;
  if (all > counters.operation_moves_max.value()) counters.operation_moves_max.set(all);
  return all < work_max;
}

// Whether there is memory for what comes next, or no need to care.
bool Shard::State::reserve_is_there() {
  const Heap& heap = store->heap();
  const std::uint64_t allowed = budget.allowed_bytes(), granted = budget.granted_bytes();
  const std::uint64_t held = heap.resident_bytes();
  if (options.eviction == Eviction::kNone || held < kHeldBytesMin) return true;
  const std::uint64_t reserve =
      std::clamp(held >> kReserveShift, kSlabBytes * 1ul, kReserveBytesMax);
  const std::uint64_t free =
      (allowed > granted ? allowed - granted : 0) + heap.spare_slabs() * kSlabBytes;
  return free >= reserve;
}

// A write that takes a cell when all is granted lets go of a little more than it takes, and helps
// to empty a slab: so that none has to do it for all.
void Shard::State::pay(std::size_t bytes) {
  if (reserve_is_there()) return;
  const std::uint64_t before = counters.evicted_bytes.value();
  const std::uint64_t enough = before + bytes + bytes / 4;
  for (int i = 0; i < kPayEvictions && counters.evicted_bytes.value() < enough; ++i) {
    if (!evict_one()) break;
    use_up(0, 1);
  }
  const std::size_t moved = pack(kPayMoves, Heap::Packing::kHard);
  use_up(moved, 0);
}

std::size_t Shard::State::pack(std::size_t cells_max, Heap::Packing how) {
  const std::size_t moved = store->pack(cells_max, how);
  counters.packed.add(moved);
  return moved;
}

// Of many sizes each may have free cells and none enough to empty a slab: then one is emptied all
// the same.
bool Shard::State::discard(const Spot& spot, std::uint64_t hash) noexcept {
  const int db = db_of(spot.segment->table);
  if (db < 0) {  // of a flushed database, on its way out anyway
    store->erase(spot, hash);
    return true;
  }
  if (options.eviction == Eviction::kNone) return false;
  if (options.eviction == Eviction::kVolatile && store->entry(spot.ref).expires_ms() == 0) {
    return false;
  }
  if (spared().holds(spot.segment->table, hash)) return false;
  remove(spot, hash, static_cast<unsigned>(db), Removal::kEvicted);
  return true;
}

bool Shard::State::release_some() {
  for (auto old = retired.begin(); old != retired.end(); ++old) {
    if ((*old)->large().waits()) continue;
    if (!(*old)->release(kReleaseBytes) && !(*old)->large().waits()) retired.erase(old);
    return true;
  }
  if (store->large().release(kReleaseBytes)) return true;
  if (!dying.empty()) {
    auto& [table, place] = dying.front();
    place = store->sweep(table, place);
    if (place == 0) dying.erase(dying.begin());
    return true;
  }
  return false;
}

// Down to what is allowed.
bool Shard::State::reclaim_some() {
  const std::uint64_t excess = budget.excess_bytes(shard);
  if (excess == 0) return false;
  if (store->heap().purge(4) == 0) {
    const std::size_t moved = pack(kPackCells, Heap::Packing::kHard);
    if (moved == 0) {
      std::size_t gone = 0;
      while (gone < kEvictSlice && evict_one()) ++gone;
      if (gone == 0) return false;
    }
  }
  return true;
}

// When everything is granted, some is kept free: so that a write finds a slab instead of making
// room itself.
bool Shard::State::keep_reserve() {
  Heap& heap = store->heap();
  if (reserve_is_there()) {  // then what is spare beyond it goes back
    const std::size_t keep =
        kSparesMin +
        std::min(heap.resident_bytes() >> kReserveShift, kReserveBytesMax) / kSlabBytes;
    return heap.spare_slabs() > keep &&
           heap.purge(std::min<std::size_t>(heap.spare_slabs() - keep, 8)) != 0;
  }
  const std::size_t moved = pack(kPackCells, Heap::Packing::kHard);
  if (moved != 0) return true;
  std::size_t gone = 0;
  while (gone < kEvictSlice && evict_one()) ++gone;
  return gone != 0;
}

bool Shard::State::sweep_expired() {
  for (int i = 0; i < kSegmentsPerSlice; ++i) {
    Segment* segment = advance(expire_hand);
    if (segment == nullptr) return false;
    if (segment->expiring == 0 || segment->earliest_ms > now_ms) continue;
    const std::size_t before = segment->entries;
    return collect_expired(*segment) * kWorthOneIn >= before;
  }
  return false;
}

// Packs what is sparse, and makes a segment smaller, one at a time.
bool Shard::State::tidy() {
  const std::size_t moved = pack(kPackCells, Heap::Packing::kSoft);
  for (int i = 0; i < kSegmentsPerSlice; ++i) {
    const Hand before = tidy_hand;
    Segment* segment = advance(tidy_hand);
    if (segment == nullptr) break;
    const unsigned table = segment->table;
    const std::uint64_t first = segment->first;
    if (segment->entries * 2 >= segment->limit) continue;
    if (store->shrink(table, first)) {
      tidy_hand = before;
      return true;
    }
  }
  return moved != 0;
}

void Shard::State::look_after_shadow() {
  const std::uint64_t entries = store->entries();
  store->clock().grain(
      static_cast<std::uint32_t>(std::min<std::uint64_t>(entries / 4096, 1u << 20)));
  if (options.eviction == Eviction::kNone || entries == 0) return;
  if (!shadow) {
    if (entries < 64) return;
    try {
      auto made = std::make_unique<Shadow>();
      if (!budget.take(Component::kTable, made->memory_bytes(), shard)) return;
      shadow_bytes = made->memory_bytes();
      shadow = std::move(made);
    } catch (const std::bad_alloc&) {
      return;
    }
  }
  // The size to simulate: what the entries take, or could take of what is free.
  const std::uint64_t bytes = store->totals().total();
  const std::uint64_t held = store->heap().resident_bytes();
  const std::uint64_t allowed = budget.allowed_bytes(), granted = budget.granted_bytes();
  const std::uint64_t free = allowed > granted ? (allowed - granted) / budget.options().shards : 0;
  const std::uint64_t room = std::min<std::uint64_t>(free, held);
  shadow->capacity(bytes + room, entries + (held == 0 ? 0 : entries * room / held));
}

bool Shard::step(std::chrono::nanoseconds time, bool expire) {
  State& s = *state_;
  const auto start = std::chrono::steady_clock::now();
  const auto end = start + time;
  s.begin_operation(nullptr);
  s.look_after_shadow();
  s.tell_curve();
  const std::uint64_t held = s.held_bytes(), packed = s.counters.packed.value();
  bool more = true, expired = expire, released = false, reclaimed = false;
  while (more) {
    more = s.release_some();
    released = released || more;
    if (s.reclaim_some()) more = reclaimed = true;
    more = s.keep_reserve() || more;
    expired = expired && s.sweep_expired();
    more = s.tidy() || expired || more;
    if (std::chrono::steady_clock::now() >= end) break;
  }
  const auto now = std::chrono::steady_clock::now();
  const auto ns = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(now - start).count());
  // What somebody erased or flushed is no reclaim, nor are pages that packing has emptied.
  s.tell_reclaims(reclaimed  ? s.pressing()
                  : released ? growth_cause::erase
                             : growth_cause::compact,
                  held, s.counters.packed.value() - packed, ns, more);
  s.publish();
  s.counters.steps.add();
  if (ns > s.counters.step_ns_max.value()) s.counters.step_ns_max.set(ns);
  return more;
}

}  // namespace ullage::tier
