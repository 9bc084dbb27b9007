// SPDX-License-Identifier: Apache-2.0
#include "trace/native/growth.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ullage::trace {
namespace {

// A first block from here on was meant: smaller ones are what an empty container starts with.
constexpr std::uint64_t kPresizedBytes = 1024;

// Factors of one container: a string's differ by the byte that ends it, a table's by its rounding.
constexpr double kFactorDrift = 0.02, kFactorMin = 1.2;

bool longer(const evidence::GrowthLink& a, const evidence::GrowthLink& b) {
  const auto da = a.end_ns - a.start_ns, db = b.end_ns - b.start_ns;
  return da != db ? da > db : a.start_ns < b.start_ns;
}

}  // namespace

std::uint64_t Growth::continues(std::uint32_t chain, std::uint64_t last_size,
                                std::uint64_t size) const {
  const Chain& c = chains_[chain];
  if (c.links < 2 || c.last_old_size == 0 || last_size == 0) return 0;
  const double before = static_cast<double>(last_size) / static_cast<double>(c.last_old_size);
  const double now = static_cast<double>(size) / static_cast<double>(last_size);
  const bool alike = before >= kFactorMin && std::abs(now - before) <= kFactorDrift * before;
  return alike ? c.function : 0;
}

Growth::PerStack& Growth::per_stack(std::uint32_t stack) {
  if (stack >= per_stack_.size()) per_stack_.resize(std::max(stack + 1, stacks_.size()));
  return per_stack_[stack];
}

std::uint32_t Growth::place_of(const Link& link) {
  Recent& recent = recent_[(link.node * 0x9e3779b9u) >> 22];
  if (recent.node == link.node && recent.function == link.function) return recent.place;
  const auto next = static_cast<std::uint32_t>(places_.size());
  const auto [it, fresh] = place_index_.emplace(stacks_.place(link.node) ^ link.function, next);
  if (fresh) {
    places_.emplace_back();
    places_.back().function = link.function;
  }
  recent = {link.node, it->second, link.function};
  return it->second;
}

std::uint32_t Growth::link(const Link& link, std::uint32_t id, std::size_t slice,
                           std::uint64_t peak_time) {
  // A container may grow through several functions (append here, push_back there): where the
  // program itself (realloc) or equal contents prove that it is the same one, its chain goes on.
  // Otherwise something else took the block over, and its growth ends here.
  const bool proven = link.kind == LinkKind::kRealloc || link.content;
  if (id != kNoChain && chains_[id].function != link.function && !proven) {
    end(id, link.old_size, false);
    id = kNoChain;
  }
  if (id == kNoChain) {
    if (free_chains_.empty()) {
      id = static_cast<std::uint32_t>(chains_.size());
      chains_.emplace_back();
    } else {
      id = free_chains_.back();
      free_chains_.pop_back();
      chains_[id] = {};
    }
    chains_[id].function = link.function;
    chains_[id].first_size = chains_[id].gcd = link.old_size;
    chains_[id].first_time = link.end;
  }
  Chain& c = chains_[id];
  const std::uint32_t where = place_of(link);
  const std::uint64_t lasted = link.end > link.start ? link.end - link.start : 0;
  const std::uint64_t stalled =
      std::min(lasted, clock_.steps_within(evidence::copying_ns_max(link.old_size)));
  const std::uint64_t copied = link.moved ? link.old_size : 0;
  const std::uint64_t step = link.new_size - link.old_size;
  c.place = where;
  c.function = link.function;
  ++c.links;
  c.last_old_size = link.old_size;
  c.moved += link.moved;
  c.same_stack += link.old_stack == link.new_stack;
  c.checked += link.checked;
  c.content += link.content;
  c.reallocs += link.kind == LinkKind::kRealloc;
  c.series += link.kind == LinkKind::kSeries;
  c.copied += copied;
  if (link.kind == LinkKind::kSeries) {
    c.spread_max = std::max(c.spread_max, lasted);
  } else {
    c.stall += lasted;
    c.stall_max = std::max(c.stall_max, lasted);
    c.stall_credible += stalled;
    c.stall_credible_max = std::max(c.stall_credible_max, stalled);
  }
  c.gcd = std::gcd(c.gcd, link.new_size);
  c.last_time = link.end;

  GrowthPlace& p = places_[where];
  const bool repeats = c.step == step;
  if (repeats) {
    ++c.repeats;
    c.runs += !c.in_run;
    p.step.vote(step);
  }
  c.in_run = repeats;
  c.step = step;
  p.node.vote(link.node, 1 + copied);
  p.new_stack.vote(link.new_stack, 1 + copied);
  if (link.old_size != 0) p.factor.add(link.new_size * 1000 / link.old_size);
  p.copied_series[slice] += copied;
  if (link.moved) {
    p.overlap_max = std::max(p.overlap_max, link.old_size);
    // Counted only while this is the highest moment so far: a later one starts the sum anew.
    if (link.start <= peak_time && peak_time <= link.end) {
      if (p.peak_time != peak_time) p.overlap_at_peak = 0;
      p.peak_time = peak_time;
      p.overlap_at_peak += link.old_size;
    }
  }
  if (p.threads.size() < kSiteThreads &&
      std::find(p.threads.begin(), p.threads.end(), link.tid) == p.threads.end()) {
    p.threads.push_back(link.tid);
  }
  per_stack(link.new_stack).place = where;
  // Unrelated blocks that merely look like a link may be seconds apart: they must not crowd out
  // the true ones.
  const bool credible = link.kind == LinkKind::kRealloc || link.content ||
                        (link.kind == LinkKind::kCopy && link.old_stack == link.new_stack);
  if (credible) keep_worst(link, where, copied, stalled);
  return id;
}

void Growth::keep_worst(const Link& link, std::uint32_t where, std::uint64_t copied,
                        std::uint64_t stalled) {
  const std::uint64_t start = std::min(link.start, link.end);
  const evidence::GrowthLink kept{where,         link.tid,      start, start + stalled,
                                  link.old_size, link.new_size, copied};
  if (worst_.size() == evidence::kWorstLinks) {
    if (!longer(kept, worst_.front())) return;
    std::pop_heap(worst_.begin(), worst_.end(), longer);
    worst_.pop_back();
  }
  worst_.push_back(kept);
  std::push_heap(worst_.begin(), worst_.end(), longer);
}

void Growth::end(std::uint32_t id, std::uint64_t final_size, bool alive) {
  if (id == kNoChain) return;
  const Chain& c = chains_[id];
  GrowthPlace& p = places_[c.place];
  ++p.chains;
  p.chains_alive += alive;
  if (c.reallocs > 0 || c.content > 0 || (c.links >= 2 && c.same_stack > 0)) {
    ++p.strong_chains;
    p.strong_links += c.links;
    p.strong_copied += c.copied;
  }
  p.presized_chains += c.links == 1 && c.first_size >= kPresizedBytes;
  p.links += c.links;
  p.moved += c.moved;
  p.same_stack += c.same_stack;
  p.checked += c.checked;
  p.content += c.content;
  p.reallocs += c.reallocs;
  p.series += c.series;
  p.repeats += c.repeats;
  p.runs += c.runs;
  p.copied += c.copied;
  p.stall += c.stall;
  p.stall_max = std::max(p.stall_max, c.stall_max);
  p.stall_credible += c.stall_credible;
  p.stall_credible_max = std::max(p.stall_credible_max, c.stall_credible_max);
  p.spread_max = std::max(p.spread_max, c.spread_max);
  p.gcd = std::gcd(p.gcd, c.gcd);
  p.divisors.add(c.gcd, c.links);
  p.first_time = std::min(p.first_time, c.first_time);
  p.last_time = std::max(p.last_time, c.last_time);
  p.first.add(c.first_size);
  p.final.add(final_size);
  free_chains_.push_back(id);
}

void Growth::down(std::uint32_t stack) { ++per_stack(stack).downs; }

void Growth::series_misfit(std::uint32_t stack) { ++per_stack(stack).series_misfits; }

void Growth::slack(std::uint32_t chain, std::uint32_t stack, std::uint64_t size,
                   std::uint64_t unused) {
  const std::uint32_t where = chain != kNoChain ? chains_[chain].place : per_stack(stack).place;
  if (where == UINT32_MAX) return;
  GrowthPlace& p = places_[where];
  ++p.slack_blocks;
  p.slack_painted += size;
  p.slack_unused += std::min(unused, size);
}

void Growth::finish() {
  for (const PerStack& s : per_stack_) {
    if (s.place == UINT32_MAX) continue;
    places_[s.place].downs += s.downs;
    places_[s.place].series_misfits += s.series_misfits;
  }
  per_stack_.clear();
  std::sort(worst_.begin(), worst_.end(), longer);
}

}  // namespace ullage::trace
