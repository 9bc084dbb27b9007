// SPDX-License-Identifier: Apache-2.0
#pragma once

// Budget: keys loading as fast as they go, then reads, overwrites, deletes and values whose size
// drifts, while another thread reads the server's resident memory every 20 ms.
#include <atomic>
#include <thread>

#include "generator.h"

namespace tiered {

// The resident memory of another process, and its highest since the last `take()`.
class Resident {
 public:
  explicit Resident(pid_t pid)
      : path_("/proc/" + std::to_string(pid) + "/statm"), thread_([this] { watch(); }) {}
  ~Resident() {
    stop_ = true;
    thread_.join();
  }
  std::uint64_t last() const { return last_; }
  std::uint64_t take() { return highest_.exchange(0); }

 private:
  void watch() {
    const std::uint64_t page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    while (!stop_) {
      std::uint64_t size = 0, resident = 0;
      if (std::ifstream(path_) >> size >> resident) {
        last_ = resident * page;
        std::uint64_t seen = highest_.load();
        while (last_ > seen && !highest_.compare_exchange_weak(seen, last_)) {
        }
      }
      usleep(20'000);
    }
  }
  const std::string path_;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> last_{0}, highest_{0};
  std::thread thread_;
};

class Budget : public Generator {
 public:
  explicit Budget(const Options& o) : Generator(o, 50) {}

  // A busy machine may keep reads waiting for too long; that is counted, and nothing else may fail.
  void refused(Connection&, const std::string& reply) override {
    if (reply.rfind("-TRYAGAIN", 0) != 0) fail("an error: " + reply);
    ++answered_;
    ++refused_;
  }

  void run() {
    const double budget = static_cast<double>(options_.number("budget", 128u << 20));
    const double lasts = static_cast<double>(options_.number("seconds", 600));
    const auto over = [&](std::uint64_t bytes) {
      return (static_cast<double>(bytes) / budget - 1) * 100;
    };
    Resident resident(static_cast<pid_t>(options_.number("pid", 0)));
    const double began = clock_seconds(CLOCK_MONOTONIC);
    fill();
    print("load_ops_per_s", static_cast<double>(keys_) / (clock_seconds(CLOCK_MONOTONIC) - began),
          "1/s");
    const std::uint64_t loading = resident.take();
    std::uint64_t ops = 0;
    const double ran = mix(lasts, ops);
    const std::uint64_t mixed = resident.take();
    print("rss_over_budget_percent", over(std::max(loading, mixed)), "%");
    print("loading_rss_over_budget_percent", over(loading), "%");
    print("mixed_rss_over_budget_percent", over(mixed), "%");
    print("final_rss_over_budget_percent", over(resident.last()), "%");
    print("mixed_ops_per_s", static_cast<double>(ops) / ran, "1/s");
    print("refused_reads", static_cast<double>(refused_), "count");
    print("not_found_percent", 100 * static_cast<double>(missed_) / static_cast<double>(ops), "%");
  }

 private:
  // Time counts while the load goes on: a machine that stood still has done no part of the test.
  double mix(double lasts, std::uint64_t& ops) {
    double ran = 0, before = clock_seconds(CLOCK_MONOTONIC);
    missed_ = 0;
    while (ran < lasts) {
      const std::size_t bytes = ran < lasts / 3 ? 100 : ran < lasts * 2 / 3 ? 400 : 64;
      const std::string value(bytes, 'w');
      closed(16u * client_.connections().size(), 16, [&](Connection& c) {
        const std::uint64_t dice = random_();
        // Half of the accesses go to a hundredth of the keys.
        const std::uint64_t key = (dice >> 32) % (dice % 2 == 0 ? keys_ / 100 : keys_);
        const std::uint64_t what = (dice >> 8) % 100;
        if (what < 70) {
          append_get(c.out, "", key);
        } else if (what < 95) {
          append_set(c.out, "", key, value);
        } else {
          append_del(c.out, key);
        }
        ++ops;
      });
      const double now = clock_seconds(CLOCK_MONOTONIC);
      ran += std::min(now - before, 0.5);
      before = now;
    }
    return ran;
  }

  std::uint64_t refused_ = 0;
};

}  // namespace tiered
