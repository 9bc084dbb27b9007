// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <cmath>
#include <string_view>

#include "base/text.h"
#include "metrics/registry.h"

namespace ullage::metrics {
namespace {

// Longest label set of an exemplar, in characters (OpenMetrics 1.0.0); longer ones are left out.
constexpr std::size_t kExemplarCharactersMax = 128;

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char text[32];
  const auto [end, problem] = std::to_chars(text, text + sizeof text, value);
  return problem == std::errc() ? std::string(text, end) : "NaN";
}

std::string escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
  return out;
}

std::string pair(std::string_view name, std::string_view value) {
  return std::string(name) + "=\"" + escaped(value, true) + "\"";
}

// {a="b",le="0.1"}; `last` is one more pair, already written.
std::string label_set(const Labels& labels, const std::string& last = {}) {
  std::string text;
  for (const auto& [name, value] : labels) text += (text.empty() ? "" : ",") + pair(name, value);
  if (!last.empty()) text += (text.empty() ? "" : ",") + last;
  return text.empty() ? text : "{" + text + "}";
}

std::string exemplar(const Histogram::Remembered& seen, double per_unit) {
  if (seen.label == nullptr) return {};
  const std::string_view label = seen.label;
  const std::string text = clean_utf8(seen.text.data());
  if (label.size() + text.size() > kExemplarCharactersMax) return {};
  return " # {" + pair(label, text) + "} " + number(static_cast<double>(seen.value) / per_unit) +
         " " + number(static_cast<double>(seen.at_ns / 1'000'000) / 1e3);
}

void write_histogram(const Family& family, const Series& series, Format format, std::string& out) {
  const Histogram::Reading reading = series.histogram->read();
  const Scale& scale = family.scale;
  std::uint64_t seen = 0;
  std::size_t next = 0;
  Histogram::Remembered latest;
  // Bucket i of the histogram holds values below 2^i: all up to `bits` are below 2^bits.
  const auto take_up_to = [&](std::size_t bits) {
    latest = {};
    for (; next <= bits && next < Histogram::kBuckets; ++next) {
      seen += reading.buckets[next];
      const Histogram::Remembered& here = reading.exemplars[next];
      if (here.label != nullptr && here.at_ns >= latest.at_ns) latest = here;
    }
  };
  const auto line = [&](const std::string& edge) {
    out += family.name + "_bucket" + label_set(series.labels, "le=\"" + edge + "\"") + " " +
           std::to_string(seen);
    if (format == Format::kOpenMetrics) out += exemplar(latest, scale.per_unit);
    out += "\n";
  };
  for (int bits = scale.least_bits; bits <= scale.most_bits; ++bits) {
    take_up_to(static_cast<std::size_t>(bits));
    line(number(std::ldexp(1, bits) / scale.per_unit));
  }
  take_up_to(Histogram::kBuckets);
  line("+Inf");
  out += family.name + "_sum" + label_set(series.labels) + " " +
         number(reading.sum / scale.per_unit) + "\n";
  out += family.name + "_count" + label_set(series.labels) + " " + std::to_string(seen) + "\n";
}

void write_head(const Family& family, Format format, std::string& out) {
  static constexpr std::string_view kTotal = "_total";
  std::string name = family.name;
  // OpenMetrics names the family without what its samples end in.
  if (format == Format::kOpenMetrics && family.kind == Kind::kCounter) {
    name.resize(name.size() - kTotal.size());
  }
  const char* type = family.kind == Kind::kCounter ? "counter"
                     : family.kind == Kind::kGauge ? "gauge"
                                                   : "histogram";
  out += "# HELP " + name + " " + escaped(family.help, format == Format::kOpenMetrics) + "\n";
  out += "# TYPE " + name + " " + type + "\n";
}

void write_series(const Family& family, const Series& series, Format format, std::string& out) {
  if (series.histogram != nullptr) return write_histogram(family, series, format, out);
  std::string value = "0";
  if (series.read) {
    value = number(series.read());
  } else if (series.counter != nullptr) {
    value = std::to_string(series.counter->value());
  } else if (series.gauge != nullptr) {
    value = number(series.gauge->value());
  }
  out += family.name + label_set(series.labels) + " " + value + "\n";
}

std::string whole(Exposition exposition) {
  std::string out;
  while (exposition.next(out, std::string::npos)) {
  }
  return out;
}

}  // namespace

bool Exposition::next(std::string& out, std::size_t bytes) {
  const auto& families = registry_->families();
  const std::size_t before = out.size();
  while (family_ < families.size()) {
    if (out.size() - before >= bytes) return true;
    const Family& family = families[family_];
    if (series_ == 0) write_head(family, format_, out);
    if (series_ < family.series.size())
      write_series(family, family.series[series_++], format_, out);
    if (series_ == family.series.size()) ++family_, series_ = 0;
  }
  if (format_ == Format::kOpenMetrics) out += "# EOF\n";
  return false;
}

std::string prometheus_text(const Registry& registry) {
  return whole({registry, Format::kPrometheus});
}

std::string openmetrics_text(const Registry& registry) {
  return whole({registry, Format::kOpenMetrics});
}

}  // namespace ullage::metrics
