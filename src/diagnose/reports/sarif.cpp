// SPDX-License-Identifier: Apache-2.0
//
// SARIF 2.1.0, as code scanning services read it: one rule per detector of the registry, one result
// per finding. Paths are relative to %SRCROOT% wherever they lie below the source root, and never
// say where on this machine it is.
#include <algorithm>

#include "base/json.h"
#include "diagnose/reports/common.h"
#include "diagnose/reports/incident_text.h"
#include "diagnose/reports/reports.h"

namespace ullage::diagnose {
namespace {

constexpr const char* kSchema =
    "https://json.schemastore.org/sarif-2.1.0.json";  // what validators and editors look for
constexpr const char* kHelp = "docs/detectors.md#";

const char* level(Severity severity) { return to_string(severity); }  // SARIF has the same words

// SARIF's rank is 0..100, larger is more important: a scale on which 1 us is 0 and 100 s is 100.
double sarif_rank(double rank_ns) {
  double rank = 0;
  for (double scale = 1e3; rank_ns > scale && rank < 100; scale *= 10) {
    rank += 12.5 * std::min(1.0, (rank_ns / scale - 1) / 9);
  }
  return std::min(rank, 100.0);
}

// RFC 3986: what is not unreserved or a separator is written as %XX.
std::string uri(const std::string& path) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  constexpr const char* kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/@,";
  std::string text;
  for (const char c : path) {
    if (std::string_view(kPlain).find(c) != std::string_view::npos) {
      text += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      (text += '%') += kDigits[byte >> 4];
      text += kDigits[byte & 15];
    }
  }
  return text;
}

void write_artifact(JsonWriter& json, const evidence::Frame& frame, const ReportOptions& options) {
  const std::string path = below_root(frame.file, options.source_root);
  json.begin_object("artifactLocation");
  if (path.starts_with('/')) {
    json.field("uri", "file://" + uri(path));
  } else {
    json.field("uri", uri(path));
    json.field("uriBaseId", "SRCROOT");
  }
  json.end_object();
}

void write_location(JsonWriter& json, const evidence::Frame& frame, const ReportOptions& options,
                    const std::string& message) {
  json.begin_object();
  if (!frame.file.empty()) {
    json.begin_object("physicalLocation");
    write_artifact(json, frame, options);
    if (frame.line > 0) {
      json.begin_object("region");
      json.field("startLine", frame.line);
      json.end_object();
    }
    json.end_object();
  }
  json.begin_array("logicalLocations");
  json.begin_object();
  json.field("fullyQualifiedName", frame.label());
  json.field("kind", "function");
  json.end_object();
  json.end_array();
  if (!message.empty()) {
    json.begin_object("message");
    json.field("text", message);
    json.end_object();
  }
  json.end_object();
}

std::string message_of(const Finding& finding) {
  std::string text = finding.title;
  const std::string cost = cost_text(finding.cost);
  if (!cost.empty()) text += " (" + cost + ")";
  text += ".";
  if (!finding.cause.empty()) text += "\nWhy: " + finding.cause;
  for (const std::string& sentence : finding.evidence) text += "\n" + sentence;
  if (!finding.remedy.empty()) text += "\nDo: " + finding.remedy;
  return text;
}

void write_rules(JsonWriter& json) {
  json.begin_array("rules");
  for (const Detector& detector : detectors()) {
    json.begin_object();
    json.field("id", detector.name);
    json.begin_object("shortDescription");
    json.field("text", detector.summary);
    json.end_object();
    json.begin_object("help");
    json.field("text", std::string("See ") + kHelp + detector.name + " of Ullage.");
    json.end_object();
    json.end_object();
  }
  json.end_array();
}

std::size_t rule_index(const std::string& name) {
  const auto& all = detectors();
  const auto found =
      std::find_if(all.begin(), all.end(), [&name](const Detector& d) { return name == d.name; });
  return static_cast<std::size_t>(found - all.begin());
}

void write_result(JsonWriter& json, const Finding& finding, const ReportOptions& options) {
  json.begin_object();
  json.field("ruleId", finding.detector);
  if (rule_index(finding.detector) < detectors().size()) {
    json.field("ruleIndex", rule_index(finding.detector));
  }
  json.field("level", level(finding.severity));
  json.field("rank", sarif_rank(finding.rank()));
  json.begin_object("message");
  json.field("text", message_of(finding));
  json.end_object();
  json.begin_array("locations");
  if (!place_text(finding.where).empty()) write_location(json, finding.where, options, {});
  json.end_array();
  if (!finding.stack.empty()) {
    json.begin_array("stacks");
    json.begin_object();
    json.begin_array("frames");
    for (const evidence::Frame& frame : finding.stack) {
      json.begin_object();
      json.key("location");
      write_location(json, frame, options, frame.label());
      if (!frame.module.empty()) json.field("module", frame.module);
      json.end_object();
    }
    json.end_array();
    json.end_object();
    json.end_array();
  }
  json.begin_object("partialFingerprints");
  json.field("ullage/v1", finding.fingerprint);
  json.end_object();
  json.begin_object("properties");
  json.field("confidence", finding.confidence);
  json.field("advisedElements", finding.advised_elements);
  json.field("stallNs", finding.cost.stall_ns);
  json.field("stallNsMax", finding.cost.stall_ns_max);
  json.field("copiedBytes", finding.cost.copied_bytes);
  json.field("wastedBytes", finding.cost.wasted_bytes);
  if (finding.cost.cpu_ns > 0) json.field("cpuNs", finding.cost.cpu_ns);
  if (finding.cost.growths > 0) json.field("growths", finding.cost.growths);
  if (!finding.cause.empty()) json.field("cause", finding.cause);
  json.begin_array("also");
  for (const Related& related : finding.also) {
    json.begin_object();
    json.field("ruleId", related.detector);
    json.field("fingerprint", related.fingerprint);
    json.end_object();
  }
  json.end_array();
  json.end_object();
  json.end_object();
}

void write_notification(JsonWriter& json, const std::string& text) {
  json.begin_object();
  json.field("level", "warning");
  json.begin_object("message");
  json.field("text", text);
  json.end_object();
  json.end_object();
}

// The artefacts that the findings of an incident stand on.
void write_artefacts(JsonWriter& json, const evidence::Incident& incident) {
  if (incident.empty()) return;
  json.begin_array("artifacts");
  for (const evidence::Artefact& artefact : incident.artefacts) {
    json.begin_object();
    json.begin_object("description");
    json.field("text", artefact.name + ": " + artefact.format + ", " + understood_text(artefact));
    json.end_object();
    if (artefact.bytes > 0) json.field("length", artefact.bytes);
    json.end_object();
  }
  json.end_array();
}

}  // namespace

std::string sarif_report(const evidence::Evidence& evidence, const Findings& all,
                         const ReportOptions& options) {
  JsonWriter json;
  json.begin_object();
  json.field("$schema", kSchema);
  json.field("version", "2.1.0");
  json.begin_array("runs");
  json.begin_object();
  json.begin_object("tool");
  json.begin_object("driver");
  json.field("name", "ullage");
  write_rules(json);
  json.end_object();
  json.end_object();
  json.begin_object("originalUriBaseIds");
  json.begin_object("SRCROOT");
  json.begin_object("description");
  json.field("text", "The root of the program's source tree.");
  json.end_object();
  json.end_object();
  json.end_object();
  json.field("columnKind", "unicodeCodePoints");
  json.begin_array("invocations");
  json.begin_object();
  json.field("executionSuccessful", true);
  json.begin_array("toolExecutionNotifications");
  for (const std::string& note : evidence.understood.notes) write_notification(json, note);
  for (const evidence::Artefact& artefact : evidence.incident.artefacts) {
    for (const std::string& note : artefact.notes) {
      write_notification(json, artefact.name + ": " + note);
    }
  }
  json.end_array();
  json.end_object();
  json.end_array();
  write_artefacts(json, evidence.incident);
  json.begin_array("results");
  for (const Finding& finding : select(all, options)) write_result(json, finding, options);
  json.end_array();
  json.end_object();
  json.end_array();
  json.end_object();
  return json.text();
}

}  // namespace ullage::diagnose
