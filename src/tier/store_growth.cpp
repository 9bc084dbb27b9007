// SPDX-License-Identifier: Apache-2.0
//
// How a table grows and shrinks: one segment at a time.
//
//   61 groups -> 73 -> 92 -> split into two of 61     load 0.66 .. 0.875, always
//
// Every step obtains its memory first, so a denial changes nothing.
#include <algorithm>
#include <cassert>
#include <chrono>
#include <new>

#include "tier/store.h"

namespace ullage::tier {
namespace {

// Indices into kSegmentBytes: where segments come from a split, and where they split.
constexpr unsigned kFromSplit = 5, kToSplit = 7;
static_assert(kSegmentBytes[kFromSplit] == 10880 && kSegmentBytes[kToSplit] == 16384);
// A split that leaves less than this share on one side helps little: 1/16.
constexpr std::uint32_t kPoorShare = 16;
constexpr int kAttemptsMax = 8;
// A segment, or two buddies together, that fill less than this of what they would become, shrink:
// well below what a growth leaves, so that nothing swings.
constexpr std::uint32_t kShrinkPercent = 55;
// A directory of up to this many segments may be made for keys that come in the order of their
// hash, whose first splits leave one side empty: 256 KiB.
constexpr unsigned kOrderedDepthMax = 16;

// The smallest from `least` on with room for this many and one more.
unsigned size_for(std::uint32_t entries, unsigned least) noexcept {
  unsigned size = least;
  while (size + 1u < kSegmentBytes.size() &&
         Segment::groups_in(size) * kSlots * 7u / 8u <= entries) {
    ++size;
  }
  return size;
}

// What a growth costs its caller is measured from where it begins: making room is part of it.
std::uint64_t steady_ns() noexcept {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

}  // namespace

Ref Store::allocate(Heap::Class c) noexcept {
  for (;;) {
    const Ref ref = heap_.allocate(c);
    if (ref != 0 || !owner_.make_room(c)) return ref;
  }
}

Segment* Store::create(unsigned size, unsigned table, std::uint64_t first, unsigned depth,
                       Ref& ref) noexcept {
  ref = heap_.allocate(Heap::segment_class(size));
  if (ref == 0) return nullptr;
  Segment* segment = segment_at(ref);
  segment->begin(size, table, first, depth, &totals_, clock_.era());
  ++tables_[table].segments;
  ++tables_[table].at_depth[depth];
  return segment;
}

void Store::release(Table& table, Ref ref) noexcept {
  --table.segments;
  --table.at_depth[segment_at(ref)->depth];
  heap_.free(ref);
}

void Store::point(Table& table, const Segment& segment, Ref ref) noexcept {
  const std::size_t at = segment.first >> (kPlaceBits - table.depth);
  const std::size_t count = std::size_t{1} << (table.depth - segment.depth);
  std::fill_n(table.directory.begin() + static_cast<std::ptrdiff_t>(at), count, ref);
}

Segment* Store::room(unsigned id, std::uint64_t hash) noexcept {
  Table& table = tables_[id];
  if (table.directory.empty()) {
    growth_began_ns_ = steady_ns();
    const Ref ref = allocate(Heap::segment_class(0));
    if (ref == 0) return nullptr;
    bool granted = budget_.take(Component::kTable, sizeof(Ref), shard_);
    try {
      if (granted) table.directory.assign(1, ref);
    } catch (const std::bad_alloc&) {
      budget_.give_back(Component::kTable, sizeof(Ref), shard_);
      granted = false;
    }
    if (!granted) {
      heap_.free(ref);
      return nullptr;
    }
    directory_bytes_ += sizeof(Ref);
    table.segments = table.at_depth[0] = 1;
    Segment* segment = segment_at(ref);
    segment->begin(0, id, 0, 0, &totals_, clock_.era());
    owner_.grew(growth_kind::first, *segment, 0, 0, growth_began_ns_);
    return segment;
  }
  for (int attempt = 0;; ++attempt) {
    Segment* segment = segment_for(table, hash);
    if (segment->entries < segment->limit) return segment;
    if (attempt == 0) growth_began_ns_ = steady_ns();
    if (attempt == 0 && owner_.collect(*segment)) continue;
    bool done = false;
    unsigned wanted = segment->size + 1u;
    if (segment->size < kToSplit) {
      done = rebuild(id, segment, wanted, growth_kind::stretched);
    } else {
      const bool splits = segment->depth < kDepthMax;
      const std::uint32_t right = splits ? right_of_split(*segment) : 0;
      const std::uint32_t left = segment->entries - right;
      // Nearly all on one side: keys in the order of their hash, or ones that hash alike.
      const bool poor = std::min(left, right) < segment->entries / kPoorShare;
      if (splits && (!poor || segment->depth < kOrderedDepthMax)) {
        const unsigned least = poor ? 0 : kFromSplit;
        const unsigned left_size = size_for(left, least), right_size = size_for(right, least);
        wanted = std::max(left_size, right_size);
        // Entries that go give nothing back to the budget, from which a directory comes.
        if (segment->depth == table.depth && !deepen(table)) {
          attempt = kAttemptsMax;
        } else {
          done = split(id, segment, left_size, right_size);
        }
        // Each is another one for which there may be no memory at first.
        if (done && poor) attempt = -1;
      } else {
        done =
            wanted < kSegmentBytes.size() && rebuild(id, segment, wanted, growth_kind::poor_hash);
      }
    }
    if (done) continue;
    if (attempt < kAttemptsMax && wanted < kSegmentBytes.size() &&
        owner_.make_room(Heap::segment_class(wanted))) {
      continue;
    }
    // The slack that is kept for short probes is better than an error; so is one of its entries.
    segment = segment_for(table, hash);
    if (segment->entries < segment->groups * kSlots || owner_.thin(*segment)) return segment;
    return nullptr;
  }
}

void Store::copy(Segment& from, Segment& to, std::size_t slot, std::uint64_t hash) noexcept {
  const Ref ref = from.ref(slot);
  const std::uint16_t word = from.all_words()[slot];
  const std::size_t added = to.add(hash, ref);
  to.all_words()[added] = word;
  rank::join(to.ranks, rank::list_of(word), rank::stamp_of(word), weight(ref));
  // What is known of keys that are not stored goes: blocks cannot be cut along the new groups, and
  // merging neighbours made every growth double the noise.
  sketch::raise(to.sketch(to.home(place_of(hash))), hash,
                sketch::estimate(from.sketch(from.home(place_of(hash))), hash));
  const std::uint64_t expires = entry(ref).expires_ms();
  if (expires != 0) {
    ++to.expiring;
    to.earliest_ms = std::min(to.earliest_ms, expires);
  }
}

bool Store::rebuild(unsigned id, Segment* segment, unsigned size, growth_kind kind) noexcept {
  Table& table = tables_[id];
  catch_up(*segment);
  Ref ref = 0;
  Segment* fresh = create(size, id, segment->first, segment->depth, ref);
  if (fresh == nullptr) return false;
  assert(segment->entries <= fresh->groups * kSlots);
  // Bytes are counted in the old one until it goes: take them out of the totals once.
  for (std::size_t i = 0; i < 3; ++i) totals_.bytes[i] -= segment->ranks.bytes[i];
  for (unsigned group = 0; group < segment->groups; ++group) {
    if (group + 1u < segment->groups) prefetch_group(*segment, group + 1);
    for (unsigned bits = ~match(segment->tags(group), 0) & 0x7fffu; bits != 0; bits &= bits - 1) {
      const std::size_t slot =
          group * std::size_t{16} + static_cast<unsigned>(std::countr_zero(bits));
      copy(*segment, *fresh, slot, hash_of(segment->ref(slot)));
    }
  }
  const Ref old = table.directory[segment->first >> (kPlaceBits - table.depth)];
  point(table, *fresh, ref);
  const std::uint64_t before = kSegmentBytes[segment->size];
  release(table, old);
  owner_.grew(kind, *fresh, before, fresh->entries, growth_began_ns_);
  return true;
}

// How many would be on the right.
std::uint32_t Store::right_of_split(Segment& segment) noexcept {
  const std::uint64_t middle = segment.first + (kPlaceEnd >> (segment.depth + 1));
  std::uint32_t right = 0;
  for (unsigned group = 0; group < segment.groups; ++group) {
    if (group + 1u < segment.groups) prefetch_group(segment, group + 1);
    for (unsigned bits = ~match(segment.tags(group), 0) & 0x7fffu; bits != 0; bits &= bits - 1) {
      const Ref ref = segment.refs(group)[std::countr_zero(bits)];
      right += place_of(hash_of(ref)) >= middle ? 1 : 0;
    }
  }
  return right;
}

bool Store::deepen(Table& table) noexcept {
  const std::size_t more = table.directory.size() * sizeof(Ref);
  // Old and new are there at once, for as long as copying takes.
  if (!budget_.take(Component::kTable, more, shard_)) return false;
  try {
    std::vector<Ref> twice(table.directory.size() * 2);
    for (std::size_t i = 0; i < twice.size(); ++i) twice[i] = table.directory[i / 2];
    table.directory = std::move(twice);
  } catch (const std::bad_alloc&) {
    budget_.give_back(Component::kTable, more, shard_);
    return false;
  }
  directory_bytes_ += more;
  ++table.depth;
  return true;
}

// Keeps (4): halves the directory while nothing needs the lower half of its bits, and one to spare.
void Store::flatten(Table& table) noexcept {
  while (table.depth > 1 && table.at_depth[table.depth] == 0 &&
         table.at_depth[table.depth - 1] == 0) {
    // The half is there beside the whole for as long as copying takes.
    const std::size_t half = table.directory.size() / 2 * sizeof(Ref);
    if (!budget_.take(Component::kTable, half, shard_)) return;  // the next merge tries again
    try {
      std::vector<Ref> fewer(table.directory.size() / 2);
      for (std::size_t i = 0; i < fewer.size(); ++i) fewer[i] = table.directory[i * 2];
      table.directory = std::move(fewer);
    } catch (const std::bad_alloc&) {
      budget_.give_back(Component::kTable, half, shard_);
      return;
    }
    budget_.give_back(Component::kTable, half * 2, shard_);
    directory_bytes_ -= half;
    --table.depth;
  }
}

// Keys may come in the order of their hash (a scan of another store): then one half has most. Each
// gets the size that holds its part.
bool Store::split(unsigned id, Segment* segment, unsigned left_size, unsigned right_size) noexcept {
  Table& table = tables_[id];
  catch_up(*segment);
  assert(segment->depth < table.depth);
  const std::uint64_t middle = segment->first + (kPlaceEnd >> (segment->depth + 1));
  Ref left_ref = 0, right_ref = 0;
  const unsigned depth = segment->depth + 1u;
  Segment* left = create(left_size, id, segment->first, depth, left_ref);
  if (left == nullptr) return false;
  Segment* right = create(right_size, id, middle, depth, right_ref);
  if (right == nullptr) {
    release(table, left_ref);
    return false;
  }
  for (std::size_t i = 0; i < 3; ++i) totals_.bytes[i] -= segment->ranks.bytes[i];
  for (unsigned group = 0; group < segment->groups; ++group) {
    if (group + 1u < segment->groups) prefetch_group(*segment, group + 1);
    for (unsigned bits = ~match(segment->tags(group), 0) & 0x7fffu; bits != 0; bits &= bits - 1) {
      const std::size_t slot =
          group * std::size_t{16} + static_cast<unsigned>(std::countr_zero(bits));
      const std::uint64_t hash = hash_of(segment->ref(slot));
      copy(*segment, place_of(hash) >= middle ? *right : *left, slot, hash);
    }
  }
  const Ref old = table.directory[segment->first >> (kPlaceBits - table.depth)];
  point(table, *left, left_ref);
  point(table, *right, right_ref);
  const std::uint64_t before = kSegmentBytes[segment->size], entries = segment->entries;
  release(table, old);
  owner_.grew(growth_kind::split, *left, before, entries, growth_began_ns_);
  return true;
}

bool Store::shrink(unsigned id, std::uint64_t place) noexcept {
  Table& table = tables_[id];
  if (table.directory.empty()) return false;
  const auto at = [&](std::uint64_t p) {
    return segment_at(table.directory[p >> (kPlaceBits - table.depth)]);
  };
  const auto limit = [](unsigned size) { return Segment::groups_in(size) * kSlots * 7u / 8u; };
  Segment* segment = at(place);
  growth_began_ns_ = steady_ns();
  if (segment->depth > 0) {
    const std::uint64_t width = kPlaceEnd >> segment->depth;
    Segment* buddy = at(segment->first ^ width);
    if (buddy->depth == segment->depth &&
        (segment->entries + buddy->entries) * 100 < limit(kFromSplit) * kShrinkPercent) {
      Segment* left = segment->first < buddy->first ? segment : buddy;
      Segment* right = left == segment ? buddy : segment;
      catch_up(*left);
      catch_up(*right);
      Ref ref = 0;
      Segment* fresh = create(kFromSplit, id, left->first, left->depth - 1u, ref);
      if (fresh == nullptr) return false;
      for (Segment* from : {left, right}) {
        for (std::size_t i = 0; i < 3; ++i) totals_.bytes[i] -= from->ranks.bytes[i];
        for (unsigned group = 0; group < from->groups; ++group) {
          if (group + 1u < from->groups) prefetch_group(*from, group + 1);
          for (unsigned bits = ~match(from->tags(group), 0) & 0x7fffu; bits != 0;
               bits &= bits - 1) {
            const std::size_t slot =
                group * std::size_t{16} + static_cast<unsigned>(std::countr_zero(bits));
            copy(*from, *fresh, slot, hash_of(from->ref(slot)));
          }
        }
      }
      const std::uint64_t before = kSegmentBytes[left->size] + kSegmentBytes[right->size];
      const Ref refs[] = {table.directory[left->first >> (kPlaceBits - table.depth)],
                          table.directory[right->first >> (kPlaceBits - table.depth)]};
      point(table, *fresh, ref);
      for (const Ref old : refs) release(table, old);
      flatten(table);
      owner_.grew(growth_kind::merged, *fresh, before, fresh->entries, growth_began_ns_);
      return true;
    }
  }
  if (segment->size == 0 || segment->size > kToSplit) return false;
  if (segment->entries * 100 >= limit(segment->size - 1u) * kShrinkPercent) return false;
  // A table of many segments keeps them at the size that splits make.
  if (segment->depth > 0 && segment->size <= kFromSplit) return false;
  return rebuild(id, segment, segment->size - 1u, growth_kind::shrunk);
}

}  // namespace ullage::tier
