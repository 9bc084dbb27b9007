// SPDX-License-Identifier: Apache-2.0
//
// From the shard to the cold tier: what has changed, and whose replies wait until it is durable.
#include <algorithm>

#include "server/clock.h"
#include "server/context.h"
#include "server/router.h"
#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {

namespace {

// A write over HTTP that waited longer is told to come again; clients of RESP wait.
constexpr std::uint64_t kPressedMs = 2000;
// What goes on in one turn once there is room: it fills the room.
constexpr std::size_t kRelievedMax = 256, kRelievedBytesMax = std::size_t{1} << 20;
// Replies that go out together once a sync is done: each brings its client's next requests, and
// those of all at once would be a queue for everybody else.
constexpr std::size_t kReleasedMax = 8;

}  // namespace

void Router::changed(const tier::Key& key, bool gone) {
  note_write(key, gone);
  const ColdTier::Kind durability = cold_.durability(key.text);
  if (durability == ColdTier::Kind::kOff) return;
  if (changes_.empty()) unhanded_since_ns_.store(steady_ns(), std::memory_order_seq_cst);
  changes_.add(key);
  figures_.changes.add();
  if (gone) {
    absent_.insert(key, worker_.now_ms() + worker_.server().config().persistence.negative_ms);
  } else {
    absent_.erase(key);
  }
  if (durability == ColdTier::Kind::kAlways) must_hold_ = sync_ = true;
  if (durability == ColdTier::Kind::kWindow) windowed_ = true;
  if (!preload_hashes_.empty()) std::erase(preload_hashes_, key.hash);
  if (waits_.empty()) return;
  if (KeyWait* wait = find(key)) reset(*wait);
}

bool Router::evicting(const tier::Key& key, const tier::Found& found) {
  if (!cold_.persisted(key.text)) return false;
  changes_.keep(key, found);
  moved(key, Moved::kEvicted);
  if (cold_.all_hot.load(std::memory_order_relaxed)) cold_.all_hot = false;
  return true;
}

void Router::expired(const tier::Key& key) {
  if (!cold_.persisted(key.text)) return;
  absent_.insert(key, worker_.now_ms() + worker_.server().config().persistence.negative_ms);
}

void Router::hand_over_if_full() {
  changes_.measure(shard());
  if (changes_.full(cold_.turn_bytes_max)) hand_over();
}

std::uint64_t Router::hand_over() {
  if (!changes_.empty()) {
    std::vector<tier::ColdChange> list = changes_.take(shard());
    for (tier::ColdChange& change : list) {
      change.db = cold_.place(change.db);
      change.entry.written_ms = worker_.now_ms();
    }
    figures_.handed_over.add(list.size());
    // Whoever holds a reply until this number is durable waits for a sync of it, also where its own
    // change was handed over before, with another sync, and these came behind it.
    const bool sync = std::exchange(sync_, false) || unnumbered_ > 0;
    last_number_ = cold_.store().write(worker_.index(), std::move(list), sync, unhanded_since_ns());
    unhanded_since_ns_.store(0, std::memory_order_seq_cst);
  }
  for (; unnumbered_ > 0; --unnumbered_) held_[held_.size() - unnumbered_].number = last_number_;
  return last_number_;
}

// Something that may have been acknowledged is older than the window, and not durable.
bool Router::late(std::uint64_t now_ns) const {
  const std::uint64_t window = cold_.window_ns();
  const auto old = [&](std::uint64_t since_ns) {
    return since_ns != 0 && now_ns > since_ns + window;
  };
  // Handing over sets the one before it clears the other.
  for (const auto& worker : worker_.server().workers()) {
    if (old(worker->router()->unhanded_since_ns())) return true;
  }
  return old(cold_.store().oldest_ns());
}

// The window is kept even if nobody gives the store's threads a processor: then nothing more is
// acknowledged. So what a crash takes was acknowledged within one window.
bool Router::take_must_hold(std::uint64_t now_ns) {
  const bool hold = std::exchange(must_hold_, false);
  if (!std::exchange(windowed_, false) || hold || !late(now_ns)) return hold;
  figures_.late.add();
  return sync_ = true;
}

// --- Writes from elsewhere wait, while the cold tier is congested.

void Router::press(const std::shared_ptr<Parked>& parked) {
  const std::size_t bytes = parked->post->bytes.size() + parked->post->last.size();
  pressed_.push_back({parked, worker_.steady_ms_, bytes});
  pressed_bytes_ += bytes;
  figures_.pressed.add();
}

void Router::relieve() {
  const bool room = !cold_.store().congested(), writable = cold_.writes_ok();
  const std::uint64_t now = worker_.steady_ms_;
  std::size_t count = 0, bytes = 0;
  for (auto at = pressed_.begin(); at != pressed_.end();) {
    const std::shared_ptr<Parked> parked = at->parked;
    const bool late = parked->post->errand != 0 && now > at->since_ms + kPressedMs;
    if (writable && !late && (!room || count >= kRelievedMax || bytes >= kRelievedBytesMax)) {
      ++at;
      continue;
    }
    ++count;
    bytes += at->bytes;
    pressed_bytes_ -= at->bytes;
    at = pressed_.erase(at);
    if (writable && !late) {
      parked->press = Parked::Press::kNo;
      unblock(parked);
      continue;
    }
    // It does nothing, so it need not wait until it is its turn.
    figures_.shed_writes.add();
    parked->press = writable ? Parked::Press::kShed : Parked::Press::kRefused;
    parked->done = true;
    worker_.run_parked(std::move(parked->post), *parked);
    leave(parked);
  }
  if (room && !pressed_.empty()) tell();
}

void Router::flushed(unsigned db) {
  if (changes_.empty()) unhanded_since_ns_.store(steady_ns(), std::memory_order_seq_cst);
  windowed_ |= cold_.window_ns() != 0;
  changes_.flush(db);
  if (cold_.some_on()) {
    must_hold_ |= cold_.some_always();
    sync_ |= cold_.some_always();
  }
}

// As with a flush, but it is always durable before it is acknowledged.
void Router::swapped(std::string places) {
  if (changes_.empty()) unhanded_since_ns_.store(steady_ns(), std::memory_order_seq_cst);
  changes_.note(ColdTier::kPlaces, std::move(places));
  must_hold_ = sync_ = true;
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

Router::Others Router::hand_over_others(std::uint64_t now_ns) {
  Others others;
  for (const auto& worker : worker_.server().workers()) {
    Router& other = *worker->router();
    if (&other == this || !other.take_must_hold(now_ns)) continue;
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
  for (std::size_t count = 0; held_.size() > unnumbered_; ++count) {
    Held& first = held_.front();
    if (store.durable(worker_.index()) < first.number) break;
    const bool all = std::all_of(first.others.begin(), first.others.end(), [&](const auto& other) {
      return store.durable(other.first) >= other.second;
    });
    if (!all) break;
    if (count == kReleasedMax) {
      news_.store(true, std::memory_order_seq_cst);  // the rest in the next turn
      return true;
    }
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

// What was changed before it goes before it, under the old places; all else comes behind. So what a
// crash leaves of the queue has changes and places that belong together.
void swap_cold(Context& c, unsigned one, unsigned other) {
  if (c.server.cold() == nullptr || one == other) return;
  for (const auto& worker : c.server.workers()) worker->router()->hand_over();
  Router& mine = *c.worker.router();
  mine.swapped(c.server.cold()->swap(one, other));
  mine.hand_over();
}

void forget_cold(Server& server) {
  if (server.cold() == nullptr) return;
  for (const auto& worker : server.workers()) worker->router()->forget_all();
}

}  // namespace ullage::server
