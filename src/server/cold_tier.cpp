// SPDX-License-Identifier: Apache-2.0
#include "server/cold_tier.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "server/clock.h"
#include "server/config.h"
#include "server/files.h"
#include "server/log.h"
#include "tier/cold_plugin.h"

namespace ullage::server {
namespace {

using contract::Durability;

// Of the cold tier's budget, what may wait to be written. It comes and goes within a tick of the
// budget's, so it has to be small beside it.
constexpr std::uint64_t kPendingShare = 32, kPendingBytesMin = std::uint64_t{1} << 20;
// Of what may be pending, the part that one thread hands over at once.
constexpr std::uint64_t kTurnShare = 4;

}  // namespace

ColdTier::ColdTier(std::unique_ptr<tier::ColdStore> store, const Persistence& how)
    : store_(std::move(store)),
      directory_(how.directory),
      default_(how.durability.kind),
      default_rule_(how.durability),
      prefixes_(how.prefixes),
      window_ns_(how.window_ms() * 1'000'000) {
  std::stable_sort(prefixes_.begin(), prefixes_.end(),
                   [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  some_off_ = default_ == Kind::kOff;
  some_on_ = default_ != Kind::kOff;
  some_always_ = default_ == Kind::kAlways;
  for (const auto& [prefix, durability] : prefixes_) {
    some_off_ |= durability.kind == Kind::kOff;
    some_on_ |= durability.kind != Kind::kOff;
    some_always_ |= durability.kind == Kind::kAlways;
  }
  for (unsigned db = 0; db < tier::kDatabases; ++db) places_[db] = static_cast<std::uint8_t>(db);
  all_hot = store_->figures().entries == 0;
}

ColdTier::~ColdTier() = default;

Result<std::unique_ptr<ColdTier>> ColdTier::open(const Config& config) {
  tier::ColdOptions options;
  options.directory = config.persistence.directory;
  options.shards = static_cast<unsigned>(config.threads);
  options.sync_window_ms = config.persistence.window_ms();
  if (config.cold_bytes != 0) options.budget_bytes = config.cold_bytes;
  options.pending_bytes_max =
      std::clamp(options.budget_bytes / kPendingShare, kPendingBytesMin, options.pending_bytes_max);
  Result<std::unique_ptr<tier::ColdStore>> store = tier::open_cold(options);
  if (!store.ok()) return store.error();
  tier::set_hash_seed(store.value()->hash_seed());
  auto cold = std::make_unique<ColdTier>(std::move(store.value()), config.persistence);
  cold->turn_bytes_max = std::min(cold->turn_bytes_max, options.pending_bytes_max / kTurnShare);
  Result<void> done = cold->read_places();
  if (!done.ok()) return done.error();
  return cold;
}

ColdTier::Kind ColdTier::longest(std::string_view key) const {
  for (const auto& [prefix, durability] : prefixes_) {
    if (key.starts_with(prefix)) return durability.kind;
  }
  return default_;
}

std::pair<std::string, Durability> ColdTier::rule(std::string_view key) const {
  for (const auto& each : prefixes_) {
    if (key.starts_with(each.first)) return each;
  }
  return {"", default_rule_};
}

Result<void> ColdTier::read_places() {
  // Directories in which databases were swapped by an earlier version have a file instead.
  std::string where = directory_ + ": the note \"" + kPlaces + "\"";
  Result<std::string> text = store_->note(kPlaces);
  if (!text.ok() && text.error().code == Code::kNotFound && !directory_.empty()) {
    where = directory_ + "/" + kPlaces;
    text = read_file(where);
  }
  if (!text.ok()) return text.error().code == Code::kNotFound ? Result<void>() : text.error();
  std::istringstream words(text.value());
  std::array<std::uint8_t, tier::kDatabases> places{};
  std::uint32_t seen = 0;
  for (std::uint8_t& place : places) {
    unsigned number = tier::kDatabases;
    words >> number;
    if (number >= tier::kDatabases || (seen >> number & 1) != 0) {
      return Error{Code::kInvalid,
                   where +
                       ": expected each number from 0 to 15 once.\n  It says which "
                       "database SWAPDB made of which; restore a backup of the directory."};
    }
    seen |= 1u << number;
    place = static_cast<std::uint8_t>(number);
  }
  std::copy(places.begin(), places.end(), places_.begin());
  return {};
}

std::string ColdTier::swap(unsigned one, unsigned other) {
  const std::uint8_t place_of_one = place(one);
  places_[one].store(place(other), std::memory_order_relaxed);
  places_[other].store(place_of_one, std::memory_order_relaxed);
  std::string text;
  for (unsigned db = 0; db < tier::kDatabases; ++db) text += std::to_string(place(db)) + "\n";
  return text;
}

void ColdTier::close() {
  // Who listens asks the store, which is going.
  store_->on_progress([] {});
  store_.reset();
}

bool ColdTier::look(std::uint64_t now_ms) {
  const tier::ColdHealth health = store_->health();
  const bool same = health.reads == reads_ok() && health.writes == writes_ok();
  reads_ok_.store(health.reads, std::memory_order_relaxed);
  writes_ok_.store(health.writes, std::memory_order_relaxed);
  if (health.reads && health.writes) {
    failing_ms_.store(0, std::memory_order_relaxed);
  } else if (failing_since_ms() == 0) {
    failing_ms_.store(now_ms, std::memory_order_relaxed);
  }
  const std::lock_guard lock(mutex_);
  trouble_ = health.message;
  return !same;
}

std::string ColdTier::trouble() const {
  const std::lock_guard lock(mutex_);
  std::string text = trouble_;
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return text;
}

void ColdTier::tell_trouble(Log& log) {
  const std::string text = trouble();
  const State now{reads_ok(), writes_ok(), !text.empty()};
  if (now == told_) return;
  told_ = now;
  if (now == State{}) {
    return log.warning("cold_recovered", "the cold tier can be read and written again");
  }
  log.error("cold_trouble", "the cold tier has trouble",
            {{"readable", now.readable ? "1" : "0"},
             {"writable", now.writable ? "1" : "0"},
             {"trouble", text}});
}

}  // namespace ullage::server
