// SPDX-License-Identifier: Apache-2.0
#include "tier/cold/pending.h"

#include <algorithm>
#include <tuple>

namespace ullage::tier::cold {

void Pending::add(const HandedPtr& handed) {
  std::uint64_t order = handed->order;
  for (const ColdChange& change : handed->changes) add(handed, change, order++);
}

void Pending::add(const HandedPtr& handed, const ColdChange& change, std::uint64_t order) {
  if (change.kind == ColdChange::Kind::kFlush) {
    std::atomic<std::uint64_t>& last = flushed_[change.db];
    last.store(std::max(last.load(std::memory_order_relaxed), order + 1),
               std::memory_order_release);
  } else if (change.kind != ColdChange::Kind::kNote) {  // nobody looks for one here
    Stripe& stripe = stripes_[stripe_of(change.hash)];
    const std::lock_guard lock(stripe.mutex);
    const Name name{change.hash, change.key, change.db};
    const auto [at, fresh] = stripe.changes.try_emplace(name, Newest{handed, &change, order});
    if (fresh || at->second.order >= order) return;
    // The name refers to the change's text: it goes with the older one.
    auto node = stripe.changes.extract(at);
    node.key() = name;
    node.mapped() = Newest{handed, &change, order};
    stripe.changes.insert(std::move(node));
  }
}

// The newest first: readers look on, and what they find is the newest there is.
void Pending::put_back(const std::vector<HandedPtr>& some) {
  for (auto each = some.rbegin(); each != some.rend(); ++each) {
    const HandedPtr& handed = *each;
    for (std::size_t i = handed->changes.size(); i-- > 0;) {
      add(handed, handed->changes[i], handed->order + i);
    }
  }
  returns_.fetch_add(1, std::memory_order_acq_rel);
}

void Pending::remove(const Handed& handed) noexcept {
  std::uint64_t order = handed.order;
  for (const ColdChange& change : handed.changes) {
    if (change.kind == ColdChange::Kind::kFlush) {
      std::uint64_t mine = order + 1;
      flushed_[change.db].compare_exchange_strong(mine, 0, std::memory_order_acq_rel);
    } else if (change.kind != ColdChange::Kind::kNote) {
      Stripe& stripe = stripes_[stripe_of(change.hash)];
      const std::lock_guard lock(stripe.mutex);
      const auto at = stripe.changes.find(Name{change.hash, change.key, change.db});
      if (at != stripe.changes.end() && at->second.change == &change) stripe.changes.erase(at);
    }
    ++order;
  }
}

Pending::Found Pending::find(unsigned db, std::uint64_t hash, std::string_view key,
                             Seen& seen) const {
  const Stripe& stripe = stripes_[stripe_of(hash)];
  // Looked at on both sides: a flush may be applied, and go, while the change is looked for, and
  // the change that is found may be one that it swept away.
  const std::uint64_t before = flushed_[db].load(std::memory_order_acquire);
  std::uint64_t order = 0;
  {
    const std::lock_guard lock(stripe.mutex);
    const auto at = stripe.changes.find(Name{hash, key, static_cast<std::uint8_t>(db)});
    if (at != stripe.changes.end()) {
      seen.holder = at->second.holder;
      seen.change = at->second.change;
      order = at->second.order + 1;
    }
  }
  const std::uint64_t flushed = flushed_[db].load(std::memory_order_acquire);
  if (order > std::max(before, flushed)) return Found::kChange;
  seen = {};
  return flushed != 0 ? Found::kFlushed : Found::kNothing;
}

bool Pending::collect(unsigned db, std::uint64_t least_hash, std::vector<Seen>& out) const {
  out.clear();
  const std::uint64_t flushed = flushed_[db].load(std::memory_order_acquire);
  for (std::size_t i = stripe_of(least_hash); i < kStripes; ++i) {
    const Stripe& stripe = stripes_[i];
    const std::lock_guard lock(stripe.mutex);
    for (const auto& [name, newest] : stripe.changes) {
      if (name.db != db || name.hash < least_hash || newest.order + 1 <= flushed) continue;
      out.push_back({newest.holder, newest.change});
    }
  }
  std::sort(out.begin(), out.end(), [](const Seen& a, const Seen& b) {
    return std::tie(a.change->hash, a.change->key) < std::tie(b.change->hash, b.change->key);
  });
  return flushed != 0;
}

}  // namespace ullage::tier::cold
