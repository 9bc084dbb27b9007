// SPDX-License-Identifier: Apache-2.0
//
// /topology as series of /metrics: each component by each kind of memory.
#include <memory>
#include <mutex>

#include "server/clock.h"
#include "server/server.h"
#include "server/status.h"

namespace ullage::server {
namespace {

// One look serves all series of a scrape: they add up to what the kernel said at one moment.
constexpr std::uint64_t kLookMs = 100;

// Threads: any.
class Look {
 public:
  explicit Look(Server& server) : server_(server) {}
  std::uint64_t at(std::size_t component, tier::Place tier::TopologyComponent::*place,
                   std::uint64_t tier::Place::*figure) {
    const std::lock_guard lock(mutex_);
    if (const std::uint64_t now = steady_ms(); taken_ms_ == 0 || now - taken_ms_ >= kLookMs) {
      topology_ = topology_of(server_);
      taken_ms_ = now;
    }
    if (component >= topology_.components.size()) return 0;
    return topology_.components[component].*place.*figure;
  }

 private:
  Server& server_;
  std::mutex mutex_;
  std::uint64_t taken_ms_ = 0;
  tier::Topology topology_;
};

constexpr std::pair<const char*, tier::Place tier::TopologyComponent::*> kPlaces[] = {
    {"heap", &tier::TopologyComponent::heap},
    {"off_heap", &tier::TopologyComponent::off_heap},
    {"shared", &tier::TopologyComponent::shared},
    {"disk", &tier::TopologyComponent::disk},
};
constexpr std::pair<const char*, std::uint64_t tier::Place::*> kFigures[] = {
    {"budget", &tier::Place::budget_bytes},     {"live", &tier::Place::live_bytes},
    {"resident", &tier::Place::resident_bytes}, {"metadata", &tier::Place::metadata_bytes},
    {"garbage", &tier::Place::garbage_bytes},
};

}  // namespace

void Server::register_topology_metrics() {
  const auto look = std::make_shared<Look>(*this);
  const tier::Topology now = topology_of(*this);
  for (std::size_t i = 0; i < now.components.size(); ++i) {
    for (const auto& [place, place_member] : kPlaces) {
      for (const auto& [figure, figure_member] : kFigures) {
        registry_.gauge_of(
            "ullage_topology_bytes",
            "Memory by component and kind: as GET /topology tells it, at one moment.",
            {{"component", now.components[i].name}, {"memory", place}, {"figure", figure}},
            [look, i, place = place_member, figure = figure_member] {
              return static_cast<double>(look->at(i, place, figure));
            });
      }
    }
  }
}

}  // namespace ullage::server
