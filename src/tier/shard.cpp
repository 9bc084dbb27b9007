// SPDX-License-Identifier: Apache-2.0
#include "tier/shard.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace ullage::tier {
namespace {

using Place = std::pair<std::uint64_t, std::string>;  // hash order, then the key

struct Plain {
  std::string value;
  std::uint64_t expires_ms = kNoExpiry;
};

struct Watched {
  unsigned watchers = 0;
  std::uint64_t version = 1;
};

constexpr std::size_t kOverheadBytes = 64;

std::size_t charge(std::size_t key, std::size_t value) { return key + value + kOverheadBytes; }

}  // namespace

struct Shard::State {
  State(const ShardOptions& given, Budget& shared) : options(given), budget(shared) {}

  using Entries = std::map<Place, Plain>;

  Place place(const Key& key) const { return {key.hash >> 16, std::string(key.text)}; }

  void changed(unsigned db, std::string_view key) {
    if (watched.empty()) return;
    const auto found = watched.find({db, std::string(key)});
    if (found != watched.end()) ++found->second.version;
  }

  Entries::iterator remove(unsigned db, Entries::iterator it) {
    const std::size_t bytes = charge(it->first.second.size(), it->second.value.size());
    budget.give_back(Component::kEntries, bytes, static_cast<int>(options.index));
    memory.entries.sub();
    memory.live_bytes.sub(bytes);
    memory.resident_bytes.sub(bytes);
    changed(db, it->first.second);
    return databases[db].erase(it);
  }

  Entries::iterator find(const Key& key) {
    auto it = databases[key.db].find(place(key));
    if (it == databases[key.db].end()) return it;
    if (it->second.expires_ms != kNoExpiry && it->second.expires_ms <= now_ms) {
      counters.expired.add();
      if (options.listener != nullptr) {
        options.listener->on_removed(key.db, key.text, Removal::kExpired);
      }
      remove(key.db, it);
      return databases[key.db].end();
    }
    return it;
  }
  bool none(const Key& key, Entries::iterator it) { return it == databases[key.db].end(); }

  bool make_room(std::size_t bytes) {
    while (!budget.take(Component::kEntries, bytes, static_cast<int>(options.index))) {
      unsigned db = 0;
      while (db < kDatabases && databases[db].empty()) ++db;
      if (options.eviction == Eviction::kNone || db == kDatabases) {
        counters.denied.add();
        return false;
      }
      auto victim = databases[db].begin();
      counters.evicted.add();
      if (options.listener != nullptr) {
        options.listener->on_removed(db, victim->first.second, Removal::kEvicted);
      }
      remove(db, victim);
    }
    return true;
  }

  Status store(const Key& key, std::string&& value, std::uint64_t expires_ms) {
    if (key.text.size() > kKeyBytesMax || value.size() > kValueBytesMax) return Status::kTooLong;
    const std::size_t bytes = charge(key.text.size(), value.size());
    if (!make_room(bytes)) return Status::kDenied;
    if (const auto old = find(key); !none(key, old)) remove(key.db, old);
    memory.entries.add();
    memory.live_bytes.add(bytes);
    memory.resident_bytes.add(bytes);
    databases[key.db][place(key)] = {std::move(value), std::min(expires_ms, kExpiryMsMax)};
    changed(key.db, key.text);
    return Status::kOk;
  }

  ShardOptions options;
  Budget& budget;
  std::uint64_t now_ms = 0;
  std::array<Entries, kDatabases> databases;
  std::map<std::pair<unsigned, std::string>, Watched> watched;
  Counters counters;
  Memory memory;
  std::string last_key;
};

Shard::Shard(const ShardOptions& options, Budget& budget)
    : state_(std::make_unique<State>(options, budget)) {}
Shard::~Shard() { flush_all(); }

void Shard::now(std::uint64_t unix_ms) noexcept { state_->now_ms = unix_ms; }
std::uint64_t Shard::now() const noexcept { return state_->now_ms; }

std::optional<Found> Shard::get(const Key& key) {
  auto found = peek(key);
  (found ? state_->counters.hits : state_->counters.misses).add();
  return found;
}

std::optional<Found> Shard::peek(const Key& key) {
  const auto it = state_->find(key);
  if (state_->none(key, it)) return std::nullopt;
  return Found{it->second.value, it->second.expires_ms};
}

bool Shard::contains(const Key& key) { return peek(key).has_value(); }
bool Shard::touch(const Key& key) { return contains(key); }
void Shard::prefetch(const Key&) const noexcept {}

Status Shard::set(const Key& key, std::string_view value, const SetOptions& options) {
  std::uint64_t expires = options.expires_ms;
  if (options.keep_expiry) {
    if (const auto old = peek(key)) expires = old->expires_ms;
  }
  return state_->store(key, std::string(value), expires);
}

bool Shard::erase(const Key& key) {
  const auto it = state_->find(key);
  if (state_->none(key, it)) return false;
  state_->remove(key.db, it);
  return true;
}

Status Shard::append(const Key& key, std::string_view tail, std::size_t* bytes_after) {
  const auto old = peek(key);
  return set_range(key, old ? old->value.size() : 0, tail, bytes_after);
}

Status Shard::set_range(const Key& key, std::size_t offset, std::string_view bytes,
                        std::size_t* bytes_after) {
  if (offset > kValueBytesMax || bytes.size() > kValueBytesMax - offset) return Status::kTooLong;
  const auto old = peek(key);
  std::string value(old ? old->value : std::string_view());
  if (value.size() < offset + bytes.size()) value.resize(offset + bytes.size());
  value.replace(offset, bytes.size(), bytes);
  if (bytes_after != nullptr) *bytes_after = value.size();
  return state_->store(key, std::move(value), old ? old->expires_ms : kNoExpiry);
}

Status Shard::resize(const Key& key, std::size_t bytes) {
  if (bytes > kValueBytesMax) return Status::kTooLong;
  const auto old = peek(key);
  std::string value(old ? old->value : std::string_view());
  value.resize(bytes);
  return state_->store(key, std::move(value), old ? old->expires_ms : kNoExpiry);
}

char* Shard::modify(const Key& key, std::size_t* bytes) {
  const auto it = state_->find(key);
  if (state_->none(key, it)) return nullptr;
  *bytes = it->second.value.size();
  state_->changed(key.db, key.text);
  return it->second.value.data();
}

Status Shard::set_expiry(const Key& key, std::uint64_t expires_ms) {
  const auto it = state_->find(key);
  if (state_->none(key, it)) return Status::kMissing;
  it->second.expires_ms = std::min(expires_ms, kExpiryMsMax);
  state_->changed(key.db, key.text);
  return Status::kOk;
}

Status Shard::rename(const Key& from, const Key& to) {
  const auto taken = take(from);
  if (!taken) return Status::kMissing;
  const Status stored = put(to, *taken);
  if (stored != Status::kOk) (void)put(from, *taken);
  return stored;
}

std::optional<Taken> Shard::take(const Key& key) {
  const auto it = state_->find(key);
  if (state_->none(key, it)) return std::nullopt;
  Taken taken{it->second.value, it->second.expires_ms};
  state_->remove(key.db, it);
  return taken;
}

Status Shard::put(const Key& key, const Taken& taken) {
  return set(key, taken.value, {.expires_ms = taken.expires_ms});
}

std::uint64_t Shard::count(unsigned db) const noexcept { return state_->databases[db].size(); }

std::uint64_t Shard::count_with_expiry(unsigned db) const noexcept {
  const auto& entries = state_->databases[db];
  return static_cast<std::uint64_t>(std::count_if(
      entries.begin(), entries.end(), [](const auto& e) { return e.second.expires_ms != 0; }));
}

void Shard::flush(unsigned db) {
  auto& entries = state_->databases[db];
  for (auto it = entries.begin(); it != entries.end();) it = state_->remove(db, it);
}

void Shard::flush_all() {
  for (unsigned db = 0; db < kDatabases; ++db) flush(db);
}

void Shard::swap(unsigned one, unsigned other) {
  for (const unsigned db : {one, other}) {
    for (const auto& [place, plain] : state_->databases[db]) {
      state_->changed(one, place.second);
      state_->changed(other, place.second);
    }
  }
  std::swap(state_->databases[one], state_->databases[other]);
}

std::uint64_t Shard::scan(unsigned db, std::uint64_t cursor, std::size_t count, const Visit& fn) {
  const auto& entries = state_->databases[db];
  std::size_t seen = 0;
  for (auto it = entries.lower_bound({cursor, ""}); it != entries.end(); ++it) {
    if (seen >= count && it->first.first != cursor) return it->first.first;
    cursor = it->first.first;
    if (it->second.expires_ms != kNoExpiry && it->second.expires_ms <= state_->now_ms) continue;
    fn(it->first.second, {it->second.value, it->second.expires_ms});
    ++seen;
  }
  return 0;
}

std::optional<std::string_view> Shard::random_key(unsigned db, std::uint64_t random) {
  const auto& entries = state_->databases[db];
  auto it = entries.lower_bound({random >> 16, ""});
  for (std::size_t i = 0; i < entries.size(); ++i, ++it) {
    if (it == entries.end()) it = entries.begin();
    if (it->second.expires_ms != kNoExpiry && it->second.expires_ms <= state_->now_ms) continue;
    return std::string_view(it->first.second);
  }
  return std::nullopt;
}

std::uint64_t Shard::watch(const Key& key) {
  (void)peek(key);
  Watched& watched = state_->watched[{key.db, std::string(key.text)}];
  ++watched.watchers;
  return watched.version;
}

std::uint64_t Shard::version(const Key& key) const {
  (void)state_->find(key);
  const auto found = state_->watched.find({key.db, std::string(key.text)});
  return found == state_->watched.end() ? 0 : found->second.version;
}

void Shard::unwatch(const Key& key) {
  const auto found = state_->watched.find({key.db, std::string(key.text)});
  if (found != state_->watched.end() && --found->second.watchers == 0) {
    state_->watched.erase(found);
  }
}

std::optional<Shard::About> Shard::about(const Key& key) {
  const auto found = peek(key);
  if (!found) return std::nullopt;
  About about;
  about.value_bytes = found->value.size();
  about.memory_bytes = charge(key.text.size(), found->value.size());
  about.expires_ms = found->expires_ms;
  return about;
}

bool Shard::step(std::chrono::nanoseconds) { return false; }
void Shard::eviction(Eviction policy) noexcept { state_->options.eviction = policy; }
const Counters& Shard::counters() const noexcept { return state_->counters; }
const Memory& Shard::memory() const noexcept { return state_->memory; }
HitCurve Shard::hit_curve() const { return {}; }

}  // namespace ullage::tier
