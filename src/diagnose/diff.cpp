// SPDX-License-Identifier: Apache-2.0
#include "diagnose/diff.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/format.h"
#include "base/json.h"
#include "base/text.h"
#include "diagnose/fingerprint.h"
#include "diagnose/growth.h"
#include "diagnose/reports/common.h"
#include "diagnose/reports/json_parts.h"

namespace ullage::diagnose {
namespace {

using evidence::GrowthSite;

// Counts that differ by less are the same run on another day.
constexpr double kCountChange = 0.05;
// Whether realloc moves a block depends on its neighbours: less copying than this is luck.
constexpr std::uint64_t kCopiedBytes = 64 << 10;
// Times must differ by this much, and by kStallNs, before they decide.
constexpr double kTimeChange = 0.50;
constexpr std::uint64_t kStallNs = 1'000'000;

struct Pair {
  SiteChange change;
  bool stands = false;  // in at least one of the two runs
};

void add(SiteCost& into, const GrowthSite& site) {
  into.links += copying_links(site);
  into.copied_bytes += site.copied_bytes;
  into.stall_ns_total += stall_ns_total(site);
  into.stall_ns_max = std::max(into.stall_ns_max, stall_ns_max(site));
  into.overlap_bytes_max = std::max(into.overlap_bytes_max, site.overlap_bytes_max);
}

// -1 better, 0 the same, 1 worse.
int compare(std::uint64_t before, std::uint64_t after, double change, std::uint64_t least) {
  const auto larger = static_cast<double>(std::max(before, after));
  const std::uint64_t distance = before > after ? before - after : after - before;
  if (distance == 0 || distance < least || static_cast<double>(distance) < change * larger)
    return 0;
  return after > before ? 1 : -1;
}

Change judge(const SiteCost& before, const SiteCost& after) {
  if (before.links == 0 && after.links == 0) return Change::kSame;
  if (before.links == 0) return Change::kNew;
  if (after.links == 0) return Change::kFixed;
  int verdict = compare(before.copied_bytes, after.copied_bytes, kCountChange, kCopiedBytes);
  if (verdict == 0) verdict = compare(before.links, after.links, kCountChange, 1);
  if (verdict == 0) {
    verdict = compare(before.stall_ns_total, after.stall_ns_total, kTimeChange, kStallNs);
  }
  return verdict < 0 ? Change::kBetter : verdict > 0 ? Change::kWorse : Change::kSame;
}

void collect(std::map<std::string, Pair>& pairs, const evidence::Evidence& evidence,
             SiteCost SiteChange::*side) {
  for (const GrowthSite& site : evidence.growth_sites) {
    Pair& pair = pairs[place_fingerprint(site)];
    const bool stands = may_stand(site);
    // The place is shown as the run in which it stands knows it; the later one if both do.
    if (pair.change.fingerprint.empty() || stands) {
      pair.change.fingerprint = place_fingerprint(site);
      pair.change.where = site.user;
      pair.change.growth = site.growth;
      pair.change.container = subject(site);
    }
    pair.stands = pair.stands || stands;
    add(pair.change.*side, site);
  }
}

RunCost run_cost(const evidence::Evidence& evidence) {
  RunCost run;
  run.source = evidence.process.source;
  run.program = evidence.process.program;
  run.duration_ns = evidence.process.duration_ns;
  run.events = evidence.process.events;
  run.live_bytes_max = evidence.process.live_bytes_max;
  run.rss_peak_bytes = evidence.process.rss_peak_bytes;
  for (const GrowthSite& site : evidence.growth_sites) {
    if (may_stand(site)) add(run.growth, site);
  }
  return run;
}

// Order of telling: what got worse first, then what got better, then the rest.
int telling_order(Change change) {
  switch (change) {
    case Change::kNew:
    case Change::kWorse:
      return 0;
    case Change::kFixed:
    case Change::kBetter:
      return 1;
    case Change::kSame:
      return 2;
  }
  return 2;
}

double size_of(const SiteChange& site) {
  const auto weight = [](const SiteCost& cost) {
    return static_cast<double>(cost.stall_ns_total) + 0.1 * static_cast<double>(cost.copied_bytes);
  };
  return std::abs(weight(site.after) - weight(site.before));
}

// "30.6 MB -> 0 B (-100 %)"
std::string arrow(const std::string& before, const std::string& after, std::uint64_t from,
                  std::uint64_t to) {
  if (before == after) return before + " as before";
  std::string text = before + " -> " + after;
  if (from == 0) return text;
  const double ratio = static_cast<double>(to) / static_cast<double>(from);
  if (ratio >= 10) return text + " (x" + format_count(whole(ratio + 0.5)) + ")";
  const double change = std::round((ratio - 1) * 1000) / 1000;
  return text + (change < 0 ? " (-" : " (+") + format_percent(std::abs(change)) + ")";
}

std::string change_text(const SiteCost& before, const SiteCost& after) {
  std::string text = "growths " + arrow(format_count(before.links), format_count(after.links),
                                        before.links, after.links);
  const auto line = [&text](const char* name, std::uint64_t from, std::uint64_t to, auto format) {
    if (from == 0 && to == 0) return;
    text += std::string("; ") + name + " " + arrow(format(from), format(to), from, to);
  };
  line("copied", before.copied_bytes, after.copied_bytes, format_bytes);
  line("stalls", before.stall_ns_total, after.stall_ns_total, format_ns);
  line("worst stall", before.stall_ns_max, after.stall_ns_max, format_ns);
  line("old and new side by side", before.overlap_bytes_max, after.overlap_bytes_max, format_bytes);
  return text + ".";
}

void write_cost(JsonWriter& json, const char* name, const SiteCost& cost) {
  json.begin_object(name);
  json.field("links", cost.links);
  json.field("copied_bytes", cost.copied_bytes);
  json.field("stall_ns_total", cost.stall_ns_total);
  json.field("stall_ns_max", cost.stall_ns_max);
  json.field("overlap_bytes_max", cost.overlap_bytes_max);
  json.end_object();
}

void write_run(JsonWriter& json, const char* name, const RunCost& run) {
  json.begin_object(name);
  json.field("source", run.source);
  json.field("program", run.program);
  json.field("duration_ns", run.duration_ns);
  json.field("events", run.events);
  json.field("live_bytes_max", run.live_bytes_max);
  write_known(json, "rss_peak_bytes", run.rss_peak_bytes);
  write_cost(json, "growth", run.growth);
  json.end_object();
}

void write_place(JsonWriter& json, const char* name, const evidence::Frame& frame) {
  json.begin_object(name);
  json.field("function", frame.function);
  json.field("label", frame.label());
  json.field("place", frame.place());
  json.field("module", frame.module);
  json.field("file", frame.file);
  json.field("line", frame.line);
  json.end_object();
}

constexpr Change kAllChanges[] = {Change::kNew, Change::kWorse, Change::kFixed, Change::kBetter,
                                  Change::kSame};

}  // namespace

const char* to_string(Change change) {
  switch (change) {
    case Change::kFixed:
      return "fixed";
    case Change::kBetter:
      return "better";
    case Change::kSame:
      return "same";
    case Change::kWorse:
      return "worse";
    case Change::kNew:
      return "new";
  }
  return "same";
}

std::size_t Difference::count(Change change) const {
  return static_cast<std::size_t>(std::count_if(
      sites.begin(), sites.end(), [change](const SiteChange& s) { return s.change == change; }));
}

Difference diff(const evidence::Evidence& before, const evidence::Evidence& after) {
  Difference difference;
  difference.before = run_cost(before);
  difference.after = run_cost(after);
  std::map<std::string, Pair> pairs;
  collect(pairs, before, &SiteChange::before);
  collect(pairs, after, &SiteChange::after);
  for (auto& [fingerprint, pair] : pairs) {
    if (!pair.stands) continue;
    pair.change.change = judge(pair.change.before, pair.change.after);
    difference.sites.push_back(std::move(pair.change));
  }
  std::stable_sort(difference.sites.begin(), difference.sites.end(),
                   [](const SiteChange& a, const SiteChange& b) {
                     const int order_a = telling_order(a.change);
                     const int order_b = telling_order(b.change);
                     return order_a != order_b ? order_a < order_b : size_of(a) > size_of(b);
                   });
  return difference;
}

std::string diff_text(const Difference& difference, const ReportOptions& options) {
  const auto width = static_cast<std::size_t>(std::max(options.width, 40));
  std::string out;
  const auto paragraph = [&](const std::string& first, const std::string& text,
                             std::size_t indent) {
    out += wrap(clean_utf8(text), width, first, std::string(indent, ' ')) + "\n";
  };
  std::string answer;
  for (const Change change : kAllChanges) {
    if (difference.count(change) == 0) continue;
    const std::size_t count = difference.count(change);
    answer += answer.empty() ? format_counted(count, "place") : ", " + format_count(count);
    answer += std::string(" ") + to_string(change);
  }
  paragraph({}, answer.empty() ? "Nothing grew by copying, before or after" : answer, 2);
  paragraph("  all places: ", change_text(difference.before.growth, difference.after.growth), 4);
  paragraph("  live memory at most: ",
            arrow(format_bytes(difference.before.live_bytes_max),
                  format_bytes(difference.after.live_bytes_max), difference.before.live_bytes_max,
                  difference.after.live_bytes_max),
            4);
  if (difference.before.program != difference.after.program) {
    paragraph("  ! ",
              "The recordings are of different programs: " + difference.before.program + " and " +
                  difference.after.program + ".",
              4);
  }
  out += "\n";
  std::size_t shown = 0;
  std::size_t hidden = 0;
  for (const SiteChange& site : difference.sites) {
    const std::string place = place_text(site.where);
    const bool wanted = options.site_filter.empty() ||
                        (place + site.container).find(options.site_filter) != std::string::npos;
    if (!wanted || site.change == Change::kSame) continue;
    if (options.top > 0 && shown == options.top) {
      ++hidden;
      continue;
    }
    ++shown;
    const char* colour = telling_order(site.change) == 0 ? "\x1b[1;31m" : "\x1b[1;32m";
    const std::string word = to_string(site.change);
    paragraph("  " + (options.colour ? colour + word + "\x1b[0m" : word) + "   ",
              site.container + ", " + place, 4);
    paragraph("    ", change_text(site.before, site.after), 6);
  }
  if (hidden > 0) paragraph("  ", format_counted(hidden, "more change") + " (--top 0).", 2);
  if (shown > 0) out += "\n";
  std::string next = options.next_command;
  if (next.empty()) {
    const std::string file = difference.after.source.empty() ? "AFTER" : difference.after.source;
    next = "ullage diagnose " + shell_word(file);
  }
  return out + "Next: " + clean_utf8(next) + "\n";
}

std::string diff_json(const Difference& difference) {
  JsonWriter json;
  json.begin_object();
  json.field("schema", "ullage/diff");
  json.field("schema_version", 1);
  write_run(json, "before", difference.before);
  write_run(json, "after", difference.after);
  json.begin_object("counts");
  for (const Change change : kAllChanges) json.field(to_string(change), difference.count(change));
  json.end_object();
  json.begin_array("sites");
  for (const SiteChange& site : difference.sites) {
    json.begin_object();
    json.field("change", to_string(site.change));
    json.field("place", site.fingerprint);
    json.field("container", site.container);
    write_place(json, "where", site.where);
    write_place(json, "growth", site.growth);
    write_cost(json, "before", site.before);
    write_cost(json, "after", site.after);
    json.end_object();
  }
  json.end_array();
  json.end_object();
  return json.text();
}

}  // namespace ullage::diagnose
