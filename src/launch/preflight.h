// SPDX-License-Identifier: Apache-2.0
#pragma once

// preflight: whether a command can be recorded, found out before it is started.
//
// A program that can't take a preloaded agent would run to its end and leave an empty recording.
// The reasons are all visible in its file: it is static, of another machine or C library, setuid,
// or built with a sanitizer or an allocator of its own. Each is an Error (Code::kImpossible) that
// says so and says what to do instead. What only may go wrong is a note.

#include <string>
#include <vector>

#include "base/result.h"

namespace ullage::launch {

// Depth of "#!" and "env" indirections that are followed; the kernel itself stops at 4.
inline constexpr int kInterpretersMax = 5;

struct Program {
  std::string path;               // what to execute
  std::vector<std::string> argv;  // with it
  std::string loaded;  // the ELF file that will be loaded: the program, or its interpreter
  std::vector<std::string> notes;
};

// The file that a name without a slash means in `search` (a PATH), or the name itself when it has
// one. Empty, with errno, when there is none that can be executed.
std::string find_program(const std::string& name, const std::string& search);

// `search` is the PATH to look in.
Result<Program> preflight(const std::vector<std::string>& command, const std::string& search);

// Whether the kernel would run `path` in secure mode for this user, so that LD_PRELOAD is ignored.
// Empty: no. Otherwise the reason ("it is setuid root").
std::string secure_reason(const std::string& path);

}  // namespace ullage::launch
