// SPDX-License-Identifier: Apache-2.0
//
// The load generator of this task: one server on loopback.
//
//   load KIND --port P --pid PID [--keys N ...]
//
//   fill          every key once, 16 in flight on each of 50 connections
//   get, set      a closed loop over existing keys, --count requests, --pipeline in flight
//   budget        see budget.h
//   hot           see hot.h
//   zipf          see zipf.h
//
// It prints lines `metric value unit`. CPU is the server's own (all its threads), by its process
// clock.
#include "budget.h"
#include "generator.h"
#include "hot.h"
#include "zipf.h"

namespace tiered {
namespace {

class Plain : public Generator {
 public:
  explicit Plain(const Options& o) : Generator(o, o.number("connections", 50)) {}

  void run() {
    if (options_.kind == "fill") {
      fill();
      return;
    }
    const auto pid = static_cast<pid_t>(options_.number("pid", 0));
    const bool reads = options_.kind == "get";
    const std::string value(options_.number("value", 100), 'v');
    const std::uint64_t count = options_.number("count", 1'000'000);
    const std::size_t depth = options_.number("pipeline", 1);
    const auto next = [&](Connection& c) {
      const std::uint64_t key = random_() % keys_;
      reads ? append_get(c.out, "", key) : append_set(c.out, "", key, value);
    };
    closed(count / 10, depth, next);
    Histogram latency;
    latency_ = &latency;
    missed_ = 0;
    const double cpu = cpu_seconds(pid), began = clock_seconds(CLOCK_MONOTONIC);
    closed(count, depth, next);
    const double wall = clock_seconds(CLOCK_MONOTONIC) - began;
    if (missed_ != 0) fail("a key is missing");
    print("server_us_per_op", (cpu_seconds(pid) - cpu) * 1e6 / static_cast<double>(count), "us");
    print("ops_per_s", static_cast<double>(count) / wall, "1/s");
    print("p50_us", static_cast<double>(latency.quantile(0.5)) / 1e3, "us");
    print("p99_us", static_cast<double>(latency.quantile(0.99)) / 1e3, "us");
  }
};

int run(const Options& o) {
  if (o.kind == "fill" || o.kind == "get" || o.kind == "set") {
    Plain(o).run();
  } else if (o.kind == "budget") {
    Budget(o).run();
  } else if (o.kind == "hot") {
    Hot(o).run();
  } else if (o.kind == "zipf") {
    Zipf<NoBacking>(o).run();
  } else {
    fail("no load is called " + o.kind);
  }
  return 0;
}

}  // namespace
}  // namespace tiered

int main(int argc, char** argv) { return tiered::run(tiered::parse(argc, argv)); }
