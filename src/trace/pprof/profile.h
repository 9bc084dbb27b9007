// SPDX-License-Identifier: Apache-2.0
#pragma once

// From a profile's tables and groups to evidence, a function per kind of profile.

#include "evidence/incident.h"
#include "trace/pprof/groups.h"
#include "trace/pprof/tables.h"

namespace ullage::trace {

// Frames that are turned into evidence: 250 000 take 60 MB. Random stacks meet it, programs do not;
// sites beyond it are in the totals, and a note says how many they are.
inline constexpr std::size_t kFramesMax = 250000;

enum class ProfileKind { kHeap, kCpu, kGoroutines, kContention, kThreads, kOther };
ProfileKind kind_of(const Tables& tables);

struct Profile {
  std::span<const std::uint8_t> bytes;
  const Tables& tables;
};
// Each appends to the incident, whose artefact 0 is the profile's.
void read_heap(const Profile& profile, evidence::Incident& incident);
void read_cpu(const Profile& profile, evidence::Incident& incident);
void read_goroutines(const Profile& profile, evidence::Incident& incident);
void read_contention(const Profile& profile, evidence::Incident& incident);

}  // namespace ullage::trace
