// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a program that is executed next finds in LD_PRELOAD: the agent first, others behind it.
//
// A wrapper that sets LD_PRELOAD=libjemalloc.so.2 for the program it starts would leave the agent
// out, or behind an allocator that answers without it. So the environment that exec is given is
// corrected, if it still names this recording (env -i does not) and asks for other libraries. One
// without LD_PRELOAD, or with an empty one, wants none: it stays as it is.
//
// A wrapper that executes itself until LD_PRELOAD is what it wants would never end: it gets its way
// after kCorrectionsMax times, which are counted in the environment.
//
//   const size_t bytes = preload_room(environment, most);
//   if (bytes != 0) environment = preload_first(environment, alloca(bytes), bytes);
//
// Cost         two looks at the environment. No lock, no allocation: it may be a vfork's child, or
//              a signal handler. `room` is the caller's, and a few hundred bytes more than a
//              pointer for each variable.
// Threads      another one may change the environment meanwhile: what has no room any more is left
//              as it is.

#include <stddef.h>

namespace ullage::agent {

// Times that an environment is corrected for programs that execute each other.
inline constexpr int kCorrectionsMax = 8;

// Bytes that preload_first() needs, aligned as for a pointer. 0: nothing is to be corrected, or not
// within `most` bytes.
size_t preload_room(char* const* environment, size_t most);

// The corrected environment: in `room`, with the strings of `environment`.
char* const* preload_first(char* const* environment, void* room, size_t bytes);

}  // namespace ullage::agent
