// SPDX-License-Identifier: Apache-2.0
#include "tier/cold/readers.h"

#include <algorithm>
#include <utility>

#include "tier/cold/scheduling.h"

namespace ullage::tier::cold {
namespace {

// Tasks that one thread takes at once, at most: a slow one makes so many wait behind it.
constexpr std::size_t kBatchMax = 16;

}  // namespace

Readers::Readers(unsigned threads, std::size_t waiting_max, Work work)
    : waiting_max_(waiting_max), work_(std::move(work)) {
  for (unsigned i = 0; i < std::max(threads, 1u); ++i) {
    threads_.emplace_back([this] {
      begin_thread("cold-read");
      run();
    });
  }
}

Readers::~Readers() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::size_t Readers::add(std::span<Task> tasks) {
  std::size_t taken = 0, wakes = 0;
  {
    const std::lock_guard lock(mutex_);
    taken = std::min(tasks.size(), waiting_max_ - std::min(queue_.size(), waiting_max_));
    for (Task& task : tasks.first(taken)) queue_.push_back(std::move(task));
    // One that was woken counts as idle no more, so a burst wakes each thread once.
    wakes = std::min<std::size_t>(idle_, taken);
    idle_ -= static_cast<unsigned>(wakes);
    woken_ += static_cast<unsigned>(wakes);
  }
  for (std::size_t i = 0; i < wakes; ++i) wake_.notify_one();
  return taken;
}

std::size_t Readers::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

void Readers::run() {
  std::vector<Task> batch;
  batch.reserve(kBatchMax);
  std::unique_lock lock(mutex_);
  for (;;) {
    if (queue_.empty()) {
      if (stopping_) return;
      ++idle_;
      wake_.wait(lock, [this] { return woken_ > 0 || stopping_; });
      if (woken_ > 0) --woken_;
      continue;
    }
    const std::size_t share = (queue_.size() + threads_.size() - 1) / threads_.size();
    const std::size_t take = std::min({share, queue_.size(), kBatchMax});
    for (std::size_t i = 0; i < take; ++i) {
      batch.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    lock.unlock();
    work_(batch);
    batch.clear();
    lock.lock();
  }
}

}  // namespace ullage::tier::cold
