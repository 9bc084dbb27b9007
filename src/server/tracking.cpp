// SPDX-License-Identifier: Apache-2.0
#include "server/tracking.h"

#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {

std::size_t Tracking::keys() const {
  const std::lock_guard lock(mutex_);
  return readers_.size();
}

std::size_t Tracking::prefixes() const {
  const std::lock_guard lock(mutex_);
  return prefixes_.size();
}

std::size_t Tracking::items() const {
  const std::lock_guard lock(mutex_);
  std::size_t count = 0;
  for (const auto& [key, sessions] : readers_) count += sessions.size();
  return count;
}

void Tracking::start(const Tracker& who, const std::vector<std::string>& prefixes, bool broadcast) {
  const std::lock_guard lock(mutex_);
  trackers_[who.session] = who;
  if (broadcast) {
    for (const std::string& prefix : prefixes) prefixes_[prefix].sessions.insert(who.session);
    if (prefixes.empty()) prefixes_[""].sessions.insert(who.session);
  }
  clients_.store(trackers_.size(), std::memory_order_relaxed);
}

void Tracking::stop(std::uint64_t session) {
  const std::lock_guard lock(mutex_);
  trackers_.erase(session);
  for (auto at = prefixes_.begin(); at != prefixes_.end();) {
    at->second.sessions.erase(session);
    at = at->second.sessions.empty() ? prefixes_.erase(at) : std::next(at);
  }
  // Its keys stay until they change: who is not there any more is not told.
  clients_.store(trackers_.size(), std::memory_order_relaxed);
}

void Tracking::send(const Tracker& to, std::vector<std::string> keys, Worker& by) {
  if (to.redirect == 0) {
    by.push(to.worker, to.session, PushKind::kInvalidate, std::move(keys));
    return;
  }
  const int target = by.server().worker_of(to.redirect);
  if (target < 0) {
    by.push(to.worker, to.session, PushKind::kRedirectBroken, {std::to_string(to.redirect)});
  } else {
    by.push(static_cast<unsigned>(target), to.redirect, PushKind::kInvalidate, std::move(keys),
            true);
  }
}

void Tracking::remember(std::uint64_t session, std::string_view key, std::size_t keys_max,
                        Worker& by) {
  const std::lock_guard lock(mutex_);
  readers_[std::string(key)].insert(session);
  while (keys_max > 0 && readers_.size() > keys_max) {
    // Any other key: whoever knows it will have to ask again.
    auto victim = readers_.begin();
    if (victim->first == key) ++victim;
    if (victim == readers_.end()) break;
    for (const std::uint64_t reader : victim->second) {
      const auto found = trackers_.find(reader);
      if (found != trackers_.end()) send(found->second, {victim->first}, by);
    }
    readers_.erase(victim);
  }
}

void Tracking::invalidate(std::string_view key, std::uint64_t writer, Worker& by) {
  const std::lock_guard lock(mutex_);
  for (auto& [prefix, state] : prefixes_) {
    if (!key.starts_with(prefix)) continue;
    state.changed[std::string(key)] = writer;
    broadcasts_.fetch_add(1, std::memory_order_relaxed);
  }
  const auto found = readers_.find(std::string(key));
  if (found == readers_.end()) return;
  for (const std::uint64_t reader : found->second) {
    const auto tracker = trackers_.find(reader);
    if (tracker == trackers_.end()) continue;
    if (tracker->second.noloop && reader == writer) continue;
    send(tracker->second, {std::string(key)}, by);
  }
  readers_.erase(found);
}

void Tracking::flush(Worker& by) {
  const std::lock_guard lock(mutex_);
  for (const auto& [session, tracker] : trackers_) send(tracker, {}, by);
  readers_.clear();
}

void Tracking::send_broadcasts(Worker& by) {
  if (broadcasts_.load(std::memory_order_relaxed) == 0) return;
  const std::lock_guard lock(mutex_);
  broadcasts_.store(0, std::memory_order_relaxed);
  for (auto& [prefix, state] : prefixes_) {
    for (const std::uint64_t session : state.sessions) {
      const auto tracker = trackers_.find(session);
      if (tracker == trackers_.end()) continue;
      std::vector<std::string> keys;
      for (const auto& [key, writer] : state.changed) {
        if (!(tracker->second.noloop && writer == session)) keys.push_back(key);
      }
      if (!keys.empty()) send(tracker->second, std::move(keys), by);
    }
    state.changed.clear();
  }
}

}  // namespace ullage::server
