// SPDX-License-Identifier: Apache-2.0
//
// lifetime-classes: how long blocks lived, as one note. It is no finding: it tells at a glance
// whether a program lives off short-lived blocks (arenas), long-lived ones (pools), or keeps all.
//
// Rule      at least kBlocks blocks in all. One note, never more, never ranked among findings.
#include <numeric>

#include "base/format.h"
#include "diagnose/detectors/detectors.h"

namespace ullage::diagnose {
namespace {

// Fewer blocks are no statistics.
constexpr std::uint64_t kBlocks = 100;
constexpr std::size_t kNeverFreed = evidence::kLifetimeClasses - 1;
constexpr std::size_t kOldest = kNeverFreed - 1;  // freed, but older than every edge

std::string class_name(std::size_t index) {
  if (index == kNeverFreed) return "never freed";
  if (index == kOldest) return "longer";
  return "< " + format_ns(evidence::kLifetimeEdgesNs[index]);
}

std::string shares(const std::array<std::uint64_t, evidence::kLifetimeClasses>& counts,
                   std::uint64_t total) {
  std::string text;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    text += (text.empty() ? "" : ", ") + class_name(i) + " " +
            format_percent(static_cast<double>(counts[i]) / static_cast<double>(total));
  }
  return text;
}

// The youngest age by which half of the blocks were gone leads; otherwise what stayed does.
std::string headline(const evidence::Lifetimes& lifetimes, std::uint64_t total) {
  std::uint64_t gone = 0;
  for (std::size_t i = 0; i < kOldest; ++i) {
    gone += lifetimes.blocks[i];
    if (gone * 2 >= total) {
      return format_percent(static_cast<double>(gone) / static_cast<double>(total)) + " of " +
             format_count(total) + " blocks die younger than " +
             format_ns(evidence::kLifetimeEdgesNs[i]);
    }
  }
  const std::size_t longest =
      lifetimes.blocks[kNeverFreed] >= lifetimes.blocks[kOldest] ? kNeverFreed : kOldest;
  return format_percent(static_cast<double>(lifetimes.blocks[longest]) /
                        static_cast<double>(total)) +
         " of " + format_count(total) + " blocks " +
         (longest == kNeverFreed
              ? "were never freed"
              : "live longer than " + format_ns(evidence::kLifetimeEdgesNs[kOldest - 1]));
}

}  // namespace

void lifetime_classes(const evidence::Evidence& evidence, const DetectorOptions&,
                      std::vector<Finding>& findings) {
  const evidence::Lifetimes& lifetimes = evidence.lifetimes;
  const auto sum = [](const auto& counts) {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  };
  const std::uint64_t blocks = sum(lifetimes.blocks);
  const std::uint64_t bytes = sum(lifetimes.bytes);
  if (blocks < kBlocks) return;
  Finding finding;
  finding.severity = Severity::kNote;
  finding.title = headline(lifetimes, blocks);
  finding.cost.events_unit = "blocks";
  finding.evidence.push_back("By blocks: " + shares(lifetimes.blocks, blocks) + ".");
  if (bytes > 0) finding.evidence.push_back("By bytes: " + shares(lifetimes.bytes, bytes) + ".");
  findings.push_back(std::move(finding));
}

}  // namespace ullage::diagnose
