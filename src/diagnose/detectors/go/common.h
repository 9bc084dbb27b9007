// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the Go detectors share: whose line is it, where was that read, and what allocated there.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "diagnose/finding.h"
#include "evidence/evidence.h"

namespace ullage::diagnose::go {

using evidence::Frame;
using evidence::Incident;
using evidence::Position;
using evidence::Stack;

// A Go program, or one whose runtime nobody named, left these artefacts.
bool speaks_go(const evidence::Evidence& evidence);

// A function of the standard library or the runtime, by its package ("bytes.(*Buffer).grow").
bool is_standard(const std::string& function);
// The innermost frame that is the user's own code; else of no runtime function; null when empty.
const Frame* user_frame(const Stack& stack);
// How many frames of it are the user's.
std::size_t user_depth(const Stack& stack);

// Copies or clears memory in one piece, which nobody can interrupt: memmove, memclr, the barrier in
// bulk, or the growth around them. Frames of the runtime above the user's are looked at.
bool copies_in_one_piece(const Stack& stack);
// Makes a map larger (splits, evacuates, allocates tables), rather than merely writing to it.
bool grows_map(const Stack& stack);
bool has_function(const Stack& stack, const std::string& prefix);

// "heap.pb.gz", "gctrace.log line 7", "load.trace byte 18 233"; "the input" when unknown.
std::string position_text(const Incident& incident, const Position& position);
std::string artefact_name(const Incident& incident, const Position& position);
// "main.go:26 in main.load"
std::string site_text(const Frame& frame);
// "between 1.2 s and 3.4 s", "at 1.2 s".
std::string window_text(std::int64_t first_ns, std::int64_t last_ns);
std::string at_text(std::int64_t at_ns);
std::uint64_t span_ns(std::int64_t first_ns, std::int64_t last_ns);
// "8_400_000", as Go writes it.
std::string literal(std::uint64_t value);
// The same place, whatever -trimpath left of the file's name.
bool same_place(const Frame& a, const Frame& b);
bool same_function(const Frame& a, const Frame& b);

// A finding at the user's line of `stack`; `growth` is the runtime's frame in it, if any.
Finding at_stack(const Stack& stack);
// A finding without a line of source: it stands where it was read.
Finding at_position(const Incident& incident, const Position& position);
// `go tool pprof -list 'main.load' -sample_index=alloc_space heap.pb.gz`
std::string pprof_list(const Frame& user, const char* index, const std::string& artefact);

// `curl -o heap.pb.gz 'http://localhost:6060/debug/pprof/heap'`, from the server that the recording
// knows; else with <address> in its place. Empty `file`: to standard output.
std::string fetch_command(const Incident& incident, const std::string& path,
                          const std::string& file);

// What one line allocated, from the best profile that knows it: profiles of the same incident tell
// the same allocations again, so they are never added up.
struct HeapPlace {
  Frame user;
  Stack stack, hidden;
  evidence::CallKind call = evidence::CallKind::kUnknown;
  evidence::CallProof proof = evidence::CallProof::kNone;
  std::map<std::uint64_t, evidence::Rung> rungs;  // by size of the object
  double alloc_bytes = 0, alloc_objects = 0, inuse_bytes = 0, inuse_objects = 0;
  std::uint64_t element_bytes = 0;
  std::uint32_t snapshot = 0;
  Position where;
};
// Most allocated bytes first. What profiling allocates for itself is left out.
std::vector<HeapPlace> heap_places(const Incident& incident);
// Bytes of all places of the newest snapshot: what a share is a share of.
double alloc_bytes_total(const std::vector<HeapPlace>& places);
double inuse_bytes_total(const std::vector<HeapPlace>& places);
// 0..1: how sure it is that the place calls what we think.
double confidence_of(evidence::CallProof proof);
// "found by its size ladder", ...: how the call was found, as the end of a sentence.
std::string proof_text(evidence::CallProof proof);

// Of `bytes`, as a share of `of`: "12.3 %".
std::string share_text(double part, double of);
std::uint64_t whole_number(double number);

}  // namespace ullage::diagnose::go
