// SPDX-License-Identifier: Apache-2.0
#pragma once

// Hot: how long keys in memory take while the cold tier is in trouble. Reads of hot keys at a fixed
// rate (open loop), beside a second client at another rate. Its windows take turns:
//
//   calm       the second client's keys are in memory only
//   again      the same once more: what this machine makes of the difference between equals
//   troubled   the same requests on keys that are persisted, while the cold tier compacts, is slow,
//              stands still, or its directory is gone; or (busy, a control) on keys in memory only,
//              while a stranger of nice 19 keeps the server's processors busy
//
// Between windows the server comes to rest. What is told is the median of the rounds' ratios, and
// the ratio of the best windows.
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "../store/witness.h"
#include "generator.h"

namespace tiered {

// The word that slow_disk.cpp reads: nanoseconds that each access of the cold tier's files is held
// up; ~0: as long as it says so.
class Disk {
 public:
  explicit Disk(const std::string& path) {
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    void* at = fd < 0 ? MAP_FAILED
                      : mmap(nullptr, sizeof *word_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) fail("can't map " + path);
    close(fd);
    word_ = static_cast<std::atomic<std::uint64_t>*>(at);
  }
  void hold(std::uint64_t ns) { word_->store(ns); }

 private:
  std::atomic<std::uint64_t>* word_;
};

// Keeps the processors of another process busy, at the lowest priority there is but idle: what any
// program beside a server does to it, whatever it is made of.
class Stranger {
 public:
  explicit Stranger(pid_t beside) {
    if (sched_getaffinity(beside, sizeof processors_, &processors_) != 0) fail("no such process");
  }
  void begin() {
    stop_ = false;
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &processors_)) threads_.emplace_back([this, i] { spin(i); });
    }
  }
  void end() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  void spin(int processor) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0 || setpriority(PRIO_PROCESS, 0, 19) != 0) {
      fail("can't be a stranger");
    }
    while (!stop_.load(std::memory_order_relaxed)) continue;
  }

  cpu_set_t processors_;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

// The second client: a tenth of its requests read, the others write values of 2000 B. It keeps to
// its rate, or below it when it is made to wait.
class Second : public store::Load {
 public:
  Second(std::uint16_t port, std::uint64_t rate, std::uint64_t keys)
      : client_(port, kConnections, {store::Protocol::kResp, false}), rate_(rate), keys_(keys) {}

  void begin(const std::string& prefix) {
    stop_ = false;
    thread_ = std::thread([this, prefix] { work(prefix); });
  }
  void end() {
    stop_ = true;
    thread_.join();
  }
  // What is still owed to it, once nothing is held up any more.
  void drain() {
    const std::uint64_t until = now_ns() + 30'000'000'000;
    while (!quiet()) {
      client_.turn(10'000'000, *this);
      if (now_ns() > until) fail("the second client is owed replies");
    }
  }
  void answered(Connection&, std::uint64_t, std::uint64_t, bool) override { ++answers_; }
  void refused(Connection&, const std::string&) override { ++refusals_; }
  std::uint64_t answers() const { return answers_; }
  std::uint64_t refusals() const { return refusals_; }

 private:
  static constexpr std::size_t kConnections = 16, kInFlight = 8;

  bool quiet() {
    auto& all = client_.connections();
    return std::all_of(all.begin(), all.end(), [](const auto& c) { return c.due.empty(); });
  }
  void work(const std::string& prefix) {
    const std::uint64_t start = now_ns();
    std::uint64_t sent = 0;
    std::size_t turn = 0;
    while (!stop_) {
      const std::uint64_t due = (now_ns() - start) * rate_ / 1'000'000'000;
      for (std::size_t tries = 0; sent < due && tries < kConnections; ++tries) {
        Connection& c = client_.connections()[turn++ % kConnections];
        if (c.due.size() >= kInFlight || c.wants_write) continue;
        const std::uint64_t key = random_() % keys_;
        random_() % 10 == 0 ? append_get(c.out, prefix, key)
                            : append_set(c.out, prefix, key, value_);
        c.due.push_back(now_ns());
        client_.flush(c);
        ++sent;
        tries = 0;
      }
      if (sent < due) sent = due;  // what could not be sent is not made up for
      client_.turn(500'000, *this);
    }
  }

  Client client_;
  const std::uint64_t rate_, keys_;
  const std::string value_ = std::string(2000, 'w');
  std::mt19937_64 random_{2};
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> answers_{0}, refusals_{0};
  std::thread thread_;
};

class Hot : public Generator {
 public:
  explicit Hot(const Options& o)
      : Generator(o, 20),
        pid_(static_cast<pid_t>(o.number("pid", 0))),
        trouble_(o.text("trouble")),
        directory_(o.text("directory")),
        disk_(o.text("disk")),
        stranger_(pid_),
        second_(static_cast<std::uint16_t>(o.number("port", 0)), o.number("second-rate", 2000),
                kSecondKeys) {}

  void run() {
    const std::string value(100, 'v');
    std::uint64_t key = 0;
    closed(keys_, 16, [&](Connection& c) { append_set(c.out, "hot:", key++, value); });
    for (const char* prefix : {kMemory, kPersisted}) {
      const std::string large(2000, 'w');
      key = 0;
      closed(kSecondKeys, 4, [&](Connection& c) { append_set(c.out, prefix, key++, large); });
    }
    Histogram warm;
    window(warm, false, kMemory);
    calm_answers_ = 0;
    std::vector<double> ratios, nulls, tails;
    for (std::uint64_t round = 0; round < options_.number("cycles", 4); ++round) {
      Histogram now[3];
      for (std::uint64_t i = 0; i < 3; ++i) {
        const std::uint64_t which = (i + round) % 3;
        const bool persisted = which == 2 && trouble_ != "busy";
        window(now[which], which == 2, persisted ? kPersisted : kMemory);
      }
      const auto ratio = [&](int which, double share) {
        return static_cast<double>(now[which].quantile(share)) /
               static_cast<double>(now[0].quantile(share));
      };
      ratios.push_back(ratio(2, 0.99));
      nulls.push_back(ratio(1, 0.99));
      tails.push_back(ratio(2, 0.999));
      p99_[0].push_back(static_cast<double>(now[0].quantile(0.99)) / 1e3);
      p99_[1].push_back(static_cast<double>(now[1].quantile(0.99)) / 1e3);
      p99_[2].push_back(static_cast<double>(now[2].quantile(0.99)) / 1e3);
      longest_ = std::max(longest_, now[2].max());
      calm_longest_ = std::max({calm_longest_, now[0].max(), now[1].max()});
    }
    print("p99_over_calm", median(ratios), "x");
    print("p99_null", median(nulls), "x");
    print("p999_over_calm", median(tails), "x");
    print("calm_p99_us", median(p99_[0]), "us");
    print("troubled_p99_us", median(p99_[2]), "us");
    print("least_p99_over_calm", least(p99_[2]) / least(p99_[0]), "x");
    print("least_p99_null", least(p99_[1]) / least(p99_[0]), "x");
    print("calm_max_us", static_cast<double>(calm_longest_) / 1e3, "us");
    print("troubled_max_us", static_cast<double>(longest_) / 1e3, "us");
    print("machine_stall_us", static_cast<double>(machine_longest_) / 1e3, "us");
    print("calm_second_answers_per_s", per_second(calm_answers_, 2), "1/s");
    print("troubled_second_answers_per_s", per_second(answers_, 1), "1/s");
    print("troubled_refusals_per_s", per_second(refusals_, 1), "1/s");
  }

 private:
  static constexpr const char* kMemory = "cache:";
  static constexpr const char* kPersisted = "data:";
  static constexpr std::uint64_t kSecondKeys = 50'000;

  static double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t n = values.size();
    return (values[n / 2] + values[(n - 1) / 2]) / 2;
  }
  // What others on the machine did not spoil.
  static double least(const std::vector<double>& values) {
    return *std::min_element(values.begin(), values.end());
  }
  double per_second(std::uint64_t count, std::uint64_t windows) const {
    return static_cast<double>(count) /
           static_cast<double>(windows * options_.number("cycles", 4) * (seconds() + 1));
  }
  std::uint64_t seconds() const { return options_.number("seconds", 5); }

  // `seconds` of reads; their latencies, from when each was due.
  void window(Histogram& latency, bool troubled, const char* prefix) {
    rest();
    const std::uint64_t answers = second_.answers(), refusals = second_.refusals();
    if (troubled) trouble(true);
    second_.begin(prefix);
    Histogram skipped;
    latency_ = &skipped;  // until the trouble is there
    open(options_.number("rate", 5000));
    latency_ = &latency;
    if (troubled) witness_.longest_ns();
    open(options_.number("rate", 5000) * seconds());
    if (troubled) machine_longest_ = std::max(machine_longest_, witness_.longest_ns());
    second_.end();
    (troubled ? answers_ : calm_answers_) += second_.answers() - answers;
    (troubled ? refusals_ : calm_refusals_) += second_.refusals() - refusals;
    if (troubled) trouble(false);
    if (calm_refusals_ != 0) fail("errors although nothing is wrong");
    second_.drain();
  }

  void trouble(bool begins) {
    if (trouble_ == "slow") disk_.hold(begins ? 20'000'000 : 0);
    if (trouble_ == "stall") disk_.hold(begins ? ~std::uint64_t{0} : 0);
    if (trouble_ == "busy") begins ? stranger_.begin() : stranger_.end();
    if (trouble_ == "gone") {
      const std::string away = directory_ + ".away";
      std::filesystem::rename(begins ? directory_ : away, begins ? away : directory_);
    }
  }

  // Until a quarter of a second took the server less than 3 % of it: compactions are done.
  void rest() {
    const std::uint64_t until = now_ns() + 20'000'000'000;
    double before = cpu_seconds(pid_);
    while (now_ns() < until) {
      usleep(250'000);
      const double now = cpu_seconds(pid_);
      if (now - before < 0.0075) return;
      before = now;
    }
  }

  void open(std::uint64_t count) {
    const std::uint64_t rate = options_.number("rate", 5000);
    const std::uint64_t until = answered_ + count, start = now_ns();
    std::uint64_t sent = 0;
    std::size_t turn = 0;
    while (answered_ < until) {
      const std::uint64_t now = now_ns();
      while (sent < count && start + sent * 1'000'000'000u / rate <= now) {
        auto& all = client_.connections();
        Connection& c = all[turn++ % all.size()];
        append_get(c.out, "hot:", random_() % keys_);
        c.due.push_back(start + sent * 1'000'000'000u / rate);
        ++sent;
        if (!c.wants_write) client_.flush(c);
      }
      client_.turn(20'000, *this);
    }
    if (missed_ != 0) fail("a hot key is missing");
  }

  const pid_t pid_;
  const std::string trouble_, directory_;
  Disk disk_;
  Stranger stranger_;
  Second second_;
  store::Witness witness_;
  std::vector<double> p99_[3];
  std::uint64_t longest_ = 0, calm_longest_ = 0, machine_longest_ = 0;
  std::uint64_t answers_ = 0, refusals_ = 0, calm_answers_ = 0, calm_refusals_ = 0;
};

}  // namespace tiered
