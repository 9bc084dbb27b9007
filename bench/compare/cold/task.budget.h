// SPDX-License-Identifier: Apache-2.0
// One budget over a hot shard and a cold store, joined as `ullage serve` joins them: writes go to
// both, reads of what is not hot are filled from the cold store, ten ticks a second.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "driver.h"
#include "task.measure.h"
#include "tier/budget.h"
#include "tier/cold/store.h"
#include "tier/kernel.h"
#include "tier/key.h"
#include "tier/shard.h"

namespace task {

class Joined {
 public:
  static constexpr std::uint64_t kInFlight = 64;

  Joined(const std::string& folder, std::uint64_t total_bytes)
      : total_(total_bytes),
        budget_({.limit_bytes = total_bytes / 2, .process_bytes = total_bytes}) {
    using namespace ullage::tier;
    ColdOptions options;
    options.directory = folder;
    options.budget_bytes = total_bytes / 2;
    auto opened = cold::open_store(options);
    if (!opened.ok()) throw std::runtime_error(opened.error().message);
    store_ = std::move(opened).value();
    set_hash_seed(store_->hash_seed());
    shard_ = std::make_unique<Shard>(ShardOptions{}, budget_);
    store_->on_progress([this] {
      const std::lock_guard lock(mutex_);
      changed_.notify_one();
    });
    steering_ = std::thread([this] { steer(); });
  }
  ~Joined() {
    stopping_ = true;
    steering_.join();
    store_.reset();
  }

  void set(std::uint64_t i, std::size_t bytes) {
    using namespace ullage::tier;
    turn();
    ColdChange change;
    change.key = key_of(i);
    change.entry.value = value_of(i, bytes);
    change.entry.written_ms = 1'700'000'000'000;
    const Key key(0, change.key);
    change.hash = key.hash;
    const Status status = shard_->set(key, change.entry.value);
    if (status == Status::kDenied) ++denied;
    write(std::move(change));
  }
  void erase(std::uint64_t i) {
    using namespace ullage::tier;
    turn();
    ColdChange change;
    change.kind = ColdChange::Kind::kErase;
    change.key = key_of(i);
    const Key key(0, change.key);
    change.hash = key.hash;
    shard_->erase(key);
    write(std::move(change));
  }
  void get(std::uint64_t i) {
    using namespace ullage::tier;
    turn();
    const std::string text = key_of(i);
    const Key key(0, text);
    if (shard_->get(key)) return;
    ++cold_reads;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ < kInFlight; });
    ++waiting_;
    lock.unlock();
    store_->read(key, [this, text](ColdStatus status, ColdEntry entry) {
      if (status == ColdStatus::kFailed) std::abort();
      const std::lock_guard done(mutex_);
      --waiting_;
      if (status == ColdStatus::kOk) fills_.push_back({text, std::move(entry.value)});
      changed_.notify_one();
    });
  }
  void settle() {
    std::unique_lock lock(mutex_);
    while (waiting_ != 0 || store_->durable(0) < last_) {
      changed_.wait_for(lock, std::chrono::milliseconds(100));
    }
  }

  double over_percent() const { return percent(rss_max_); }
  double final_percent() const { return percent(rss_); }
  std::uint64_t hot_bytes() const { return budget_.granted_bytes(); }
  ullage::tier::ColdStore& store() { return *store_; }
  std::uint64_t denied = 0, cold_reads = 0;
  bool loud = std::getenv("COLD_LOUD") != nullptr;

 private:
  double percent(std::uint64_t rss) const {
    return (static_cast<double>(rss) / static_cast<double>(total_) - 1) * 100;
  }

  void write(ullage::tier::ColdChange change) {
    std::vector<ullage::tier::ColdChange> changes(1);
    changes[0] = std::move(change);
    last_ = store_->write(0, std::move(changes), false);
    if (!store_->congested()) return;
    std::unique_lock lock(mutex_);
    while (store_->congested()) changed_.wait_for(lock, std::chrono::milliseconds(5));
  }

  // What a turn of a server's loop does: fills what came in, and steps.
  void turn() {
    if (++turns_ % 16 != 0) return;
    std::deque<std::pair<std::string, std::string>> fills;
    {
      const std::lock_guard lock(mutex_);
      fills.swap(fills_);
    }
    for (const auto& [text, value] : fills) {
      (void)shard_->set(ullage::tier::Key(0, text), value);
    }
    shard_->step(std::chrono::microseconds(50));
  }

  void steer() {
    for (unsigned i = 0; !stopping_; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      const std::uint64_t rss = ullage::tier::kernel::resident().resident_bytes;
      rss_ = rss;
      rss_max_ = std::max(rss_max_.load(), rss);
      if (i % 5 != 0) continue;
      budget_.tick();
      const std::uint64_t granted = budget_.granted_bytes();
      store_->tick(rss > granted ? rss - granted : 1);
      if (loud && i % 100 == 0) {
        const auto memory = store_->memory();
        std::fprintf(stderr,
                     "rss %.1f max %.1f hot %.1f allowed %.1f cold: cache %.1f memtables %.1f "
                     "pending %.1f disk %.0f stalls %llu %.1fs\n",
                     rss / 1048576.0, rss_max_ / 1048576.0, granted / 1048576.0,
                     budget_.allowed_bytes() / 1048576.0, memory.cache / 1048576.0,
                     memory.memtables / 1048576.0, memory.pending / 1048576.0,
                     memory.disk / 1048576.0, (unsigned long long)store_->figures().stalls,
                     store_->figures().stalled_ns / 1e9);
      }
    }
  }

  const std::uint64_t total_;
  ullage::tier::Budget budget_;
  std::unique_ptr<ullage::tier::ColdStore> store_;
  std::unique_ptr<ullage::tier::Shard> shard_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t waiting_ = 0, last_ = 0, turns_ = 0;
  std::deque<std::pair<std::string, std::string>> fills_;
  std::atomic<std::uint64_t> rss_{0}, rss_max_{0};
  std::atomic<bool> stopping_{false};
  std::thread steering_;
};

inline void budget(std::string_view name, const std::string& folder, bench::Report& report) {
  using Clock = std::chrono::steady_clock;
  const bool quick = name.ends_with("-short");
  const bool large = name.starts_with("budget-1024");
  const std::uint64_t total = (large ? std::uint64_t{1024} : 128) << 20;
  const std::uint64_t keys = !quick ? 10'000'000 : large ? 4'000'000 : 2'000'000;
  const std::chrono::seconds lasts(quick ? 60 : 600);
  Joined joined(folder, total);
  const auto begin = Clock::now();
  for (std::uint64_t i = 0; i < keys; ++i) joined.set(i, 100);
  joined.settle();
  const std::chrono::duration<double> loading = Clock::now() - begin;
  const auto start = Clock::now();
  std::uint64_t ops = 0, state = 1;
  for (Clock::duration passed{}; passed < lasts; ++ops) {
    if (ops % 256 == 0) passed = Clock::now() - start;
    state = scrambled(state);
    // Half of the accesses go to a hundredth of the keys.
    const std::uint64_t i = (state >> 32) % (state % 2 == 0 ? keys / 100 : keys);
    const std::size_t bytes = passed < lasts / 3 ? 100 : passed < lasts * 2 / 3 ? 400 : 64;
    const std::uint64_t what = (state >> 8) % 100;
    if (what < 70) {
      joined.get(i);
    } else if (what < 95) {
      joined.set(i, bytes);
    } else {
      joined.erase(i);
    }
  }
  joined.settle();
  const std::chrono::duration<double> mixed = Clock::now() - start;
  report.add("rss_over_budget_percent", joined.over_percent(), "%");
  report.add("final_rss_over_budget_percent", joined.final_percent(), "%");
  report.add("load_ops_per_s", static_cast<double>(keys) / loading.count(), "1/s");
  report.add("mixed_ops_per_s", static_cast<double>(ops) / mixed.count(), "1/s");
  report.add("hot_mib", static_cast<double>(joined.hot_bytes()) / 1048576.0, "MiB");
  report.add("cold_reads_per_op", static_cast<double>(joined.cold_reads) / static_cast<double>(ops),
             "1");
}

}  // namespace task
