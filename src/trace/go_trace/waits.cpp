// SPDX-License-Identifier: Apache-2.0
#include "trace/go_trace/waits.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace ullage::trace::go {
namespace {

// Pauses and samples within one wait that are looked at; the longest waits hold more.
constexpr std::ptrdiff_t kLooksMax = 256;
// Groups of goroutines told; those with fewest members are left out.
constexpr std::size_t kGroupsMax = 5000;

std::uint64_t overlap(std::uint64_t a, std::uint64_t b, std::uint64_t from, std::uint64_t to) {
  const std::uint64_t begin = std::max(a, from);
  const std::uint64_t end = std::min(b, to);
  return end > begin ? end - begin : 0;
}

void behind_assists(const LongWait& wait, WaitSum& sum, std::vector<Interval>& assists) {
  auto it = std::lower_bound(
      assists.begin(), assists.end(), wait.releaser,
      [](const Interval& interval, std::uint64_t id) { return interval.goroutine < id; });
  // Assists of one goroutine do not overlap: skip those that end before the wait begins.
  const auto last = std::upper_bound(
      it, assists.end(), wait.releaser,
      [](std::uint64_t id, const Interval& interval) { return id < interval.goroutine; });
  it = std::lower_bound(it, last, wait.start_ns, [](const Interval& interval, std::uint64_t at) {
    return interval.end_ns <= at;
  });
  std::uint64_t ns = 0;
  for (std::ptrdiff_t looks = 0; it != last && it->start_ns < wait.end_ns && looks < kLooksMax;
       ++it, ++looks) {
    const std::uint64_t spent = overlap(wait.start_ns, wait.end_ns, it->start_ns, it->end_ns);
    if (spent == 0) continue;
    ns += spent;
    sum.waiters_max = std::max<std::uint64_t>(sum.waiters_max, ++it->waiters);
  }
  if (ns == 0) return;
  ++sum.behind_assist;
  sum.behind_assist_ns += ns;
}

void behind_stops(const LongWait& wait, WaitSum& sum, const std::vector<Pauses::Pause>& pauses) {
  auto it = std::lower_bound(
      pauses.begin(), pauses.end(), wait.start_ns,
      [](const Pauses::Pause& pause, std::uint64_t at) { return pause.end_ns <= at; });
  std::uint64_t ns = 0;
  for (std::ptrdiff_t looks = 0;
       it != pauses.end() && it->start_ns < wait.end_ns && looks < kLooksMax; ++it, ++looks) {
    ns += overlap(wait.start_ns, wait.end_ns, it->start_ns, it->end_ns);
  }
  if (ns == 0) return;
  ++sum.behind_stop;
  sum.behind_stop_ns += ns;
}

void behind_growth(const LongWait& wait, WaitSum& sum, std::vector<Sample*>& growth) {
  auto it = std::lower_bound(growth.begin(), growth.end(), std::tie(wait.releaser, wait.start_ns),
                             [](const Sample* sample, const auto& key) {
                               return std::tie(sample->goroutine, sample->at_ns) < key;
                             });
  bool any = false;
  for (std::ptrdiff_t looks = 0; it != growth.end() && (*it)->goroutine == wait.releaser &&
                                 (*it)->at_ns <= wait.end_ns && looks < kLooksMax;
       ++it, ++looks) {
    any = true;
    sum.growth_stack = (*it)->stack;
    sum.waiters_max = std::max<std::uint64_t>(sum.waiters_max, ++(*it)->waiters);
  }
  if (!any) return;
  ++sum.behind_growth;
  sum.behind_growth_ns += wait.end_ns - wait.start_ns;
}

}  // namespace

void look_behind(Pairing& pairing, std::vector<Interval>& assists,
                 const std::vector<Pauses::Pause>& pauses, std::vector<Sample>& samples,
                 const Stacks& stacks) {
  std::vector<Sample*> growth;
  for (Sample& sample : samples) {
    if (stacks.traits(sample.stack).growth != evidence::CallKind::kUnknown) {
      growth.push_back(&sample);
    }
  }
  if (assists.empty() && pauses.empty() && growth.empty()) return;
  std::stable_sort(growth.begin(), growth.end(), [](const Sample* a, const Sample* b) {
    return std::tie(a->goroutine, a->at_ns) < std::tie(b->goroutine, b->at_ns);
  });
  for (const LongWait& wait : pairing.long_waits()) {
    WaitSum& sum = pairing.waits()[wait.sum];
    if (wait.releaser != kNoGoroutine) {
      behind_assists(wait, sum, assists);
      behind_growth(wait, sum, growth);
    }
    behind_stops(wait, sum, pauses);
  }
}

namespace {

void add(WaitSum& to, const WaitSum& from) {
  to.count += from.count;
  to.total_ns += from.total_ns;
  if (from.max_ns > to.max_ns) {
    to.max_ns = from.max_ns;
    to.longest_at = from.longest_at;
  }
  to.first_ns = std::min(to.first_ns, from.first_ns);
  to.last_ns = std::max(to.last_ns, from.last_ns);
  to.behind_assist += from.behind_assist;
  to.behind_assist_ns += from.behind_assist_ns;
  to.behind_stop += from.behind_stop;
  to.behind_stop_ns += from.behind_stop_ns;
  to.behind_growth += from.behind_growth;
  to.behind_growth_ns += from.behind_growth_ns;
  to.waiters_max = std::max(to.waiters_max, from.waiters_max);
  if (to.growth_stack == 0) to.growth_stack = from.growth_stack;
}

void finish_waits(evidence::Incident& incident, const std::vector<std::unique_ptr<Pairing>>& owners,
                  const Stacks& stacks, std::uint64_t zero_ns) {
  std::map<std::tuple<std::string, std::uint32_t, std::uint32_t>, WaitSum> sums;
  for (const auto& owner : owners) {
    for (const WaitSum& wait : owner->waits()) {
      const std::string& reason = owner->reasons()[wait.reason];
      const auto [it, added] = sums.try_emplace({reason, wait.stack, wait.released_by}, wait);
      if (!added) add(it->second, wait);
    }
  }
  std::vector<std::pair<const std::string*, const WaitSum*>> order;
  for (const auto& [key, sum] : sums) order.emplace_back(&std::get<0>(key), &sum);
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return a.second->total_ns > b.second->total_ns;
  });
  if (order.size() > evidence::kWaitsMax) order.resize(evidence::kWaitsMax);
  for (const auto& [reason, sum] : order) {
    evidence::Wait wait;
    wait.stack = stacks.stack(sum->stack);
    wait.reason = *reason;
    wait.released_by = stacks.stack(sum->released_by);
    wait.count = sum->count;
    wait.total_ns = sum->total_ns;
    wait.max_ns = sum->max_ns;
    wait.behind_assist = sum->behind_assist;
    wait.behind_assist_ns = sum->behind_assist_ns;
    wait.behind_stop = sum->behind_stop;
    wait.behind_stop_ns = sum->behind_stop_ns;
    wait.behind_growth = sum->behind_growth;
    wait.behind_growth_ns = sum->behind_growth_ns;
    wait.growth_stack = stacks.stack(sum->growth_stack);
    wait.waiters_max = sum->waiters_max;
    wait.first_ns = sum->first_ns - static_cast<std::int64_t>(zero_ns);
    wait.last_ns = sum->last_ns - static_cast<std::int64_t>(zero_ns);
    wait.longest = {0, evidence::Position::Unit::kByte, sum->longest_at};
    incident.waits.push_back(std::move(wait));
  }
}

struct Population {
  GroupSum sum;
  // Where its living members wait: reason and stack.
  std::map<std::pair<std::string, std::uint32_t>, std::uint64_t> places;
};

void finish_groups(evidence::Incident& incident,
                   const std::vector<std::unique_ptr<Pairing>>& owners, const Stacks& stacks,
                   std::uint64_t zero_ns) {
  std::map<std::pair<std::uint32_t, bool>, Population> groups;
  for (const auto& owner : owners) {
    std::vector<Population*> of_owner;
    for (const GroupSum& group : owner->groups()) {
      const auto [it, added] = groups.try_emplace({group.stack, group.before});
      Population& population = it->second;
      population.sum.stack = group.stack;
      population.sum.before = group.before;
      population.sum.created += group.created;
      population.sum.ended += group.ended;
      population.sum.alive += group.alive;
      population.sum.first_ns = std::min(population.sum.first_ns, group.first_ns);
      population.sum.last_ns = std::max(population.sum.last_ns, group.last_ns);
      of_owner.push_back(&population);
    }
    owner->living([&](std::uint32_t group, std::uint32_t reason, std::uint32_t stack) {
      ++of_owner[group]->places[{owner->reasons()[reason], Stacks::index(stack)}];
    });
  }
  std::vector<const Population*> order;
  for (const auto& [key, population] : groups) order.push_back(&population);
  std::stable_sort(order.begin(), order.end(), [](const Population* a, const Population* b) {
    return a->sum.alive + a->sum.created > b->sum.alive + b->sum.created;
  });
  if (order.size() > kGroupsMax) order.resize(kGroupsMax);
  for (const Population* population : order) {
    const GroupSum& sum = population->sum;
    evidence::GoroutineGroup group;
    if (sum.before) {
      group.stack = stacks.stack(sum.stack);
    } else {
      group.created_by = stacks.stack(sum.stack);
    }
    const auto most =
        std::max_element(population->places.begin(), population->places.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    if (most != population->places.end()) {
      group.state = most->first.first;
      if (most->first.second != 0) group.stack = stacks.stack(most->first.second);
    }
    group.count = sum.alive;
    group.created = sum.created;
    group.ended = sum.ended;
    if (sum.created != 0) {
      group.first_ns = sum.first_ns - static_cast<std::int64_t>(zero_ns);
      group.last_ns = sum.last_ns - static_cast<std::int64_t>(zero_ns);
    }
    incident.goroutines.push_back(std::move(group));
  }
}

}  // namespace

void finish_goroutines(evidence::Incident& incident,
                       const std::vector<std::unique_ptr<Pairing>>& owners, const Stacks& stacks,
                       std::uint64_t zero_ns) {
  finish_waits(incident, owners, stacks, zero_ns);
  finish_groups(incident, owners, stacks, zero_ns);
  evidence::SchedulingDelay& all = incident.scheduling;
  for (const auto& owner : owners) {
    const evidence::SchedulingDelay& its = owner->delays();
    for (std::size_t i = 0; i < all.buckets.size(); ++i) all.buckets[i] += its.buckets[i];
    all.count += its.count;
    all.max_ns = std::max(all.max_ns, its.max_ns);
  }
}

}  // namespace ullage::trace::go
