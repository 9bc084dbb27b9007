// SPDX-License-Identifier: Apache-2.0
#include "tier/store.h"

#include <algorithm>
#include <cassert>

namespace ullage::tier {

Store::Store(Budget& budget, int shard, StoreOwner& owner)
    : budget_(budget), shard_(shard), owner_(owner), heap_(budget, shard), large_(budget, shard) {}

Store::~Store() {
  while (release(std::size_t{64} << 20)) {
  }
}

bool Store::release(std::size_t bytes) noexcept {
  if (heap_.release(bytes) || large_.release_all(bytes)) return true;
  budget_.give_back(Component::kTable, directory_bytes_, shard_);
  directory_bytes_ = 0;
  for (Table& table : tables_) table.clear();
  return false;
}

Spot Store::find(unsigned table, const Key& key) noexcept {
  Segment* segment = segment_for(tables_[table], key.hash);
  if (segment == nullptr) return {};
  const std::uint8_t tag = tag_of(key.hash);
  unsigned group = segment->home(place_of(key.hash));
  for (unsigned looked = 0; looked < segment->groups; ++looked, group = segment->next(group)) {
    const std::uint8_t* tags = segment->tags(group);
    for (unsigned bits = match(tags, tag); bits != 0; bits &= bits - 1) {
      const auto i = static_cast<unsigned>(std::countr_zero(bits));
      const Ref ref = segment->refs(group)[i];
      if (entry(ref).has_key(key.text)) return {segment, segment, group * std::size_t{16} + i, ref};
    }
    if (tags[kSlots] == 0) break;
  }
  return {nullptr, segment, 0, 0};
}

std::uint32_t Store::weight(Ref ref) const noexcept {
  const std::size_t cell = heap_.bytes_at(ref);
  const Entry e = entry(ref);
  if (!e.large()) return static_cast<std::uint32_t>(cell);
  return static_cast<std::uint32_t>(cell + Large::charge(e.block()));
}

Spot Store::put(Segment* segment, std::uint64_t hash, Ref ref) noexcept {
  catch_up(*segment);
  const std::size_t slot = segment->add(hash, ref);
  rank::arrive(segment->ranks, segment->all_words(), slot, weight(ref), clock_.stamp());
  Table& table = tables_[segment->table];
  table.entries.add();
  ++entries_;
  const Spot spot{segment, segment, slot, ref};
  const std::uint64_t expires = entry(ref).expires_ms();
  if (expires != 0) {
    table.expiring.add();
    ++segment->expiring;
    segment->earliest_ms = std::min(segment->earliest_ms, expires);
  }
  return spot;
}

void Store::erase(const Spot& spot, std::uint64_t hash, bool keep_large) noexcept {
  Segment& segment = *spot.segment;
  Table& table = tables_[segment.table];
  const Entry e = entry(spot.ref);
  rank::leave(segment.ranks, segment.all_words(), spot.slot, weight(spot.ref));
  if (e.expires_ms() != 0) {
    table.expiring.sub();
    --segment.expiring;
  }
  if (e.large() && !keep_large) large_.free(e.block());
  segment.remove(spot.slot, hash);
  heap_.free(spot.ref);
  table.entries.sub();
  --entries_;
}

void Store::replace(const Spot& spot, Ref ref) noexcept {
  Segment& segment = *spot.segment;
  const std::uint16_t word = segment.all_words()[spot.slot];
  const List list = rank::list_of(word);
  rank::part(segment.ranks, list, weight(spot.ref));
  rank::join(segment.ranks, list, rank::stamp_of(word), weight(ref));
  segment.ref(spot.slot) = ref;
}

void Store::reweigh(const Spot& spot, std::uint32_t before) noexcept {
  Segment& segment = *spot.segment;
  const std::uint16_t word = segment.all_words()[spot.slot];
  rank::part(segment.ranks, rank::list_of(word), before);
  rank::join(segment.ranks, rank::list_of(word), rank::stamp_of(word), weight(spot.ref));
}

void Store::set_expiry(const Spot& spot, std::uint64_t expires_ms) noexcept {
  Segment& segment = *spot.segment;
  Entry e = entry(spot.ref);
  const bool before = e.expires_ms() != 0, after = expires_ms != 0;
  if (before != after) {
    segment.expiring += after ? 1u : ~0u;
    tables_[segment.table].expiring.add(after ? 1ull : ~0ull);
  }
  if (after) segment.earliest_ms = std::min(segment.earliest_ms, expires_ms);
  e.expires_ms(expires_ms);
}

void Store::count_use(Segment& segment, std::uint64_t hash) noexcept {
  if (clock_.tick()) catch_up(segment);
  if (!sketch::count(segment.sketch(segment.home(place_of(hash))), hash)) return;
  if (++segment.ranks.uses < std::max(segment.entries, 8u) * rank::kUsesPerEntry) return;
  sketch::halve(segment.sketch(0), segment.groups * sketch::kWords);
  segment.ranks.uses /= 2;
}

void Store::count_write(Segment& segment, std::uint64_t hash) noexcept {
  if (sketch::estimate(segment.sketch(segment.home(place_of(hash))), hash) == 0) {
    count_use(segment, hash);
  }
}

// A cell went from one sparse slab to another: whoever refers to it is told.
void Store::moved(Ref from, Ref to) noexcept {
  if (Heap::is_segment(heap_.class_at(to))) {
    const Segment* segment = segment_at(to);
    point(tables_[segment->table], *segment, to);
    return;
  }
  const Spot spot = spot_of(from, to, hash_of(to));
  spot.segment->ref(spot.slot) = to;
}

bool Store::discard(Ref ref) noexcept {
  const std::uint64_t hash = hash_of(ref);
  return owner_.discard(spot_of(ref, ref, hash), hash);
}

// Where the table refers to `where`; its entry can be read at `content`.
Spot Store::spot_of(Ref where, Ref content, std::uint64_t hash) noexcept {
  Segment* segment = segment_for(tables_[entry(content).table()], hash);
  const std::uint8_t tag = tag_of(hash);
  for (unsigned group = segment->home(place_of(hash));; group = segment->next(group)) {
    for (unsigned bits = match(segment->tags(group), tag); bits != 0; bits &= bits - 1) {
      const auto i = static_cast<unsigned>(std::countr_zero(bits));
      if (segment->refs(group)[i] != where) continue;
      return {segment, segment, group * std::size_t{16} + i, where};
    }
  }
}

std::uint64_t Store::sweep(unsigned id, std::uint64_t place) noexcept {
  Table& table = tables_[id];
  if (table.directory.empty()) return 0;
  const Ref ref = table.directory[place >> (kPlaceBits - table.depth)];
  Segment& segment = *segment_at(ref);
  for (unsigned group = 0; group < segment.groups; ++group) {
    if (group + 1u < segment.groups) prefetch_group(segment, group + 1);
    std::uint8_t* tags = segment.tags(group);
    for (unsigned bits = ~match(tags, 0) & 0x7fffu; bits != 0; bits &= bits - 1) {
      const auto i = static_cast<unsigned>(std::countr_zero(bits));
      const Ref cell = segment.refs(group)[i];
      const Entry e = entry(cell);
      if (e.large()) large_.free(e.block());
      rank::leave(segment.ranks, segment.all_words(), group * std::size_t{16} + i, weight(cell));
      heap_.free(cell);
      --entries_;
    }
    std::memset(tags, 0, 16);
  }
  segment.entries = segment.expiring = 0;
  const std::uint64_t next = segment.end();
  if (next < kPlaceEnd) return next;
  // All are empty: now they go themselves.
  for (std::size_t i = 0; i < table.directory.size();) {
    const Ref each = table.directory[i];
    i += std::size_t{1} << (table.depth - segment_at(each)->depth);
    heap_.free(each);
  }
  budget_.give_back(Component::kTable, table.directory.size() * sizeof(Ref), shard_);
  directory_bytes_ -= table.directory.size() * sizeof(Ref);
  table.clear();
  return 0;
}

void Store::prefetch_group(Segment& segment, unsigned group) const noexcept {
  const std::uint8_t* tags = segment.tags(group);
  const Ref* refs = segment.refs(group);
  for (unsigned i = 0; i < kSlots; ++i) {
    if (tags[i] != 0) __builtin_prefetch(heap_.at(refs[i]));
  }
}

}  // namespace ullage::tier
