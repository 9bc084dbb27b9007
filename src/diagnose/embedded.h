// SPDX-License-Identifier: Apache-2.0
#pragma once

// The texts of this module: a page per detector, and the root-cause table. By name.

#include <span>

#include "base/embedded.h"

namespace ullage::diagnose {

std::span<const EmbeddedFile> embedded();

}  // namespace ullage::diagnose
