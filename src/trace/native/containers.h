// SPDX-License-Identifier: Apache-2.0
#pragma once

// Containers: what containers of the library told of themselves (<ullage/recording.h>), by site.
//
//   containers.grew(event, now, last_link_of_that_thread);
//   containers.ended(event, now);
//   containers.sites();
//
// A growth that allocated is in the recording twice: as events of the allocator, which the linker
// made a link of, and as told by the container. The link belongs to the growth when it ended on the
// same thread while the growth lasted; then the place that it grew at gets the site's name, and
// what the container told is not counted again.
//
// Memory       sites, up to kContainerSitesMax. Nothing per growth, except the longest.
// Threads      One at a time.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "evidence/evidence.h"
#include "record/event.h"
#include "trace/native/clock.h"
#include "trace/native/growth.h"
#include "trace/native/histogram.h"

namespace ullage::trace {

// Sites told apart; further ones are summed under "(more sites)".
inline constexpr std::size_t kContainerSitesMax = 4096;

// The newest link of a thread.
struct LastLink {
  std::uint32_t chain = kNoChain, place = 0;
  std::uint64_t end = 0;  // in steps
  bool told = false;      // a container's growth claimed it
};

struct ContainerTotals {
  std::string name, type;
  std::uint64_t growths = 0, moving = 0, moved_elements = 0, moved_bytes = 0, linked = 0;
  // Of the growths that no link stands for.
  std::uint64_t alone = 0, alone_moving = 0, alone_moved_bytes = 0;
  std::uint64_t alone_stall_ns = 0, alone_stall_ns_max = 0;
  std::uint64_t alone_credible_ns = 0, alone_credible_ns_max = 0;
  evidence::Series alone_moved_series{};
  std::uint64_t stall_ns = 0, stall_ns_max = 0;
  std::uint64_t denied = 0, degraded = 0, poor_hash = 0, retained = 0, exhausted = 0;
  std::uint64_t capacity_max = 0, bytes_max = 0, element_bytes = 0;
  std::uint64_t first_time = UINT64_MAX, last_time = 0;
  Histogram ended{kFinalSizesExact};     // elements
  Histogram factor{256};                 // bytes after / before, in thousandths
  std::uint64_t first_bytes = 0;         // of its first growth
  Majority<std::uint32_t> stack;         // where it grows ...
  Majority<std::uint32_t> denied_stack;  // ... and where it was told no
  std::vector<std::uint32_t> threads;
};

class Containers {
 public:
  explicit Containers(const Clock& clock) : clock_(clock) {}

  // `stack` is the event's, checked. Claims `last` when it is this growth's.
  void grew(const record::Event& event, std::uint32_t stack, std::uint64_t now, std::size_t slice,
            LastLink& last);
  void ended(const record::Event& event);

  const std::vector<ContainerTotals>& sites() const { return sites_; }
  // Of a place that links were counted at: whose growth they were, and how many of them.
  struct PlaceVotes {
    Majority<std::uint32_t> site;
    std::uint64_t links = 0;
  };
  const std::unordered_map<std::uint32_t, PlaceVotes>& places() const { return places_; }
  // Longest first after finish(); `site` is an index into sites(); times in steps.
  const std::vector<evidence::GrowthLink>& worst() const { return worst_; }
  void finish();

 private:
  ContainerTotals& site_of(const record::Event& event);

  Clock clock_;
  std::vector<ContainerTotals> sites_;
  std::map<std::string, std::size_t, std::less<>> index_;
  std::unordered_map<std::uint32_t, PlaceVotes> places_;
  std::vector<evidence::GrowthLink> worst_;  // of growths without a link; a heap, shortest on top
};

}  // namespace ullage::trace
