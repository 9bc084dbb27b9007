// SPDX-License-Identifier: Apache-2.0
#include "server/log.h"

#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/json.h"
#include "server/clock.h"

namespace ullage::server {
namespace {

const char* name_of(Log::Level level) {
  switch (level) {
    case Log::Level::kInfo:
      return "info";
    case Log::Level::kWarning:
      return "warning";
    case Log::Level::kError:
      return "error";
  }
  return "";
}

std::string time_text(std::uint64_t now_ms) {
  const auto seconds = static_cast<time_t>(now_ms / 1000);
  tm utc{};
  gmtime_r(&seconds, &utc);
  char text[40];
  const std::size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  const std::string ms = std::to_string(1000 + now_ms % 1000);
  return std::string(text, size) + "." + ms.substr(1) + "Z";
}

// Whatever a client sends stays within its line: bytes below a blank become one, a word with blanks
// or quotes stands in quotes.
std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const bool blank = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    if (!blank || line.empty() || line.back() != ' ') line += blank ? ' ' : c;
  }
  return line;
}

std::string word(std::string_view value) {
  std::string text = one_line(value);
  if (!text.empty() && text.find_first_of(" \"=") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

}  // namespace

void Log::configure(Format format, Level least) {
  const std::lock_guard lock(mutex_);
  format_ = format;
  least_ = least;
}

void Log::info(std::string_view event, std::string_view text, Fields fields) {
  write(Level::kInfo, event, text, fields);
}
void Log::warning(std::string_view event, std::string_view text, Fields fields) {
  write(Level::kWarning, event, text, fields);
}
void Log::error(std::string_view event, std::string_view text, Fields fields) {
  write(Level::kError, event, text, fields);
}

// All of it or not, without waiting. The descriptor is not ours alone, so it can't be made
// non-blocking: a pipe that polls as writable takes PIPE_BUF bytes, and so does everything else.
bool Log::put(std::string_view line) {
  while (!line.empty()) {
    const std::string_view piece = line.substr(0, PIPE_BUF);
    ssize_t done = ::send(fd_, piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done < 0 && errno == ENOTSOCK) {
      pollfd ready{fd_, POLLOUT, 0};
      if (::poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return false;
      done = ::write(fd_, piece.data(), piece.size());
    }
    if (done < 0) return false;
    torn_ = true;
    line.remove_prefix(static_cast<std::size_t>(done));
  }
  torn_ = false;
  return true;
}

void Log::write(Level level, std::string_view event, std::string_view text, Fields fields) {
  const std::uint64_t now_ms = unix_ms();
  const std::lock_guard lock(mutex_);
  if (level < least_) return;
  Rate& rate = rates_[std::string(event)];
  if (rate.second != now_ms / 1000) {
    rate.second = now_ms / 1000;
    rate.lines = 0;
  }
  if (++rate.lines > kLinesPerSecond) {
    ++rate.left_out;
    return;
  }
  std::vector<Field> all(fields);
  if (rate.left_out > 0) all.push_back({"left_out", std::to_string(rate.left_out)});
  const std::uint64_t unwritten = unwritten_.load(std::memory_order_relaxed) - unwritten_told_;
  if (unwritten > 0) all.push_back({"unwritten", std::to_string(unwritten)});
  std::string line;
  if (format_ == Format::kText) {
    line = "ullage serve: " + one_line(text);
    for (const Field& field : all) line += " " + std::string(field.name) + "=" + word(field.value);
  } else {
    JsonWriter json(JsonWriter::Style::kCompact);
    json.begin_object();
    json.field("time", time_text(now_ms));
    json.field("level", name_of(level));
    json.field("event", event);
    json.field("message", one_line(text));
    for (const Field& field : all) json.field(field.name, field.value);
    json.end_object();
    line = json.text();
  }
  line += "\n";
  if (torn_) line.insert(0, "\n");
  if (!put(line)) {
    unwritten_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  rate.left_out = 0;
  unwritten_told_ += unwritten;
}

}  // namespace ullage::server
