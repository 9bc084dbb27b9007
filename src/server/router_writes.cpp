// SPDX-License-Identifier: Apache-2.0
//
// From the shard to the cold tier: what has changed, and whose replies wait until it is durable.
#include <algorithm>

#include "server/context.h"
#include "server/router.h"
#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {

void Router::changed(const tier::Key& key, bool gone) {
  const ColdTier::Kind durability = cold_.durability(key.text);
  if (durability == ColdTier::Kind::kOff) return;
  changes_.add(key);
  figures_.changes.add();
  if (gone) {
    absent_.insert(key, worker_.now_ms() + worker_.server().config().persistence.negative_ms);
  } else {
    absent_.erase(key);
  }
  if (durability == ColdTier::Kind::kAlways) must_hold_ = sync_ = true;
  if (!preload_hashes_.empty()) std::erase(preload_hashes_, key.hash);
  if (waits_.empty()) return;
  if (KeyWait* wait = find(key)) reset(*wait);
}

bool Router::evicting(const tier::Key& key, const tier::Found& found) {
  if (!cold_.persisted(key.text)) return false;
  changes_.keep(key, found);
  moved(key.hash, Moved::kEvicted);
  if (cold_.all_hot.load(std::memory_order_relaxed)) cold_.all_hot = false;
  return true;
}

void Router::expired(const tier::Key& key) {
  if (!cold_.persisted(key.text)) return;
  absent_.insert(key, worker_.now_ms() + worker_.server().config().persistence.negative_ms);
}

std::uint64_t Router::hand_over() {
  if (!changes_.empty()) {
    std::vector<tier::ColdChange> list = changes_.take(shard());
    for (tier::ColdChange& change : list) {
      change.db = cold_.place(change.db);
      change.entry.written_ms = worker_.now_ms();
    }
    figures_.handed_over.add(list.size());
    last_number_ =
        cold_.store().write(worker_.index(), std::move(list), std::exchange(sync_, false));
  }
  for (; unnumbered_ > 0; --unnumbered_) held_[held_.size() - unnumbered_].number = last_number_;
  return last_number_;
}

void Router::flushed(unsigned db) {
  changes_.flush(db);
  if (cold_.some_on()) {
    must_hold_ |= cold_.some_always();
    sync_ |= cold_.some_always();
  }
}

// After a flush or a swap nothing that was read, or is being read, counts.
void Router::forget_all() {
  absent_.clear();
  preload_hashes_.clear();
  for (auto& [hash, wait] : waits_) reset(*wait);
  // Not in one loop: what is ready now leaves its queues later on, on its own thread.
  for (auto& [hash, wait] : waits_) settle(*wait);
}

void Router::evict_all() {
  hand_over();
  shard().return_lent();
  for (unsigned db = 0; db < tier::kDatabases; ++db) {
    std::vector<std::string> names;
    std::uint64_t cursor = 0;
    do {
      cursor = shard().scan(db, cursor, 1024, [&](std::string_view name, const tier::Found&) {
        if (cold_.persisted(name)) names.emplace_back(name);
      });
    } while (cursor != 0);
    for (const std::string& name : names) shard().drop({db, name});
  }
  absent_.clear();
  cold_.all_hot = false;
}

void Router::hold(std::uint64_t session, Slot* slot, Others others) {
  Held& held = held_.emplace_back();
  held.session = session;
  held.slot = slot;
  held.others = std::move(others);
  ++unnumbered_;
  figures_.held.add();
}

Router::Others Router::hand_over_others() {
  Others others;
  for (const auto& worker : worker_.server().workers()) {
    Router& other = *worker->router();
    if (&other == this || !other.take_must_hold()) continue;
    others.emplace_back(worker->index(), other.hand_over());
  }
  return others;
}

void Router::hold(PostPtr post, Others others) {
  Held& held = held_.emplace_back();
  held.post = std::move(post);
  held.others = std::move(others);
  ++unnumbered_;
  figures_.held.add();
}

void Router::deliver(Held& held) {
  if (held.post != nullptr) return worker_.send_reply(std::move(held.post));
  worker_.fill_slot(held.session, held.slot);
}

// True: something went out.
bool Router::release() {
  if (held_.empty()) return false;
  const tier::ColdStore& store = cold_.store();
  bool any = false;
  while (held_.size() > unnumbered_) {
    Held& first = held_.front();
    if (store.durable(worker_.index()) < first.number) break;
    const bool all = std::all_of(first.others.begin(), first.others.end(), [&](const auto& other) {
      return store.durable(other.first) >= other.second;
    });
    if (!all) break;
    deliver(first);
    held_.pop_front();
    any = true;
  }
  if (cold_.writes_ok() || held_.size() == unnumbered_) return any;
  fail_held();
  return true;
}

// The disk says no: whether these writes will last is not known, and they are told so.
void Router::fail_held() {
  const std::string text =
      "MISCONF the cold tier can't be written: this write may be lost, or may "
      "come to last later on: " +
      cold_.trouble();
  while (held_.size() > unnumbered_) {
    Held& first = held_.front();
    if (first.post != nullptr) {
      first.post->bytes.clear();
      wire::ReplyWriter(first.post->bytes, first.post->caller.resp).error(text);
    } else {
      worker_.replace_slot(first.session, first.slot, text);
    }
    deliver(first);
    held_.pop_front();
  }
}

void flush_cold(Context& c, unsigned first_db, unsigned end_db) {
  if (c.server.cold() == nullptr) return;
  // What others have changed so far goes first: the flush is for that, too.
  for (const auto& worker : c.server.workers()) worker->router()->hand_over();
  Router& mine = *c.worker.router();
  for (unsigned db = first_db; db < end_db; ++db) mine.flushed(db);
  mine.hand_over();
  forget_cold(c.server);
}

Result<void> swap_cold(Server& server, unsigned one, unsigned other) {
  if (server.cold() == nullptr || one == other) return {};
  for (const auto& worker : server.workers()) worker->router()->hand_over();
  return server.cold()->swap(one, other);
}

void forget_cold(Server& server) {
  if (server.cold() == nullptr) return;
  for (const auto& worker : server.workers()) worker->router()->forget_all();
}

}  // namespace ullage::server
