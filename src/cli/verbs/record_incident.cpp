// SPDX-License-Identifier: Apache-2.0
#include "cli/verbs/record_incident.h"

#include <cstring>
#include <filesystem>
#include <iostream>

#include "base/format.h"
#include "base/text.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "evidence/incident.h"
#include "launch/preflight.h"
#include "trace/go_binary/go_binary.h"
#include "trace/input.h"

namespace ullage::cli {
void find_growth_probes(const std::vector<std::string>& command, const std::string& search,
                        launch::IncidentOptions& options) {
  const std::string path =
      command.empty() ? std::string() : launch::find_program(command.front(), search);
  const std::string head = "--bpf: no growth can be counted: ";
  if (path.empty()) {
    options.probe_problem =
        head + "the program's file is needed.\n  Let it be started: ullage record --bpf -- COMMAND";
    return;
  }
  const Result<trace::Input> input = trace::Input::map(path);
  if (!input.ok()) {
    options.probe_problem = head + input.error().message;
    return;
  }
  const auto binary = trace::GoBinary::open(input.value());
  if (!binary.ok()) {
    options.probe_problem = head + binary.error().message;
    return;
  }
  const trace::GoBinary& program = *binary.value();
  for (const evidence::GrowthFunction& function : evidence::growth_functions()) {
    const std::uint64_t entry = program.entry_of(function.name);
    const std::uint64_t offset = entry == 0 ? UINT64_MAX : program.file_offset_of(entry);
    if (offset != UINT64_MAX) options.probes.push_back({function.name, offset});
  }
  if (options.probes.empty()) {
    options.probe_problem = head + path + " names none of the runtime's growth functions.";
  }
}

int record_incident(const launch::IncidentOptions& options, bool quiet) {
  Result<launch::IncidentReport> report = launch::record_incident(options);
  if (!report.ok()) return fail(report.error());
  for (const std::string& note : report->notes) std::cerr << "ullage: " << note << '\n';
  std::size_t there = 0;
  std::uint64_t bytes = 0;
  for (const launch::Collected& one : report->collected) {
    there += one.bytes > 0 ? 1 : 0;
    bytes += one.bytes;
  }
  // Nothing but the empty log of a standard error: an attach that failed.
  const bool nothing = there == 0 && options.command.empty();
  if (!quiet || nothing) {
    std::cerr << "ullage: " << format_counted(there, "artefact") << ", " << format_bytes(bytes)
              << " in " << format_ns(static_cast<std::uint64_t>(report->seconds * 1e9)) << '\n';
    for (const launch::Collected& one : report->collected) {
      if (one.bytes > 0 && one.problem.empty()) {
        std::cerr << "  " << one.name << "  " << one.what << ", " << format_bytes(one.bytes)
                  << '\n';
      } else if (!one.problem.empty()) {
        std::cerr << "  " << one.name << (one.bytes > 0 ? "  cut short: " : "  not there: ")
                  << one.problem << '\n';
      }
    }
    if (report->signal != 0) {
      std::cerr << "  it was ended by signal " << report->signal << " ("
                << strsignal(report->signal) << ")\n";
    }
    if (!nothing) {
      std::cerr << "Next: ullage diagnose " << shell_word(short_path(report->path)) << '\n';
    }
  }
  return nothing ? kExitCannot : report->exit_code;
}

}  // namespace ullage::cli
