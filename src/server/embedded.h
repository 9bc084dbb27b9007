// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the server carries with it: its OpenAPI document, and the live page (dashboard/). By name.

#include <span>

#include "base/embedded.h"

namespace ullage::server {

std::span<const EmbeddedFile> embedded();

}  // namespace ullage::server
