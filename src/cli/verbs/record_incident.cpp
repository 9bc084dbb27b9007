// SPDX-License-Identifier: Apache-2.0
#include "cli/verbs/record_incident.h"

#include <cstring>
#include <filesystem>
#include <iostream>

#include "base/format.h"
#include "cli/output.h"
#include "cli/verb.h"

namespace ullage::cli {
namespace {

std::string short_path(const std::string& path) {
  std::error_code error;
  const std::string here = std::filesystem::current_path(error).string() + "/";
  return !error && path.starts_with(here) ? path.substr(here.size()) : path;
}

}  // namespace

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
