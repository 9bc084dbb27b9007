// SPDX-License-Identifier: Apache-2.0
#pragma once

// Readers: a few threads that work off a bounded queue, in batches.
//
//   Readers readers(2, 4096, [](std::span<Readers::Task> tasks) { ... });
//   if (readers.add({&task, 1}) == 0) shed;
//
// A thread takes several tasks at once when many wait, so a busy queue costs no wake-ups.
// Threads   add, waiting: any.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "tier/cold_store.h"

namespace ullage::tier::cold {

class Readers {
 public:
  struct Task {
    std::string key;  // as it is stored; of a scan: where it begins
    ColdStore::Read read;
    ColdStore::Scanned scanned;  // instead of `read`; neither: a look at the engine itself
    std::uint64_t since_ns = 0;
    std::size_t count = 0;  // of a scan
    bool values = false;    // of a scan
  };
  using Work = std::function<void(std::span<Task>)>;

  Readers(unsigned threads, std::size_t waiting_max, Work work);
  ~Readers();  // what waits is worked off
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;

  // In this order. How many of them: too many wait already for the rest, which are left as they
  // were.
  std::size_t add(std::span<Task> tasks);
  std::size_t waiting() const;

 private:
  void run();

  const std::size_t waiting_max_;
  const Work work_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> queue_;
  unsigned idle_ = 0, woken_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace ullage::tier::cold
