// SPDX-License-Identifier: Apache-2.0
#include "tier/shadow.h"

#include <algorithm>

namespace ullage::tier {
namespace {

// Sampled uses between two looks at the scores, per entry that the shadows hold.
constexpr std::uint32_t kEpochPerEntry = 1;
constexpr std::uint32_t kEpochMin = 256;
// What an epoch's scores weigh in the next one's.
constexpr double kDecay = 0.9;
// Another window must be better by this share of all uses, or the window stays: noise of a sample.
constexpr double kMargin = 0.004;
// And its lead must be steady: the square of the sum of its leads beyond this share of the sum of
// their squares. Leads that come and go (a load that alternates) sum up to little; a switch then
// costs more than either window, because what the cache holds was chosen by the other.
constexpr double kSteady = 0.9;
// The curve is told over a longer time.
constexpr double kCurveDecay = 0.9;

}  // namespace

Shadow::Shadow() {
  for (const unsigned percent : kWindows) windows_.emplace_back(kEntriesMax * 3 / 2, 0, percent);
  for (const unsigned size : kSizes) {
    sizes_.emplace_back(std::max<std::size_t>(kEntriesMax * 3 / 2 * size / 100, 64), 0, 1);
  }
}

void Shadow::capacity(std::uint64_t bytes, std::uint64_t entries) {
  // More entries than the shadows have room for: half as many keys are sampled, and so on.
  bool fewer = false;
  while (entries / (mask_ + 1) > kEntriesMax && mask_ < (std::uint64_t{1} << 40)) {
    mask_ = mask_ << 1 | 1;
    fewer = true;
  }
  const std::uint64_t scaled = bytes / (mask_ + 1);
  if (!fewer && scaled == capacity_bytes_) return;
  capacity_bytes_ = scaled;
  for (PolicyCache& cache : windows_) {
    if (fewer) cache.keep([this](std::uint64_t hash) { return sampled(hash); });
    cache.capacity(scaled);
  }
  for (std::size_t i = 0; i < sizes_.size(); ++i) {
    if (fewer) sizes_[i].keep([this](std::uint64_t hash) { return sampled(hash); });
    sizes_[i].capacity(scaled * kSizes[i] / 100);
  }
}

bool Shadow::get(std::uint64_t hash) {
  ++sampled_total_;
  for (std::size_t i = 0; i < windows_.size(); ++i) now_[i] += windows_[i].get(hash) ? 1 : 0;
  for (std::size_t i = 0; i < sizes_.size(); ++i) size_hits_[i] += sizes_[i].get(hash) ? 1 : 0;
  ++seen_;
  curve_seen_ += 1;
  const auto entries = static_cast<std::uint32_t>(windows_[best_].entries());
  return seen_ >= std::max(kEpochMin, entries * kEpochPerEntry) && choose();
}

void Shadow::put(std::uint64_t hash, std::uint32_t bytes) {
  for (PolicyCache& cache : windows_) cache.put(hash, bytes);
  for (PolicyCache& cache : sizes_) cache.put(hash, bytes);
}

bool Shadow::choose() {
  const unsigned before = best_;
  seen_decayed_ = seen_decayed_ * kDecay + seen_;
  for (std::size_t i = 0; i < score_.size(); ++i) {
    score_[i] = score_[i] * kDecay + now_[i];
    for (std::size_t j = 0; j < i; ++j) {
      const double lead = static_cast<double>(now_[i]) - static_cast<double>(now_[j]);
      scatter_[i][j] = scatter_[j][i] = scatter_[i][j] * kDecay + lead * lead;
    }
  }
  now_.fill(0);
  seen_ = 0;
  for (unsigned i = 0; i < score_.size(); ++i) {
    const double lead = score_[i] - score_[before];
    if (score_[i] <= score_[best_] || lead <= kMargin * seen_decayed_) continue;
    if (lead * lead > kSteady * scatter_[i][before]) best_ = i;
  }
  if (best_ != before) {
    for (PolicyCache& cache : sizes_) cache.window(kWindows[best_]);
  }
  for (double& hits : size_hits_) hits *= kCurveDecay;
  curve_seen_ *= kCurveDecay;
  return best_ != before;
}

void Shadow::erase(std::uint64_t hash) {
  for (PolicyCache& cache : windows_) cache.erase(hash);
  for (PolicyCache& cache : sizes_) cache.erase(hash);
}

HitCurve Shadow::curve() const {
  HitCurve curve;
  curve.sampled = sampled_total_;
  curve.window_percent = window_percent();
  for (std::size_t i = 0; i < kSizes.size(); ++i) {
    curve.points[i] = {kSizes[i], curve_seen_ > 0 ? size_hits_[i] / curve_seen_ : 0};
  }
  return curve;
}

std::size_t Shadow::memory_bytes() const {
  std::size_t slots = 0;
  for (const PolicyCache& cache : windows_) slots += cache.slots();
  for (const PolicyCache& cache : sizes_) slots += cache.slots();
  return slots * 40;
}

}  // namespace ullage::tier
