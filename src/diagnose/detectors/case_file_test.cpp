// SPDX-License-Identifier: Apache-2.0
#include "diagnose/detectors/case_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>

#include "diagnose/detectors/case_incident_testing.h"
#include "diagnose/detectors/case_words_testing.h"
#include "diagnose/finding.h"

namespace ullage::diagnose {
namespace {

using evidence::AllocationSite;
using evidence::GrowthSite;
using evidence::Series;
using evidence::Verdict;

evidence::SizeSummary sizes(Words& words) {
  evidence::SizeSummary summary;
  summary.min = summary.p50 = summary.p95 = summary.max = bytes(words.next("a size"));
  if (words.more()) summary.p95 = summary.max = bytes(words.next("p95"));
  if (words.more()) summary.max = bytes(words.next("max"));
  return summary;
}

evidence::Lifetimes lifetimes(Words& words) {
  evidence::Lifetimes lifetimes;
  for (std::size_t i = 0; i < evidence::kLifetimeClasses; ++i) {
    lifetimes.blocks[i] = bytes(words.next("seven counts"));
    lifetimes.bytes[i] = lifetimes.blocks[i] * 64;
  }
  return lifetimes;
}

Series series(Words& words) {
  const std::string shape = words.next("a shape");
  const auto from = static_cast<double>(bytes(words.next("a size")));
  const double to = words.more() ? static_cast<double>(bytes(words.next("a size"))) : from;
  const double shape_option = words.more() ? std::stod(words.next("a number")) : 1;
  Series series{};
  for (std::size_t i = 0; i < series.size(); ++i) {
    const double at = static_cast<double>(i) / static_cast<double>(series.size() - 1);
    double share = 0;
    if (shape == "ramp")
      share = at;
    else if (shape == "plateau")
      share = std::min(1.0, at / shape_option);
    else if (shape == "saw")
      share = at * shape_option - static_cast<int>(at * shape_option);
    else if (shape == "stairs")
      share = static_cast<double>(1u << (i / 8)) / 128;
    else if (shape != "flat")
      fail("unknown shape " + shape);
    series[i] = static_cast<std::uint64_t>(from + (to - from) * share);
  }
  return series;
}

Verdict verdict(const std::string& word) {
  static const std::map<std::string, Verdict> kVerdicts = {
      {"reported", Verdict::kReported}, {"realloc", Verdict::kRealloc},
      {"content", Verdict::kContent},   {"structure", Verdict::kStructure},
      {"series", Verdict::kSeries},     {"mixed", Verdict::kMixed},
      {"replace", Verdict::kReplace},   {"weak", Verdict::kWeak}};
  const auto found = kVerdicts.find(word);
  if (found == kVerdicts.end()) fail("unknown verdict " + word);
  return found->second;
}

void read_process(evidence::ProcessFacts& process, Words& words) {
  const std::map<std::string, std::uint64_t*> sizes_by_name = {
      {"events", &process.events},           {"allocations", &process.allocations},
      {"live_max", &process.live_bytes_max}, {"live_end", &process.live_bytes_end},
      {"rss", &process.rss_peak_bytes},      {"limit", &process.memory_limit_bytes}};
  while (words.more()) {
    const std::string word = words.next("key=value");
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) fail("expected key=value, not " + word);
    const std::string key = word.substr(0, equals);
    const std::string value = word.substr(equals + 1);
    if (key == "duration")
      process.duration_ns = time_ns(value);
    else if (key == "program")
      process.program = value;
    else if (const auto found = sizes_by_name.find(key); found != sizes_by_name.end())
      *found->second = bytes(value);
    else
      fail("unknown fact " + key);
  }
}

void read_growth_line(GrowthSite& site, const std::string& key, Words& words) {
  if (key == "at")
    site.user = frame(words);
  else if (key == "by")
    site.growth = frame(words);
  else if (key == "container")
    site.container = words.rest();
  else if (key == "site")
    site.container_site = words.rest();
  else if (key == "kind")
    site.container_kind = words.rest();
  else if (key == "reserve")
    site.reserve_hint = words.rest();
  else if (key == "verdict") {
    site.verdict = verdict(words.next("a verdict"));
    site.named_growth = words.more() && words.next("named") == "named";
  } else if (key == "law") {
    const std::string law = words.next("a law");
    site.law = law == "geometric"    ? evidence::GrowthLaw::kGeometric
               : law == "arithmetic" ? evidence::GrowthLaw::kArithmetic
               : law == "one-shot"   ? evidence::GrowthLaw::kOneShot
                                     : evidence::GrowthLaw::kIrregular;
    if (words.more()) site.factor = std::stod(words.next("a factor"));
  } else if (key == "element") {
    site.element_bytes = bytes(words.next("a size"));
    site.element_source = words.next("dwarf or gcd");
  } else if (key == "chains") {
    site.chains = bytes(words.next("a number"));
    read_pairs(words, {{"alive", &site.chains_alive}, {"presized", &site.presized_chains}});
  } else if (key == "links") {
    site.links = bytes(words.next("a number"));
    read_pairs(words, {{"in_place", &site.in_place_links},
                       {"same_stack", &site.same_stack_links},
                       {"content", &site.content_links},
                       {"steps", &site.arithmetic_links},
                       {"by", &site.arithmetic_step_bytes}});
    site.moved_links = site.links - site.in_place_links;
  } else if (key == "copied") {
    site.copied_bytes = bytes(words.next("a size"));
  } else if (key == "stall") {
    site.stall_ns_total = site.stall_ns_max = time_ns(words.next("a time"));
    if (words.more() && words.next("max") == "max")
      site.stall_ns_max = time_ns(words.next("a time"));
    site.credible_stall_ns_total = site.stall_ns_total;
    site.credible_stall_ns_max = site.stall_ns_max;
  } else if (key == "overlap") {
    site.overlap_bytes_max = bytes(words.next("a size"));
    read_pairs(words, {{"peak", &site.overlap_bytes_at_peak}});
  } else if (key == "first") {
    site.first = sizes(words);
    site.first.count = site.chains;
  } else if (key == "final") {
    site.final = sizes(words);
    site.final.count = site.chains;
  } else if (key == "slack") {
    site.slack_blocks = bytes(words.next("blocks"));
    site.slack_painted_bytes = bytes(words.next("painted"));
    site.slack_unused_bytes = bytes(words.next("unused"));
  } else if (key == "when") {
    site.first_ns = time_ns(words.next("a time"));
    site.last_ns = time_ns(words.next("a time"));
  } else {
    fail("unknown line \"" + key + "\" of a growth");
  }
}

void read_allocation_line(AllocationSite& site, const std::string& key, Words& words) {
  if (key == "at") {
    site.user = frame(words);
    site.stack.push_back(site.user);
  } else if (key == "by") {
    site.stack.insert(site.stack.begin(), frame(words));
  } else if (key == "blocks") {
    site.allocations = bytes(words.next("a number"));
    read_pairs(words, {{"alive", &site.live_blocks_end}});
  } else if (key == "bytes") {
    site.bytes = bytes(words.next("a size"));
    read_pairs(words, {{"live_max", &site.live_bytes_max}, {"live_end", &site.live_bytes_end}});
  } else if (key == "sizes")
    site.sizes = sizes(words);
  else if (key == "lifetimes")
    site.lifetimes = lifetimes(words);
  else if (key == "live")
    site.live_series = series(words);
  else if (key == "grows")
    site.growth_function = true;
  else
    fail("unknown line \"" + key + "\" of an allocation");
}

void read_container_line(evidence::ContainerSite& site, const std::string& key, Words& words) {
  if (key == "at")
    site.where = frame(words);
  else if (key == "type")
    site.type = words.rest();
  else if (key == "told")
    read_pairs(words, {{"growths", &site.growths},
                       {"moved", &site.moved_elements},
                       {"bytes_max", &site.bytes_max},
                       {"denied", &site.denied},
                       {"degraded", &site.degraded},
                       {"poor_hash", &site.poor_hash}});
  else
    fail("unknown line \"" + key + "\" of a container");
}

// "stall 7.8ms copied 64MB wasted 1MB events 4 cpu 1s", any of these.
void read_costs(Expectation& expected, Words& words) {
  while (words.more()) {
    const std::string what = words.next("a cost");
    const std::string value = words.next("a value");
    expected.costs[what] = what == "stall" || what == "cpu" ? time_ns(value) : bytes(value);
  }
}

void read_line(Case& result, std::string& section, bool indented, const std::string& line) {
  Words words(line);
  const std::string key = words.next("a word");
  if (indented) {
    if (section == "growth") {
      read_growth_line(result.evidence.growth_sites.back(), key, words);
    } else if (section == "allocation") {
      read_allocation_line(result.evidence.allocation_sites.back(), key, words);
    } else if (section == "container") {
      read_container_line(result.evidence.container_sites.back(), key, words);
    } else if (is_incident_section(section)) {
      read_incident_line(result.evidence.incident, section, key, words);
    } else if (section == "speaks" && key == "says") {
      result.expected.back().says.push_back(words.rest());
    } else if (section == "speaks" && key == "advises") {
      result.expected.back().advises = bytes(words.next("a number"));
    } else if (section == "speaks" && key == "confidence") {
      result.expected.back().confidence = std::stod(words.next("a number"));
    } else if (section == "speaks" && key == "at") {
      result.expected.back().at = words.rest();
    } else if (section == "speaks" && key == "costs") {
      read_costs(result.expected.back(), words);
    } else if (section == "speaks" && key == "joins") {
      while (words.more()) result.expected.back().joins.push_back(words.next("a detector"));
    } else {
      fail("unexpected \"" + key + "\" below \"" + section + "\"");
    }
    return;
  }
  section = key;
  if (is_incident_section(key))
    read_incident_section(result.evidence.incident, key, words);
  else if (key == "process")
    read_process(result.evidence.process, words);
  else if (key == "growth")
    result.evidence.growth_sites.emplace_back();
  else if (key == "allocation")
    result.evidence.allocation_sites.emplace_back();
  else if (key == "container") {
    result.evidence.container_sites.emplace_back();
    result.evidence.container_sites.back().name = words.rest();
  } else if (key == "lifetimes")
    result.evidence.lifetimes = lifetimes(words);
  else if (key == "contract") {
    if (!result.contract) result.contract.emplace();
    const std::string path = words.next("a key");
    const Result<void> done = result.contract->set(path, words.next("a value"), "case");
    if (!done.ok()) fail(done.error().message);
  } else if (key == "silent")
    result.expected.push_back({.detector = words.next("a detector"), .severity = "silent"});
  else if (key == "speaks") {
    const std::string detector = words.next("a detector");
    result.expected.push_back({.detector = detector, .severity = words.next("a severity")});
  } else {
    fail("unknown section \"" + key + "\"");
  }
}

}  // namespace

Result<Case> read_case(const std::string& text) {
  Case result;
  std::string section;
  std::istringstream in(text);
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const std::size_t start = line.find_first_not_of(' ');
    if (start == std::string::npos || line[start] == '#') continue;
    try {
      read_line(result, section, start > 0, line);
    } catch (const std::exception& problem) {
      return Error{Code::kInvalid, "line " + std::to_string(number) + ": " + problem.what()};
    }
  }
  return result;
}

namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(ULLAGE_SOURCE_DIR) / "src/diagnose/detectors/testdata";

std::vector<std::string> case_files() {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(kFolder)) {
    if (entry.path().extension() == ".evidence") {
      files.push_back(fs::relative(entry.path(), kFolder).string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

Case load(const std::string& file) {
  std::ifstream in(kFolder / file);
  std::stringstream text;
  text << in.rdbuf();
  Result<Case> loaded = read_case(text.str());
  if (!loaded.ok()) throw std::runtime_error(file + ": " + loaded.error().message);
  return loaded.value();
}

std::string all_text(const Finding& finding) {
  std::string text = finding.title + "\n" + finding.remedy + "\n" + finding.check;
  for (const std::string& sentence : finding.evidence) text += "\n" + sentence;
  return text;
}

void expect_costs(const Finding& finding, const Expectation& expected) {
  const std::map<std::string, std::uint64_t> costs = {{"stall", finding.cost.stall_ns},
                                                      {"copied", finding.cost.copied_bytes},
                                                      {"wasted", finding.cost.wasted_bytes},
                                                      {"events", finding.cost.events},
                                                      {"cpu", finding.cost.cpu_ns}};
  for (const auto& [what, value] : expected.costs) {
    ASSERT_TRUE(costs.contains(what)) << what;
    EXPECT_EQ(costs.at(what), value) << what;
  }
}

class DetectorCase : public testing::TestWithParam<std::string> {};

TEST_P(DetectorCase, SaysWhatItsFileExpectsAndNothingElse) {
  const Case loaded = load(GetParam());
  DetectorOptions options;
  if (loaded.contract) options.contract = &*loaded.contract;
  std::vector<Finding> findings = diagnose(loaded.evidence, options);
  for (const Expectation& expected : loaded.expected) {
    const auto found = std::find_if(
        findings.begin(), findings.end(),
        [&expected](const Finding& finding) { return finding.detector == expected.detector; });
    if (expected.severity == "silent") {
      EXPECT_EQ(found, findings.end()) << expected.detector << " said: " << all_text(*found);
      continue;
    }
    ASSERT_NE(found, findings.end()) << expected.detector << " stayed silent";
    EXPECT_STREQ(to_string(found->severity), expected.severity.c_str());
    for (const std::string& words : expected.says) {
      EXPECT_THAT(all_text(*found), testing::HasSubstr(words));
    }
    if (expected.advises > 0) {
      EXPECT_EQ(found->advised_elements, expected.advises);
    }
    if (expected.confidence > 0) {
      EXPECT_DOUBLE_EQ(found->confidence, expected.confidence);
    }
    if (!expected.at.empty()) {
      const std::string& function = found->where.function;
      EXPECT_EQ(found->where.place() + (function.empty() ? "" : " " + function), expected.at);
    }
    expect_costs(*found, expected);
    for (const std::string& joined : expected.joins) {
      EXPECT_TRUE(std::any_of(found->also.begin(), found->also.end(),
                              [&](const Related& r) { return r.detector == joined; }))
          << joined << " stands alone";
    }
    findings.erase(found);
  }
  for (const Finding& finding : findings) {
    EXPECT_EQ(finding.severity, Severity::kNote)
        << "not expected: " << finding.detector << ": " << all_text(finding);
  }
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name;
  for (const char c : fs::path(info.param).replace_extension().string()) {
    name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Files, DetectorCase, testing::ValuesIn(case_files()), test_name);

TEST(DetectorCases, EveryDetectorHasACaseWhereItSpeaksAndALookAlikeWhereItIsSilent) {
  std::set<std::string> speaking;
  std::set<std::string> silent;
  for (const std::string& file : case_files()) {
    for (const Expectation& expected : load(file).expected) {
      (expected.severity == "silent" ? silent : speaking).insert(expected.detector);
    }
  }
  // Those of the JVM have their cases in jvm/jvm_test.cpp, which holds them to the same.
  const auto elsewhere = [](const Detector& detector) {
    return std::string_view(detector.name).starts_with("jvm-");
  };
  std::size_t here = 0;
  for (const Detector& detector : detectors()) {
    if (elsewhere(detector)) continue;
    ++here;
    EXPECT_TRUE(speaking.contains(detector.name)) << detector.name << " never speaks";
    EXPECT_TRUE(silent.contains(detector.name)) << detector.name << " is never silent";
  }
  EXPECT_EQ(speaking.size(), here) << "a case names a detector that does not exist";
}

TEST(CaseFile, SaysWhichLineItDidNotUnderstand) {
  EXPECT_EQ(read_case("growth\n  colour blue\n").error().message,
            "line 2: unknown line \"colour\" of a growth");
  EXPECT_EQ(read_case("process duration\n").error().message,
            "line 1: expected key=value, not duration");
}

}  // namespace
}  // namespace ullage::diagnose
