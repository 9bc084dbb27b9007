// SPDX-License-Identifier: Apache-2.0
//
// How values are written. Memory first: a cell, a block, room in a segment; each may evict or move
// other entries, so what was found before is looked up again. Then the entry changes, and nothing
// can fail any more.
#include <algorithm>
#include <cstring>
#include <functional>

#include "tier/state.h"

namespace ullage::tier {
namespace {

// What was made room for, others of the budget may take, or there are no addresses for it.
constexpr int kAttemptsMax = 8;

}  // namespace

bool Shard::State::allocate_large(std::size_t bytes, LargeBlock& block, const Source& from) {
  const std::size_t lead =
      from.offer != nullptr ? reinterpret_cast<std::uintptr_t>(from.text.data()) % kPageBytes : 0;
  for (int attempt = 0; !store->large().allocate(bytes, block, lead, from.paid_bytes); ++attempt) {
    if (attempt == kAttemptsMax) return false;
    if (!make_room_bytes(Large::charge(lead + bytes) - from.paid_bytes)) return false;
  }
  return true;
}

Source Shard::State::source_of(std::string_view text, Offer* offer) {
  const std::less_equal<const char*> up_to;
  if (offer == nullptr || !up_to(offer->bytes.data(), text.data()) ||
      !up_to(text.data() + text.size(), offer->bytes.data() + offer->bytes.size())) {
    return {.text = text};
  }
  const std::string_view pages = Large::pages_of(text);
  if (pages.empty()) return {.text = text};
  return {text, offer, std::min<std::uint64_t>(offer->granted_bytes, pages.size())};
}

// False: the system does not move pages, and the budget has no room for a copy.
bool Shard::State::take_over(const LargeBlock& block, const Source& from) {
  Large& large = store->large();
  Offer& offer = *from.offer;
  if (!large.take_over(block, from.text, from.paid_bytes)) {
    if (!large.pay(from.paid_bytes)) return false;
    std::memcpy(block.data(), from.text.data(), from.text.size());
    return true;
  }
  budget.entrust(from.paid_bytes, offer.shard, shard);
  offer.granted_bytes -= from.paid_bytes;
  offer.taken_bytes += Large::pages_of(from.text).size();
  return true;
}

void Shard::State::stored(const Key& key, const Spot& spot) {
  if (!filling) store->count_write(*spot.segment, key.hash);
  if (shadow && shadow->sampled(key.hash)) shadow->put(key.hash, store->weight(spot.ref));
  if (!lent.empty()) {
    std::erase_if(lent,
                  [&](const Lent& each) { return each.db == key.db && each.key == key.text; });
  }
  if (!filling) changed(key);
  publish();
}

// An entry of this many bytes under this key, whatever was there. `value`: to be filled.
Status Shard::State::create(const Key& key, std::size_t bytes, Kind kind, std::uint64_t expires_ms,
                            bool zeros, char*& value, const Source& from) {
  const unsigned table = tables[key.db];
  const bool large = !Entry::fits(key.text.size(), bytes);
  LargeBlock block;
  if (large && !allocate_large(bytes, block, from)) return refuse();
  const Ref ref = store->allocate(Heap::class_of(Entry::cell_bytes(key.text.size(), bytes)));
  Spot old;
  Segment* segment = nullptr;
  if (ref != 0) {
    old = store->find(table, key);
    if (!old) segment = store->room(table, key.hash);
  }
  if (ref == 0 || (!old && segment == nullptr) ||
      (from.offer != nullptr && !take_over(block, from))) {
    if (ref != 0) store->heap().free(ref);
    if (large) {
      // Both are needed at once.
      lacking_bytes += Large::charge(block) - from.paid_bytes;
      store->large().cancel(block, from.paid_bytes);
    }
    return refuse();
  }
  Entry e = store->entry(ref);
  // An entry that is replaced has its expiry counted: first as it was, then as it becomes.
  const std::uint64_t before = old ? store->entry(old.ref).expires_ms() : expires_ms;
  e.begin(table, key.text, large, kind, before);
  if (large) {
    e.block(block);
    value = block.data();
  } else {
    e.value_bytes(bytes);
    value = e.value();
    if (zeros) std::memset(value, 0, bytes);
  }
  if (old) {
    store->replace(old, ref);
    const Entry was = store->entry(old.ref);
    if (was.large()) store->large().free(was.block());
    store->heap().free(old.ref);
    old.ref = ref;
    store->set_expiry(old, expires_ms);
    used(key, old);
  } else {
    old = store->put(segment, key.hash, ref);
  }
  stored(key, old);
  return Status::kOk;
}

Status Shard::State::write(const Key& key, std::string_view text, const SetOptions& how) {
  if (key.text.size() > kKeyBytesMax || text.size() > kValueBytesMax) return Status::kTooLong;
  begin_operation(&key, true);
  std::uint64_t expires_ms = std::min(how.expires_ms, kExpiryMsMax);
  const Spot spot = find(key);
  if (spot) {
    Entry e = store->entry(spot.ref);
    if (how.keep_expiry) expires_ms = e.expires_ms();
    const std::size_t key_bytes = key.text.size();
    if (!e.large() && Entry::fits(key_bytes, text.size()) &&
        Heap::class_of(Entry::cell_bytes(key_bytes, text.size())) ==
            store->heap().class_at(spot.ref)) {
      std::memmove(e.value(), text.data(), text.size());
      e.value_bytes(text.size());
      e.kind(how.kind);
      store->set_expiry(spot, expires_ms);
      used(key, spot);
      stored(key, spot);
      return Status::kOk;
    }
  } else if (const Lent* from = find_lent(key); from != nullptr && how.keep_expiry) {
    expires_ms = from->taken.expires_ms;
  }
  pay(Entry::cell_bytes(key.text.size(), text.size()));
  char* value = nullptr;
  const Source from = source_of(text, how.offer);
  const Status status = create(key, text.size(), how.kind, expires_ms, false, value, from);
  if (status == Status::kOk && from.offer == nullptr && !text.empty()) {
    std::memcpy(value, text.data(), text.size());
  }
  return status;
}

// The value becomes `bytes` long, zeros where it is new, with `with` at `offset`.
Status Shard::State::grow(const Key& key, std::size_t bytes, std::size_t offset,
                          std::string_view with) {
  if (key.text.size() > kKeyBytesMax || bytes > kValueBytesMax) return Status::kTooLong;
  begin_operation(&key);
  const auto fill = [&](char* value) {
    if (!with.empty()) std::memcpy(value + offset, with.data(), with.size());
  };
  char* value = nullptr;
  Spot spot = find(key);
  if (!spot) {
    if (find_lent(key) != nullptr) return refuse();
    const Status status = create(key, bytes, kText, kNoExpiry, true, value);
    if (status == Status::kOk) fill(value);
    return status;
  }
  Entry e = store->entry(spot.ref);
  if (e.large()) {
    LargeBlock block = e.block();
    const Moving moving(*this, key.hash, Large::charge(block));
    for (int attempt = 0; !store->large().resize(block, bytes); ++attempt) {
      if (attempt == kAttemptsMax || !make_room_bytes(store->large().grant_for(block, bytes))) {
        return refuse();
      }
      spot = store->find(tables[key.db], key);  // it may have gone itself
      if (!spot) return refuse();
      block = store->entry(spot.ref).block();
    }
    e = store->entry(spot.ref);
    const std::uint32_t before = store->weight(spot.ref);
    e.block(block);
    store->reweigh(spot, before);
    fill(block.data());
    used(key, spot);
    stored(key, spot);
    return Status::kOk;
  }
  const std::size_t key_bytes = key.text.size();
  const std::size_t old_bytes = e.value_bytes();
  if (Entry::fits(key_bytes, bytes) &&
      Heap::class_of(Entry::cell_bytes(key_bytes, bytes)) == store->heap().class_at(spot.ref)) {
    if (bytes > old_bytes) std::memset(e.value() + old_bytes, 0, bytes - old_bytes);
    e.value_bytes(bytes);
    fill(e.value());
    used(key, spot);
    stored(key, spot);
    return Status::kOk;
  }
  // Another cell. At most kCellBytesMax bytes are kept aside: the old cell may go meanwhile.
  const std::string kept(e.value(), std::min(old_bytes, bytes));
  const Status status = create(key, bytes, e.kind(), e.expires_ms(), true, value);
  if (status != Status::kOk) return status;
  std::memcpy(value, kept.data(), kept.size());
  fill(value);
  return status;
}

Status Shard::set(const Key& key, std::string_view value, const SetOptions& options) {
  return state_->write(key, value, options);
}

Status Shard::append(const Key& key, std::string_view tail, std::size_t* bytes_after) {
  const auto old = peek(key);
  const std::size_t before = old ? old->value.size() : 0;
  if (tail.size() > kValueBytesMax - before) return Status::kTooLong;
  const Status status = state_->grow(key, before + tail.size(), before, tail);
  if (status == Status::kOk && bytes_after != nullptr) *bytes_after = before + tail.size();
  return status;
}

Status Shard::set_range(const Key& key, std::size_t offset, std::string_view bytes,
                        std::size_t* bytes_after) {
  if (offset > kValueBytesMax || bytes.size() > kValueBytesMax - offset) return Status::kTooLong;
  const auto old = peek(key);
  const std::size_t after = std::max(old ? old->value.size() : 0, offset + bytes.size());
  const Status status = state_->grow(key, after, offset, bytes);
  if (status == Status::kOk && bytes_after != nullptr) *bytes_after = after;
  return status;
}

Status Shard::resize(const Key& key, std::size_t bytes) { return state_->grow(key, bytes, 0, {}); }

char* Shard::modify(const Key& key, std::size_t* bytes) {
  Spot spot = state_->find(key);
  if (!spot) return nullptr;
  Entry e = state_->store->entry(spot.ref);
  if (e.large() && state_->store->large().is_held(e.block())) {
    if (state_->grow(key, e.block().bytes, 0, {}) != Status::kOk) return nullptr;
    spot = state_->find(key);
    e = state_->store->entry(spot.ref);
  }
  state_->used(key, spot);
  state_->changed(key);
  *bytes = e.text().size();
  return e.large() ? e.block().data() : e.value();
}

Status Shard::rename(const Key& from, const Key& to) {
  State& s = *state_;
  if (to.text.size() > kKeyBytesMax) return Status::kTooLong;
  s.begin_operation(&to, true);
  Spot source = s.find(from);
  if (!source) {
    const State::Lent* lent = s.find_lent(from);
    if (lent == nullptr) return Status::kMissing;
    const Taken taken = lent->taken;
    const Status status = put(to, taken);
    if (status == Status::kOk) (void)s.give_up_lent(from);
    return status;
  }
  if (from.db == to.db && from.text == to.text) return Status::kOk;
  // Nothing that makes room for it may take it away: what listens would never hear that it is gone.
  const State::Moving moving(s, from.hash);
  Store& store = *s.store;
  Entry old = store.entry(source.ref);
  if (!old.large() && !Entry::fits(to.text.size(), old.value_bytes())) {
    // The longer name leaves no room in a cell for the value.
    const Taken taken{std::string(old.text()), old.expires_ms(), old.kind()};
    const Status status = put(to, taken);
    if (status == Status::kOk) erase(from);
    return status;
  }
  const std::size_t value_bytes = old.large() ? Entry::kLargeBytes : old.value_bytes();
  const Ref ref =
      store.allocate(Heap::class_of(Entry::kHeaderBytes + to.text.size() + value_bytes));
  if (ref == 0) return s.refuse();
  Spot target = s.find(to);
  if (!target && store.room(s.tables[to.db], to.hash) == nullptr) {
    store.heap().free(ref);
    return s.refuse();
  }
  source = s.find(from);
  old = store.entry(source.ref);
  Entry e = store.entry(ref);
  e.begin(s.tables[to.db], to.text, old.large(), old.kind(), old.expires_ms());
  std::memcpy(e.value(), old.value(), value_bytes);
  if (!old.large()) e.value_bytes(value_bytes);
  s.changed(from, true);
  if (s.shadow && s.shadow->sampled(from.hash)) s.shadow->erase(from.hash);
  store.erase(source, from.hash, true);
  target = s.find(to);
  if (target) s.remove(target, to.hash);
  // There is room: one has just gone, or room() said so.
  target = store.put(store.segment_for(store.table(s.tables[to.db]), to.hash), to.hash, ref);
  s.stored(to, target);
  return Status::kOk;
}

std::optional<Taken> Shard::take(const Key& key) {
  State& s = *state_;
  const Spot spot = s.find(key);
  if (!spot) {
    const State::Lent* lent = s.find_lent(key);
    if (lent == nullptr) return std::nullopt;
    Taken taken = lent->taken;
    (void)s.give_up_lent(key);
    return taken;
  }
  const Entry e = s.store->entry(spot.ref);
  Taken taken{std::string(e.text()), e.expires_ms(), e.kind()};
  s.changed(key, true);
  s.remove(spot, key.hash);
  s.publish();
  return taken;
}

Status Shard::put(const Key& key, const Taken& taken) {
  return state_->write(key, taken.value, {.expires_ms = taken.expires_ms, .kind = taken.kind});
}

Shard::State::Lent* Shard::State::find_lent(const Key& key) {
  for (Lent& each : lent) {
    if (each.db != key.db || each.key != key.text) continue;
    const std::uint64_t expires = each.taken.expires_ms;
    return expires != kNoExpiry && expires <= now_ms ? nullptr : &each;
  }
  return nullptr;
}

bool Shard::State::give_up_lent(const Key& key) {
  Lent* mine = find_lent(key);
  if (mine == nullptr) return false;
  lent.erase(lent.begin() + (mine - lent.data()));
  changed(key, true);
  return true;
}

Status Shard::fill(const Key& key, const Taken& taken) {
  State& s = *state_;
  s.filling = true;
  const Status status =
      s.write(key, taken.value, {.expires_ms = taken.expires_ms, .kind = taken.kind});
  s.filling = false;
  return status;
}

void Shard::drop(const Key& key) {
  State& s = *state_;
  const Spot spot = s.find(key);
  if (spot) s.remove(spot, key.hash, key.db, Removal::kEvicted);
  s.publish();
}

void Shard::lend(const Key& key, Taken taken) {
  state_->lent.push_back({key.db, std::string(key.text), std::move(taken)});
}

void Shard::return_lent() noexcept {
  if (!state_->lent.empty()) state_->lent.clear();
}

}  // namespace ullage::tier
