// SPDX-License-Identifier: Apache-2.0
#include "server/latency_text.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

namespace ullage::server {
namespace {

// Samples that fit beside each other on a line, and the height of the graph.
constexpr std::size_t kColumns = 80;
constexpr unsigned kRows = 4;
// A line is drawn in thirds of its height.
constexpr unsigned kSteps = 3;
constexpr char kMarks[kSteps] = {'_', '-', '`'};

// "7s", "5m", "3h", "2d".
std::string age(std::int64_t seconds) {
  seconds = std::max<std::int64_t>(seconds, 0);
  if (seconds < 60) return std::to_string(seconds) + "s";
  if (seconds < 3600) return std::to_string(seconds / 60) + "m";
  if (seconds < 86400) return std::to_string(seconds / 3600) + "h";
  return std::to_string(seconds / 86400) + "d";
}

struct Summary {
  std::uint32_t high = 0, low = 0;
  double mean = 0, deviation = 0, period_s = 0;
};

Summary summary_of(const Latency::Event& event) {
  Summary all;
  const auto& samples = event.samples;
  if (samples.empty()) return all;
  const auto count = static_cast<double>(samples.size());
  all.low = samples.front().ms;
  for (const Latency::Sample& sample : samples) {
    all.high = std::max(all.high, sample.ms);
    all.low = std::min(all.low, sample.ms);
    all.mean += sample.ms / count;
  }
  for (const Latency::Sample& sample : samples) {
    all.deviation += std::abs(sample.ms - all.mean) / count;
  }
  if (samples.size() > 1) {
    all.period_s =
        static_cast<double>(samples.back().unix_s - samples.front().unix_s) / (count - 1);
  }
  return all;
}

}  // namespace

std::string latency_graph(const std::string& name, const Latency::Event& event,
                          std::int64_t now_s) {
  const std::size_t count = std::min(event.samples.size(), kColumns);
  const auto first = event.samples.end() - static_cast<std::ptrdiff_t>(count);
  const std::vector<Latency::Sample> samples(first, event.samples.end());
  Latency::Event shown;
  shown.samples.assign(samples.begin(), samples.end());
  const Summary all = summary_of(shown);
  std::string text = name + " - high " + std::to_string(all.high) + " ms, low " +
                     std::to_string(all.low) + " ms (all time high " +
                     std::to_string(event.max_ms) + " ms)\n" + std::string(kColumns, '-') + "\n";
  const auto line = [&text](std::string row) {
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + "\n";
  };
  // From the lowest to the highest of what is shown; where all are alike, at the bottom.
  std::vector<unsigned> heights;
  std::vector<std::string> ages;
  std::size_t longest = 0;
  for (const Latency::Sample& sample : samples) {
    const std::uint32_t above = sample.ms - all.low, range = all.high - all.low;
    heights.push_back(range == 0 ? 0 : above * (kRows * kSteps - 1) / range);
    ages.push_back(age(now_s - sample.unix_s));
    longest = std::max(longest, ages.back().size());
  }
  for (unsigned row = kRows; row-- > 0;) {
    std::string marks;
    for (const unsigned height : heights) {
      if (height / kSteps == row) {
        marks += height == kRows * kSteps - 1 ? '#' : kMarks[height % kSteps];
      } else {
        marks += height / kSteps > row ? '|' : ' ';
      }
    }
    line(std::move(marks));
  }
  text += "\n";
  for (std::size_t i = 0; i < longest; ++i) {
    std::string letters;
    for (const std::string& label : ages) letters += i < label.size() ? label[i] : ' ';
    line(std::move(letters));
  }
  return text;
}

std::string latency_report(const std::map<std::string, Latency::Event>& events,
                           const LatencyFacts& facts, std::int64_t now_s) {
  if (facts.threshold_ms == 0) {
    return "Slow moments are not kept: latency-monitor-threshold is 0. CONFIG SET "
           "latency-monitor-threshold 10 keeps commands of 10 ms and more; LATENCY HISTOGRAM and "
           "SLOWLOG GET have figures without it.\n";
  }
  const std::string threshold = std::to_string(facts.threshold_ms) + " ms";
  if (events.empty()) {
    return "No command took " + threshold + " or more since slow moments are kept.\n";
  }
  std::string text = "Commands that took " + threshold + " or more:\n\n";
  std::size_t number = 0;
  for (const auto& [name, event] : events) {
    const Summary all = summary_of(event);
    char line[256];
    std::snprintf(line, sizeof line,
                  "%zu. %s: %zu slow moments (average %.0f ms, mean deviation %.0f ms", ++number,
                  name.c_str(), event.samples.size(), all.mean, all.deviation);
    text += line;
    if (event.samples.size() > 1) {
      std::snprintf(line, sizeof line, ", one each %.1f s", all.period_s);
      text += line;
    }
    const std::int64_t last_s = event.samples.empty() ? now_s : event.samples.back().unix_s;
    text += "). The worst took " + std::to_string(event.max_ms) + " ms, the last was " +
            age(now_s - last_s) + " ago.\n";
  }
  text += "\nWhat to look at:\n\n";
  text +=
      "- SLOWLOG GET names the commands and their arguments; LATENCY GRAPH shows when they "
      "came.\n";
  if (events.contains("fast-command")) {
    text +=
        "- Commands that do little were slow: the machine was (too few processors, swapping, a "
        "debugger), or a large value had to be copied. command_cpu_us_max of INFO growth is "
        "the thread's own time.\n";
  }
  if (events.contains("command")) {
    text +=
        "- Commands that look at many keys take as long as there are keys: SCAN instead of "
        "KEYS, several smaller ones instead of a large MSET or DEL.\n";
  }
  if (facts.pressure != "none") {
    text += "- Memory is short (" + facts.pressure +
            "): writes make room for themselves. "
            "INFO budget says what holds it.\n";
  }
  // What one slab of small entries is, several times.
  constexpr std::uint64_t kManyMoves = 20'000;
  if (facts.moves_max >= kManyMoves) {
    text += "- One operation moved or evicted " + std::to_string(facts.moves_max) +
            " entries: a large value came into a store full of small ones.\n";
  }
  return text;
}

}  // namespace ullage::server
