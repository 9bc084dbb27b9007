// SPDX-License-Identifier: Apache-2.0
#pragma once

// GrowthMetrics: what the containers of the library tell, as metrics. Set it as the process's sink:
//
//   static metrics::GrowthMetrics growth(registry);
//   ullage::set_growth_sink(&growth);
//
//   ullage_growths_total{container="hash_map",kind="split"}         how often
//   ullage_growth_moved_bytes_total{container}                      what was copied
//   ullage_growth_stall_seconds{container}                whom it stopped (exemplar: its site)
//
// No lock and no allocation on a growth path. Containers of other types count as "other".

#include <ullage/growth.h>

#include <array>

#include "metrics/registry.h"

namespace ullage::metrics {

class GrowthMetrics final : public growth_sink {
 public:
  explicit GrowthMetrics(Registry& registry);
  void on_growth(const growth_event& event) noexcept override;

 private:
  static constexpr std::size_t kKinds = static_cast<std::size_t>(growth_kind::evicted) + 1;
  struct Container {
    const char* type = "";
    std::array<Counter*, kKinds> kinds{};
    Counter* moved_bytes = nullptr;
    Counter* moved_elements = nullptr;
    Histogram* stall = nullptr;
  };
  static constexpr std::array<const char*, 6> kTypes = {"vector",   "slice", "hash_map",
                                                        "hash_set", "tier",  "other"};
  std::array<Container, kTypes.size()> containers_;
};

}  // namespace ullage::metrics
