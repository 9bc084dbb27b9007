// SPDX-License-Identifier: Apache-2.0
#include "diagnose/reports/common.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "diagnose/growth.h"
#include "diagnose/reports/reports.h"

namespace ullage::diagnose {

std::string place_text(const evidence::Frame& frame) {
  if (frame.function.empty() && frame.module.empty() && frame.file.empty()) return {};
  if (frame.file.empty() || frame.function.empty()) return brief(frame.place());
  return frame.place() + " in " + brief(frame.label());
}

std::string cost_text(const Cost& cost) {
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
  if (cost.stall_ns > 0) {
    std::string stall = format_ns(cost.stall_ns) + " of stalls";
    if (cost.stall_ns_max > 0 && cost.stall_ns_max < cost.stall_ns) {
      stall += ", worst " + format_ns(cost.stall_ns_max);
    }
    add(stall);
  }
  if (cost.cpu_ns > 0) add(format_ns(cost.cpu_ns) + " of processors");
  if (cost.copied_bytes > 0) add(format_bytes(cost.copied_bytes) + " copied");
  if (cost.wasted_bytes > 0) add(format_bytes(cost.wasted_bytes) + " wasted");
  if (text.empty() && cost.events > 0) add(format_count(cost.events) + " " + cost.events_unit);
  return text;
}

std::string understood_text(const evidence::Understood& understood) {
  const bool whole = understood.bytes_used >= understood.bytes_total &&
                     understood.segments_damaged == 0 && understood.segments_dropped == 0;
  const std::string total = format_bytes(understood.bytes_total);
  if (whole) return "all of " + total + " understood";
  const double share = understood.bytes_total == 0
                           ? 0
                           : static_cast<double>(understood.bytes_used) /
                                 static_cast<double>(understood.bytes_total);
  std::string text = format_percent(std::min(share, 1.0)) + " of " + total + " understood";
  if (understood.segments_damaged > 0) {
    text += ", " + format_counted(understood.segments_damaged, "damaged segment");
  }
  if (understood.segments_dropped > 0) {
    text += ", " + format_counted(understood.segments_dropped, "dropped segment");
  }
  return text;
}

std::size_t count_findings(const std::vector<Finding>& findings) {
  return static_cast<std::size_t>(
      std::count_if(findings.begin(), findings.end(),
                    [](const Finding& f) { return f.severity != Severity::kNote; }));
}

std::string below_root(const std::string& path, const std::string& root) {
  std::string folder = root;
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  if (folder.empty() || !path.starts_with(folder)) return path;
  if (folder == "/") return path.substr(1);
  if (path.size() <= folder.size() + 1 || path[folder.size()] != '/') return path;
  return path.substr(folder.size() + 1);
}

Findings select(const Findings& findings, const ReportOptions& options) {
  if (options.site_filter.empty()) return findings;
  const auto has = [&options](const std::string& text) {
    return text.find(options.site_filter) != std::string::npos;
  };
  const auto frame_has = [&has](const evidence::Frame& frame) {
    return has(frame.file + ":" + std::to_string(frame.line)) || has(frame.function) ||
           has(frame.place()) || has(frame.label());
  };
  Findings selected;
  for (const Finding& finding : findings) {
    const std::array<bool, 5> hits = {frame_has(finding.where), frame_has(finding.growth),
                                      has(finding.title), has(finding.detector),
                                      finding.fingerprint == options.site_filter};
    if (std::find(hits.begin(), hits.end(), true) != hits.end()) selected.push_back(finding);
  }
  return selected;
}

}  // namespace ullage::diagnose
