// SPDX-License-Identifier: Apache-2.0
#include "trace/native/series.h"

#include <algorithm>
#include <cmath>

namespace ullage::trace {
namespace {

// A table grows by the same factor each time; sizes that merely happen to rise do not.
constexpr double kFactorDrift = 1.25;

double ratio(std::uint64_t larger, std::uint64_t smaller) {
  return static_cast<double>(larger) / static_cast<double>(std::max<std::uint64_t>(smaller, 1));
}

bool alike(double a, double b) { return a <= b * kFactorDrift && b <= a * kFactorDrift; }

}  // namespace

SeriesRule::Set& SeriesRule::set_of(std::uint32_t stack) {
  if (stack >= index_.size()) index_.resize(std::max(stack + 1, stacks_.size()), 0);
  if (index_[stack] == 0) {
    const auto [it, fresh] = by_hash_.emplace(stacks_.inner(stack, kSeriesFrames),
                                              static_cast<std::uint32_t>(sets_.size()));
    if (fresh) sets_.emplace_back();
    index_[stack] = it->second + 1;
  }
  return sets_[index_[stack] - 1];
}

bool SeriesRule::allocated(const Block& b, std::uint32_t tid) {
  if (b.size < kSeriesBytesMin || b.stack == 0) return false;
  Set& set = set_of(b.stack);
  if (set.size() == kSeriesPerPlace) {
    const auto least =
        std::min_element(set.begin(), set.end(), [](const Watched& x, const Watched& y) {
          return x.size != y.size ? x.size < y.size : x.time < y.time;
        });
    if (b.size < least->size) return false;
    growth_.end(least->chain, least->size, false);
    set.erase(least);
  }
  Watched w;
  w.address = b.address;
  w.time = b.time;
  w.size = b.size;
  w.stack = b.stack;
  w.tid = tid;
  set.push_back(w);
  return true;
}

// The block that `old` has moved to, now that it is freed: the one whose size continues its series
// best. Not when that one's own successor is there already: three generations are no table.
SeriesRule::Watched* SeriesRule::successor(Set& set, const Watched& old, bool& younger) {
  Watched* best = nullptr;
  double best_misses = 0;
  for (Watched& w : set) {
    if (w.time <= old.time) continue;
    younger = true;
    const double factor = ratio(w.size, old.size);
    if (w.steps != 0 || factor < 1.5 || w.size > 8 * old.size + 64) continue;
    if (old.factor != 0 && !alike(factor, old.factor)) continue;
    const double misses = old.factor != 0 ? std::abs(factor - old.factor) : factor;
    if (best == nullptr || misses < best_misses) {
      best = &w;
      best_misses = misses;
    }
  }
  if (best == nullptr) return nullptr;
  const double factor = ratio(best->size, old.size);
  for (const Watched& w : set) {
    if (w.time > best->time && w.size > best->size && alike(ratio(w.size, best->size), factor)) {
      return nullptr;
    }
  }
  return best;
}

void SeriesRule::freed(const Block& b, std::uint64_t now, std::size_t slice,
                       std::uint64_t peak_time) {
  Set& set = set_of(b.stack);
  const auto at = std::find_if(set.begin(), set.end(), [&](const Watched& w) {
    return w.address == b.address && w.time == b.time;
  });
  if (at == set.end()) return;
  const Watched old = *at;
  set.erase(at);
  bool younger = false;
  Watched* next = successor(set, old, younger);
  if (next == nullptr) {
    if (younger) growth_.series_misfit(b.stack);
    growth_.end(old.chain, old.size, false);
    return;
  }
  const Step step{old.size, next->time, now, old.stack, slice};
  next->chain = old.chain;
  next->steps = old.steps + 1;
  next->factor = ratio(next->size, old.size);
  if (next->steps == 1) {
    next->first = step;
    return;
  }
  if (next->steps == 2) report(*next, old.first, old.size, peak_time);
  report(*next, step, next->size, peak_time);
}

void SeriesRule::report(Watched& w, const Step& step, std::uint64_t new_size,
                        std::uint64_t peak_time) {
  Link link;
  link.kind = LinkKind::kSeries;
  link.tid = w.tid;
  link.node = w.stack;
  link.function = stacks_.function(w.stack);
  link.old_stack = step.old_stack;
  link.new_stack = w.stack;
  link.old_size = step.old_size;
  link.new_size = new_size;
  link.start = step.start;
  link.end = step.end;
  w.chain = growth_.link(link, w.chain, step.slice, peak_time);
}

void SeriesRule::claimed(const Block& b) {
  std::erase_if(set_of(b.stack), [&](const Watched& w) {
    const bool its = w.address == b.address && w.time == b.time;
    if (its) growth_.end(w.chain, w.size, false);
    return its;
  });
}

void SeriesRule::finish() {
  for (Set& set : sets_) {
    for (const Watched& w : set) growth_.end(w.chain, w.size, true);
    set.clear();
  }
}

}  // namespace ullage::trace
