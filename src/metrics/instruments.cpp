// SPDX-License-Identifier: Apache-2.0
#include "metrics/instruments.h"

#include <algorithm>
#include <cstring>

namespace ullage::metrics {

std::size_t stripe() noexcept {
  static std::atomic<std::size_t> next{0};
  thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed) % kStripes;
  return mine;
}

void Histogram::record(std::uint64_t value, Exemplar from, std::uint64_t at_ns) noexcept {
  record(value);
  Slot& slot = slots_[static_cast<std::size_t>(std::bit_width(value))];
  std::uint32_t before = slot.sequence.load(std::memory_order_relaxed);
  if ((before & 1) != 0 ||
      !slot.sequence.compare_exchange_strong(before, before + 1, std::memory_order_acquire)) {
    return;  // another thread writes one just now; it is as good
  }
  std::atomic_thread_fence(std::memory_order_release);
  slot.label.store(from.label, std::memory_order_relaxed);
  const std::size_t length = from.text == nullptr ? 0 : strnlen(from.text, kExemplarBytesMax);
  for (std::size_t i = 0; i < slot.text.size(); ++i) {
    std::uint64_t word = 0;
    if (i * 8 < length)
      std::memcpy(&word, from.text + i * 8, std::min(length - i * 8, std::size_t{8}));
    slot.text[i].store(word, std::memory_order_relaxed);
  }
  slot.value.store(value, std::memory_order_relaxed);
  slot.at_ns.store(at_ns, std::memory_order_relaxed);
  slot.sequence.store(before + 2, std::memory_order_release);
}

Histogram::Reading Histogram::read() const noexcept {
  Reading reading;
  for (const Stripe& stripe : stripes_) {
    for (std::size_t i = 0; i < kBuckets; ++i) {
      reading.buckets[i] += stripe.buckets[i].load(std::memory_order_relaxed);
    }
    reading.sum += static_cast<double>(stripe.sum.load(std::memory_order_relaxed));
  }
  for (const std::uint64_t bucket : reading.buckets) reading.count += bucket;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    const Slot& slot = slots_[i];
    // One that is being written just now is left out: the next reading has it.
    const std::uint32_t before = slot.sequence.load(std::memory_order_acquire);
    if (before == 0 || (before & 1) != 0) continue;
    Remembered seen;
    seen.label = slot.label.load(std::memory_order_relaxed);
    for (std::size_t k = 0; k < slot.text.size(); ++k) {
      const std::uint64_t word = slot.text[k].load(std::memory_order_relaxed);
      std::memcpy(seen.text.data() + k * 8, &word, sizeof word);
    }
    seen.value = slot.value.load(std::memory_order_relaxed);
    seen.at_ns = slot.at_ns.load(std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (slot.sequence.load(std::memory_order_relaxed) == before) reading.exemplars[i] = seen;
  }
  return reading;
}

std::uint64_t Histogram::Reading::percentile(double share) const noexcept {
  if (count == 0) return 0;
  const double wanted = share * static_cast<double>(count);
  double seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += static_cast<double>(buckets[i]);
    if (seen >= wanted && buckets[i] > 0) {
      return i == 0 ? 0 : i == 64 ? UINT64_MAX : (std::uint64_t{1} << i) - 1;
    }
  }
  return UINT64_MAX;
}

}  // namespace ullage::metrics
