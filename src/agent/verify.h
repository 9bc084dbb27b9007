// SPDX-License-Identifier: Apache-2.0
#pragma once

// --verify-unwind=N: every Nth stack is unwound again by libgcc's unwinder and compared frame by
// frame. The counts go into the recording; 0 differences is what we promise.

#include "agent/writer.h"

namespace ullage::agent {

// Loads libgcc_s and lets it do its allocations now. Without it nothing is verified (checked stays
// 0).
void prepare_verify();
void verify_stack(Writer* writer, const Registers& at, uint32_t id);

}  // namespace ullage::agent
