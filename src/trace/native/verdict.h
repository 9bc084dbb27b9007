// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the sums of a site say: is it growth at all, and by which law (docs/growth-chains.md).

#include "evidence/evidence.h"
#include "trace/native/growth.h"

namespace ullage::trace {

// `named`: the symbol itself is a known growth function. Pure.
evidence::Verdict verdict_of(const GrowthPlace& sums, bool named);
evidence::GrowthLaw law_of(const GrowthPlace& sums);

}  // namespace ullage::trace
