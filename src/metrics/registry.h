// SPDX-License-Identifier: Apache-2.0
#pragma once

// Registry: the metrics of a program, and their exposition.
//
//   metrics::Registry registry;
//   Counter& hits = registry.counter("ullage_hits_total", "Reads answered.", {{"tier", "hot"}});
//   Histogram& stall = registry.histogram("ullage_stall_seconds", "...", {}, kNanoseconds);
//   registry.seal();                      // no series appears after start
//   hits.add();
//   http.reply(prometheus_text(registry));
//
// Every series exists from the start, at zero: an alert on a rate never misses the first event, and
// the number of series is known. Asking for a series again returns the same instrument.
//
// Names are Prometheus's: [a-zA-Z_:][a-zA-Z0-9_:]*, counters end in _total, units are base units
// (seconds, bytes). What is not is our own mistake: asserted, and refused in builds without
// assertions by an instrument that nobody reads.
//
// Threads   Registering: one at a time, before seal(). Recording and exposing: any.
// Limits    kSeriesMax.

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "metrics/instruments.h"

namespace ullage::metrics {

// Series of one registry. More are refused (see above): a label that takes any value does not
// belong in a label.
inline constexpr std::size_t kSeriesMax = 4096;

using Labels = std::vector<std::pair<std::string, std::string>>;

// How recorded whole numbers become base units, and which edges are shown: powers of two between
// the two, so that the series stay few.
struct Scale {
  double per_unit = 1;                 // recorded steps in one base unit
  int least_bits = 0, most_bits = 40;  // edges 2^least .. 2^most
};
inline constexpr Scale kNanoseconds{1e9, 10, 36};  // 1 us to 69 s
inline constexpr Scale kBytes{1, 6, 40};           // 64 B to 1 TiB

enum class Kind { kCounter, kGauge, kHistogram };

struct Series {
  Labels labels;
  const Counter* counter = nullptr;
  const Gauge* gauge = nullptr;
  const Histogram* histogram = nullptr;
  std::function<double()> read;  // of a gauge or counter that is asked when it is scraped
};

struct Family {
  std::string name, help;
  Kind kind = Kind::kCounter;
  Scale scale;
  std::vector<Series> series;  // in the order they were registered
};

class Registry {
 public:
  Registry() = default;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram& histogram(const std::string& name, const std::string& help, const Labels& labels,
                       const Scale& scale);
  // Read when scraped, on the scraping thread.
  void gauge_of(const std::string& name, const std::string& help, const Labels& labels,
                std::function<double()> read);
  void counter_of(const std::string& name, const std::string& help, const Labels& labels,
                  std::function<double()> read);

  void seal() { sealed_ = true; }
  const std::deque<Family>& families() const { return families_; }
  std::size_t series_count() const { return series_count_; }

 private:
  Series* series(const std::string& name, const std::string& help, const Labels& labels, Kind kind,
                 const Scale& scale);

  std::deque<Family> families_;
  std::deque<Counter> counters_;
  std::deque<Gauge> gauges_;
  std::deque<Histogram> histograms_;
  std::size_t series_count_ = 0;
  bool sealed_ = false;
};

// Text format 0.0.4 (Content-Type: text/plain; version=0.0.4), which has no exemplars; OpenMetrics
// 1.0.0 (application/openmetrics-text; version=1.0.0; charset=utf-8), which has.
enum class Format : std::uint8_t { kPrometheus, kOpenMetrics };

// Exposition: the text of a registry a part at a time, so that it takes no memory by its length.
//
//   Exposition text(registry, Format::kPrometheus);
//   while (text.next(part, 8 * 1024)) ...      // false: with this part it is whole
//
// Each series is read when its part is made. The registry is sealed, and lives longer.
class Exposition {
 public:
  Exposition(const Registry& registry, Format format) : registry_(&registry), format_(format) {}
  // Appends whole series until there are `bytes` more, or all.
  bool next(std::string& out, std::size_t bytes);

 private:
  const Registry* registry_;
  Format format_;
  std::size_t family_ = 0, series_ = 0;  // the next
};

// The whole.
std::string prometheus_text(const Registry& registry);
std::string openmetrics_text(const Registry& registry);

}  // namespace ullage::metrics
