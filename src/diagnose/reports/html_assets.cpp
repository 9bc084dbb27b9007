// SPDX-License-Identifier: Apache-2.0
#include "diagnose/reports/html_assets.h"

namespace ullage::diagnose {
namespace {

constexpr std::string_view kPage =
#include "diagnose/reports/html/page.html.inc"
    ;
constexpr std::string_view kStyle =
#include "diagnose/reports/html/style.css.inc"
    ;
constexpr std::string_view kCommon =
#include "diagnose/reports/html/common.js.inc"
    ;
constexpr std::string_view kSummary =
#include "diagnose/reports/html/summary.js.inc"
    ;
constexpr std::string_view kIncident =
#include "diagnose/reports/html/incident.js.inc"
    ;
constexpr std::string_view kIncidentTimeline =
#include "diagnose/reports/html/incident_timeline.js.inc"
    ;
constexpr std::string_view kFlame =
#include "diagnose/reports/html/flame.js.inc"
    ;
constexpr std::string_view kTimeline =
#include "diagnose/reports/html/timeline.js.inc"
    ;
constexpr std::string_view kSites =
#include "diagnose/reports/html/sites.js.inc"
    ;

}  // namespace

std::string_view html_page() { return kPage; }
std::string_view html_style() { return kStyle; }

const std::string& html_script() {
  static const std::string script = [] {
    std::string all;
    for (const std::string_view part :
         {kCommon, kSummary, kIncident, kFlame, kTimeline, kIncidentTimeline, kSites})
      all += part;
    return all;
  }();
  return script;
}

}  // namespace ullage::diagnose
