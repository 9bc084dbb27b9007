// SPDX-License-Identifier: Apache-2.0
#pragma once

// Parked: a command that waits for the cold tier. KeyWait: a key that somebody waits for.

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/needs.h"
#include "server/post.h"
#include "tier/cold_store.h"
#include "tier/shard.h"

namespace ullage::server {

class Router;
struct Parked;

inline tier::Taken taken_of(tier::ColdEntry&& entry) {
  return {std::move(entry.value), entry.expires_ms, entry.kind};
}

struct KeyWait {
  enum class State : std::uint8_t { kUnknown, kReading, kKnown };
  unsigned db = 0;
  std::string text;
  std::uint64_t hash = 0;
  State state = State::kUnknown;
  bool present = false;  // kKnown: with this value
  tier::Taken entry;
  std::uint64_t written_ms = 0;
  std::uint64_t read = 0;  // under way: its number,
  std::uint64_t asked_ms = 0;
  bool sent = false;                // whether the store has it
  std::uint64_t granted_bytes = 0;  // of its router's ReadRoom, for the value
  // Who waits, and which of its items this is.
  std::deque<std::pair<std::shared_ptr<Parked>, std::size_t>> queue;
  tier::Key key() const { return {db, text, hash}; }
};

// What a command about the whole keyspace asked for.
struct Surveyed {
  Survey what = Survey::kNone;
  unsigned db = 0;
  std::uint64_t place = 0;          // where the scan is
  std::size_t count = 0;            // entries asked for at once
  std::string pattern;              // names that fit are kept; empty: all
  std::optional<std::string> type;  // of the value, as TYPE tells it
  bool wrapped = false;             // kRandom: it began anew at the start
  std::uint64_t seen = 0;           // kSize
  std::uint64_t next = 0;           // kScan: where to go on
  std::vector<std::string> names;
  bool failed = false;
  std::uint64_t since_ms = 0;  // when the part that is under way was asked for; 0: it is not yet
};

struct Parked {
  PostPtr post;               // a copy of the command, to run here; or
  std::uint64_t session = 0;  // its client waits, at `home`
  Router* home = nullptr;
  struct Item {
    Router* owner;
    KeyWait* wait;
    Need need;
    bool ready;  // first in its queue, and known
  };
  std::vector<Item> items;
  std::unique_ptr<Surveyed> survey;
  std::atomic<std::size_t> unhanded{0};  // threads that must hand over before it begins
  // Of an EXEC: the queued command behind the one whose survey is made ahead; 0: none is.
  std::size_t ahead = 0;
  // A write that waits until the cold tier has room for it; or does not any more, and why.
  enum class Press : std::uint8_t { kNo, kWaits, kShed, kRefused };
  Press press = Press::kNo;
  // Items, or surveys, that are not ready. Owners of its keys count down, each on its own thread.
  std::atomic<std::size_t> blocked{0};
  std::atomic<bool> failed{false};  // a key can't be read
  std::atomic<bool> shed{false};    // because too many wait
  std::atomic<bool> late{false};    // because the store does not answer
  std::atomic<bool> ready{false};
  bool done = false;  // it has run; for its home
};

}  // namespace ullage::server
