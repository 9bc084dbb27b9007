// SPDX-License-Identifier: Apache-2.0
#pragma once

// Log: one line an event, to stderr, where the journal finds it. A stable sentence and fields, as
// text or as JSON:
//
//   log.warning("auth_failed", "a password was refused", {{"user", name}, {"client", peer}});
//
//   ullage serve: a password was refused user=app client=10.0.0.7:40000
//   {"time":"2026-01-31T09:14:02.512Z","level":"warning","event":"auth_failed", ...}
//
// Bounded: of one event at most kLinesPerSecond lines a second; how many more there were stands in
// the next one. Never waits: when stderr takes nothing just now (a journal that hangs, a pipe that
// is full), lines are left out and counted; the next one that is written says so (`unwritten`).
// Threads: any.

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace ullage::server {

class Log {
 public:
  enum class Level : std::uint8_t { kInfo, kWarning, kError };
  enum class Format : std::uint8_t { kText, kJson };
  struct Field {
    std::string_view name;
    std::string value;
  };
  using Fields = std::initializer_list<Field>;
  static constexpr std::uint64_t kLinesPerSecond = 5;

  explicit Log(int fd = 2) : fd_(fd) {}
  void configure(Format format, Level least);

  void info(std::string_view event, std::string_view text, Fields fields = {});
  void warning(std::string_view event, std::string_view text, Fields fields = {});
  void error(std::string_view event, std::string_view text, Fields fields = {});
  // Lines that could not be written, ever.
  std::uint64_t unwritten() const { return unwritten_.load(std::memory_order_relaxed); }

 private:
  struct Rate {
    std::uint64_t second = 0, lines = 0, left_out = 0;
  };
  bool put(std::string_view line);
  void write(Level level, std::string_view event, std::string_view text, Fields fields);

  const int fd_;
  std::mutex mutex_;
  Format format_ = Format::kText;
  Level least_ = Level::kInfo;
  std::atomic<std::uint64_t> unwritten_{0};
  std::uint64_t unwritten_told_ = 0;
  bool torn_ = false;                               // the last line ended in the middle
  std::map<std::string, Rate, std::less<>> rates_;  // events are a fixed set
};

}  // namespace ullage::server
