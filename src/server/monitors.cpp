// SPDX-License-Identifier: Apache-2.0
#include "server/monitors.h"

#include <algorithm>
#include <cstdio>

#include "server/clock.h"
#include "server/secrets.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

void append_quoted(std::string& line, std::string_view word) {
  constexpr char kHex[] = "0123456789abcdef";
  line += '"';
  for (const char c : word.substr(0, kShownBytes)) {
    switch (c) {
      case '\\':
      case '"':
        line += '\\';
        line += c;
        break;
      case '\n':
        line += "\\n";
        break;
      case '\r':
        line += "\\r";
        break;
      case '\t':
        line += "\\t";
        break;
      case '\a':
        line += "\\a";
        break;
      case '\b':
        line += "\\b";
        break;
      default:
        if (c >= 0x20 && c < 0x7f) {
          line += c;
        } else {
          const auto byte = static_cast<unsigned char>(c);
          line += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
        }
    }
  }
  if (word.size() > kShownBytes) {
    line += "... (" + std::to_string(word.size() - kShownBytes) + " more bytes)";
  }
  line += '"';
}

}  // namespace

std::string monitor_line(std::uint64_t unix_us, unsigned db, std::string_view peer,
                         std::span<const std::string_view> words) {
  char time[48];
  std::snprintf(time, sizeof time, "%llu.%06llu [%u ",
                static_cast<unsigned long long>(unix_us / 1'000'000),
                static_cast<unsigned long long>(unix_us % 1'000'000), db);
  std::string line = time;
  line.append(peer) += ']';
  for (const std::string_view word : words) {
    line += ' ';
    append_quoted(line, word);
  }
  return line;
}

void Monitors::add(Subscriber who) {
  const std::lock_guard lock(mutex_);
  all_.push_back(who);
  count_.store(all_.size(), std::memory_order_relaxed);
}

void Monitors::remove(Subscriber who) {
  const std::lock_guard lock(mutex_);
  std::erase(all_, who);
  count_.store(all_.size(), std::memory_order_relaxed);
}

void Monitors::tell(Worker& by, const Session& session, const Command& command,
                    std::span<const std::string_view> words) {
  if ((command.flags & kAdmin) != 0) return;
  const std::string line =
      monitor_line(unix_us(), session.db, session.peer, without_secrets(command, words));
  const std::lock_guard lock(mutex_);
  for (const Subscriber& who : all_) by.push(who.worker, who.session, PushKind::kMonitor, {line});
}

}  // namespace ullage::server
