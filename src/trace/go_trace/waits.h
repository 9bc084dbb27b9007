// SPDX-License-Identifier: Apache-2.0
#pragma once

// What stood behind a wait: whoever released it was assisting, stopped, or growing something
// meanwhile. Asked of long waits only (see Pairing), so these counts are lower bounds.

#include <memory>
#include <vector>

#include "trace/go_trace/pairing.h"
#include "trace/go_trace/pauses.h"
#include "trace/go_trace/view.h"

namespace ullage::trace::go {

// `assists` by goroutine and start, `pauses` by start, `samples` by time: of this generation.
void look_behind(Pairing& pairing, std::vector<Interval>& assists,
                 const std::vector<Pauses::Pause>& pauses, std::vector<Sample>& samples,
                 const Stacks& stacks);

// Waits, groups of goroutines and scheduling delays of all owners.
void finish_goroutines(evidence::Incident& incident,
                       const std::vector<std::unique_ptr<Pairing>>& owners, const Stacks& stacks,
                       std::uint64_t zero_ns);

}  // namespace ullage::trace::go
