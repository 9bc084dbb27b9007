// SPDX-License-Identifier: Apache-2.0
//
// arena_helper: the thread that touches memory ahead of use. It sleeps until it is asked.
//
// Cost      ask(): an increment, and one system call if the helper sleeps. No lock, no allocation:
//           the growth of a map calls it.
// Threads   ask() and wakes() from any thread. start(), stop() and forget() under lock(), which a
//           fork takes, too; then forget() in the child.
// Ends      stop() waits for the step it is at, at most one small one. So does the end of the
//           program (exit, or unloading the library it is in): nothing of it runs while statics are
//           destroyed. A child of fork has no helper.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <thread>

namespace ullage::detail {

class [[gnu::visibility("default")]] arena_helper {
 public:
  /// Does one small step; false: there is nothing to do.
  using work = bool (*)() noexcept;

  static arena_helper& get() noexcept {
    static constinit arena_helper one;
    return one;
  }

  void ask() noexcept {
    asked_.fetch_add(1, std::memory_order_release);
    asked_.notify_one();
  }
  std::mutex& lock() noexcept { return lock_; }
  /// True: it runs, now or already, and was asked.
  bool start(work what) noexcept {
    if (left_) return false;
    if (!runs_) {
      if (!leaves_) {
        if (std::atexit([] { get().leave(); }) != 0) return false;
        leaves_ = true;
      }
      stop_.store(false);
      try {
        ::new (static_cast<void*>(thread_)) std::thread([this, what] { run(what); });
      } catch (...) {
        return false;
      }
      runs_ = true;
    }
    ask();
    return true;
  }
  void stop() noexcept {
    if (!runs_) return;
    stop_.store(true);
    ask();
    thread()->join();
    thread()->~thread();
    runs_ = false;
  }
  /// In the child of a fork: there is no such thread here, and nothing to wait for.
  void forget() noexcept { runs_ = false; }

  /// Times it had nothing to do and was asked again.
  std::uint64_t wakes() const noexcept { return wakes_.load(std::memory_order_relaxed); }

  constexpr arena_helper() = default;
  arena_helper(const arena_helper&) = delete;
  arena_helper& operator=(const arena_helper&) = delete;

 private:
  std::thread* thread() noexcept { return std::launder(reinterpret_cast<std::thread*>(thread_)); }
  void run(work what) noexcept {
    for (;;) {
      const std::uint32_t seen = asked_.load(std::memory_order_acquire);
      if (stop_.load()) return;
      if (what()) continue;
      asked_.wait(seen, std::memory_order_acquire);
      wakes_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  void leave() noexcept {
    const std::lock_guard<std::mutex> hold(lock_);
    left_ = true;
    stop();
  }

  std::atomic<std::uint32_t> asked_{0};
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> wakes_{0};
  std::mutex lock_;
  bool runs_ = false, leaves_ = false, left_ = false;
  alignas(std::thread) unsigned char thread_[sizeof(std::thread)] = {};
};

}  // namespace ullage::detail
