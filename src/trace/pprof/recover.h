// SPDX-License-Identifier: Apache-2.0
#pragma once

// What heap profiles hide, and how to get it back. They leave out the runtime's frames, so a site
// does not say whether its line appended, made, assigned to a map or deferred. Four ways, the
// strongest that applies wins:
//
//   program counters   text profiles (debug=1) keep the hidden frames' addresses; the binary names
//                      them, or a CPU profile of the same build that is part of the incident
//   call instruction   the binary has the call before the return address of the innermost frame
//   size ladder        sizes at one stack rise by the factors that append grows by
//
// A binary is believed when its build id is the profile's; where the profile has none, when it
// names the profile's own frames as the profile does. Otherwise it is left alone, and a note says
// so.
//
// Goroutines of text profiles, whose waiting frames are hidden as well, get names and a state.
// May be called again over a merged incident: what is known already stays.

#include <memory>
#include <vector>

#include "evidence/incident.h"
#include "trace/go_binary/go_binary.h"

namespace ullage::trace {

// At least four sizes, and 70 % of their ratios as append (or a doubling buffer) makes them.
bool is_size_ladder(const evidence::HeapSite& site);
// Of a ladder: true when its larger steps are append's (1.25), not doublings, which maps and
// buffers make as well.
bool grows_like_append(const evidence::HeapSite& site);

void recover_calls(evidence::Incident& incident,
                   const std::vector<std::shared_ptr<const GoBinary>>& binaries);

}  // namespace ullage::trace
