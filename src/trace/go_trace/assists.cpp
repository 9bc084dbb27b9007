// SPDX-License-Identifier: Apache-2.0
#include "trace/go_trace/assists.h"

#include <algorithm>
#include <tuple>

namespace ullage::trace::go {
namespace {

// Goroutines told apart: in all, and at one site. Beyond it they are summed without a name.
constexpr std::size_t kGoroutinesKept = 1 << 18;
constexpr std::size_t kSiteGoroutinesKept = 1 << 14;
constexpr std::size_t kGoroutinesShown = 1000;

std::uint64_t whose(const Mark& mark) {
  return mark.type == kAssistActive ? mark.a : mark.goroutine;
}

}  // namespace

void Assists::ended(std::uint64_t goroutine, const Open& open, std::uint64_t end_ns) {
  const std::uint64_t spent = end_ns > open.start_ns ? end_ns - open.start_ns : 0;
  ++count_;
  total_ns_ += spent;
  max_ns_ = std::max(max_ns_, spent);
  Site& site = sites_[open.stack];
  ++site.count;
  site.total_ns += spent;
  if (spent >= site.max_ns) {
    site.max_ns = spent;
    site.longest_at = open.offset;
  }
  site.first_ns = std::min(site.first_ns, open.start_ns);
  site.last_ns = std::max(site.last_ns, end_ns);
  if (site.goroutines.size() < kSiteGoroutinesKept) site.goroutines.emplace(goroutine, true);
  if (goroutines_.size() < kGoroutinesKept || goroutines_.contains(goroutine)) {
    evidence::AssistGoroutine& sum = goroutines_[goroutine];
    sum.goroutine = goroutine;
    ++sum.count;
    sum.total_ns += spent;
    sum.max_ns = std::max(sum.max_ns, spent);
  }
  intervals_.push_back({goroutine, open.start_ns, end_ns});
}

void Assists::end_generation(const View& view, Stacks& stacks) {
  intervals_.clear();
  // Ranges that reach over from the generation before come first, then spell by spell; within a
  // spell the goroutine stays on one thread, whose marks are in order already.
  std::stable_sort(marks_.begin(), marks_.end(), [](const Mark& a, const Mark& b) {
    const auto key = [](const Mark& m) {
      return std::make_tuple(whose(m), m.type == kAssistActive ? 0 : 1, m.sequence);
    };
    return key(a) < key(b);
  });
  for (const Mark& mark : marks_) {
    const std::uint64_t goroutine = whose(mark);
    const auto open = open_.find(goroutine);
    if (mark.type == kAssistEnd) {
      if (open == open_.end()) {
        ++unmatched_;
        continue;
      }
      ended(goroutine, open->second, mark.at_ns);
      open_.erase(open);
    } else if (open == open_.end()) {
      const std::uint32_t stack =
          mark.type == kAssistBegin ? Stacks::index(stacks.intern(view.tables, mark.a)) : 0;
      open_.emplace(goroutine, Open{mark.at_ns, stack, mark.offset});
    } else if (mark.type == kAssistBegin) {
      ++unmatched_;
    }
  }
  marks_.clear();
  for (const auto& [goroutine, open] : open_) {
    intervals_.push_back({goroutine, open.start_ns, std::max(view.end_ns, open.start_ns)});
  }
  std::sort(intervals_.begin(), intervals_.end(), [](const Interval& a, const Interval& b) {
    return std::tie(a.goroutine, a.start_ns) < std::tie(b.goroutine, b.start_ns);
  });
}

void Assists::finish(evidence::Incident& incident, const Stacks& stacks,
                     std::uint64_t zero_ns) const {
  incident.assist_count = count_;
  incident.assist_total_ns = total_ns_;
  incident.assist_max_ns = max_ns_;
  for (const auto& [stack, sum] : sites_) {
    evidence::AssistSite site;
    site.stack = stacks.stack(stack);
    site.count = sum.count;
    site.total_ns = sum.total_ns;
    site.max_ns = sum.max_ns;
    site.goroutines = sum.goroutines.size();
    site.first_ns = static_cast<std::int64_t>(sum.first_ns - zero_ns);
    site.last_ns = static_cast<std::int64_t>(sum.last_ns - zero_ns);
    site.longest = {0, evidence::Position::Unit::kByte, sum.longest_at};
    incident.assist_sites.push_back(std::move(site));
  }
  std::sort(incident.assist_sites.begin(), incident.assist_sites.end(),
            [](const evidence::AssistSite& a, const evidence::AssistSite& b) {
              return std::tie(b.total_ns, a.first_ns) < std::tie(a.total_ns, b.first_ns);
            });
  for (const auto& [id, sum] : goroutines_) incident.assist_goroutines.push_back(sum);
  std::sort(incident.assist_goroutines.begin(), incident.assist_goroutines.end(),
            [](const evidence::AssistGoroutine& a, const evidence::AssistGoroutine& b) {
              return std::tie(b.total_ns, a.goroutine) < std::tie(a.total_ns, b.goroutine);
            });
  if (incident.assist_goroutines.size() > kGoroutinesShown) {
    incident.assist_goroutines.resize(kGoroutinesShown);
  }
}

}  // namespace ullage::trace::go
