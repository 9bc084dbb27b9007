// SPDX-License-Identifier: Apache-2.0
#include "server/commands/expiry_options.h"

#include <algorithm>
#include <limits>
#include <random>

namespace ullage::server {
namespace {

// A word that says when: EX, PX, EXAT, PXAT.
struct TimeWord {
  const char* name;
  bool milliseconds, absolute;
};
constexpr TimeWord kTimeWords[] = {
    {"EX", false, false}, {"PX", true, false}, {"EXAT", false, true}, {"PXAT", true, true}};

const TimeWord* time_word(const Context& c, std::size_t i) {
  for (const TimeWord& word : kTimeWords) {
    if (c.is(i, word.name) && i + 1 < c.words.size()) return &word;
  }
  return nullptr;
}

}  // namespace

bool expiry_of(Context& c, std::size_t i, bool milliseconds, bool absolute, std::uint64_t& at_ms) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  std::int64_t value = 0;
  if (!c.integer(i, value)) return false;
  const auto invalid = [&c] {
    c.error("ERR invalid expire time in '" + std::string(c.command->name) + "' command");
    return false;
  };
  if (value <= 0 || (!milliseconds && value > kMost / 1000)) return invalid();
  if (!milliseconds) value *= 1000;
  const auto now = static_cast<std::int64_t>(c.now_ms());
  if (!absolute && value > kMost - now) return invalid();
  at_ms = static_cast<std::uint64_t>(absolute ? value : jittered(c, value) + now);
  return true;
}

std::int64_t jittered(const Context& c, std::int64_t life_ms) {
  const double jitter = c.config().persistence.ttl_jitter;
  if (jitter == 0 || life_ms <= 1) return life_ms;
  static thread_local std::minstd_rand random{std::random_device{}()};
  const double most = jitter * static_cast<double>(life_ms);
  const double less = most * std::uniform_real_distribution<>(0, 1)(random);
  return std::max<std::int64_t>(life_ms - static_cast<std::int64_t>(less), 1);
}

bool parse_set_words(Context& c, SetWords& options) {
  const TimeWord* when = nullptr;
  std::size_t when_at = 0;
  for (std::size_t i = 3; i < c.words.size(); ++i) {
    if (c.is(i, "NX") && !options.xx) {
      options.nx = true;
    } else if (c.is(i, "XX") && !options.nx) {
      options.xx = true;
    } else if (c.is(i, "GET")) {
      options.get = true;
    } else if (c.is(i, "KEEPTTL") && when == nullptr) {
      options.keep_ttl = true;
    } else if (const TimeWord* word = time_word(c, i);
               word != nullptr && when == nullptr && !options.keep_ttl) {
      when = word;
      when_at = ++i;
    } else {
      c.syntax_error();
      return false;
    }
  }
  return when == nullptr ||
         expiry_of(c, when_at, when->milliseconds, when->absolute, options.expires_ms);
}

bool parse_getex_words(Context& c, GetexWords& options) {
  const TimeWord* when = nullptr;
  std::size_t when_at = 0;
  for (std::size_t i = 2; i < c.words.size(); ++i) {
    if (c.is(i, "PERSIST") && when == nullptr) {
      options.persist = true;
    } else if (const TimeWord* word = time_word(c, i);
               word != nullptr && when == nullptr && !options.persist) {
      when = word;
      when_at = ++i;
    } else {
      c.syntax_error();
      return false;
    }
  }
  if (when == nullptr) return true;
  options.time_word = when_at;
  options.milliseconds = when->milliseconds;
  options.absolute = when->absolute;
  return true;
}

bool getex_time(Context& c, GetexWords& options) {
  return options.time_word == 0 || expiry_of(c, options.time_word, options.milliseconds,
                                             options.absolute, options.expires_ms);
}

}  // namespace ullage::server
