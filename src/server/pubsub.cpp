// SPDX-License-Identifier: Apache-2.0
#include "server/pubsub.h"

#include <algorithm>

#include "server/glob.h"
#include "server/worker.h"

namespace ullage::server {

void PubSub::subscribe(std::string_view channel, bool pattern, Subscriber who) {
  const std::lock_guard lock(mutex_);
  Table& table = pattern ? patterns_ : channels_;
  table[std::string(channel)].push_back(who);
  subscriptions_.fetch_add(1, std::memory_order_relaxed);
}

void PubSub::unsubscribe(std::string_view channel, bool pattern, Subscriber who) {
  const std::lock_guard lock(mutex_);
  Table& table = pattern ? patterns_ : channels_;
  const auto found = table.find(channel);
  if (found == table.end()) return;
  const auto gone = std::erase(found->second, who);
  subscriptions_.fetch_sub(gone, std::memory_order_relaxed);
  if (found->second.empty()) table.erase(found);
}

std::optional<std::size_t> PubSub::publish(Worker& by, std::string_view channel,
                                           std::string_view message) {
  if (!any()) return 0;
  // Who listens is noted under the lock; what they are sent is made without it.
  std::vector<std::pair<Subscriber, std::string>> listeners;
  std::size_t exact = 0;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = channels_.find(channel); found != channels_.end()) {
      for (const Subscriber& who : found->second) listeners.emplace_back(who, std::string());
    }
    exact = listeners.size();
    for (const auto& [pattern, those] : patterns_) {
      if (!glob_match(pattern, channel)) continue;
      for (const Subscriber& who : those) listeners.emplace_back(who, pattern);
    }
  }
  SharedText shared;
  if (message.size() >= kSharedBytesMin && !listeners.empty()) {
    shared = by.shared_text(message);
    if (shared == nullptr) return std::nullopt;
  }
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    auto& [who, pattern] = listeners[i];
    std::vector<std::string> words;
    if (i >= exact) words.push_back(std::move(pattern));
    words.emplace_back(channel);
    if (shared == nullptr) words.emplace_back(message);
    by.push(who.worker, who.session, i < exact ? PushKind::kMessage : PushKind::kPMessage,
            std::move(words), false, shared);
  }
  return listeners.size();
}

std::vector<std::string> PubSub::channels(std::string_view pattern) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, listeners] : channels_) {
    if (pattern.empty() || glob_match(pattern, name)) names.push_back(name);
  }
  return names;
}

std::size_t PubSub::subscribers(std::string_view channel) const {
  const std::lock_guard lock(mutex_);
  const auto found = channels_.find(channel);
  return found == channels_.end() ? 0 : found->second.size();
}

std::size_t PubSub::pattern_count() const {
  const std::lock_guard lock(mutex_);
  return patterns_.size();
}

std::size_t PubSub::channel_count() const {
  const std::lock_guard lock(mutex_);
  return channels_.size();
}

}  // namespace ullage::server
