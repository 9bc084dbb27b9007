// SPDX-License-Identifier: Apache-2.0
//
// folded_report: "main;serve;Book::add;vector::_M_realloc_insert 3221225472", one line per stack,
// outermost first, sorted; the number is copied bytes. The form flamegraph.pl made common.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/text.h"
#include "diagnose/growth.h"
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

std::string folded_report(const evidence::Evidence& evidence, const Findings& /*findings*/,
                          const ReportOptions& /*options*/) {
  std::map<std::string, std::uint64_t> lines;
  for (const evidence::GrowthSite& site : evidence.growth_sites) {
    if (!may_stand(site) || site.copied_bytes == 0) continue;
    std::string line;
    for (auto frame = site.stack.rbegin(); frame != site.stack.rend(); ++frame) {
      if (!line.empty()) line += ';';
      line += folded_name(frame->label());
    }
    if (line.empty()) line = folded_name(site.growth.label());
    lines[line] += site.copied_bytes;
  }
  std::string out;
  for (const auto& [line, bytes] : lines) out += line + " " + std::to_string(bytes) + "\n";
  return out;
}

}  // namespace ullage::diagnose
