// SPDX-License-Identifier: Apache-2.0
#include "metrics/registry.h"

#include <algorithm>
#include <cassert>

namespace ullage::metrics {
namespace {

bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

bool good_name(const std::string& name, bool colons) {
  const auto fits = [colons](char c) { return letter(c) || digit(c) || (colons && c == ':'); };
  return !name.empty() && !digit(name[0]) && std::all_of(name.begin(), name.end(), fits);
}

bool good_labels(const Labels& labels) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::string& name = labels[i].first;
    if (!good_name(name, false) || name.starts_with("__") || name == "le") return false;
    for (std::size_t j = 0; j < i; ++j) {
      if (labels[j].first == name) return false;
    }
  }
  return true;
}

}  // namespace

Series* Registry::series(const std::string& name, const std::string& help, const Labels& labels,
                         Kind kind, const Scale& scale) {
  const bool good = good_name(name, true) && good_labels(labels) &&
                    (kind == Kind::kCounter) == name.ends_with("_total");
  assert(good && "not a name or label that Prometheus takes");
  assert(!sealed_ && "a series must exist from the start");
  if (!good || sealed_) return nullptr;
  auto family = std::find_if(families_.begin(), families_.end(),
                             [&name](const Family& f) { return f.name == name; });
  if (family == families_.end()) {
    families_.push_back({name, help, kind, scale, {}});
    family = families_.end() - 1;
  }
  assert(family->kind == kind && "one name, two kinds");
  if (family->kind != kind) return nullptr;
  for (Series& known : family->series) {
    if (known.labels == labels) return &known;
  }
  assert(series_count_ < kSeriesMax && "labels must come from small sets");
  if (series_count_ >= kSeriesMax) return nullptr;
  ++series_count_;
  family->series.emplace_back().labels = labels;
  return &family->series.back();
}

Counter& Registry::counter(const std::string& name, const std::string& help, const Labels& labels) {
  Series* mine = series(name, help, labels, Kind::kCounter, {});
  if (mine == nullptr || mine->counter == nullptr) {
    counters_.emplace_back();
    if (mine == nullptr) return counters_.back();
    mine->counter = &counters_.back();
  }
  return const_cast<Counter&>(*mine->counter);
}

Gauge& Registry::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  Series* mine = series(name, help, labels, Kind::kGauge, {});
  if (mine == nullptr || mine->gauge == nullptr) {
    gauges_.emplace_back();
    if (mine == nullptr) return gauges_.back();
    mine->gauge = &gauges_.back();
  }
  return const_cast<Gauge&>(*mine->gauge);
}

Histogram& Registry::histogram(const std::string& name, const std::string& help,
                               const Labels& labels, const Scale& scale) {
  Series* mine = series(name, help, labels, Kind::kHistogram, scale);
  if (mine == nullptr || mine->histogram == nullptr) {
    histograms_.emplace_back();
    if (mine == nullptr) return histograms_.back();
    mine->histogram = &histograms_.back();
  }
  return const_cast<Histogram&>(*mine->histogram);
}

void Registry::gauge_of(const std::string& name, const std::string& help, const Labels& labels,
                        std::function<double()> read) {
  if (Series* mine = series(name, help, labels, Kind::kGauge, {})) mine->read = std::move(read);
}

void Registry::counter_of(const std::string& name, const std::string& help, const Labels& labels,
                          std::function<double()> read) {
  if (Series* mine = series(name, help, labels, Kind::kCounter, {})) mine->read = std::move(read);
}

}  // namespace ullage::metrics
