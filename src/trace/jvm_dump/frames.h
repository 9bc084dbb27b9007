// SPDX-License-Identifier: Apache-2.0
#pragma once

// Java stack frames as text, and stacks that repeat themselves.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/incident.h"

namespace ullage::trace::jvm {

// Frames kept of one stack. The JVM prints 1024 unless told otherwise (MaxJavaStackTraceDepth).
inline constexpr std::size_t kFramesMax = 4096;
// The longest cycle that is looked for: a serializer takes ten frames for one level of a document.
inline constexpr std::size_t kCycleMax = 12;
// Fewer frames in a cycle are an ordinary tree walk.
inline constexpr std::size_t kCycleFramesMin = 50;

// "\tat java.base@17.0.15/java.util.ArrayList.get(ArrayList.java:427) ~[?:?]"; false for others.
bool parse_java_frame(std::string_view line, evidence::Frame& frame);
// "java.util.ArrayList.get" with what stands before a method: loader and module taken off, numbers
// of hidden classes taken off ("Lambda$14/0x0000000800c03000.run" -> "Lambda.run").
void set_method(std::string_view qualified, evidence::Frame& frame);

// The longest run of frames that repeats itself, with the shortest cycle that makes it.
// False when there is none of kCycleFramesMin frames.
bool find_recursion(const evidence::Stack& stack, evidence::Recursion& recursion);

// Adds `recursion`, or counts it where the same cycle is there already, begun at any frame.
void add_recursion(std::vector<evidence::Recursion>& all, evidence::Recursion recursion);

// Adds what ran out of memory, or counts it where the same stack is there already. Keeps the
// innermost kOutOfMemoryFramesMax frames; a stack without any is not kept.
void add_out_of_memory(std::vector<evidence::OutOfMemory>& all, evidence::OutOfMemory event);

}  // namespace ullage::trace::jvm
