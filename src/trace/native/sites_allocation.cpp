// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "trace/native/names.h"
#include "trace/native/sites.h"

namespace ullage::trace {
namespace {

struct Site {
  evidence::AllocationSite shown;
  double allocations = 0, live_blocks = 0;
  std::array<std::uint64_t, kLifetimePowers> lifetime_powers{};
  Histogram sizes{kSiteSizesExact};
  std::uint64_t heaviest = 0;
};

// The largest places by bytes, by what is still alive and by count: each of these is somebody's
// question.
std::vector<std::uint32_t> largest(const std::vector<AllocationPlace>& places) {
  std::vector<std::uint32_t> order(places.size());
  std::iota(order.begin(), order.end(), 0u);
  if (order.size() <= kAllocationPlacesNamed) return order;
  std::vector<bool> chosen(places.size(), false);
  const auto choose = [&](std::size_t count, auto&& value) {
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count),
                      order.end(), [&](std::uint32_t a, std::uint32_t b) {
                        const auto va = value(places[a]), vb = value(places[b]);
                        return va != vb ? va > vb : a < b;
                      });
    for (std::size_t i = 0; i < count; ++i) chosen[order[i]] = true;
  };
  choose(kAllocationPlacesNamed / 2, [](const AllocationPlace& p) { return p.bytes; });
  choose(kAllocationPlacesNamed / 4, [](const AllocationPlace& p) { return p.live_bytes; });
  choose(kAllocationPlacesNamed / 4, [](const AllocationPlace& p) { return p.allocations; });
  std::vector<std::uint32_t> out;
  for (std::uint32_t i = 0; i < places.size(); ++i) {
    if (chosen[i]) out.push_back(i);
  }
  return out;
}

void add(Site& to, const AllocationPlace& p) {
  evidence::AllocationSite& s = to.shown;
  to.allocations += p.allocations;
  to.live_blocks += std::max(0.0, p.live_blocks);
  s.bytes += p.bytes;
  s.live_bytes_end += p.live_bytes;
  // Places of one site peak at different moments: the sum would be too much, the series is summed.
  s.live_bytes_max = std::max(s.live_bytes_max, p.live_bytes_max);
  for (std::size_t c = 0; c < evidence::kLifetimeClasses; ++c) {
    s.lifetimes.blocks[c] += p.lifetimes.blocks[c];
    s.lifetimes.bytes[c] += p.lifetimes.bytes[c];
  }
  for (std::size_t i = 0; i < kLifetimePowers; ++i) to.lifetime_powers[i] += p.lifetime_powers[i];
  to.sizes.merge(p.sizes);
  std::size_t next = 0;
  std::uint64_t live = 0;
  for (std::size_t slice = 0; slice < evidence::kSlices; ++slice) {
    if (next < p.slices.size() && p.slices[next].slice == slice) {
      live = p.slices[next].live;
      s.allocated_series[slice] += p.slices[next].allocated;
      ++next;
    }
    s.live_series[slice] += live;
  }
}

std::uint64_t median_lifetime_ns(const std::array<std::uint64_t, kLifetimePowers>& powers) {
  const std::uint64_t total = std::accumulate(powers.begin(), powers.end(), std::uint64_t{0});
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < powers.size(); ++i) {
    seen += powers[i];
    if (total != 0 && seen * 2 >= total) return std::uint64_t{1} << i;
  }
  return 0;
}

}  // namespace

std::vector<std::uint64_t> addresses_of_interest(const Linker& linker) {
  const StackTable& stacks = linker.stacks();
  std::vector<std::uint64_t> pcs;
  std::vector<bool> seen(stacks.size(), false);
  const auto collect = [&](std::uint32_t node) {
    for (; node != 0 && !seen[node]; node = stacks.parent(node)) {
      seen[node] = true;
      const std::uint64_t pc = stacks.pc(node);
      if (pc != 0 && pc != record::kPcTruncated) pcs.push_back(pc);
    }
  };
  std::vector<const GrowthPlace*> growth;
  for (const GrowthPlace& p : linker.growth().places()) growth.push_back(&p);
  if (growth.size() > kGrowthPlacesNamed) {
    std::nth_element(
        growth.begin(), growth.begin() + kGrowthPlacesNamed, growth.end(),
        [](const GrowthPlace* a, const GrowthPlace* b) { return a->copied > b->copied; });
    growth.resize(kGrowthPlacesNamed);
  }
  for (const GrowthPlace* p : growth) {
    collect(p->node.value);
    collect(p->new_stack.value);
  }
  for (const ContainerTotals& told : linker.containers().sites()) {
    collect(told.stack.value);
    collect(told.denied_stack.value);
  }
  const auto& places = linker.allocations().places();
  for (const std::uint32_t i : largest(places)) collect(places[i].stack);
  std::sort(pcs.begin(), pcs.end());
  pcs.erase(std::unique(pcs.begin(), pcs.end()), pcs.end());
  return pcs;
}

void fill_allocation_sites(const Linker& linker, Frames& frames, evidence::Evidence& out) {
  const auto& places = linker.allocations().places();
  std::map<std::string, Site> sites;
  for (const std::uint32_t index : largest(places)) {
    const AllocationPlace& p = places[index];
    const std::vector<Unfolded> unfolded = frames.unfold(p.stack);
    std::string key;
    GrowthFrame first;
    std::size_t user = 0;
    if (!unfolded.empty()) {
      first = find_growth_frame(unfolded);
      user = find_user_frame(unfolded, first.index);
      const evidence::Frame& f = *unfolded[user].frame;
      key = frames.identity(unfolded[first.index]) + '\n' + frames.identity(unfolded[user]) + '\n' +
            std::to_string(f.line);
    }
    Site& site = sites[key];
    if (site.allocations == 0 || p.bytes > site.heaviest) {
      site.heaviest = p.bytes;
      site.shown.growth_function = first.name != nullptr && !first.name->generic;
      site.shown.stack.clear();
      for (const Unfolded& u : unfolded) site.shown.stack.push_back(*u.frame);
      if (!unfolded.empty()) site.shown.user = *unfolded[user].frame;
    }
    add(site, p);
  }
  for (auto& [key, site] : sites) {
    evidence::AllocationSite& s = site.shown;
    s.allocations = static_cast<std::uint64_t>(std::llround(site.allocations));
    s.live_blocks_end = static_cast<std::uint64_t>(std::llround(site.live_blocks));
    s.sizes = site.sizes.summary();
    s.lifetime_ns_p50 = median_lifetime_ns(site.lifetime_powers);
    for (const std::uint64_t live : s.live_series) {
      s.live_bytes_max = std::max(s.live_bytes_max, live);
    }
    out.allocation_sites.push_back(std::move(s));
  }
  std::stable_sort(out.allocation_sites.begin(), out.allocation_sites.end(),
                   [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  if (out.allocation_sites.size() > evidence::kAllocationSites) {
    out.allocation_sites.resize(evidence::kAllocationSites);
  }
}

}  // namespace ullage::trace
