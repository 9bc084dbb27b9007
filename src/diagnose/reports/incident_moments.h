// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which moments of an incident a finding is about: what the page links from finding to timeline and
// back. By the place where that is known, else by the line of the log it cites, else by the name of
// the pause it talks about.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "diagnose/finding.h"
#include "evidence/incident.h"

namespace ullage::diagnose {

struct Moments {
  std::vector<std::size_t> pauses, cycles;         // indices, longest first
  std::vector<std::size_t> assists, waits;         // indices of their sites
  std::int64_t from_ns = 0, to_ns = 0, at_ns = 0;  // extent, and the moment its cost speaks of
  std::uint64_t took_ns = 0;                       // how long that took; 0 = no single moment
  bool empty() const {
    return pauses.empty() && cycles.empty() && assists.empty() && waits.empty();
  }
};

// One entry per finding, at most `limit` moments of each kind. One pass over the incident's stacks,
// however many findings there are.
std::vector<Moments> moments_of(const std::vector<Finding>& findings,
                                const evidence::Incident& incident, std::size_t limit);

}  // namespace ullage::diagnose
