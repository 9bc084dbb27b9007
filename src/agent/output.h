// SPDX-License-Identifier: Apache-2.0
#pragma once

// The recording of this process: one live file, its header counters, and the segments that are not
// of one thread (modules). One instance; safe from any thread.

#include "agent/platform.h"
#include "record/live_file.h"

namespace ullage::agent {

struct Module;

inline constexpr unsigned kTickShift = 3;  // 8 TSC cycles: below what a call costs

struct Output {
  record::LiveFile file;
  bool use_tsc = false;
  char malloc_owner[sizeof record::FileHeader::malloc_owner] = {};  // as the header says it

  uint64_t now() const { return use_tsc ? __rdtsc() : monotonic_ns(); }
};
extern Output g_output;

// Ends recording for good (disk full, size limit): the state is written into the header.
void stop_recording(record::State state);

// Appends a module record; safe before the file exists (then it is a no-op: start_output writes
// all).
void write_module(const Module& module, bool mapped);

// Opens the live file of this process image and writes header and modules. False: cannot record.
bool start_output();
// In a fork's child: leaves the parent's file alone and forgets it.
void drop_output();
// Adds what all writers counted, sets the end. Idempotent; recording goes on.
void end_output(record::State state);

}  // namespace ullage::agent
