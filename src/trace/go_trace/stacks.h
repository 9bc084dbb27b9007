// SPDX-License-Identifier: Apache-2.0
#pragma once

// Stacks and texts by content, for a whole trace: the ids of the wire hold for one generation only.
//
// Stack 0 and text 0 are empty. Costs: a hash of its frames for each new stack of a generation and
// owner. Threads: intern() and text() by any (one lock), everything else when nobody interns.
// Limit: kStacksKept; beyond it a stack is 0 and counted.

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "evidence/incident.h"
#include "trace/go_trace/tables.h"

namespace ullage::trace::go {

inline constexpr std::size_t kStacksKept = 1 << 18;

class Stacks {
 public:
  // What a stack tells by the names in it.
  struct Traits {
    evidence::CallKind growth = evidence::CallKind::kUnknown;  // innermost growth routine in it
    bool assist = false;                                       // in gcAssistAlloc
    bool collector = false;                                    // works for the collector
    bool runtime_only = false;                                 // no frame of the user's
  };
  // Index in the low bits; kRuntimeOnly is set for stacks without a frame of the user's.
  static constexpr std::uint32_t kRuntimeOnly = std::uint32_t{1} << 31;
  static std::uint32_t index(std::uint32_t interned) { return interned & ~kRuntimeOnly; }

  Stacks();
  std::uint32_t intern(const Tables& tables, std::uint64_t stack_id);

  const Traits& traits(std::uint32_t stack) const { return entries_[stack].traits; }
  evidence::Stack stack(std::uint32_t stack) const;
  std::uint64_t dropped() const { return dropped_; }
  std::size_t size() const { return entries_.size(); }

 private:
  struct Frame {
    std::uint32_t function = 0, file = 0;
    std::uint32_t line = 0;
    bool operator==(const Frame&) const = default;
  };
  struct Entry {
    std::size_t begin = 0;
    std::uint32_t count = 0;
    std::uint64_t hash = 0;
    Traits traits;
  };
  std::uint32_t text_locked(std::string_view text);
  std::uint32_t add(const std::vector<Frame>& frames, std::uint64_t hash);
  Traits traits_of(const std::vector<Frame>& frames) const;

  std::mutex mutex_;
  std::deque<std::string> texts_;
  std::unordered_map<std::string_view, std::uint32_t> text_ids_;
  std::vector<Frame> frames_;
  std::vector<Entry> entries_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> by_hash_;
  std::uint64_t dropped_ = 0;
};

// The stacks of one generation, interned as they are first asked for. One for each thread.
class StackCache {
 public:
  StackCache(Stacks& stacks, const Tables*& tables) : stacks_(stacks), tables_(tables) {}
  void clear() { known_.clear(); }
  // As Stacks::intern.
  std::uint32_t operator()(std::uint32_t id) {
    if (id < known_.size() && known_[id] != kAsk) return known_[id];
    return ask(id);
  }

 private:
  static constexpr std::uint32_t kAsk = UINT32_MAX;
  std::uint32_t ask(std::uint32_t id);
  Stacks& stacks_;
  const Tables*& tables_;
  std::vector<std::uint32_t> known_;
};

}  // namespace ullage::trace::go
