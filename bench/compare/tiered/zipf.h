// SPDX-License-Identifier: Apache-2.0
#pragma once

// Zipf: reads and writes of a working set that is larger than memory; the k-th most used key is
// asked for 1/k^0.99 times as often as the first. `Backing` is what the client itself reads when
// the server does not have a key, and writes to as well: nothing, or RocksDB.
#include <cmath>

#include "generator.h"

namespace tiered {

// Ranks 0 to n-1 (Gray et al., "Quickly generating billion-record synthetic databases", 1994).
class Ranks {
 public:
  explicit Ranks(std::uint64_t n) : n_(static_cast<double>(n)) {
    for (std::uint64_t i = 1; i <= n; ++i) zeta_ += 1 / std::pow(static_cast<double>(i), kTheta);
    const double two = 1 + std::pow(0.5, kTheta);
    eta_ = (1 - std::pow(2 / n_, 1 - kTheta)) / (1 - two / zeta_);
  }
  template <class Random>
  std::uint64_t operator()(Random& random) const {
    const double u = static_cast<double>(random() >> 11) * 0x1p-53;
    const double uz = u * zeta_;
    if (uz < 1) return 0;
    if (uz < 1 + std::pow(0.5, kTheta)) return 1;
    const double rank = n_ * std::pow(eta_ * u - eta_ + 1, 1 / (1 - kTheta));
    return static_cast<std::uint64_t>(std::min(rank, n_ - 1));
  }

 private:
  static constexpr double kTheta = 0.99;
  double n_, zeta_ = 0, eta_ = 0;
};

// The server has everything.
struct NoBacking {
  static constexpr bool kThere = false;
  explicit NoBacking(const Options&) {}
  void get(const std::string&, std::string&) {}
  void put(const std::string&, const std::string&) {}
  double background_cpu() const { return 0; }
};

template <class Backing>
class Zipf : public Generator {
 public:
  explicit Zipf(const Options& o)
      : Generator(o, o.number("connections", 50)),
        backing_(o),
        ranks_(keys_),
        flights_(client_.connections().size()),
        value_(o.number("value", 100), 'v') {}

  void run() {
    const std::uint64_t count = options_.number("count", 2'000'000);
    phase(options_.number("warm", count));
    const auto pid = static_cast<pid_t>(options_.number("pid", 0));
    Histogram latency;
    latency_ = &latency;
    missed_ = 0;
    mine_ = 0;
    const double server = cpu_seconds(pid), background = backing_.background_cpu();
    const double began = clock_seconds(CLOCK_MONOTONIC);
    phase(count);
    const double wall = clock_seconds(CLOCK_MONOTONIC) - began;
    const double ops = static_cast<double>(count);
    const double cpu = cpu_seconds(pid) - server;
    const double client = mine_ + backing_.background_cpu() - background;
    print("server_us_per_op", (cpu + client) * 1e6 / ops, "us");
    print("ops_per_core_s", ops / (cpu + client), "1/s");
    print("memory_server_us_per_op", cpu * 1e6 / ops, "us");
    print("client_rocksdb_us_per_op", client * 1e6 / ops, "us");
    print("ops_per_s", ops / wall, "1/s");
    print("not_in_server_percent", 100 * static_cast<double>(missed_) / ops, "%");
    print("p50_us", static_cast<double>(latency.quantile(0.5)) / 1e3, "us");
    print("p99_us", static_cast<double>(latency.quantile(0.99)) / 1e3, "us");
  }

  void answered(Connection& c, std::uint64_t due, std::uint64_t now, bool found) override {
    auto& flying = flights_[index(c)];
    const Flight flight = flying.front();
    flying.pop_front();
    if (flight.kind == Kind::kFill) return;
    if (flight.kind == Kind::kGet && !found) {
      ++missed_;
      if (!Backing::kThere) fail("a key is missing");
      misses_.push_back({&c, flight.key, due});
      return;  // answered when the value is there
    }
    latency_->add(now - due);
    ++answered_;
  }

 private:
  enum class Kind : char { kGet, kSet, kFill };
  struct Flight {
    std::uint64_t key;
    Kind kind;
  };
  struct Miss {
    Connection* connection;
    std::uint64_t key, due;
  };

  std::size_t index(const Connection& c) {
    return static_cast<std::size_t>(&c - client_.connections().data());
  }

  void phase(std::uint64_t count) {
    const std::uint64_t depth = options_.number("pipeline", 1);
    const std::uint64_t writes = options_.number("writes", 5);
    const std::uint64_t until = answered_ + count;
    std::uint64_t left = count;
    while (answered_ < until) {
      for (Connection& c : client_.connections()) {
        if (!c.due.empty() || left == 0) continue;
        const std::uint64_t batch = std::min(depth, left);
        for (std::uint64_t i = 0; i < batch; ++i) request(c, random_() % 100 < writes);
        left -= batch;
      }
      write_back();
      for (Connection& c : client_.connections()) {
        if (!c.out.empty() && !c.wants_write) client_.flush(c);
      }
      client_.turn(1'000'000'000, *this);
      read_through();
    }
    while (!settled()) client_.turn(1'000'000'000, *this);
  }
  bool settled() {
    return std::all_of(flights_.begin(), flights_.end(), [](const auto& f) { return f.empty(); });
  }

  void request(Connection& c, bool writes) {
    const std::uint64_t key = ranks_(random_);
    if (writes) {
      append_set(c.out, "", key, value_);
      if (Backing::kThere) puts_.push_back(key);
    } else {
      append_get(c.out, "", key);
    }
    flights_[index(c)].push_back({key, writes ? Kind::kSet : Kind::kGet});
    c.due.push_back(now_ns());
  }

  // Only the time in RocksDB counts as a server's; a turn's calls share one reading of the clock.
  void write_back() {
    if (puts_.empty()) return;
    const double began = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    for (const std::uint64_t key : puts_) backing_.put(std::string(Name(key).text, 16), value_);
    mine_ += clock_seconds(CLOCK_THREAD_CPUTIME_ID) - began;
    puts_.clear();
  }
  void read_through() {
    if (misses_.empty()) return;
    values_.resize(std::max(values_.size(), misses_.size()));
    const double began = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    for (std::size_t i = 0; i < misses_.size(); ++i) {
      backing_.get(std::string(Name(misses_[i].key).text, 16), values_[i]);
    }
    mine_ += clock_seconds(CLOCK_THREAD_CPUTIME_ID) - began;
    const std::uint64_t now = now_ns();
    for (std::size_t i = 0; i < misses_.size(); ++i) {
      Connection& c = *misses_[i].connection;
      append_set(c.out, "", misses_[i].key, values_[i]);
      flights_[index(c)].push_back({misses_[i].key, Kind::kFill});
      c.due.push_back(now);
      latency_->add(now - misses_[i].due);
      ++answered_;
    }
    for (const Miss& miss : misses_) {
      if (!miss.connection->wants_write) client_.flush(*miss.connection);
    }
    misses_.clear();
  }

  Backing backing_;
  Ranks ranks_;
  std::vector<std::deque<Flight>> flights_;
  std::vector<std::uint64_t> puts_;
  std::vector<Miss> misses_;
  std::vector<std::string> values_;
  const std::string value_;
  double mine_ = 0;
};

}  // namespace tiered
