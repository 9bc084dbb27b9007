// SPDX-License-Identifier: Apache-2.0
#include "diagnose/growth_counts.h"

#include <array>
#include <optional>
#include <string_view>

#include "base/format.h"
#include "diagnose/growth.h"

namespace ullage::diagnose {
namespace {

using evidence::CallKind;

struct Kind {
  CallKind call;
  std::string_view family;
  const char *one, *several;
};
constexpr std::array<Kind, 3> kKinds = {{
    {CallKind::kAppend, "append", "slice that grew", "slices that grew"},
    {CallKind::kMapAssign, "map", "map growth", "map growths"},
    {CallKind::kStack, "stack", "stack copied", "stacks copied"},
}};

// Nothing where no function of the kind was probed; 0 is a count.
std::optional<std::uint64_t> count_of(const evidence::Incident& incident, CallKind kind) {
  std::optional<std::uint64_t> sum;
  for (const evidence::Metric& metric : incident.metrics) {
    for (const evidence::GrowthFunction& function : evidence::growth_functions()) {
      if (function.kind != kind) continue;
      if (metric.name != std::string(evidence::kGrowthCountPrefix) + function.name) continue;
      sum = sum.value_or(0) + whole(metric.value);
    }
  }
  return sum;
}

}  // namespace

std::string growth_counts_text(const evidence::Incident& incident) {
  std::string text;
  for (const Kind& kind : kKinds) {
    const std::optional<std::uint64_t> count = count_of(incident, kind.call);
    if (!count) continue;
    text += (text.empty() ? "" : ", ") + format_counted(*count, kind.one, kind.several);
  }
  return text;
}

void tell_growth_counts(const evidence::Incident& incident, std::vector<Finding>& findings) {
  for (const Kind& kind : kKinds) {
    const std::optional<std::uint64_t> count = count_of(incident, kind.call);
    if (!count) continue;
    for (Finding& finding : findings) {
      if (finding.family != kind.family) continue;
      finding.evidence.push_back("In the whole program probes counted " +
                                 format_counted(*count, kind.one, kind.several) + ".");
    }
  }
}

}  // namespace ullage::diagnose
