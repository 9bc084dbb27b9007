// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <numeric>

#include "trace/native/names.h"
#include "trace/native/sites.h"
#include "trace/native/verdict.h"

namespace ullage::trace {
namespace {

// Functions around the one that the contexts parted in, in which a growth name is looked for.
constexpr std::uint32_t kNameLevels = 3;
// Functions that may do nothing but pass a realloc on: sqlite has four of them in a row.
constexpr std::uint32_t kWrapperLevels = 5;
// Callers of a function without a name that may stand for it.
constexpr std::uint32_t kGuessLevels = 8;

struct Site {
  GrowthPlace sums;
  std::uint64_t heaviest = 0;  // copied by the place whose frames are shown
  evidence::GrowthSite shown;
  std::uint32_t node = 0, new_stack = 0;
  const GrowthName* name = nullptr;
  Majority<std::uint32_t> container;  // of the linker's container sites
  std::uint64_t container_links = 0;
};

void add(GrowthPlace& to, const GrowthPlace& p) {
  to.chains += p.chains;
  to.chains_alive += p.chains_alive;
  to.strong_chains += p.strong_chains;
  to.strong_links += p.strong_links;
  to.strong_copied += p.strong_copied;
  to.presized_chains += p.presized_chains;
  to.links += p.links;
  to.moved += p.moved;
  to.same_stack += p.same_stack;
  to.checked += p.checked;
  to.content += p.content;
  to.reallocs += p.reallocs;
  to.series += p.series;
  to.series_misfits += p.series_misfits;
  to.repeats += p.repeats;
  to.runs += p.runs;
  to.downs += p.downs;
  to.step.vote(p.step.value, p.step.votes);
  to.copied += p.copied;
  to.stall += p.stall;
  to.stall_max = std::max(to.stall_max, p.stall_max);
  to.stall_credible += p.stall_credible;
  to.stall_credible_max = std::max(to.stall_credible_max, p.stall_credible_max);
  to.spread_max = std::max(to.spread_max, p.spread_max);
  to.overlap_max = std::max(to.overlap_max, p.overlap_max);
  to.gcd = std::gcd(to.gcd, p.gcd);
  to.first_time = std::min(to.first_time, p.first_time);
  to.last_time = std::max(to.last_time, p.last_time);
  to.slack_blocks += p.slack_blocks;
  to.slack_painted += p.slack_painted;
  to.slack_unused += p.slack_unused;
  to.first.merge(p.first);
  to.final.merge(p.final);
  to.factor.merge(p.factor);
  to.divisors.merge(p.divisors);
  for (std::size_t i = 0; i < evidence::kSlices; ++i) to.copied_series[i] += p.copied_series[i];
  for (std::uint32_t tid : p.threads) {
    if (to.threads.size() < kSiteThreads &&
        std::find(to.threads.begin(), to.threads.end(), tid) == to.threads.end()) {
      to.threads.push_back(tid);
    }
  }
}

evidence::Stack stack_from(const std::vector<Unfolded>& frames, std::size_t from) {
  evidence::Stack stack;
  for (std::size_t i = from; i < frames.size(); ++i) stack.push_back(*frames[i].frame);
  return stack;
}

void describe_elements(const Symbolizer* symbols, const StackTable& stacks, const Site& site,
                       evidence::GrowthSite& out) {
  if (symbols != nullptr) {
    // The growth function itself, then its callers: one of them has the container as `this`.
    std::uint32_t node = site.node;
    for (std::uint32_t i = 0; i < kNameLevels && node != 0; ++i, node = stacks.parent(node)) {
      const Symbolizer::Element e = symbols->element(stacks.pc(node));
      if (out.container.empty()) out.container = e.container;
      if (out.element_bytes == 0 && e.bytes != 0) {
        out.element_bytes = e.bytes;
        out.element_type = e.type;
        out.element_source = "dwarf";
      }
      if (out.element_bytes != 0 && !out.container.empty()) break;
      if (!stacks.pc(node) || (site.name == nullptr && i == 0)) break;
    }
  }
  if (site.name != nullptr && site.name->counts_buckets) {
    // The block is an array of pointers to nodes: one per entry at the load factor of 1 that the
    // standard's tables have. The size of an entry says nothing about it.
    out.element_bytes = sizeof(std::uint64_t);
    out.element_source = "buckets";
  }
  if (out.element_bytes == 0) {
    out.element_bytes = common_element(site.sums.divisors);
    if (out.element_bytes != 0) out.element_source = "gcd";
  }
}

// The growth function that the code at a growth frame without a telling name holds or calls.
std::string growth_in_code(const Symbolizer& symbols, const StackTable& stacks,
                           const GrowthPlace& place, std::uint32_t node) {
  CodeGrowth code = symbols.code_growth(stacks.pc(node));
  if (!code.callee.empty()) return std::move(code.callee);
  return place.new_stack.value == node ? std::move(code.text) : std::string();
}

// Containers that told of their growth know better than anyone whose it was.
void name_container(const Site& site, const Containers& containers, evidence::GrowthSite& out) {
  if (site.container_links == 0 || site.container_links * 2 < site.sums.links) return;
  const ContainerTotals& told = containers.sites()[site.container.value];
  out.container_site = told.name;
  out.verdict = evidence::Verdict::kReported;
  describe_container(told, out);
}

void show(const Site& site, const StackTable& stacks, const Clock& clock, const Symbolizer* symbols,
          std::uint64_t peak_time, evidence::GrowthSite& out) {
  const GrowthPlace& s = site.sums;
  out.named_growth = site.name != nullptr;
  out.verdict = verdict_of(s, site.name != nullptr);
  // A vector or a string moves in one call: what looks like a rehash in steps there is two of them.
  if (out.verdict == evidence::Verdict::kSeries && site.name != nullptr && !site.name->generic &&
      site.name->kind != "hash table") {
    out.verdict = evidence::Verdict::kMixed;
  }
  out.law = law_of(s);
  out.factor = static_cast<double>(s.factor.quantile(0.5)) / 1000.0;
  out.chains = s.chains;
  out.chains_alive = s.chains_alive;
  out.links = s.links;
  out.moved_links = s.moved;
  out.in_place_links = s.links - s.moved;
  out.checked_links = s.checked;
  out.content_links = s.content;
  out.same_stack_links = s.same_stack;
  out.shrinks = s.downs;
  out.arithmetic_links = s.repeats + s.runs;
  out.arithmetic_step_bytes = s.repeats != 0 ? s.step.value : 0;
  out.copied_bytes = s.copied;
  out.stall_ns_total = clock.ns(s.stall);
  out.stall_ns_max = clock.ns(s.stall_max);
  out.credible_stall_ns_total = clock.ns(s.stall_credible);
  out.credible_stall_ns_max = clock.ns(s.stall_credible_max);
  out.spread_ns_max = clock.ns(s.spread_max);
  out.overlap_bytes_max = s.overlap_max;
  out.overlap_bytes_at_peak = s.peak_time == peak_time ? s.overlap_at_peak : 0;
  out.first = s.first.summary();
  out.final = s.final.summary();
  out.size_gcd = s.gcd;
  out.presized_chains = s.presized_chains;
  out.slack_blocks = s.slack_blocks;
  out.slack_painted_bytes = s.slack_painted;
  out.slack_unused_bytes = s.slack_unused;
  out.first_ns = s.first_time == UINT64_MAX ? 0 : clock.ns(s.first_time);
  out.last_ns = clock.ns(s.last_time);
  out.copied_series = s.copied_series;
  out.threads = s.threads;
  const GrowthName* name = site.name;
  if (name == nullptr && !out.growth_in_code.empty()) name = growth_name(out.growth_in_code);
  if (name != nullptr) {
    out.container_kind = name->kind;
    out.reserve_hint = name->reserve_hint;
  } else {
    out.container_kind = s.reallocs * 2 >= s.links ? "realloc buffer" : "buffer";
  }
  describe_elements(symbols, stacks, site, out);
}

}  // namespace

bool allocator_wrapper(const std::string& function) {
  if (function.starts_with("operator new")) return true;
  // The last component without its template arguments: "allocate" of "std::allocator<T>::allocate".
  std::string name;
  int depth = 0;
  for (const char c : function) {
    if (c == '<') ++depth;
    if (depth == 0) {
      if (c == '(' || c == ' ') break;
      if (c == ':') {
        name.clear();
      } else {
        name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      }
    }
    if (c == '>') --depth;
  }
  return name.find("alloc") != std::string::npos;
}

GrowthFrame find_growth_frame(const std::vector<Unfolded>& frames) {
  GrowthFrame generic;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const evidence::Frame& f = *frames[i].frame;
    // A wrapper is not a step away from the growth.
    if (frames[i].level >= kNameLevels &&
        !(i > 0 && allocator_wrapper(frames[i - 1].frame->function) &&
          frames[i].level < kWrapperLevels)) {
      break;
    }
    if (f.function.empty() || !f.exact) continue;
    const GrowthName* name = growth_name(f.function);
    if (name == nullptr) continue;
    if (!name->generic) return {i, name};
    if (generic.name == nullptr && !allocator_wrapper(f.function)) generic = {i, name};
  }
  if (generic.name != nullptr) return generic;
  // Step over what only passes the request on, named or (in stripped libraries) called by such.
  std::size_t index = 0;
  for (std::size_t i = 0; i < frames.size() && frames[i].level < kWrapperLevels; ++i) {
    const evidence::Frame& f = *frames[i].frame;
    const bool named = !f.function.empty() && f.exact;
    if (named && !allocator_wrapper(f.function)) break;
    if (named && i + 1 < frames.size()) index = i + 1;
  }
  return {index, nullptr};
}

std::size_t find_user_frame(const std::vector<Unfolded>& frames, std::size_t from) {
  std::size_t user = from;
  while (user < frames.size() && frames[user].frame->library) ++user;
  if (user == frames.size()) return from;
  // A guess at a stripped static function may be anything, containers included: its nearest caller
  // in the same binary that has a name says more, and says the same after a rebuild.
  const auto named = [](const evidence::Frame& f) { return !f.function.empty() && f.exact; };
  for (std::size_t i = user;
       i < frames.size() && frames[i].level < frames[user].level + kGuessLevels; ++i) {
    const evidence::Frame& f = *frames[i].frame;
    if (f.module != frames[user].frame->module) break;
    if (named(f) && !f.library) return i;
  }
  return user;
}

void fill_growth_sites(const Linker& linker, Frames& frames, const Symbolizer* symbols,
                       evidence::Evidence& out) {
  const auto& places = linker.growth().places();
  std::vector<std::uint32_t> order(places.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return places[a].copied != places[b].copied ? places[a].copied > places[b].copied : a < b;
  });
  if (order.size() > kGrowthPlacesNamed) {
    out.understood.notes.push_back("Growth was seen at " + std::to_string(order.size()) +
                                   " places; the " + std::to_string(kGrowthPlacesNamed) +
                                   " that copied most are reported.");
    order.resize(kGrowthPlacesNamed);
  }

  std::map<std::string, Site> sites;
  std::vector<Site*> site_of(places.size(), nullptr);
  for (const std::uint32_t index : order) {
    const GrowthPlace& p = places[index];
    if (p.links == 0) continue;
    const std::vector<Unfolded> unfolded = frames.unfold(p.node.value);
    if (unfolded.empty()) continue;
    const GrowthFrame growth = find_growth_frame(unfolded);
    const std::size_t user = find_user_frame(unfolded, growth.index);
    std::string key =
        frames.identity(unfolded[growth.index]) + '\n' + frames.identity(unfolded[user]);
    // Containers of two sites may grow in one function: they stay two.
    const auto votes = linker.containers().places().find(index);
    const bool told = votes != linker.containers().places().end();
    if (told) key += '\n' + std::to_string(votes->second.site.value);
    Site& site = sites[key];
    if (site.sums.links == 0 || p.copied > site.heaviest) {
      site.heaviest = p.copied;
      site.node = unfolded[growth.index].node;
      site.new_stack = p.new_stack.value;
      site.name = growth.name;
      site.shown.growth = *unfolded[growth.index].frame;
      site.shown.user = *unfolded[user].frame;
      site.shown.stack = stack_from(unfolded, growth.index);
      site.shown.growth_in_code.clear();
      if (growth.name == nullptr && symbols != nullptr) {
        site.shown.growth_in_code =
            growth_in_code(*symbols, linker.stacks(), p, unfolded[growth.index].node);
      }
    }
    add(site.sums, p);
    if (p.peak_time > site.sums.peak_time) {
      site.sums.peak_time = p.peak_time;
      site.sums.overlap_at_peak = 0;
    }
    if (p.peak_time == site.sums.peak_time) site.sums.overlap_at_peak += p.overlap_at_peak;
    site_of[index] = &site;
    if (told) {
      site.container.vote(votes->second.site.value, votes->second.links);
      site.container_links += votes->second.links;
    }
  }

  std::vector<Site*> ranked;
  for (auto& [key, site] : sites) {
    show(site, linker.stacks(), linker.clock(), symbols, linker.allocations().peak_time(),
         site.shown);
    name_container(site, linker.containers(), site.shown);
    ranked.push_back(&site);
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const Site* a, const Site* b) { return a->sums.copied > b->sums.copied; });
  std::map<const Site*, std::uint32_t> position;
  for (Site* site : ranked) {
    position[site] = static_cast<std::uint32_t>(out.growth_sites.size());
    out.growth_sites.push_back(std::move(site->shown));
  }
  for (evidence::GrowthLink link : linker.growth().worst()) {
    const Site* site = site_of[link.site];
    if (site == nullptr) continue;
    link.site = position[site];
    if (!evidence::strong(out.growth_sites[link.site].verdict)) continue;
    link.start_ns = linker.clock().ns(link.start_ns);
    link.end_ns = linker.clock().ns(link.end_ns);
    out.worst_links.push_back(link);
  }
}

}  // namespace ullage::trace
