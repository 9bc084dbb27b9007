// SPDX-License-Identifier: Apache-2.0
#include "trace/pprof/reader.h"

#include <algorithm>

#include "base/format.h"
#include "trace/pprof/classify.h"
#include "trace/pprof/profile.h"
#include "trace/pprof/recover.h"
#include "trace/pprof/wire.h"

namespace ullage::trace {
namespace {

// Fields of a Profile that are messages or strings, of those that are numbers (or packed ones).
constexpr std::uint32_t kMessages =
    1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 11 | 1u << 13;
constexpr std::uint32_t kNumbers =
    1u << 7 | 1u << 8 | 1u << 9 | 1u << 10 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 15;

// A ValueType: numbers in fields 1 and 2, and nothing else.
bool is_value_type(std::span<const std::uint8_t> bytes) {
  Wire wire(bytes);
  while (wire.next()) {
    if (wire.field() > 2 || wire.type() != Wire::kVarint) return false;
  }
  return wire.ok() && !bytes.empty();
}

const char* format_name(ProfileKind kind, const Tables& tables) {
  switch (kind) {
    case ProfileKind::kHeap:
      return tables.default_type() == "alloc_space" ? "pprof allocs profile" : "pprof heap profile";
    case ProfileKind::kCpu:
      return "pprof CPU profile";
    case ProfileKind::kGoroutines:
      return "pprof goroutine profile";
    case ProfileKind::kContention:
      return "pprof contention profile";
    case ProfileKind::kThreads:
      return "pprof thread creation profile";
    case ProfileKind::kOther:
      return "pprof profile";
  }
  return "pprof profile";
}

void add_program(const Tables& tables, evidence::Incident& incident) {
  for (const Tables::Mapping& mapping : tables.mappings()) {
    // The program is the first; the kernel's own pages follow, and C libraries.
    if (mapping.file.empty() || mapping.file.front() == '[') continue;
    incident.facts.program = file_name_of(mapping.file);
    if (!mapping.build_id.empty()) incident.facts.build_ids.emplace_back(mapping.build_id);
    incident.artefacts.front().build_id = mapping.build_id;
    break;
  }
  for (std::size_t i = 0; i < tables.functions(); ++i) {
    const std::string_view name = tables.function_name(i);
    if (name != "runtime.main" && name != "runtime.goexit" && name != "runtime.mcall" &&
        name != "runtime.gopark" && name != "runtime.mallocgc") {
      continue;
    }
    incident.facts.runtime = evidence::Runtime::kGo;
    return;
  }
}

void note_other(const Tables& tables, ProfileKind kind, evidence::Artefact& artefact) {
  artefact.records = tables.samples();
  std::string types;
  for (const Tables::SampleType& t : tables.sample_types()) {
    types += (types.empty() ? "" : ", ") + std::string(t.type);
  }
  if (kind == ProfileKind::kThreads) {
    artefact.notes.push_back("Stacks that made threads say nothing of growth: counted only.");
    return;
  }
  artefact.records_unknown = tables.samples();
  artefact.notes.push_back("Counts " + (types.empty() ? "nothing that is named" : types) +
                           ": heap, allocs, cpu, goroutine, mutex and block profiles are read.");
}

}  // namespace

bool sniff_pprof(std::span<const std::uint8_t> bytes) {
  Wire wire(bytes);
  unsigned types = 0, fields = 0;
  while (wire.next()) {
    const std::uint64_t f = wire.field();
    if (f > 15) return false;
    const bool message = wire.type() == Wire::kBytes;
    if (!message && wire.type() != Wire::kVarint) return false;
    // Packed numbers may stand in fields 13 (comments) only.
    if (((message ? kMessages : kNumbers) >> f & 1) == 0) return false;
    if (f == 1 && !is_value_type(wire.bytes())) return false;
    types += f == 1 ? 1 : 0;
    ++fields;
  }
  // Cut in the middle of a field where the first bytes end; sample types come first in what Go and
  // other writers make, and a profile without any has no values.
  return types > 0 && (wire.ok() || fields >= 2);
}

Result<evidence::Evidence> read_pprof(const Input& input, const ReadOptions& options) {
  auto tables = Tables::read(input.bytes());
  if (!tables.ok()) {
    return Error{tables.error().code, input.name() + ": " + tables.error().message + "."};
  }
  const Tables& t = tables.value();
  const std::uint64_t size = input.bytes().size(), understood = t.bytes_understood();
  if (t.sample_types().empty()) {
    return Error{Code::kInvalid,
                 input.name() + ": stopped at byte " + format_count(understood) +
                     ": a pprof profile that names no sample types.\n"
                     "  Expected the file that /debug/pprof or runtime/pprof wrote, whole."};
  }
  evidence::Evidence evidence;
  evidence::Incident& incident = evidence.incident;
  const ProfileKind kind = kind_of(t);
  evidence::Artefact& artefact = incident.artefacts.emplace_back();
  artefact.name = input.name();
  artefact.format = format_name(kind, t);
  artefact.bytes = size;
  artefact.unit = "samples";
  artefact.bytes_skipped = size - understood;
  artefact.cut = understood < size;
  if (artefact.cut) {
    artefact.notes.push_back("Makes no sense from byte " + format_count(understood) + " of " +
                             format_count(size) + " on: cut short or damaged. Read up to there.");
  }
  artefact.has_times = t.time_ns() != 0;
  artefact.wall_ns_at_zero = t.time_ns();
  artefact.last_ns = kind == ProfileKind::kCpu ? std::max<std::int64_t>(t.duration_ns(), 0) : 0;
  add_program(t, incident);
  const Profile profile{input.bytes(), t};
  switch (kind) {
    case ProfileKind::kHeap:
      read_heap(profile, incident);
      break;
    case ProfileKind::kCpu:
      read_cpu(profile, incident);
      break;
    case ProfileKind::kGoroutines:
      read_goroutines(profile, incident);
      break;
    case ProfileKind::kContention:
      read_contention(profile, incident);
      break;
    case ProfileKind::kThreads:
    case ProfileKind::kOther:
      note_other(t, kind, artefact);
      break;
  }
  incident.end_ns = artefact.last_ns;
  recover_calls(incident, options.go_binaries);
  evidence.process.source = input.name();
  evidence.process.format = artefact.format;
  evidence.process.program = incident.facts.program;
  evidence.understood.bytes_total = size;
  evidence.understood.bytes_used = understood;
  evidence.understood.notes = artefact.notes;
  return evidence;
}

}  // namespace ullage::trace
