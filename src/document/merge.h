// SPDX-License-Identifier: Apache-2.0
#pragma once

// merge: a patch laid over a value, as RFC 7396 (JSON Merge Patch) has it: members of the patch
// replace those of the same name, null removes them, objects merge, everything else replaces.
//
// Cost: O(bytes of both); members that the patch does not name are copied as they are.

#include <optional>
#include <string>

#include "document/value.h"

namespace ullage::document {

// Appends what `target` (or nothing) becomes. The result nests at most as deep as both together.
void merge(std::string& out, std::optional<Value> target, Value patch);

}  // namespace ullage::document
