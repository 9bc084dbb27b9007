// SPDX-License-Identifier: Apache-2.0
#include "tier/shard.h"

#include <algorithm>
#include <cassert>

#include "tier/state.h"

namespace ullage::tier {

Shard::State::State(const ShardOptions& given, Budget& shared)
    : options(given), budget(shared), shard(static_cast<int>(given.index)) {
  store = std::make_unique<Store>(budget, shard, *this);
  databases.fill(-1);
  for (unsigned db = 0; db < kDatabases; ++db) {
    tables[db] = static_cast<std::uint8_t>(db);
    databases[db] = static_cast<std::int8_t>(db);
  }
  if (options.window_percent) window_percent = *options.window_percent;
}

Shard::State::~State() {
  if (shadow_bytes != 0) budget.give_back(Component::kTable, shadow_bytes, shard);
}

Spot Shard::State::find(const Key& key) {
  assert(key.db < kDatabases);
  Spot spot = store->find(tables[key.db], key);
  if (spot && store->entry(spot.ref).expired(now_ms)) {
    remove(spot, key.hash, key.db, Removal::kExpired);
    spot.segment = nullptr;
  }
  return spot;
}

void Shard::State::used(const Key& key, const Spot& spot) {
  Segment& segment = *spot.segment;
  store->count_use(segment, key.hash);
  store->catch_up(segment);
  rank::use(segment.ranks, segment.all_words()[spot.slot], store->clock().stamp(),
            [&] { return store->weight(spot.ref); });
  if (shadow && shadow->sampled(key.hash) && shadow->get(key.hash) && !options.window_percent) {
    window_percent = shadow->window_percent();
  }
}

void Shard::State::missed(const Key& key, const Spot& spot) {
  if (spot.home != nullptr) store->count_use(*spot.home, key.hash);
  if (shadow && shadow->sampled(key.hash) && shadow->get(key.hash) && !options.window_percent) {
    window_percent = shadow->window_percent();
  }
}

void Shard::State::changed(unsigned db, std::string_view key) {
  if (watched.empty()) return;
  const auto found = watched.find(std::pair<unsigned, std::string>(db, key));
  if (found != watched.end()) ++found->second.version;
}

void Shard::State::remove(const Spot& spot, std::uint64_t hash) {
  if (shadow && shadow->sampled(hash)) shadow->erase(hash);
  store->erase(spot, hash);
}

void Shard::State::remove(const Spot& spot, std::uint64_t hash, unsigned db, Removal why) {
  const std::string_view key = store->entry(spot.ref).key();
  if (options.inclusive && why == Removal::kEvicted) {
    const Entry e = store->entry(spot.ref);
    if (options.listener->on_evicting(Key(db, key, hash),
                                      Found{e.text(), e.expires_ms(), e.kind()})) {
      counters.evicted.add();
      counters.evicted_bytes.add(store->weight(spot.ref));
      store->erase(spot, hash);
      return;
    }
  }
  changed(db, key);
  if (options.listener != nullptr) options.listener->on_removed(db, key, why);
  if (why == Removal::kExpired) {
    counters.expired.add();
    remove(spot, hash);
    return;
  }
  counters.evicted.add();
  counters.evicted_bytes.add(store->weight(spot.ref));
  store->erase(spot, hash);
}

void Shard::State::begin_operation(const Key* key, bool replaces) {
  moves_done = evictions_done = 0;
  work_max = kSlabsPerOperation * kWorkPerSlab;
  releases_left = kReleasesPerOperation;
  own_may_go = replaces;
  own_hash.reset();
  if (key == nullptr) return;
  own_table = tables[key->db];
  own_hash = key->hash;
}

void Shard::State::publish() {
  const Heap& heap = store->heap();
  const Large& large = store->large();
  std::uint64_t resident = heap.resident_bytes(), flushed = 0, held = large.resident_bytes();
  for (const auto& old : retired) {
    flushed += old->heap().resident_bytes() + old->directory_bytes();
    held += old->large().resident_bytes();
  }
  const std::uint64_t lists = store->directory_bytes() + heap.list_bytes() + shadow_bytes;
  resident += flushed + lists;
  const std::uint64_t metadata = heap.segment_bytes_live() + lists;
  memory.entries.set(store->entries());
  memory.live_bytes.set(heap.cell_bytes_live());
  memory.metadata_bytes.set(metadata);
  memory.resident_bytes.set(resident);
  memory.garbage_bytes.set(resident - metadata - heap.cell_bytes_live());
  memory.large_live_bytes.set(large.live_bytes());
  memory.large_resident_bytes.set(held);
}

Shard::Shard(const ShardOptions& options, Budget& budget)
    : state_(std::make_unique<State>(options, budget)) {}
Shard::~Shard() = default;

void Shard::now(std::uint64_t unix_ms) noexcept {
  State& s = *state_;
  s.now_ms = unix_ms;
  auto& moments = s.moments;
  if (!moments.empty() && unix_ms < moments.back().at_ms + 1000) return;
  s.store->clock().next();
  try {
    if (moments.size() >= State::kMomentsMax) {  // every other of the older half goes
      std::size_t kept = 0;
      for (std::size_t i = 0; i < moments.size(); ++i) {
        if (i < State::kMomentsMax / 2 && i % 2 == 1) continue;
        moments[kept++] = moments[i];
      }
      moments.resize(kept);
    }
    moments.push_back({s.store->clock().era(), s.store->clock().stamp(), unix_ms});
  } catch (const std::bad_alloc&) {  // idle times become coarser
  }
}
std::uint64_t Shard::now() const noexcept { return state_->now_ms; }

std::uint64_t Shard::State::idle_ms(Segment& segment, std::size_t slot) {
  store->catch_up(segment);
  const std::uint16_t stamp = rank::stamp_of(segment.all_words()[slot]);
  for (const Moment& moment : moments) {
    const std::uint32_t halvings = std::min(store->clock().era() - moment.era, 15u);
    // The first moment at which the clock had gone on: by then it had been used for the last time.
    if (moment.stamp >> halvings > stamp) return now_ms - std::min(now_ms, moment.at_ms);
  }
  return 0;
}

std::optional<Found> Shard::get(const Key& key) {
  State& s = *state_;
  const Spot spot = s.find(key);
  if (!spot) {
    if (const State::Lent* lent = s.find_lent(key)) {
      s.missed(key, spot);  // the sketch is to know that it was asked for
      return Found{lent->taken.value, lent->taken.expires_ms, lent->taken.kind};
    }
    s.missed(key, spot);
    s.counters.misses.add();
    return std::nullopt;
  }
  s.used(key, spot);
  s.counters.hits.add();
  const Entry e = s.store->entry(spot.ref);
  return Found{e.text(), e.expires_ms(), e.kind()};
}

std::optional<Found> Shard::peek(const Key& key) {
  const Spot spot = state_->find(key);
  if (!spot) {
    const State::Lent* lent = state_->find_lent(key);
    if (lent == nullptr) return std::nullopt;
    return Found{lent->taken.value, lent->taken.expires_ms, lent->taken.kind};
  }
  const Entry e = state_->store->entry(spot.ref);
  return Found{e.text(), e.expires_ms(), e.kind()};
}

bool Shard::contains(const Key& key) {
  return state_->find(key) || state_->find_lent(key) != nullptr;
}

bool Shard::touch(const Key& key) {
  const Spot spot = state_->find(key);
  if (spot) state_->used(key, spot);
  return spot || state_->find_lent(key) != nullptr;
}

std::shared_ptr<const void> Shard::hold(const Key& key) {
  const Spot spot = state_->find(key);
  if (!spot) return nullptr;
  const Entry e = state_->store->entry(spot.ref);
  return e.large() ? state_->store->large().hold(e.block()) : nullptr;
}

void Shard::prefetch(const Key& key) const noexcept {
  Store& store = *state_->store;
  Segment* segment = store.segment_for(store.table(state_->tables[key.db]), key.hash);
  if (segment == nullptr) return;
  const unsigned group = segment->home(place_of(key.hash));
  __builtin_prefetch(segment->tags(group));
  __builtin_prefetch(segment->refs(group));
  __builtin_prefetch(segment->sketch(group));
}

bool Shard::erase(const Key& key) {
  State& s = *state_;
  const Spot spot = s.find(key);
  if (!spot) return s.give_up_lent(key);
  s.changed(key, true);
  s.remove(spot, key.hash);
  s.publish();
  return true;
}

Status Shard::set_expiry(const Key& key, std::uint64_t expires_ms) {
  const Spot spot = state_->find(key);
  expires_ms = std::min(expires_ms, kExpiryMsMax);
  if (spot) {
    state_->store->set_expiry(spot, expires_ms);
  } else if (State::Lent* lent = state_->find_lent(key)) {
    lent->taken.expires_ms = expires_ms;
  } else {
    return Status::kMissing;
  }
  state_->changed(key);
  return Status::kOk;
}

std::uint64_t Shard::watch(const Key& key) {
  State& s = *state_;
  (void)s.find(key);
  State::Watched& watched = s.watched[std::pair<unsigned, std::string>(key.db, key.text)];
  ++watched.watchers;
  return watched.version;
}

std::uint64_t Shard::version(const Key& key) const {
  (void)state_->find(key);  // it may have expired
  const auto found = state_->watched.find(std::pair<unsigned, std::string>(key.db, key.text));
  return found == state_->watched.end() ? 0 : found->second.version;
}

void Shard::unwatch(const Key& key) {
  const auto found = state_->watched.find(std::pair<unsigned, std::string>(key.db, key.text));
  if (found != state_->watched.end() && --found->second.watchers == 0) {
    state_->watched.erase(found);
  }
}

std::optional<Shard::About> Shard::about(const Key& key) {
  State& s = *state_;
  const Spot spot = s.find(key);
  if (!spot) return std::nullopt;
  const Entry e = s.store->entry(spot.ref);
  Segment& segment = *spot.segment;
  About about;
  about.value_bytes = e.text().size();
  about.memory_bytes = s.store->weight(spot.ref) + kSegmentBytes[segment.size] / segment.entries;
  about.frequency = sketch::estimate(segment.sketch(segment.home(place_of(key.hash))), key.hash);
  about.idle_ms = s.idle_ms(segment, spot.slot);
  about.expires_ms = e.expires_ms();
  about.large = e.large();
  about.kind = e.kind();
  return about;
}

void Shard::eviction(Eviction policy) noexcept { state_->options.eviction = policy; }
const Counters& Shard::counters() const noexcept { return state_->counters; }
const Memory& Shard::memory() const noexcept { return state_->memory; }
HitCurve Shard::hit_curve() const {
  HitCurve curve = state_->shadow ? state_->shadow->curve() : HitCurve{};
  curve.window_percent = state_->window_percent;
  return curve;
}

const CurveTallies& Shard::curve() const noexcept { return state_->curve; }

}  // namespace ullage::tier
