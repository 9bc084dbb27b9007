// SPDX-License-Identifier: Apache-2.0
#include "server/growth_feed.h"

#include <algorithm>

#include "server/clock.h"

namespace ullage::server {

void GrowthFeed::on_growth(const growth_event& event) noexcept {
  const std::uint64_t now_ms = unix_ms();
  const std::lock_guard lock(mutex_);
  ring_[++newest_ % kKept] = {.id = newest_,
                              .unix_ms = now_ms,
                              .kind = event.kind,
                              .cause = event.cause,
                              .thread = event.thread,
                              .bytes_before = event.bytes_before,
                              .bytes_after = event.bytes_after,
                              .moved = event.moved,
                              .elements = event.elements};
}

std::uint64_t GrowthFeed::since(std::uint64_t id, std::size_t most,
                                std::vector<Event>& into) const {
  into.clear();
  const std::lock_guard lock(mutex_);
  if (id >= newest_) return 0;
  const std::uint64_t there = newest_ - id;
  const std::uint64_t told = std::min({there, std::uint64_t{most}, std::uint64_t{kKept}});
  for (std::uint64_t i = newest_ - told + 1; i <= newest_; ++i) into.push_back(ring_[i % kKept]);
  return there - told;
}

std::uint64_t GrowthFeed::newest() const {
  const std::lock_guard lock(mutex_);
  return newest_;
}

}  // namespace ullage::server
