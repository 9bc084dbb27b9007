// SPDX-License-Identifier: Apache-2.0
#pragma once

// Changes whose places lie within each other ("$..*" to an array of arrays): made one after the
// other on a copy, each found again by its names and indexes.

#include <cstdint>
#include <functional>
#include <vector>

#include "server/commands/json_support.h"

namespace ullage::server {

// Copies that all of them may take together: nested matches times document.
inline constexpr std::uint64_t kNestedBytesMax = std::uint64_t{256} << 20;

using EditOne =
    std::function<void(const document::Selection& in, std::uint32_t node, document::Edits& into)>;

// In the order of `nodes`; one that is no longer there is passed over. False: the error is replied
// and the document is as it was.
bool edit_one_by_one(Context& c, const JsonEntry& entry, const document::Selection& found,
                     const std::vector<std::uint32_t>& nodes, const char* event,
                     const EditOne& edit);

}  // namespace ullage::server
