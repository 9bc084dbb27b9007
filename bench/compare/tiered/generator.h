// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the loads of this task share: options, names of keys, a closed loop over connections.
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <random>
#include <string>

#include "../store/client.h"
#include "../store/histogram.h"

namespace tiered {

using store::Client;
using store::Connection;
using store::fail;
using store::Histogram;
using store::now_ns;

struct Options {
  std::string kind;
  std::map<std::string, std::string> values;
  std::uint64_t number(const std::string& name, std::uint64_t otherwise) const {
    const auto it = values.find(name);
    return it == values.end() ? otherwise : std::stoull(it->second);
  }
  std::string text(const std::string& name) const {
    const auto it = values.find(name);
    return it == values.end() ? "" : it->second;
  }
};

inline Options parse(int argc, char** argv) {
  if (argc < 2) fail("a kind of load is missing; see load.cpp");
  Options o;
  o.kind = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) o.values[std::string(argv[i]).substr(2)] = argv[i + 1];
  return o;
}

inline double clock_seconds(clockid_t clock) {
  timespec t{};
  if (clock_gettime(clock, &t) != 0) fail("a clock can't be read");
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

inline double cpu_seconds(pid_t pid) {
  clockid_t clock = 0;
  if (clock_getcpuclockid(pid, &clock) != 0) fail("no process " + std::to_string(pid));
  return clock_seconds(clock);
}

inline void print(const char* metric, double value, const char* unit) {
  std::printf("%s %.6g %s\n", metric, value, unit);
}

inline std::uint64_t scrambled(std::uint64_t i) {
  std::uint64_t x = i + 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// The name of entry `i`: 16 bytes, in no order.
struct Name {
  explicit Name(std::uint64_t i) {
    std::uint64_t x = scrambled(i);
    for (char& c : text) {
      c = "0123456789abcdef"[x & 15];
      x >>= 4;
    }
  }
  char text[16];
};

inline void append_word(std::string& out, const char* word, std::size_t bytes) {
  char head[24];
  const int n = std::snprintf(head, sizeof head, "$%zu\r\n", bytes);
  out.append(head, static_cast<std::size_t>(n)).append(word, bytes).append("\r\n");
}
inline void append_get(std::string& out, const std::string& prefix, std::uint64_t i) {
  out.append("*2\r\n$3\r\nGET\r\n");
  const std::string key = prefix + std::string(Name(i).text, 16);
  append_word(out, key.data(), key.size());
}
inline void append_set(std::string& out, const std::string& prefix, std::uint64_t i,
                       const std::string& value) {
  out.append("*3\r\n$3\r\nSET\r\n");
  const std::string key = prefix + std::string(Name(i).text, 16);
  append_word(out, key.data(), key.size());
  append_word(out, value.data(), value.size());
}
inline void append_del(std::string& out, std::uint64_t i) {
  out.append("*2\r\n$3\r\nDEL\r\n");
  append_word(out, Name(i).text, 16);
}

// Requests on every connection, `depth` at a time: the next go out when the last are answered.
class Generator : public store::Load {
 public:
  Generator(const Options& o, std::size_t connections)
      : options_(o),
        keys_(o.number("keys", 100'000)),
        client_(static_cast<std::uint16_t>(o.number("port", 6379)), connections,
                {store::Protocol::kResp, false}) {}

  void answered(Connection&, std::uint64_t due, std::uint64_t now, bool found) override {
    latency_->add(now > due ? now - due : 0);
    ++answered_;
    missed_ += !found;
  }

  template <class Next>
  void closed(std::uint64_t count, std::size_t depth, Next&& next) {
    const std::uint64_t until = answered_ + count;
    std::uint64_t left = count;
    while (answered_ < until) {
      for (Connection& c : client_.connections()) {
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

  void fill() {
    const std::string value(options_.number("value", 100), 'v');
    std::uint64_t key = 0;
    closed(keys_, 16, [&](Connection& c) { append_set(c.out, "", key++, value); });
  }

 protected:
  const Options options_;
  const std::uint64_t keys_;
  Client client_;
  std::mt19937_64 random_{1};
  Histogram none_;
  Histogram* latency_ = &none_;
  std::uint64_t answered_ = 0, missed_ = 0;
};

}  // namespace tiered
