// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace ullage::server {

// Has the calling thread run soon after it wakes: it asks for short slices of a processor (100 us),
// and a Linux of 6.12 or later lets who asks for less go before who asks for more (EEVDF: Stoica
// and Abdel-Wahab, 1995). It gets no more of the processor than before. Without it, a thread that
// compacts files is left alone for its whole slice, and clients wait for that long. An older Linux
// does not look at it.
void run_soon_after_waking() noexcept;

}  // namespace ullage::server
