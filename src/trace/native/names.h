// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the profiler knows about names: which functions make containers grow (names.def), and which
// code is a library's rather than the user's (names_library.def). Both are data; adding a container
// is adding a line.
//
//   const GrowthName* name = growth_name("std::vector<Order>::_M_realloc_insert<Order const&>");
//   name->kind           "vector"
//   name->reserve_hint   "v.reserve({N})"
//
// Cost: about a microsecond per name, no allocation. Thread-safety: all functions may be called by
// any thread.

#include <string>
#include <string_view>

#include "evidence/evidence.h"

namespace ullage::trace {

struct GrowthName {
  std::string kind;          // "vector", "string", "hash table", "deque map", "realloc buffer", ...
  std::string family;        // the container when its type is not known: "std::vector", "sds"
  std::string reserve_hint;  // with {N}: "v.reserve({N})"; empty = none is known
  bool counts_buckets;       // the block is an array of buckets: {N} is a number of entries to be
                             // taken from the bucket count, not from the size of an element
  bool counts_bytes;         // {N} is a number of bytes
  bool generic;              // matched by a word ("grow", "resize") alone: weaker proof
};

// The entry for a function as Frame::function spells it (demangled, without arguments), or nullptr.
// A generic match is given only when no specific one exists.
const GrowthName* growth_name(std::string_view function);

// What to say of growth by realloc that no line of names.def knows.
const GrowthName& realloc_growth();

// True for containers, allocators and runtimes: code that grows on somebody's behalf. The user
// frame of a stack is the first one that is not. A program's own growth function
// (sqlite3StrAccumEnlarge) is a growth name and not library.
bool library_frame(const evidence::Frame& frame);

}  // namespace ullage::trace
