// SPDX-License-Identifier: Apache-2.0
//
// Container sites: what containers told of themselves, with the lines of the program. Growth that
// no allocation stands for (pages remapped, segments of an arena) becomes a growth site of its own,
// so that findings, timelines and flame graphs need to know of one kind of growth only.
#include <algorithm>
#include <map>
#include <numeric>

#include "trace/native/sites.h"

namespace ullage::trace {
namespace {

bool is_table(const std::string& type) { return type == "hash_map" || type == "hash_set"; }

evidence::ContainerSite shown(const ContainerTotals& told, Frames& frames, const Clock& clock) {
  evidence::ContainerSite out;
  out.name = told.name;
  out.type = told.type;
  out.growths = told.growths;
  out.moving_growths = told.moving;
  out.moved_elements = told.moved_elements;
  out.moved_bytes = told.moved_bytes;
  out.stall_ns_total = told.stall_ns;
  out.stall_ns_max = told.stall_ns_max;
  out.denied = told.denied;
  out.degraded = told.degraded;
  out.poor_hash = told.poor_hash;
  out.retained = told.retained;
  out.exhausted = told.exhausted;
  out.capacity_max = told.capacity_max;
  out.bytes_max = told.bytes_max;
  out.element_bytes = told.element_bytes;
  out.final = told.ended.summary();
  out.final_counts = told.ended.values();
  out.first_ns = told.first_time == UINT64_MAX ? 0 : clock.ns(told.first_time);
  out.last_ns = clock.ns(told.last_time);
  out.threads = told.threads;
  const std::uint32_t node = told.denied != 0 ? told.denied_stack.value : told.stack.value;
  const std::vector<Unfolded> unfolded = frames.unfold(node);
  if (unfolded.empty()) return out;
  const std::size_t user = find_user_frame(unfolded, 0);
  out.where = *unfolded[user].frame;
  for (std::size_t i = user; i < unfolded.size(); ++i) out.stack.push_back(*unfolded[i].frame);
  return out;
}

// Sizes of elements as bytes of them.
evidence::SizeSummary in_bytes(const evidence::ContainerSite& site) {
  const auto bytes = [&](std::uint64_t n) {
    std::uint64_t product = 0;
    return __builtin_mul_overflow(n, std::max<std::uint64_t>(site.element_bytes, 1), &product)
               ? UINT64_MAX
               : product;
  };
  if (site.final.count == 0) {  // all of them were alive at the end
    const std::uint64_t all = bytes(site.capacity_max);
    return {1, all, all, all, all};
  }
  return {site.final.count, bytes(site.final.min), bytes(site.final.p50), bytes(site.final.p95),
          bytes(site.final.max)};
}

evidence::GrowthSite growth_of(const ContainerTotals& told, const evidence::ContainerSite& site) {
  evidence::GrowthSite out;
  out.user = out.growth = site.where;
  out.stack = site.stack;
  if (out.stack.empty()) out.stack.push_back(site.where);  // its contexts were lost
  out.container_site = site.name;
  out.verdict = evidence::Verdict::kReported;
  describe_container(told, out);
  out.factor = static_cast<double>(told.factor.quantile(0.5)) / 1000.0;
  // A damaged recording may tell of ends without their growths.
  out.chains =
      std::clamp<std::uint64_t>(site.final.count, 1, std::max<std::uint64_t>(told.alone, 1));
  out.chains_alive = site.final.count == 0 ? 1 : 0;
  out.links = told.alone;
  out.moved_links = told.alone_moving;
  out.in_place_links = told.alone - told.alone_moving;
  out.copied_bytes = told.alone_moved_bytes;
  out.stall_ns_total = told.alone_stall_ns;
  out.stall_ns_max = told.alone_stall_ns_max;
  out.credible_stall_ns_total = told.alone_credible_ns;
  out.credible_stall_ns_max = told.alone_credible_ns_max;
  out.first = {1, told.first_bytes, told.first_bytes, told.first_bytes, told.first_bytes};
  out.final = in_bytes(site);
  out.first_ns = site.first_ns;
  out.last_ns = site.last_ns;
  out.copied_series = told.alone_moved_series;
  out.threads = site.threads;
  return out;
}

// Most copied first again, with the links of the worst list following their sites.
void sort_growth_sites(evidence::Evidence& out) {
  std::vector<std::uint32_t> order(out.growth_sites.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return out.growth_sites[a].copied_bytes > out.growth_sites[b].copied_bytes;
  });
  std::vector<evidence::GrowthSite> sorted;
  std::vector<std::uint32_t> position(order.size());
  for (const std::uint32_t from : order) {
    position[from] = static_cast<std::uint32_t>(sorted.size());
    sorted.push_back(std::move(out.growth_sites[from]));
  }
  out.growth_sites = std::move(sorted);
  for (evidence::GrowthLink& link : out.worst_links) link.site = position[link.site];
  std::stable_sort(
      out.worst_links.begin(), out.worst_links.end(),
      [](const auto& a, const auto& b) { return a.end_ns - a.start_ns > b.end_ns - b.start_ns; });
  if (out.worst_links.size() > evidence::kWorstLinks) {
    out.worst_links.resize(evidence::kWorstLinks);
  }
}

}  // namespace

void describe_container(const ContainerTotals& told, evidence::GrowthSite& out) {
  if (told.element_bytes != 0) {
    out.element_bytes = told.element_bytes;
    out.element_source = "container";
  }
  if (told.type.empty()) return;
  if (out.container.empty()) out.container = "ullage::" + told.type;
  out.container_kind = is_table(told.type) ? "hash table" : told.type;
  out.reserve_hint = is_table(told.type) ? "m.reserve({N})" : "v.reserve({N})";
}

void fill_container_sites(const Linker& linker, Frames& frames, evidence::Evidence& out) {
  const std::vector<ContainerTotals>& sites = linker.containers().sites();
  if (sites.empty()) return;
  std::map<std::uint32_t, std::uint32_t> growth_site_of;
  for (std::uint32_t i = 0; i < sites.size(); ++i) {
    out.container_sites.push_back(shown(sites[i], frames, linker.clock()));
    if (sites[i].alone == 0) continue;
    growth_site_of[i] = static_cast<std::uint32_t>(out.growth_sites.size());
    out.growth_sites.push_back(growth_of(sites[i], out.container_sites.back()));
  }
  for (evidence::GrowthLink link : linker.containers().worst()) {
    link.site = growth_site_of[link.site];
    link.start_ns = linker.clock().ns(link.start_ns);
    link.end_ns = linker.clock().ns(link.end_ns);
    out.worst_links.push_back(link);
  }
  sort_growth_sites(out);
  std::stable_sort(out.container_sites.begin(), out.container_sites.end(),
                   [](const auto& a, const auto& b) { return a.moved_bytes > b.moved_bytes; });
}

}  // namespace ullage::trace
