// SPDX-License-Identifier: Apache-2.0
//
// The load generator of this task: one thread, one server, one kind of load.
//
//   load KIND --port P --pid PID [--protocol resp|memcache] [options]
//
//   get, set      closed loop over existing keys, --pipeline requests in flight a connection
//   fill          every key once, in order, --pipeline deep
//   grow          every key once at --rate a second, whatever the server does (open loop: latency
//                 counts from when a request was due); then the same keys again for --steady s
//   drift         sets keys at random for --seconds, value sizes moving 100 -> 400 -> 64 B, a tenth
//                 of the requests gets; samples the server's resident memory ten times a second
//
// It prints lines `metric value unit`. CPU is the server's own (all its threads), by its process
// clock.
#include <algorithm>
#include <fstream>
#include <map>
#include <random>
#include <string>

#include "client.h"
#include "histogram.h"
#include "witness.h"

namespace store {
namespace {

struct Options {
  std::string kind;
  std::map<std::string, std::string> values;
  std::uint64_t number(const std::string& name, std::uint64_t otherwise) const {
    const auto it = values.find(name);
    return it == values.end() ? otherwise : std::stoull(it->second);
  }
};

Options parse(int argc, char** argv) {
  if (argc < 2) fail("usage: load get|set|fill|grow|drift --port P --pid PID [--keys N ...]");
  Options o;
  o.kind = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) o.values[std::string(argv[i]).substr(2)] = argv[i + 1];
  return o;
}

double cpu_seconds(pid_t pid) {
  clockid_t clock = 0;
  timespec t{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0) {
    fail("no process " + std::to_string(pid));
  }
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// A line of /proc/PID/status in bytes.
double status_bytes(pid_t pid, const std::string& name) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(name + ":", 0) == 0) return std::stod(line.substr(name.size() + 1)) * 1024;
  }
  fail("no " + name + " of process " + std::to_string(pid));
}

void print(const char* metric, double value, const char* unit) {
  std::printf("%s %.6g %s\n", metric, value, unit);
}

void print_latency(const std::string& prefix, const Histogram& h) {
  print((prefix + "p50_us").c_str(), static_cast<double>(h.quantile(0.5)) / 1e3, "us");
  print((prefix + "p99_us").c_str(), static_cast<double>(h.quantile(0.99)) / 1e3, "us");
  print((prefix + "p999_us").c_str(), static_cast<double>(h.quantile(0.999)) / 1e3, "us");
  print((prefix + "max_us").c_str(), static_cast<double>(h.max()) / 1e3, "us");
}

class Generator : public Load {
 public:
  explicit Generator(const Options& o)
      : options_(o),
        pid_(static_cast<pid_t>(o.number("pid", 0))),
        keys_(o.number("keys", 100'000)),
        value_(o.number("value", 100), 'v'),
        client_(static_cast<std::uint16_t>(o.number("port", 6379)), o.number("connections", 50),
                dialect(o)) {}

  void answered(Connection&, std::uint64_t due, std::uint64_t now, bool found) override {
    latency_->add(now > due ? now - due : 0);
    ++answered_;
    missed_ += !found;
  }

  // `count` requests with `depth` in flight on every connection.
  template <class Next>
  void closed(std::uint64_t count, std::size_t depth, Next&& next) {
    const std::uint64_t until = answered_ + count;
    std::uint64_t left = count;
    while (answered_ < until) {
      for (Connection& c : client_.connections()) {
        // A batch at a time: the next goes out when the last is answered, as clients that pipeline
        // do.
        if (!c.due.empty() || left == 0) continue;
        const std::uint64_t batch = std::min<std::uint64_t>(depth, left);
        const std::uint64_t now = now_ns();
        for (std::uint64_t i = 0; i < batch; ++i) {
          next(c);
          c.due.push_back(now);
        }
        left -= batch;
        client_.flush(c);
      }
      client_.turn(1'000'000'000, *this);
    }
  }
  // `count` requests, `rate` a second: late ones are sent at once, and late they count.
  template <class Next>
  void open(std::uint64_t count, std::uint64_t rate, Next&& next) {
    const std::uint64_t until = answered_ + count;
    const std::uint64_t start = now_ns();
    std::uint64_t sent = 0;
    std::size_t turn = 0;
    while (answered_ < until) {
      const std::uint64_t now = now_ns();
      while (sent < count && start + sent * 1'000'000'000u / rate <= now) {
        auto& all = client_.connections();
        Connection& c = all[turn++ % all.size()];
        next(c);
        c.due.push_back(start + sent * 1'000'000'000u / rate);
        ++sent;
      }
      for (Connection& c : client_.connections()) {
        if (!c.out.empty() && !c.wants_write) client_.flush(c);
      }
      client_.turn(50'000, *this);
    }
  }

  void set(Connection& c, std::uint64_t key, const std::string& value) {
    char name[32];
    const int n =
        std::snprintf(name, sizeof name, "key:%012llu", static_cast<unsigned long long>(key));
    client_.dialect().set(c.out, name, static_cast<std::size_t>(n), value);
  }
  void get(Connection& c, std::uint64_t key) {
    char name[32];
    const int n =
        std::snprintf(name, sizeof name, "key:%012llu", static_cast<unsigned long long>(key));
    client_.dialect().get(c.out, name, static_cast<std::size_t>(n));
  }

  void fill() {
    std::uint64_t key = 0;
    closed(keys_, options_.number("pipeline", 16), [&](Connection& c) { set(c, key++, value_); });
  }

  void run_closed(bool reading) {
    fill();
    Histogram warm;
    latency_ = &warm;
    const auto next = [&](Connection& c) {
      const std::uint64_t key = random_() % keys_;
      reading ? get(c, key) : set(c, key, value_);
    };
    const std::size_t depth = options_.number("pipeline", 1);
    const std::uint64_t count = options_.number("count", 1'000'000);
    closed(count / 10, depth, next);
    Histogram latency;
    latency_ = &latency;
    missed_ = 0;
    const double cpu = cpu_seconds(pid_);
    const std::uint64_t start = now_ns();
    closed(count, depth, next);
    const double wall = static_cast<double>(now_ns() - start) * 1e-9;
    print("server_us_per_op", (cpu_seconds(pid_) - cpu) * 1e6 / static_cast<double>(count), "us");
    print("ops_per_s", static_cast<double>(count) / wall, "1/s");
    print("misses", static_cast<double>(missed_), "count");
    print_latency("", latency);
  }

  void run_fill() {
    const double before = status_bytes(pid_, "VmRSS");
    const double cpu = cpu_seconds(pid_);
    fill();
    print("fill_us_per_op", (cpu_seconds(pid_) - cpu) * 1e6 / static_cast<double>(keys_), "us");
    usleep(1'500'000);  // what a server does in the background
    const double rss = status_bytes(pid_, "VmRSS"), peak = status_bytes(pid_, "VmHWM");
    print("entry_bytes", (rss - before) / static_cast<double>(keys_), "B");
    print("peak_over_final", peak / rss, "x");
  }

  void run_grow() {
    const std::uint64_t rate = options_.number("rate", 40'000);
    Histogram growing, steady;
    Witness witness;
    latency_ = &growing;
    std::uint64_t key = 0;
    const double cpu = cpu_seconds(pid_);
    open(keys_, rate, [&](Connection& c) { set(c, key++, value_); });
    print("grow_us_per_op", (cpu_seconds(pid_) - cpu) * 1e6 / static_cast<double>(keys_), "us");
    const double rss = status_bytes(pid_, "VmRSS");
    print("peak_over_final", status_bytes(pid_, "VmHWM") / rss, "x");
    print("grow_machine_stall_us", static_cast<double>(witness.longest_ns()) / 1e3, "us");
    latency_ = &steady;
    open(rate * options_.number("steady", 20), rate,
         [&](Connection& c) { set(c, random_() % keys_, value_); });
    print("steady_machine_stall_us", static_cast<double>(witness.longest_ns()) / 1e3, "us");
    print_latency("grow_", growing);
    print_latency("steady_", steady);
    print("grow_over_steady_p999",
          static_cast<double>(growing.quantile(0.999)) /
              static_cast<double>(std::max<std::uint64_t>(1, steady.quantile(0.999))),
          "x");
  }

  void run_drift() {
    const double seconds = static_cast<double>(options_.number("seconds", 600));
    const double budget = static_cast<double>(options_.number("budget", 256u << 20));
    const std::size_t depth = options_.number("pipeline", 16);
    const std::uint64_t start = now_ns();
    std::uint64_t sampled = start;
    double worst = 0, last = 0;
    std::uint64_t requests = 0;
    for (;;) {
      const double at = static_cast<double>(now_ns() - start) * 1e-9 / seconds;
      if (at >= 1) break;
      // 100 -> 400 in the first half, 400 -> 64 in the second.
      const double size = at < 0.5 ? 100 + 600 * at : 400 - 672 * (at - 0.5);
      const std::string value(static_cast<std::size_t>(size), 'v');
      closed(depth * client_.connections().size() * 4, depth, [&](Connection& c) {
        const std::uint64_t key = random_() % keys_;
        random_() % 10 == 0 ? get(c, key) : set(c, key, value);
        ++requests;
      });
      if (now_ns() - sampled >= 100'000'000) {
        sampled = now_ns();
        last = status_bytes(pid_, "VmRSS");
        worst = std::max(worst, last);
      }
    }
    print("rss_over_budget_percent", (worst / budget - 1) * 100, "%");
    print("final_rss_over_budget_percent", (last / budget - 1) * 100, "%");
    print("drift_ops_per_s", static_cast<double>(requests) / seconds, "1/s");
  }

 private:
  static Dialect dialect(const Options& o) {
    const auto it = o.values.find("protocol");
    const bool memcache = it != o.values.end() && it->second == "memcache";
    return {memcache ? Protocol::kMemcache : Protocol::kResp, o.number("ttl", 0) != 0};
  }

  const Options options_;
  pid_t pid_;
  std::uint64_t keys_;
  std::string value_;
  Client client_;
  std::mt19937_64 random_{1};
  Histogram none_;
  Histogram* latency_ = &none_;
  std::uint64_t answered_ = 0, missed_ = 0;
};

int run(const Options& o) {
  static Generator generator(o);
  if (o.kind == "get" || o.kind == "set") {
    generator.run_closed(o.kind == "get");
  } else if (o.kind == "fill") {
    generator.run_fill();
  } else if (o.kind == "grow") {
    generator.run_grow();
  } else if (o.kind == "drift") {
    generator.run_drift();
  } else {
    fail("no load is called " + o.kind);
  }
  return 0;
}

}  // namespace
}  // namespace store

int main(int argc, char** argv) { return store::run(store::parse(argc, argv)); }
