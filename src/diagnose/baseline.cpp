// SPDX-License-Identifier: Apache-2.0
//
// Reads the fingerprints out of a report of ours. The report may come from anywhere, so it is only
// scanned: strings are recognised, escapes skipped, brackets counted, nothing is built. It is
// linear in its size and allocates the fingerprints it finds.
#include <algorithm>

#include "diagnose/fail_on.h"

namespace ullage::diagnose {
namespace {

constexpr std::size_t kFingerprintDigits = 16;

bool is_fingerprint(std::string_view text) {
  return text.size() == kFingerprintDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// The string whose opening quote is at `at`, which moves past the closing one. False at the end.
bool read_string(std::string_view text, std::size_t& at, std::string_view& content) {
  const std::size_t begin = ++at;
  while (at < text.size() && text[at] != '"') at += text[at] == '\\' ? 2 : 1;
  if (at >= text.size()) return false;
  content = text.substr(begin, at++ - begin);
  return true;
}

}  // namespace

Result<Baseline> parse_baseline(std::string_view report) {
  const auto first = report.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || report[first] != '{') {
    return Error{
        Code::kInvalid,
        "the baseline is not JSON. Write one with: ullage diagnose FILE --json > base.json"};
  }
  Baseline baseline;
  bool ours = false;
  std::size_t open = 0;  // brackets, of either kind
  std::string_view key;
  bool value_next = false;
  for (std::size_t at = first; at < report.size();) {
    const char c = report[at];
    if (c == '"') {
      std::string_view content;
      const std::size_t begin = at;
      if (!read_string(report, at, content)) {
        return Error{Code::kInvalid, "the baseline ends inside a string that starts at byte " +
                                         std::to_string(begin) +
                                         ". It looks cut short; write it again."};
      }
      if (!value_next) {
        key = content;
        continue;
      }
      value_next = false;
      if (key == "schema" && content.starts_with("ullage/")) ours = true;
      if (key == "ullage/v1" || key == "fingerprint" || key == "place") {
        ours = ours || key == "ullage/v1";
        if (is_fingerprint(content)) baseline.emplace(content);
      }
      continue;
    }
    if (c == '{' || c == '[') ++open;
    if ((c == '}' || c == ']') && open > 0) --open;
    if (c == ':') value_next = true;
    if (c == ',' || c == '{' || c == '[' || c == '}' || c == ']') value_next = false;
    // An empty SARIF of ours has no fingerprint; its driver's name says whose it is.
    ++at;
  }
  // Findings that were cut off would be taken for new ones.
  if (open > 0) {
    return Error{Code::kInvalid, "the baseline ends after " + std::to_string(report.size()) +
                                     " bytes with " + std::to_string(open) +
                                     (open == 1 ? " bracket" : " brackets") +
                                     " still open. It looks cut short; write it again."};
  }
  if (!ours && report.find("\"ullage\"") == std::string_view::npos) {
    return Error{Code::kInvalid,
                 "the baseline is JSON, but neither findings, SARIF nor a diff written by ullage. "
                 "Write one with: ullage diagnose FILE --json > base.json"};
  }
  return baseline;
}

}  // namespace ullage::diagnose
