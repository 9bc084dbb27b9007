// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the strict reader counts, event by event in their order: written apart from the fast scan,
// so that each is a check of the other.

#include <cstdint>
#include <string>
#include <unordered_map>

#include "trace/go_trace/decode.h"
#include "trace/go_trace/id_table.h"
#include "trace/go_trace/stacks.h"
#include "trace/go_trace/strict.h"

namespace ullage::trace::go {

class StrictTotals {
 public:
  StrictTotals() : stack_(stacks_, tables_) {}
  void begin_generation(const Tables& tables);
  // `before` and `after`: the goroutine of the event's thread, Order::kNone for none.
  void take(const EventCursor& event, std::uint64_t before, std::uint64_t after);
  void finish(Totals& totals, const Container& container);

 private:
  struct Goroutine {
    std::uint64_t id = 0, since_ns = 0, assist_ns = 0;
    Totals::Sum* waits = nullptr;  // of the reason it waits for
    bool runnable = false, assists = false;
  };
  Goroutine& of(std::uint64_t id);
  void runnable(Goroutine& g, std::uint64_t at_ns);
  void starts(std::uint64_t id, std::uint64_t at_ns);
  void blocks(Goroutine& g, const EventCursor& event);

  const Tables* tables_ = nullptr;
  Stacks stacks_;
  StackCache stack_;
  IdTable<Goroutine> goroutines_;
  std::unordered_map<std::uint64_t, std::pair<std::uint64_t, std::string>> stops_;
  std::unordered_map<std::uint64_t, Totals::Sum*> reasons_;  // by string id, of this generation
  Totals totals_;
  EventCounts counts_{};
};

}  // namespace ullage::trace::go
