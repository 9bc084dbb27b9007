// SPDX-License-Identifier: Apache-2.0
//
// Reads of the cold tier, and what becomes of their answers.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>

#include "server/clock.h"
#include "server/context.h"
#include "server/router.h"
#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

// Reads that all threads together have under way; the store sheds beyond twice as many.
constexpr std::size_t kReadsMax = 2048;
// After a thread stood in vain: what it waits from then on, and for how long it does not try again.
constexpr std::chrono::milliseconds kImpatient{20};
constexpr std::uint64_t kImpatientNs = 10'000'000'000;
// Values of this size are not kept beside the one that is in memory.
constexpr std::uint64_t kLargeBytes = 64 << 10;

}  // namespace

void Router::put(Answer answer) {
  {
    const std::lock_guard lock(box_mutex_);
    box_.push_back(std::move(answer));
  }
  tell();
}

void Router::tell() noexcept {
  news_.store(true, std::memory_order_seq_cst);
  worker_.wake();
}

// Keeps (3): a change of this turn, to this key or another, is there before it is read.
void Router::start_read(KeyWait& wait) {
  if (!changes_.empty()) hand_over();
  wait.state = KeyWait::State::kReading;
  wait.read = ++next_read_;
  reads_.emplace(wait.read, &wait);
  wait.asked_ms = worker_.steady_ms_;
  wait.sent = false;
  unsent_.push_back({wait.read, wait.asked_ms, 0});
  worker_.wake();  // those of a turn go together, at its end; this may be another thread's turn
}

void Router::send_reads() {
  std::vector<tier::ColdStore::Asked> asked;
  const std::size_t most = std::max<std::size_t>(kReadsMax / worker_.server().workers().size(), 64);
  while (!unsent_.empty() && in_flight_ < most && room_.fits_one_more(in_flight_)) {
    if (unsent_.front().bytes > room_.free_bytes()) break;  // its turn comes when there is room
    const std::uint64_t number = unsent_.front().read;
    unsent_.pop_front();
    const auto found = reads_.find(number);
    if (found == reads_.end()) continue;  // nobody needs it any more
    ++in_flight_;
    found->second->sent = true;
    figures_.reads.add();
    asked.push_back({cold_.key(found->second->key()),
                     [this, number](tier::ColdStatus status, tier::ColdEntry entry) {
                       Answer answer;
                       answer.read = number;
                       keep_value(answer, status, entry);
                       put(std::move(answer));
                     }});
  }
  if (!asked.empty()) cold_.store().read_all(asked);
}

// On a reader's thread, which has this one value: it goes on if there is room for it.
void Router::keep_value(Answer& answer, tier::ColdStatus status, tier::ColdEntry& entry) {
  answer.status = status;
  if (status != tier::ColdStatus::kOk) return;
  answer.bytes = entry.value.size();
  answer.dropped = !room_.take(answer.bytes);
  if (!answer.dropped) answer.entry = std::move(entry);
}

bool Router::grow_room(std::uint64_t bytes) {
  const std::uint64_t free = room_.free_bytes();
  if (free >= bytes) return true;
  if (!worker_.borrow(bytes - free, 0)) return false;
  room_.add(bytes - free);
  return true;
}

bool Router::room_for_one(std::uint64_t bytes) {
  if (grow_room(bytes)) return true;
  if (bytes > ReadRoom::kAloneBytes) return false;
  room_.add_ungranted(bytes - room_.free_bytes());
  return true;
}

// Keeps (5): for those under way, and for one that was dropped, entries go. Not in a command.
void Router::make_read_room(bool idle) {
  const std::size_t under_way = in_flight_ + preloading_ + unsent_.size();
  const std::uint64_t first = unsent_.empty() ? 0 : unsent_.front().bytes;
  const std::uint64_t wanted = std::max(room_.wanted(under_way), first);
  const bool all = under_way == 0 || grow_room(wanted);
  const bool alone = in_flight_ == 0 && kept_bytes_ == 0;
  if (!all && !(alone ? room_for_one(first) : grow_room(first)) && alone) {
    // Nothing of ours will make room: it is no use to wait.
    const auto found = reads_.find(unsent_.front().read);
    unsent_.pop_front();
    if (found != reads_.end()) fail(*found->second, &Parked::shed);
  }
  // What comes and goes within a few turns stays.
  room_.keep(idle ? wanted : std::max(wanted, room_.window_bytes()));
  figures_.read_room.set(kept_bytes_ + room_.free_bytes());
}

void Router::drop_value(KeyWait& wait) {
  std::string().swap(wait.entry.value);
  kept_bytes_ -= wait.granted_bytes;
  room_.put_back(std::exchange(wait.granted_bytes, 0));
}

void Router::reset(KeyWait& wait) {
  if (wait.read != 0) reads_.erase(wait.read);
  wait.read = 0;
  wait.state = KeyWait::State::kUnknown;
  wait.present = false;
  drop_value(wait);
  wait.entry = {};
}

void Router::fail(KeyWait& wait, std::atomic<bool> Parked::*why) {
  figures_.failed.add();
  reset(wait);
  for (const auto& [parked, index] : wait.queue) {
    if (parked->items[index].need == Need::kTurn) continue;
    if (why != nullptr) (*parked).*why = true;
    parked->failed = true;
  }
  settle(wait);
}

// A disk may hang, and the store's threads with it: who waits is told to try again. What comes
// later comes to nobody.
void Router::fail_late() {
  const std::uint64_t now = worker_.steady_ms_;
  const auto late = [&](std::uint64_t since_ms) {
    return now > since_ms + worker_.server().config().persistence.read_wait_ms;
  };
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, wait] : reads_) {
    if (late(wait->asked_ms)) numbers.push_back(number);
  }
  for (const std::uint64_t number : numbers) {
    const auto found = reads_.find(number);
    if (found == reads_.end()) continue;
    KeyWait& wait = *found->second;
    fail(wait, wait.sent ? &Parked::late : &Parked::shed);
  }
  while (!unsent_.empty() && !reads_.contains(unsent_.front().read)) unsent_.pop_front();
  std::erase_if(surveys_, [&](const std::shared_ptr<Parked>& parked) {
    const std::uint64_t since_ms = parked->survey->since_ms;
    if (since_ms == 0 || !late(since_ms)) return false;
    parked->late = true;
    parked->survey->failed = true;
    unblock(parked);
    return true;
  });
}

// Keeps (2): a read that was dropped meanwhile has no number any more.
void Router::answer(Answer& answer) {
  if (answer.survey != nullptr) return answer_survey(answer);
  if (answer.preload) return answer_preload(answer);
  --in_flight_;
  if (answer.status == tier::ColdStatus::kOk) room_.saw(answer.bytes);
  const auto found = reads_.find(answer.read);
  if (found == reads_.end()) {
    figures_.dropped_fills.add();
    if (!answer.dropped) room_.put_back(answer.bytes);
    return;
  }
  KeyWait& wait = *found->second;
  if (answer.dropped) {
    figures_.dropped_reads.add();
    wait.sent = false;
    unsent_.push_front({answer.read, wait.asked_ms, answer.bytes});
    return;
  }
  reads_.erase(found);
  wait.read = 0;
  const std::uint64_t expires = answer.entry.expires_ms;
  if (answer.status == tier::ColdStatus::kOk && expires != 0 && expires <= shard().now()) {
    answer.status = tier::ColdStatus::kMissing;
    room_.put_back(answer.bytes);
  }
  switch (answer.status) {
    case tier::ColdStatus::kOk:
      figures_.found.add();
      wait.state = KeyWait::State::kKnown;
      wait.present = true;
      wait.written_ms = answer.entry.written_ms;
      wait.entry = taken_of(std::move(answer.entry));
      wait.granted_bytes = answer.bytes;
      kept_bytes_ += answer.bytes;
      fill(wait);
      break;
    case tier::ColdStatus::kMissing:
      figures_.missing.add();
      wait.state = KeyWait::State::kKnown;
      absent_.insert(wait.key(),
                     worker_.now_ms() + worker_.server().config().persistence.negative_ms);
      break;
    case tier::ColdStatus::kShed:
      return fail(wait, &Parked::shed);
    case tier::ColdStatus::kFailed:
      return fail(wait);
  }
  settle(wait);
}

// Into memory, unless it is only looked at. What the budget denies is lent to who waits.
void Router::fill(KeyWait& wait) {
  const bool wanted = std::any_of(wait.queue.begin(), wait.queue.end(), [](const auto& entry) {
    return entry.first->items[entry.second].need == Need::kValue;
  });
  if (!wanted || shard().contains(wait.key())) return;
  if (shard().fill(wait.key(), wait.entry) != tier::Status::kOk) {
    figures_.denied_fills.add();
    return;
  }
  moved(wait.key(), Moved::kRead);
  // Kept, it is there for its commands even if it is evicted before their turn. What is large
  // leaves its room to their replies instead, and would be read again: not where a command needs
  // several keys, which could drive each other out for ever.
  const bool alone = std::all_of(wait.queue.begin(), wait.queue.end(),
                                 [](const auto& entry) { return entry.first->items.size() == 1; });
  if (alone && wait.granted_bytes >= kLargeBytes) reset(wait);
}

// What is read and not in memory is there for the command that runs now. False: something was in
// memory when it was its turn, and was evicted since; it is read again.
bool Router::lend(Parked& parked) {
  bool all = true;
  for (Parked::Item& item : parked.items) {
    if (item.need == Need::kTurn || item.owner->known(*item.wait)) continue;
    item.ready = false;
    parked.ready = false;
    parked.blocked.fetch_add(1);
    item.owner->settle(*item.wait);
    all = false;
  }
  if (!all) return false;
  for (const Parked::Item& item : parked.items) {
    KeyWait& wait = *item.wait;
    if (item.need == Need::kTurn || wait.state != KeyWait::State::kKnown || !wait.present) continue;
    tier::Shard& shard = item.owner->shard();
    if (shard.contains(wait.key())) continue;
    // One copy: who comes in a later turn has it read again.
    shard.lend(wait.key(), std::move(wait.entry));
    item.owner->lent_bytes_ += std::exchange(wait.granted_bytes, 0);
    item.owner->reset(wait);
    figures_.lent.add();
    if (item.owner != this) item.owner->tell();
  }
  return true;
}

std::chrono::milliseconds Router::patience(std::chrono::milliseconds most) const {
  return steady_ns() < impatient_until_ns_ ? std::min(most, kImpatient) : most;
}

void Router::waited(bool enough) {
  const std::uint64_t now = steady_ns();
  if (enough) {
    impatient_until_ns_ = 0;
  } else if (now >= impatient_until_ns_) {
    impatient_until_ns_ = now + kImpatientNs;
  }
}

bool Router::read_now(Context& c) {
  std::vector<KeyNeed> needs;
  needs_of(*c.command, c.words, c.caller.db, false, 0, needs);
  for (const KeyNeed& need : needs) {
    if (need.need == Need::kTurn || !cold_.persisted(need.text)) continue;
    Router& owner = owner_of(need.hash);
    const tier::Key key(need.db, need.text, need.hash);
    if (owner.shard().contains(key) || owner.known_absent(key)) continue;
    owner.hand_over();
    figures_.reads.add();
    struct Wait {
      std::promise<void> done;
      Answer answer;
      ReadRoom* room;
      explicit Wait(ReadRoom& of) : room(&of) {}
      ~Wait() {
        if (!answer.dropped) room->put_back(answer.bytes);
      }
    };
    std::shared_ptr<Wait> wait;
    for (int tries = 0; tries < 2; ++tries) {
      wait = std::make_shared<Wait>(owner.room_);
      std::future<void> done = wait->done.get_future();
      cold_.store().read(cold_.key(key),
                         [wait, &owner](tier::ColdStatus status, tier::ColdEntry entry) {
                           owner.keep_value(wait->answer, status, entry);
                           wait->done.set_value();
                         });
      const auto most =
          patience(std::chrono::milliseconds(worker_.server().config().persistence.read_wait_ms));
      const bool enough = done.wait_for(most) == std::future_status::ready;
      waited(enough);
      if (!enough) return false;
      if (!wait->answer.dropped) break;
      figures_.dropped_reads.add();
      const bool alone = owner.kept_bytes_ == 0 && owner.lent_bytes_ == 0;
      const std::uint64_t bytes = wait->answer.bytes;
      if (!(alone ? owner.room_for_one(bytes) : owner.grow_room(bytes))) return false;
    }
    Answer& answer = wait->answer;
    if (answer.status == tier::ColdStatus::kMissing) continue;
    if (answer.status != tier::ColdStatus::kOk || answer.dropped) return false;
    const std::uint64_t expires = answer.entry.expires_ms;
    if (expires != 0 && expires <= shard().now()) continue;
    owner.shard().lend(key, taken_of(std::move(answer.entry)));
    owner.lent_bytes_ += std::exchange(answer.bytes, 0);
    owner.tell();
  }
  return true;
}

bool Router::there_now(const std::vector<KeyNeed>& keys, std::vector<bool>& there) {
  for (const auto& worker : worker_.server().workers()) worker->router()->hand_over();
  struct Wait {
    std::mutex mutex;
    std::condition_variable told;
    std::vector<tier::ColdStatus> statuses;
    std::size_t missing = 0;
  };
  const auto wait = std::make_shared<Wait>();
  wait->statuses.assign(keys.size(), tier::ColdStatus::kMissing);
  there.assign(keys.size(), false);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    Router& owner = owner_of(keys[i].hash);
    const tier::Key key(keys[i].db, keys[i].text, keys[i].hash);
    there[i] = owner.shard().contains(key);
    if (there[i] || !cold_.persisted(key.text) || owner.known_absent(key)) continue;
    figures_.reads.add();
    {
      const std::lock_guard lock(wait->mutex);
      ++wait->missing;
    }
    cold_.store().read(cold_.key(key), [wait, i](tier::ColdStatus status, tier::ColdEntry) {
      const std::lock_guard lock(wait->mutex);
      wait->statuses[i] = status;
      if (--wait->missing == 0) wait->told.notify_all();
    });
  }
  std::unique_lock lock(wait->mutex);
  const auto most =
      patience(std::chrono::milliseconds(worker_.server().config().persistence.read_wait_ms));
  const bool enough = wait->told.wait_for(lock, most, [&] { return wait->missing == 0; });
  waited(enough);
  if (!enough) return false;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (wait->statuses[i] == tier::ColdStatus::kOk) there[i] = true;
    if (wait->statuses[i] == tier::ColdStatus::kShed) return false;
    if (wait->statuses[i] == tier::ColdStatus::kFailed) return false;
  }
  return true;
}

// --- The loop.

void Router::run(const std::shared_ptr<Parked>& parked) {
  // It may be here twice, when a key had to be read again.
  if (parked->done || !parked->ready) return;
  if (parked->post == nullptr) return worker_.resume(*parked);
  if (!parked->failed && !lend(*parked)) return;
  parked->done = true;
  worker_.run_parked(std::move(parked->post), *parked);
  leave(parked);
}

bool Router::run_ready() {
  bool ran = false;
  for (;;) {
    {
      const std::lock_guard lock(box_mutex_);
      for (auto& parked : ready_box_) ready_.push_back(std::move(parked));
      ready_box_.clear();
    }
    if (ready_.empty()) return ran;
    ran = true;
    while (!ready_.empty()) {
      const std::shared_ptr<Parked> parked = std::move(ready_.front());
      ready_.pop_front();
      run(parked);
    }
  }
}

void Router::turn() {
  bool moved = false;
  if (news_.load(std::memory_order_relaxed)) {
    news_.store(false, std::memory_order_seq_cst);
    moved = true;
    {
      const std::lock_guard lock(box_mutex_);
      taken_.swap(box_);
      awaiting_.swap(awaiting_box_);
    }
    for (Answer& each : taken_) answer(each);
    taken_.clear();
    make_read_room();
    take_preloads();
    run_ready();
    release();
  }
  if (!pressed_.empty() && (!cold_.store().congested() || !cold_.writes_ok())) relieve();
  if (moved && !worker_.waiting_.empty()) {
    worker_.resume_waiting();
    run_ready();
  }
  preload_some();
  hand_over();
  if (!awaiting_.empty()) let_begin();
  shard().return_lent();
  room_.put_back(std::exchange(lent_bytes_, 0));
  if (moved) make_read_room();  // what ran has left room
  if (!unsent_.empty()) send_reads();
  if (held_.empty() && worker_.waiting_.empty() && pressed_.empty()) {
    wants_progress_.store(false, std::memory_order_relaxed);
    return;
  }
  wants_progress_.store(true, std::memory_order_seq_cst);
  if (release() && !worker_.waiting_.empty()) news_.store(true);
}

void Router::tick() {
  if (!reads_.empty() || !surveys_.empty()) fail_late();
  make_read_room(true);
  send_reads();
  if (!pressed_.empty()) relieve();
  figures_.waiting_keys.set(waits_.size());
  figures_.held_now.set(held_.size());
  figures_.negative_entries.set(absent_.entries());
  figures_.preload_waiting.set(preloads_outstanding());
  collect_hot();
}

std::uint64_t Router::clock(std::uint64_t now_ms) const {
  const std::uint64_t window = worker_.server().config().persistence.stale_ms;
  const std::uint64_t since = cold_.failing_since_ms();
  if (window == 0 || since == 0) return now_ms;
  return std::min(now_ms, std::max(since, now_ms - std::min(now_ms, window)));
}

}  // namespace ullage::server
