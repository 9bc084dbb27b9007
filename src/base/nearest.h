// SPDX-License-Identifier: Apache-2.0
#pragma once

// For messages about words that were not understood.

#include <string>
#include <string_view>
#include <vector>

namespace ullage {

// The candidate closest to `word` by edits (insert, delete, replace, swap two neighbours); empty
// when none is close enough to be a likely typo: at most a third of its letters, and three edits.
// A candidate that starts with all of `word` (three letters or more) is close, too.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace ullage
