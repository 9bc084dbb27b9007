// SPDX-License-Identifier: Apache-2.0
//
// recording: growth events in the recording of `ullage record`, beside the allocations they cause.
//
// A program that uses the library and runs under `ullage record` writes every growth of its
// containers, and every container's last size, into the recording; `ullage diagnose` then names the
// container site instead of guessing. Nothing is to be done for it. Outside `ullage record` it
// costs a null check per growth, and one per container that ends.
//
// Needs no library: the functions are weak references that the preloaded agent defines.
// Threads   Any thread, also inside a signal handler. Nothing allocates or locks.
#pragma once

#include <ullage/agent.h>
#include <ullage/growth.h>
#include <ullage/site.h>

#include <cstdint>

extern "C" {
/// `numbers` holds `count` of: kind, cause, depth, bytes before, bytes after, capacity after,
/// elements, moved, bytes of an element, duration in ns. Later versions may append.
void ullage_agent_growth(const char* site, const char* type, const void* container,
                         const std::uint64_t* numbers, unsigned count) __attribute__((weak));
void ullage_agent_container_end(const char* site, std::uint64_t elements) __attribute__((weak));
}

namespace ullage {

/// True while events would be written into a recording: then growths are timed.
inline bool being_recorded() noexcept {
  return ullage_agent_growth != nullptr && agent::recording();
}

inline void record_growth(const growth_event& event) noexcept {
  if (ullage_agent_growth == nullptr) return;
  const std::uint64_t numbers[] = {static_cast<std::uint64_t>(event.kind),
                                   static_cast<std::uint64_t>(event.cause),
                                   event.depth,
                                   event.bytes_before,
                                   event.bytes_after,
                                   event.capacity_after,
                                   event.elements,
                                   event.moved,
                                   event.element_bytes,
                                   event.duration_ns};
  ullage_agent_growth(event.site == nullptr ? "" : event.site->name(), event.type, event.container,
                      numbers, sizeof numbers / sizeof *numbers);
}

inline void record_container_end(const growth_site& site, std::uint64_t elements) noexcept {
  if (ullage_agent_container_end != nullptr) ullage_agent_container_end(site.name(), elements);
}

}  // namespace ullage
