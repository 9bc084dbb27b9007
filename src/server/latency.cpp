// SPDX-License-Identifier: Apache-2.0
#include "server/latency.h"

#include <algorithm>

namespace ullage::server {

void Latency::add_slow(SlowEntry entry, std::size_t entries_max) {
  const std::lock_guard lock(mutex_);
  entry.id = next_slow_++;
  slow_.push_front(std::move(entry));
  while (slow_.size() > entries_max) slow_.pop_back();
}

std::vector<SlowEntry> Latency::slow(std::size_t count) const {
  const std::lock_guard lock(mutex_);
  count = std::min(count, slow_.size());
  return {slow_.begin(), slow_.begin() + static_cast<std::ptrdiff_t>(count)};
}

std::size_t Latency::slow_count() const {
  const std::lock_guard lock(mutex_);
  return slow_.size();
}

void Latency::clear_slow() {
  const std::lock_guard lock(mutex_);
  slow_.clear();
}

void Latency::add_event(const std::string& name, std::int64_t unix_s, std::uint32_t ms) {
  const std::lock_guard lock(mutex_);
  Event& event = events_[name];
  event.max_ms = std::max(event.max_ms, ms);
  // One sample a second, the worst of it.
  if (!event.samples.empty() && event.samples.back().unix_s == unix_s) {
    event.samples.back().ms = std::max(event.samples.back().ms, ms);
    return;
  }
  event.samples.push_back({unix_s, ms});
  if (event.samples.size() > kSamplesMax) event.samples.pop_front();
}

std::map<std::string, Latency::Event> Latency::events() const {
  const std::lock_guard lock(mutex_);
  return events_;
}

std::size_t Latency::reset(const std::vector<std::string>& names) {
  const std::lock_guard lock(mutex_);
  std::size_t gone = 0;
  if (names.empty()) {
    gone = events_.size();
    events_.clear();
  }
  for (const std::string& name : names) gone += events_.erase(name);
  return gone;
}

}  // namespace ullage::server
