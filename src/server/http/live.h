// SPDX-License-Identifier: Apache-2.0
#pragma once

// Live: what the page at / shows: the server's state as JSON, its last ten minutes, what happens.
//
//   live.tick(now_ms, watched);        // four times a second; `watched`: somebody looks on
//   live.status_json(caller)           // GET /v1/status, and the event "status"
//   live.history()                     // GET /v1/history, a column at a time
//   live.events_text(cursor)           // growth events behind `cursor`, as server-sent events
//
// The hit curves live with the threads that own the shards: they are asked for by errands, every
// kCurveMs while somebody looks on. Threads: the one of HTTP.

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "server/errand.h"
#include "server/http/call.h"
#include "tier/counters.h"

namespace ullage::server {

class Live {
 public:
  // Seconds of history, one sample each.
  static constexpr std::size_t kSamplesMax = 600;
  // Growth events that one message brings; more are counted.
  static constexpr std::size_t kEventsMax = 32;
  static constexpr std::uint64_t kSampleMs = 1000, kCurveMs = 2000;

  Live(Server& server, Errands& errands);

  // True: a second has passed, there is a new status.
  bool tick(std::uint64_t now_ms, bool watched);
  std::string status_json(const Caller& caller) const;
  std::string status_event(const Caller& caller) const;
  // As it is now, whenever its parts are made.
  Parts history() const;
  std::string events_text(std::uint64_t& cursor) const;
  std::uint64_t newest_event() const;

  // The curve of every thread's shard, asked for and taken.
  std::vector<Ask> curve_asks() const;
  void take_curve(std::size_t worker, const wire::Reply& reply);

 private:
  // What is counted from the start on; samples are differences.
  struct Totals {
    std::uint64_t commands = 0, hits = 0, misses = 0, evicted = 0, expired = 0, moved = 0,
                  growths = 0, errors = 0;
  };
  struct Sample {
    std::uint64_t unix_ms = 0;
    Totals in_it;
    std::uint64_t clients = 0, resident_bytes = 0, granted_bytes = 0, allowed_bytes = 0,
                  entries = 0;
  };
  Totals totals() const;

  Server& server_;
  Errands& errands_;
  using SamplePtr = std::shared_ptr<const Sample>;
  std::deque<SamplePtr> samples_;  // one is there once, however many histories it is in
  Totals last_;
  std::uint64_t sampled_ms_ = 0, curve_ms_ = 0;
  std::vector<tier::HitCurve> curves_;
};

}  // namespace ullage::server
