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
// the next one. Never waits for more than the pipe it writes to. Threads: any.

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

 private:
  struct Rate {
    std::uint64_t second = 0, lines = 0, left_out = 0;
  };
  void write(Level level, std::string_view event, std::string_view text, Fields fields);

  const int fd_;
  std::mutex mutex_;
  Format format_ = Format::kText;
  Level least_ = Level::kInfo;
  std::map<std::string, Rate, std::less<>> rates_;  // events are a fixed set
};

}  // namespace ullage::server
