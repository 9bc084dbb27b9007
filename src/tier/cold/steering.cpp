// SPDX-License-Identifier: Apache-2.0
#include "tier/cold/steering.h"

#include <algorithm>
#include <utility>

namespace ullage::tier::cold {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
// Below the budget: what may come within a tick, before it is seen.
constexpr std::uint64_t kMarginShare = 64, kMarginLeast = kMiB;
constexpr std::uint64_t kLeastShare = 16, kLeastBytes = 2 * kMiB;
// What is not counted is forgotten after one to two times so many ticks, a minute: compactions that
// take much come further apart than their buffers come and go.
constexpr unsigned kForgetTicks = 600;
// Smaller changes of the cache's size are not made.
constexpr std::uint64_t kStillShare = 64;
// Trimming takes each of malloc's locks for as long as it lasts: after so many ticks above the
// aim, and then not for so many.
constexpr unsigned kTrimAfterTicks = 2, kTrimEveryTicks = 10;

}  // namespace

std::uint64_t Steering::aim(std::uint64_t budget_bytes) noexcept {
  return budget_bytes -
         std::min(budget_bytes / 2, std::max(budget_bytes / kMarginShare, kMarginLeast));
}

std::uint64_t Steering::least(std::uint64_t budget_bytes) noexcept {
  return std::max(budget_bytes / kLeastShare, kLeastBytes);
}

Steering::Step Steering::next(const Seen& seen) {
  const std::uint64_t target = aim(seen.budget_bytes);
  const std::uint64_t known = seen.counted_bytes + seen.spare_bytes;
  const std::uint64_t uncounted = seen.resident_bytes > known ? seen.resident_bytes - known : 0;
  if (++tick_ % kForgetTicks == 0) uncounted_before_ = std::exchange(uncounted_now_, 0);
  uncounted_now_ = std::max(uncounted_now_, uncounted);
  const std::uint64_t beside = uncounted_bytes();
  const std::uint64_t least_bytes = least(seen.budget_bytes);
  const std::uint64_t wanted = target > beside + least_bytes ? target - beside : least_bytes;

  Step step;
  const bool above = seen.resident_bytes > target;
  const std::uint64_t still = seen.budget_bytes / kStillShare;
  const bool apart = wanted + still < cache_bytes_ || wanted > cache_bytes_ + still;
  if (apart || (above && wanted < cache_bytes_)) {
    cache_bytes_ = wanted;
    step.changed = true;
  }
  step.cache_bytes = cache_bytes_;
  above_ = above ? above_ + 1 : 0;
  ++since_trim_;
  if (!above) return step;
  step.give_back_bytes = seen.resident_bytes - target;
  if (above_ > kTrimAfterTicks && since_trim_ >= kTrimEveryTicks) {
    step.trim = true;
    since_trim_ = 0;
  }
  return step;
}

}  // namespace ullage::tier::cold
