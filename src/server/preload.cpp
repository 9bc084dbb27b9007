// SPDX-License-Identifier: Apache-2.0
//
// Reading ahead: keys that somebody expects to need (ULLAGE.PRELOAD), or needed before a restart.
#include <algorithm>
#include <chrono>
#include <iterator>

#include "server/router.h"
#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

// Reads under way for it: clients' own reads come first, whatever is preloaded.
constexpr std::size_t kPreloadsMax = 8;
// Keys that wait for it, of one thread; more are not taken.
constexpr std::size_t kPreloadQueueMax = 2'000'000;
// What a name takes beside its bytes.
constexpr std::size_t kNameBytes = 64;

// Entries looked at in one tick for how hot they are: some 100 us.
constexpr std::size_t kHotSlice = 300;
constexpr std::chrono::milliseconds kLastPass{300};

// A key's hash, which is that of its text, with its database: another place for each.
std::uint64_t hash_of_move(const tier::Key& key) {
  return key.hash ^ (key.db * std::uint64_t{0x9e3779b97f4a7c15});
}

}  // namespace

void Router::put_preloads(std::vector<std::pair<unsigned, std::string>> keys) {
  std::size_t bytes = 0;
  for (const auto& [db, name] : keys) bytes += kNameBytes + name.size();
  outstanding_.fetch_add(keys.size(), std::memory_order_relaxed);
  outstanding_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  {
    const std::lock_guard lock(box_mutex_);
    std::move(keys.begin(), keys.end(), std::back_inserter(preload_box_));
  }
  tell();
}

void Router::preload_done(std::size_t name_bytes) {
  outstanding_.fetch_sub(1, std::memory_order_relaxed);
  outstanding_bytes_.fetch_sub(kNameBytes + name_bytes, std::memory_order_relaxed);
}

void Router::take_preloads() {
  std::vector<std::pair<unsigned, std::string>> taken;
  {
    const std::lock_guard lock(box_mutex_);
    taken.swap(preload_box_);
  }
  for (auto& each : taken) {
    if (preload_.size() < kPreloadQueueMax) {
      preload_.push_back(std::move(each));
    } else {
      preload_done(each.second.size());
    }
  }
}

void Router::preload_some() {
  // What clients wait for goes first, and a store in trouble is left alone.
  while (!preload_.empty() && preloading_ < kPreloadsMax && unsent_.empty() && cold_.reads_ok()) {
    auto [db, text] = std::move(preload_.front());
    preload_.pop_front();
    const tier::Key key(db, text);
    if (!cold_.persisted(text) || shard().contains(key) || known_absent(key) ||
        find(key) != nullptr) {
      preload_done(text.size());
      continue;
    }
    if (!changes_.empty()) hand_over();
    ++preloading_;
    preload_hashes_.push_back(key.hash);
    cold_.store().read(cold_.key(key), [this, db = db, text = text](tier::ColdStatus status,
                                                                    tier::ColdEntry entry) {
      Answer answer;
      answer.preload = true;
      keep_value(answer, status, entry);
      answer.db = db;
      answer.key = text;
      put(std::move(answer));
    });
  }
}

// Into memory as a newcomer: only what is used again stays there.
void Router::answer_preload(Answer& answer) {
  --preloading_;
  preload_done(answer.key.size());
  const tier::Key key(answer.db, answer.key);
  // Gone from there: it was written, erased or flushed since, and what was read is not what it is.
  const auto mine = std::find(preload_hashes_.begin(), preload_hashes_.end(), key.hash);
  const bool changed = mine == preload_hashes_.end();
  if (!changed) preload_hashes_.erase(mine);
  const std::uint64_t expires = answer.entry.expires_ms;
  if (answer.status != tier::ColdStatus::kOk) return;
  room_.saw(answer.bytes);
  if (answer.dropped) return;  // it does not fit
  if (expires != 0 && expires <= shard().now()) {
    // Gone meanwhile.
  } else if (changed || shard().contains(key) || find(key) != nullptr) {
    figures_.dropped_fills.add();
  } else if (shard().fill(key, taken_of(std::move(answer.entry))) == tier::Status::kOk) {
    figures_.preloaded.add();
    moved(key, Moved::kPreloaded);
  }
  room_.put_back(answer.bytes);
}

void Router::moved(const tier::Key& key, Moved how) {
  const std::uint64_t hash = hash_of_move(key);
  moves_[(hash >> 16) % kMoves] = {hash, worker_.now_ms(), how};
}

// What is written again has been in memory since it was written, or read, before.
void Router::note_write(const tier::Key& key, bool gone) {
  const auto [how, at] = last_move(key);
  if (gone) {
    if (how != Moved::kNever) moved(key, Moved::kNever);
  } else if (how == Moved::kNever || how == Moved::kEvicted) {
    moved(key, Moved::kWritten);
  }
}

std::pair<Router::Moved, std::uint64_t> Router::last_move(const tier::Key& key) const {
  const std::uint64_t hash = hash_of_move(key);
  const Move& move = moves_[(hash >> 16) % kMoves];
  return move.hash == hash && move.how != Moved::kNever ? std::pair(move.how, move.at_ms)
                                                        : std::pair(Moved::kNever, 0ul);
}

// A slice of a pass over this thread's memory: what is used most, for the next start.
void Router::collect_hot() {
  Warmer* warmer = worker_.server().warmer();
  if (worker_.server().config().persistence.warm_keys == 0 || warmer == nullptr) return;
  if (hot_ == nullptr) hot_ = std::make_shared<HotNames>(warmer->room_for_names());
  std::vector<std::string> names;
  hot_place_ =
      shard().scan(hot_db_, hot_place_, kHotSlice, [&](std::string_view name, const tier::Found&) {
        if (cold_.persisted(name)) names.emplace_back(name);
      });
  for (const std::string& name : names) {
    const auto about = shard().about({hot_db_, name});
    if (!about) continue;
    hot_->add(about->frequency, hot_db_, name);
  }
  if (hot_place_ != 0 || ++hot_db_ < tier::kDatabases) return;
  hot_db_ = 0;
  warmer->take_hot(worker_.index(), std::exchange(hot_, nullptr));
}

// The threads have ended: the rest of a pass at once, as far as it goes in kLastPass.
void Router::collect_hot_to_end() {
  const auto end = std::chrono::steady_clock::now() + kLastPass;
  hot_db_ = 0;
  hot_place_ = 0;
  hot_ = nullptr;
  do {
    collect_hot();
  } while ((hot_db_ != 0 || hot_place_ != 0) && std::chrono::steady_clock::now() < end);
}

}  // namespace ullage::server
