// SPDX-License-Identifier: Apache-2.0
//
// experience: containers begin with the size that earlier runs ended with.
//
//   $ ULLAGE_PROFILE=app.sizes ./app         # first run: grows, and remembers
//   $ ULLAGE_PROFILE=app.sizes ./app         # next run: room from the start
//
//   ullage::use_experience("app.sizes", {.quantile = 0.99});   // the same from within
//   ullage::save_experience();                                 // now, not only at the end
//
// A site remembers the sizes that its containers reached (growth_site::sizes()). When the process
// ends they are merged into the profile, and the next process's sites expect() the quantile that
// the policy asks for. Where an expectation comes from is growth_site::provenance(). The file:
// docs/formats/experience.md.
//
// Waste     An expectation is at most waste_max times the median size and at most bytes_max.
// Errors    One message on stderr: what, where, what next. A bad profile is left as it is; the
//           program runs as if there were none. Nothing here throws.
// Ends      Saved by exit() and by returning from main, after static objects are gone; not by
//           _exit, quick_exit, abort, a signal, and not by a child of fork that did not exec:
//           those call save_experience() themselves. Containers that never end are not remembered;
//           a site that has only such counts as one container of its largest capacity.
// Cost      One getenv when the first site is made. Nothing per container.
// Threads   All functions from any thread. Not from a signal handler.
#pragma once

#include <ullage/growth.h>
#include <ullage/site.h>

#include <cstdint>
#include <string>

namespace ullage {

/// Containers of a site to serve without growth: 19 of 20.
inline constexpr double kExperienceQuantile = 0.95;
/// An expectation is at most this multiple of the median: what half of the containers waste.
inline constexpr double kExperienceWasteMax = 4;
/// Largest expectation in bytes. What is larger grows cheaply in proportion.
inline constexpr std::uint64_t kExperienceBytesMax = std::uint64_t{256} << 20;
/// Assumed size of an element when no growth told.
inline constexpr std::uint32_t kExperienceElementBytes = 64;

struct experience_policy {
  double quantile = kExperienceQuantile;
  double waste_max = kExperienceWasteMax;
  std::uint64_t bytes_max = kExperienceBytesMax;
  bool save_at_exit = true;
};

/// Sizes the containers of all sites, those there are and those to come, from the profile at `path`
/// (none yet: that is fine), and saves to it at exit. False: it can't be read; `why` (or stderr,
/// when null) says more. Called a second time, the last profile counts.
bool use_experience(const char* path, const experience_policy& policy = {},
                    std::string* why = nullptr) noexcept;

/// Adds what sites saw since the last save to the profile at `path`; null: the one in use. False:
/// it can't be written, or none is in use; `why` or stderr says more.
bool save_experience(const char* path = nullptr, std::string* why = nullptr) noexcept;

}  // namespace ullage

#include <ullage/detail/experience_state.h>
