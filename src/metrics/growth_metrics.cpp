// SPDX-License-Identifier: Apache-2.0
#include "metrics/growth_metrics.h"

#include <algorithm>
#include <chrono>
#include <string_view>

namespace ullage::metrics {

GrowthMetrics::GrowthMetrics(Registry& registry) {
  for (std::size_t i = 0; i < kTypes.size(); ++i) {
    Container& container = containers_[i];
    container.type = kTypes[i];
    for (std::size_t k = 0; k < kKinds; ++k) {
      container.kinds[k] = &registry.counter(
          "ullage_growths_total", "Changes of a container's memory, by what happened.",
          {{"container", kTypes[i]}, {"kind", to_string(static_cast<growth_kind>(k))}});
    }
    const Labels labels = {{"container", kTypes[i]}};
    container.moved_bytes =
        &registry.counter("ullage_growth_moved_bytes_total",
                          "Bytes of elements that growth moved or copied.", labels);
    container.moved_elements = &registry.counter("ullage_growth_moved_elements_total",
                                                 "Elements that growth moved or copied.", labels);
    container.stall = &registry.histogram("ullage_growth_stall_seconds",
                                          "How long one change of memory stopped its caller.",
                                          labels, kNanoseconds);
  }
}

void GrowthMetrics::on_growth(const growth_event& event) noexcept {
  const auto found =
      std::find_if(containers_.begin(), containers_.end() - 1,
                   [&event](const Container& c) { return std::string_view(c.type) == event.type; });
  const std::size_t kind = std::min(static_cast<std::size_t>(event.kind), kKinds - 1);
  found->kinds[kind]->add();
  found->moved_elements->add(event.moved);
  found->moved_bytes->add(event.moved * event.element_bytes);
  if (!is_growth(event.kind)) return;
  const char* site = event.site != nullptr ? event.site->name() : nullptr;
  if (site == nullptr) {
    found->stall->record(event.duration_ns);
    return;
  }
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  found->stall->record(event.duration_ns, {"site", site},
                       static_cast<std::uint64_t>(
                           std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()));
}

}  // namespace ullage::metrics
