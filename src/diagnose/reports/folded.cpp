// SPDX-License-Identifier: Apache-2.0
//
// folded_report: "main;serve;Book::add;vector::_M_realloc_insert 3221225472", one line per stack,
// outermost first, sorted; the number is copied bytes. Of an incident each line begins with its
// cost, "assist;main.serve;main.handle 900000000", since units can't be added: grep for one of
// them. The form flamegraph.pl made common.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "diagnose/growth.h"
#include "diagnose/reports/incident_costs.h"
#include "diagnose/reports/reports.h"

namespace ullage::diagnose {
namespace {

// A name must not end its frame or its line.
std::string folded_name(std::string_view name) {
  std::string text = clean_utf8(name);
  for (char& c : text) {
    if (c == ';') c = ':';
    if (c == '\n' || c == '\t') c = ' ';
  }
  return text.empty() ? "?" : text;
}

}  // namespace

std::string folded_report(const evidence::Evidence& evidence, const Findings& findings,
                          const ReportOptions& /*options*/) {
  std::map<std::string, std::uint64_t> lines;
  const auto folded = [](const evidence::Stack& stack) {
    std::string line;
    for (auto frame = stack.rbegin(); frame != stack.rend(); ++frame) {
      if (!line.empty()) line += ';';
      line += folded_name(frame->label());
    }
    return line;
  };
  for (const evidence::GrowthSite& site : evidence.growth_sites) {
    if (!may_stand(site) || site.copied_bytes == 0) continue;
    std::string line = folded(site.stack);
    if (line.empty()) line = folded_name(site.growth.label());
    lines[line] += site.copied_bytes;
  }
  for (const CostStack& cost : incident_costs(evidence.incident, findings)) {
    for (std::size_t kind = 0; kind < kCostKinds; ++kind) {
      if (cost.values[kind] == 0) continue;
      lines[std::string(kCosts[kind].name) + ";" + folded(cost.stack)] += cost.values[kind];
    }
  }
  std::string out;
  for (const auto& [line, bytes] : lines) out += line + " " + std::to_string(bytes) + "\n";
  return out;
}

}  // namespace ullage::diagnose
