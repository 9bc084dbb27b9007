// SPDX-License-Identifier: Apache-2.0
#pragma once

// Threads that wait for work between two parallel loops. One thread of `count` is the caller's own.
//
//   Workers workers(2);
//   workers.run(batches.size(), [&](unsigned worker, std::size_t i) { ... });
//
// A loop ends when each of its tasks has ended; tasks are taken in order. Tasks must not throw.

#include <atomic>
#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

namespace ullage::trace::go {

class Workers {
 public:
  using Task = std::function<void(unsigned worker, std::size_t task)>;
  explicit Workers(unsigned count);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  unsigned count() const { return static_cast<unsigned>(threads_.size()) + 1; }
  void run(std::size_t tasks, const Task& task);

 private:
  void serve(unsigned worker);
  void work(unsigned worker);

  std::vector<std::thread> threads_;
  const Task* task_ = nullptr;
  std::size_t tasks_ = 0;
  std::atomic<std::size_t> next_{0};
  std::atomic<unsigned> round_{0}, busy_{0};
  bool stop_ = false;
};

}  // namespace ullage::trace::go
