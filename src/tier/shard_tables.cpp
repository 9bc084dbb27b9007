// SPDX-License-Identifier: Apache-2.0
//
// Databases as a whole: counting, flushing, going through them.
#include <algorithm>
#include <bit>

#include "tier/state.h"

namespace ullage::tier {
namespace {

// Slots that a scan looks at for one entry that was asked for.
constexpr std::size_t kLooksPerEntry = 16;

}  // namespace

std::uint64_t Shard::count(unsigned db) const noexcept {
  return state_->store->table(state_->tables[db]).entries.value();
}

std::uint64_t Shard::count_with_expiry(unsigned db) const noexcept {
  return state_->store->table(state_->tables[db]).expiring.value();
}

// All that is stored goes aside as a whole; step() gives its pages back.
void Shard::State::retire() {
  retired.push_back(std::move(store));
  store = std::make_unique<Store>(budget, shard, *this);
  dying.clear();
  databases.fill(-1);
  for (unsigned db = 0; db < kDatabases; ++db) {
    tables[db] = static_cast<std::uint8_t>(db);
    databases[db] = static_cast<std::int8_t>(db);
  }
  evict_hand = expire_hand = tidy_hand = {};
  moments.clear();
  shadow.reset();
  if (shadow_bytes != 0) budget.give_back(Component::kTable, shadow_bytes, shard);
  shadow_bytes = 0;
}

void Shard::flush(unsigned db) {
  State& s = *state_;
  s.lent.clear();
  const unsigned table = s.tables[db];
  if (s.store->table(table).directory.empty()) return;
  for (auto& [place, watched] : s.watched) {
    if (place.first == db && s.find(Key(db, place.second))) ++watched.version;
  }
  std::uint64_t others = 0;
  for (unsigned other = 0; other < kDatabases; ++other) {
    if (other != db) others += s.store->table(s.tables[other]).entries.value();
  }
  if (others == 0) {
    s.retire();
    s.publish();
    return;
  }
  unsigned fresh = 0;
  const auto in_use = [&s](unsigned id) {
    return s.databases[id] >= 0 ||
           std::any_of(s.dying.begin(), s.dying.end(), [id](auto& d) { return d.first == id; });
  };
  while (fresh < kTables && in_use(fresh)) ++fresh;
  if (fresh == kTables) {  // 48 flushes are under way: this one waits for the oldest
    fresh = s.dying.front().first;
    for (std::uint64_t place = s.dying.front().second;;) {
      place = s.store->sweep(fresh, place);
      if (place == 0) break;
    }
    s.dying.erase(s.dying.begin());
  }
  s.dying.emplace_back(table, 0);
  s.databases[table] = -1;
  s.databases[fresh] = static_cast<std::int8_t>(db);
  s.tables[db] = static_cast<std::uint8_t>(fresh);
  s.publish();
}

void Shard::flush_all() {
  State& s = *state_;
  s.lent.clear();
  for (auto& [place, watched] : s.watched) {
    if (s.find(Key(place.first, place.second))) ++watched.version;
  }
  s.retire();
  s.publish();
}

void Shard::swap(unsigned one, unsigned other) {
  State& s = *state_;
  if (one == other) return;
  s.lent.clear();
  for (auto& [place, watched] : s.watched) {
    if (place.first != one && place.first != other) continue;
    if (s.find(Key(one, place.second)) || s.find(Key(other, place.second))) ++watched.version;
  }
  std::swap(s.tables[one], s.tables[other]);
  s.databases[s.tables[one]] = static_cast<std::int8_t>(one);
  s.databases[s.tables[other]] = static_cast<std::int8_t>(other);
}

namespace {

// Calls `fn(slot)` for every entry whose home is `group`, wherever it came to lie.
template <class Fn>
void for_each_at_home(Store& store, Segment& segment, unsigned group, std::uint64_t from, Fn fn) {
  const std::uint64_t end = segment.first_of(group + 1);
  unsigned g = group;
  for (unsigned looked = 0; looked < segment.groups; ++looked, g = segment.next(g)) {
    for (unsigned bits = ~match(segment.tags(g), 0) & 0x7fffu; bits != 0; bits &= bits - 1) {
      const std::size_t slot = g * std::size_t{16} + static_cast<unsigned>(std::countr_zero(bits));
      const std::uint64_t place = place_of(store.hash_of(segment.ref(slot)));
      if (place >= from && place < end) fn(slot);
    }
    if (segment.tags(g)[kSlots] == 0) break;
  }
}

}  // namespace

std::uint64_t Shard::scan(unsigned db, std::uint64_t cursor, std::size_t count, const Visit& fn) {
  State& s = *state_;
  Store& store = *s.store;
  Table& table = store.table(s.tables[db]);
  if (table.directory.empty() || cursor >= kPlaceEnd) return 0;
  std::size_t seen = 0, looked = 0;
  std::uint64_t place = cursor;
  const std::size_t looks = std::max<std::size_t>(count, 1) * kLooksPerEntry;
  while (place < kPlaceEnd && (seen < count || seen == 0) && looked < looks) {
    Segment& segment = *store.segment_at(table.directory[place >> (kPlaceBits - table.depth)]);
    const unsigned group = segment.home(place);
    for_each_at_home(store, segment, group, place, [&](std::size_t slot) {
      const Entry e = store.entry(segment.ref(slot));
      if (e.expired(s.now_ms)) return;
      fn(e.key(), Found{e.text(), e.expires_ms(), e.kind()});
      ++seen;
    });
    looked += kSlots;
    place = segment.first_of(group + 1);
  }
  return place < kPlaceEnd ? place : 0;
}

std::optional<std::string_view> Shard::random_key(unsigned db, std::uint64_t random) {
  State& s = *state_;
  Store& store = *s.store;
  Table& table = store.table(s.tables[db]);
  if (table.entries.value() == 0) return std::nullopt;
  const std::uint64_t start = random >> 16;
  std::uint64_t place = start;
  bool wrapped = false;
  for (;;) {
    Segment& segment = *store.segment_at(table.directory[place >> (kPlaceBits - table.depth)]);
    const unsigned group = segment.home(place);
    std::optional<std::string_view> found;
    std::uint64_t nth = 0;
    // From the beginning of the group: any of those at home there, by the lower bits.
    for_each_at_home(store, segment, group, segment.first_of(group), [&](std::size_t slot) {
      const Entry e = store.entry(segment.ref(slot));
      if (e.expired(s.now_ms)) return;
      if (++nth == 1 || (random & 0xffff) % nth == 0) found = e.key();
    });
    if (found) return found;
    place = segment.first_of(group + 1);
    if (wrapped && place > start) return std::nullopt;  // all have expired
    if (place >= kPlaceEnd) {
      place = 0;
      wrapped = true;
    }
  }
}

}  // namespace ullage::tier
