// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "trace/pprof/reader.h"
#include "trace/pprof/recover.h"
#include "trace/pprof/text_lines.h"
#include "trace/pprof/text_profile.h"

namespace ullage::trace {
namespace {

std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A dump may follow the program's own output; what ends a Go program is recognised as well, for
// where a long message keeps the first goroutine out of sight.
bool is_dump(std::string_view text) {
  for (Lines lines(text); lines.next();) {
    if (begins_goroutine(lines.line())) return true;
    if (lines.line().starts_with("runtime: goroutine stack exceeds ")) return true;
  }
  return false;
}

const char* format_name(TextKind kind) {
  switch (kind) {
    case TextKind::kHeap:
      return "Go heap profile (text)";
    case TextKind::kGoroutines:
      return "Go goroutine profile (text)";
    case TextKind::kMutex:
      return "Go mutex profile (text)";
    case TextKind::kBlock:
      return "Go block profile (text)";
    case TextKind::kThreads:
      return "Go thread creation profile (text)";
    case TextKind::kNone:
      break;
  }
  return "Go goroutine dump";
}

}  // namespace

bool sniff_go_text_profile(std::span<const std::uint8_t> first_bytes) {
  Lines lines(as_text(first_bytes));
  return (lines.next() && text_kind_of(lines.line()) != TextKind::kNone) ||
         is_dump(as_text(first_bytes));
}

Result<evidence::Evidence> read_go_text_profile(const Input& input, const ReadOptions& options) {
  Lines first(input.text());
  const TextKind kind = first.next() ? text_kind_of(first.line()) : TextKind::kNone;
  evidence::Evidence evidence;
  evidence::Incident& incident = evidence.incident;
  evidence::Artefact& artefact = incident.artefacts.emplace_back();
  artefact.name = input.name();
  artefact.format = format_name(kind);
  artefact.bytes = input.bytes().size();
  artefact.unit = kind == TextKind::kNone ? "goroutines" : "samples";
  incident.facts.runtime = evidence::Runtime::kGo;
  if (kind == TextKind::kNone) {
    read_goroutine_dump(input.text(), incident);
    if (!incident.facts.crash.empty()) artefact.format = "Go crash report";
    if (artefact.records == 0) {
      return Error{
          Code::kInvalid,
          input.name() +
              ": has no goroutine in it.\n  Expected lines like \"goroutine 1 [running]:\", "
              "as /debug/pprof/goroutine?debug=2 or a crash writes them."};
    }
  } else {
    read_text_profile(input.text(), kind, incident);
    recover_calls(incident, options.go_binaries);
  }
  if (artefact.bytes_skipped > artefact.bytes) artefact.bytes_skipped = artefact.bytes;
  if (artefact.records_unknown > 0) {
    artefact.notes.push_back(std::to_string(artefact.records_unknown) +
                             " lines are no sample of such a profile and were passed over.");
  }
  evidence.process.source = input.name();
  evidence.process.format = artefact.format;
  evidence.understood.bytes_total = artefact.bytes;
  evidence.understood.bytes_used = artefact.bytes - artefact.bytes_skipped;
  evidence.understood.notes = artefact.notes;
  return evidence;
}

}  // namespace ullage::trace
