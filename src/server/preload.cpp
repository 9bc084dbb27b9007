// SPDX-License-Identifier: Apache-2.0
//
// Reading ahead: keys that somebody expects to need (ULLAGE.PRELOAD), or needed before a restart.
#include <algorithm>

#include "server/router.h"
#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

// Reads under way for it: clients' own reads come first, whatever is preloaded.
constexpr std::size_t kPreloadsMax = 8;
// Keys that wait for it, of one thread; more are not taken.
constexpr std::size_t kPreloadQueueMax = 2'000'000;

}  // namespace

void Router::preload(unsigned db, std::string key) {
  if (preload_.size() < kPreloadQueueMax && cold_.persisted(key)) {
    preload_.emplace_back(db, std::move(key));
  }
}

void Router::preload_some() {
  // What clients wait for goes first, and a store in trouble is left alone.
  while (!preload_.empty() && preloading_ < kPreloadsMax && unsent_.empty() && cold_.reads_ok()) {
    auto [db, text] = std::move(preload_.front());
    preload_.pop_front();
    const tier::Key key(db, text);
    if (shard().contains(key) || known_absent(key) || find(key) != nullptr) continue;
    if (!changes_.empty()) hand_over();
    ++preloading_;
    preload_hashes_.push_back(key.hash);
    cold_.store().read(cold_.key(key), [this, db = db, text = text](tier::ColdStatus status,
                                                                    tier::ColdEntry entry) {
      Answer answer;
      answer.preload = true;
      answer.status = status;
      answer.entry = std::move(entry);
      answer.db = db;
      answer.key = text;
      put(std::move(answer));
    });
  }
}

// Into memory as a newcomer: only what is used again stays there.
void Router::answer_preload(Answer& answer) {
  --preloading_;
  const tier::Key key(answer.db, answer.key);
  // Gone from there: it was written, erased or flushed since, and what was read is not what it is.
  const auto mine = std::find(preload_hashes_.begin(), preload_hashes_.end(), key.hash);
  const bool changed = mine == preload_hashes_.end();
  if (!changed) preload_hashes_.erase(mine);
  const std::uint64_t expires = answer.entry.expires_ms;
  if (answer.status != tier::ColdStatus::kOk) return;
  if (expires != 0 && expires <= shard().now()) return;
  if (changed || shard().contains(key) || find(key) != nullptr) {
    figures_.dropped_fills.add();
    return;
  }
  if (shard().fill(key, taken_of(std::move(answer.entry))) == tier::Status::kOk) {
    figures_.preloaded.add();
  }
}

}  // namespace ullage::server
