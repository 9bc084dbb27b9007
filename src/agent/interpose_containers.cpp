// SPDX-License-Identifier: Apache-2.0
// What containers of the library tell of themselves (<ullage/recording.h>). Called on their growth
// paths: nothing here allocates or locks beyond what an allocation event needs.

#include <string.h>

#include "agent/events.h"

using namespace ullage::
    agent;  // NOLINT(google-build-using-namespace): hooks live outside namespaces

ULLAGE_EXPORT void ullage_agent_growth(const char* site, const char* type, const void* container,
                                       const uint64_t* numbers, unsigned count) {
  Writer* w = enter();
  if (w == nullptr) return;
  ullage::record::ContainerGrowth growth{};  // a caller of an older version tells less
  constexpr unsigned kKnown = ullage::record::kContainerNumbers;
  memcpy(&growth, numbers, (count < kKnown ? count : kKnown) * sizeof *numbers);
  on_container_growth(w, site, type, container, growth, ULLAGE_CALLER);
  leave();
}

ULLAGE_EXPORT void ullage_agent_container_end(const char* site, uint64_t elements) {
  Writer* w = enter();
  if (w == nullptr) return;
  on_container_end(w, site, elements);
  leave();
}
