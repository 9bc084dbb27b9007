// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether a Java stack is in the middle of making a collection larger, and whose line asked for it.

#include <optional>
#include <string>

#include "evidence/incident.h"

namespace ullage::diagnose::jvm {

struct Growing {
  evidence::Frame growth;  // "java.util.ArrayList.grow"
  const char* what;        // "an ArrayList"
  const char* with_size;   // "new ArrayList<>(n)"; empty = an array of unknown use
};
// Looks at the library's frames above the user's. Nothing for stacks that merely allocate.
std::optional<Growing> growing(const evidence::Stack& stack);

// The innermost frame of the user's own code; the innermost of all where there is none; null when
// empty.
const evidence::Frame* user_frame(const evidence::Stack& stack);

}  // namespace ullage::diagnose::jvm
