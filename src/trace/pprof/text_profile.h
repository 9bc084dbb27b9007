// SPDX-License-Identifier: Apache-2.0
#pragma once

// The text form of a profile (?debug=1): heap, goroutine, mutex, block.

#include <string_view>

#include "evidence/incident.h"

namespace ullage::trace {

enum class TextKind { kNone, kHeap, kGoroutines, kMutex, kBlock, kThreads };
// By its first line.
TextKind text_kind_of(std::string_view first_line);
// Appends to the incident, whose artefact 0 is the profile's.
void read_text_profile(std::string_view text, TextKind kind, evidence::Incident& incident);

// Goroutine dumps (?debug=2), also those at the end of a crash, after any other output.
bool begins_goroutine(std::string_view line);
void read_goroutine_dump(std::string_view text, evidence::Incident& incident);

}  // namespace ullage::trace
