// SPDX-License-Identifier: Apache-2.0
#pragma once

// The kinds of values (tier::Kind) and how clients name them.

#include <string_view>

#include "tier/key.h"

namespace ullage::server {

inline constexpr tier::Kind kJson = 1;  // a document (document/codec.h)

// As TYPE tells it, and SCAN TYPE asks for it.
inline std::string_view type_name(tier::Kind kind) {
  return kind == tier::kText ? "string" : "ReJSON-RL";
}

}  // namespace ullage::server
