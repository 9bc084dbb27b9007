// SPDX-License-Identifier: Apache-2.0
#include "trace/native/containers.h"

#include <ullage/growth.h>

#include <algorithm>

namespace ullage::trace {
namespace {

// Between the container's last look at the clock and the agent's. More would let a growth claim
// what another container did just before it.
constexpr std::uint64_t kClockSlackNs = 2'000;

bool longer(const evidence::GrowthLink& a, const evidence::GrowthLink& b) {
  const auto da = a.end_ns - a.start_ns, db = b.end_ns - b.start_ns;
  return da != db ? da > db : a.start_ns < b.start_ns;
}

std::uint64_t times(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

void add(std::uint64_t& to, std::uint64_t n) { to = to + n < to ? UINT64_MAX : to + n; }

}  // namespace

ContainerTotals& Containers::site_of(const record::Event& event) {
  const std::string_view name(event.name, event.name_bytes);
  auto it = index_.find(name);
  if (it == index_.end()) {
    std::string key(name);
    if (index_.size() >= kContainerSitesMax) key = "(more sites)";
    it = index_.try_emplace(key, sites_.size()).first;
    if (it->second == sites_.size()) {
      sites_.emplace_back();
      sites_.back().name = std::move(key);
    }
  }
  ContainerTotals& site = sites_[it->second];
  if (site.type.empty() && event.type_bytes != 0) site.type.assign(event.type, event.type_bytes);
  return site;
}

void Containers::grew(const record::Event& event, std::uint32_t stack, std::uint64_t now,
                      std::size_t slice, LastLink& last) {
  ContainerTotals& site = site_of(event);
  const record::ContainerGrowth& c = event.container;
  const auto kind = c.kind <= static_cast<std::uint64_t>(growth_kind::evicted)
                        ? static_cast<growth_kind>(c.kind)
                        : growth_kind::retained;  // of a later version: a notice
  if (std::find(site.threads.begin(), site.threads.end(), event.tid) == site.threads.end() &&
      site.threads.size() < kSiteThreads) {
    site.threads.push_back(event.tid);
  }
  site.denied += kind == growth_kind::denied;
  site.degraded += kind == growth_kind::degraded;
  site.poor_hash += kind == growth_kind::poor_hash;
  site.retained += kind == growth_kind::retained;
  site.exhausted += kind == growth_kind::exhausted;
  if (kind == growth_kind::denied) site.denied_stack.vote(stack);
  if (!is_growth(kind)) return;

  site.stack.vote(stack);
  site.capacity_max = std::max(site.capacity_max, c.capacity);
  site.bytes_max = std::max(site.bytes_max, c.bytes_after);
  site.element_bytes = std::max(site.element_bytes, c.element_bytes);
  site.first_time = std::min(site.first_time, now);
  site.last_time = std::max(site.last_time, now);
  if (site.first_bytes == 0) site.first_bytes = c.bytes_after;
  // To obtain the first memory is no growth to be spared by more of it.
  if (kind == growth_kind::first || c.bytes_before == 0) return;
  const std::uint64_t moved_bytes = times(c.moved, c.element_bytes);
  ++site.growths;
  site.moving += c.moved != 0;
  add(site.moved_elements, c.moved);
  add(site.moved_bytes, moved_bytes);
  add(site.stall_ns, c.duration_ns);
  site.stall_ns_max = std::max(site.stall_ns_max, c.duration_ns);
  if (c.bytes_before != 0 && c.bytes_after / c.bytes_before < 1000) {
    site.factor.add(times(c.bytes_after, 1000) / c.bytes_before);
  }

  std::uint64_t lasted = c.duration_ns;
  add(lasted, kClockSlackNs);
  const std::uint64_t steps = clock_.steps_within(lasted);
  if (last.chain != kNoChain && !last.told && last.end >= now - std::min(now, steps)) {
    last.told = true;
    ++site.linked;
    PlaceVotes& votes = places_[last.place];
    votes.site.vote(static_cast<std::uint32_t>(&site - sites_.data()));
    ++votes.links;
    return;
  }
  const std::uint64_t credible = std::min(c.duration_ns, evidence::copying_ns_max(moved_bytes));
  ++site.alone;
  site.alone_moving += c.moved != 0;
  add(site.alone_moved_bytes, moved_bytes);
  add(site.alone_moved_series[slice], moved_bytes);
  add(site.alone_stall_ns, c.duration_ns);
  site.alone_stall_ns_max = std::max(site.alone_stall_ns_max, c.duration_ns);
  add(site.alone_credible_ns, credible);
  site.alone_credible_ns_max = std::max(site.alone_credible_ns_max, credible);

  evidence::GrowthLink link;
  link.site = static_cast<std::uint32_t>(&site - sites_.data());
  link.tid = event.tid;
  link.end_ns = now;
  link.start_ns = now - std::min(now, clock_.steps_within(credible));
  link.old_bytes = c.bytes_before;
  link.new_bytes = c.bytes_after;
  link.copied_bytes = moved_bytes;
  if (worst_.size() < evidence::kWorstLinks) {
    worst_.push_back(link);
    std::push_heap(worst_.begin(), worst_.end(), longer);
  } else if (longer(link, worst_.front())) {
    std::pop_heap(worst_.begin(), worst_.end(), longer);
    worst_.back() = link;
    std::push_heap(worst_.begin(), worst_.end(), longer);
  }
}

void Containers::ended(const record::Event& event) { site_of(event).ended.add(event.size); }

void Containers::finish() { std::sort(worst_.begin(), worst_.end(), longer); }

}  // namespace ullage::trace
