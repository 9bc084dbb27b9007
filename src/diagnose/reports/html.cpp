// SPDX-License-Identifier: Apache-2.0
//
// html_report: puts the data, the style and the scripts into the page. Safe for hostile names in
// three independent ways: the data is JSON in which '<', '>' and '&' are escaped; the scripts only
// ever create text nodes; and the page's policy refuses every script but the one carrying the
// nonce, and every connection.
#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "diagnose/reports/html_assets.h"
#include "diagnose/reports/html_data.h"
#include "diagnose/reports/reports.h"

namespace ullage::diagnose {
namespace {

// FNV-1a. The nonce depends on all of the data, so no name inside the data can state it, and the
// same evidence makes the same page.
std::string nonce_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  std::array<char, 24> hex{};
  std::snprintf(hex.data(), hex.size(), "%016llx", static_cast<unsigned long long>(hash));
  return hex.data();
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : clean_utf8(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace

std::string html_report(const evidence::Evidence& evidence, const Findings& findings,
                        const ReportOptions& options) {
  const std::string data = html_data(evidence, findings, options);
  const std::string nonce = nonce_of(data);
  const std::string title = escape_html(
      shorten(evidence.process.program.empty() ? "program" : evidence.process.program, 80) +
      (evidence.incident.empty() ? " \u00b7 growth report" : " \u00b7 incident report"));
  const std::array<std::pair<std::string_view, std::string_view>, 5> parts = {
      {{"{{title}}", title},
       {"{{nonce}}", nonce},
       {"{{style}}", html_style()},
       {"{{data}}", data},
       {"{{script}}", html_script()}}};

  // One pass: what is put in is never looked at again, so a name "{{script}}" stays a name.
  std::string page;
  page.reserve(data.size() + html_style().size() + html_script().size() + html_page().size());
  std::string_view rest = html_page();
  while (!rest.empty()) {
    const std::size_t brace = rest.find("{{");
    page += rest.substr(0, brace);
    if (brace == std::string_view::npos) break;
    rest.remove_prefix(brace);
    std::string_view name = rest.substr(0, 2);
    for (const auto& [placeholder, content] : parts) {
      if (!rest.starts_with(placeholder)) continue;
      page += content;
      name = placeholder;
      break;
    }
    if (name == "{{") page += name;
    rest.remove_prefix(name.size());
  }
  return page;
}

}  // namespace ullage::diagnose
