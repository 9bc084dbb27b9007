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

std::size_t PubSub::publish(Worker& by, std::string_view channel, std::string_view message) {
  if (!any()) return 0;
  std::size_t count = 0;
  const std::lock_guard lock(mutex_);
  if (const auto found = channels_.find(channel); found != channels_.end()) {
    for (const Subscriber& who : found->second) {
      by.push(who.worker, who.session, PushKind::kMessage,
              {std::string(channel), std::string(message)});
      ++count;
    }
  }
  for (const auto& [pattern, listeners] : patterns_) {
    if (!glob_match(pattern, channel)) continue;
    for (const Subscriber& who : listeners) {
      by.push(who.worker, who.session, PushKind::kPMessage,
              {pattern, std::string(channel), std::string(message)});
      ++count;
    }
  }
  return count;
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
