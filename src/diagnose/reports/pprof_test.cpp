// SPDX-License-Identifier: Apache-2.0
//
// Decodes the profile itself, so that nothing but zlib is needed. To see it in the real tool:
//   ULLAGE_DUMP_PPROF=p.pb.gz diagnose_test --gtest_filter='PprofReport.*'
//   go tool pprof -top p.pb.gz
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "diagnose/reports/html_sample_testing.h"
#include "diagnose/reports/incident_costs.h"
#include "diagnose/reports/incident_sample_testing.h"
#include "diagnose/reports/pprof_encoder.h"
#include "diagnose/reports/reports.h"

namespace ullage::diagnose {
namespace {

using ::testing::ElementsAre;

std::string gunzip(const std::string& packed) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
  std::string out(64 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

// Any message: its numbers and its length-delimited fields, by field number.
struct Message {
  std::map<unsigned, std::vector<std::uint64_t>> numbers;
  std::map<unsigned, std::vector<std::string>> parts;

  explicit Message(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::uint64_t key = varint(bytes);
      const auto field = static_cast<unsigned>(key >> 3);
      if ((key & 7) == 0) {
        numbers[field].push_back(varint(bytes));
      } else {
        EXPECT_EQ(key & 7, 2u);
        const std::uint64_t size = varint(bytes);
        EXPECT_LE(size, bytes.size());
        parts[field].emplace_back(bytes.substr(0, size));
        bytes.remove_prefix(std::min<std::size_t>(size, bytes.size()));
      }
    }
  }
  std::uint64_t number(unsigned field) { return numbers[field].empty() ? 0 : numbers[field][0]; }
  std::vector<std::uint64_t> packed(unsigned field) {
    std::vector<std::uint64_t> values;
    for (const std::string& part : parts[field]) {
      std::string_view rest = part;
      while (!rest.empty()) values.push_back(varint(rest));
    }
    return values;
  }

 private:
  static std::uint64_t varint(std::string_view& bytes) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; !bytes.empty() && shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes[0]);
      bytes.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    ADD_FAILURE() << "a varint without an end";
    return value;
  }
};

struct Line {
  std::string function, file;
  std::uint64_t line;
};

// A profile with its indices looked up.
struct Profile {
  explicit Profile(const std::string& packed) : all(gunzip(packed)) {
    for (const std::string& part : all.parts[5]) {
      Message function(part);
      functions.emplace(function.number(1), function);
    }
    for (const std::string& part : all.parts[4]) {
      Message location(part);
      locations.emplace(location.number(1), location);
    }
    for (const std::string& part : all.parts[3]) mappings.emplace_back(part);
    for (const std::string& part : all.parts[2]) samples.emplace_back(part);
  }
  std::string text(std::uint64_t index) { return all.parts[6].at(index); }
  std::vector<Line> lines(std::uint64_t location) {
    std::vector<Line> found;
    for (const std::string& part : locations.at(location).parts[4]) {
      Message line(part);
      Message& function = functions.at(line.number(1));
      found.push_back({text(function.number(2)), text(function.number(4)), line.number(2)});
    }
    return found;
  }
  std::map<std::string, std::string> labels(Message& sample) {
    std::map<std::string, std::string> found;
    for (const std::string& part : sample.parts[3]) {
      Message label(part);
      found[text(label.number(1))] = text(label.number(2));
    }
    return found;
  }

  Message all;
  std::map<std::uint64_t, Message> functions, locations;
  std::vector<Message> mappings, samples;
};

Profile sample_profile() {
  const std::string packed = pprof_report(sample::rich(), {}, {});
  if (const char* path = std::getenv("ULLAGE_DUMP_PPROF")) std::ofstream(path) << packed;
  return Profile(packed);
}

TEST(PprofReport, NamesItsFiveSampleTypesAndOpensOnCopiedBytes) {
  Profile profile = sample_profile();
  std::vector<std::string> types;
  for (const std::string& part : profile.all.parts[1]) {
    Message type(part);
    types.push_back(profile.text(type.number(1)) + "/" + profile.text(type.number(2)));
  }
  EXPECT_THAT(types, ElementsAre("copied/bytes", "stall/nanoseconds", "slack/bytes",
                                 "alloc_space/bytes", "inuse_space/bytes"));
  EXPECT_EQ(profile.text(profile.all.number(14)), "copied");
  EXPECT_EQ(profile.text(0), "");
}

TEST(PprofReport, OfAnIncidentHasItsCostsByStack) {
  Profile profile(pprof_report(sample_incident(), {}, {}));
  EXPECT_EQ(profile.all.parts[1].size(), kCostKinds);
  EXPECT_EQ(profile.text(profile.all.number(14)), "assist");
  ASSERT_EQ(profile.samples.size(), 5u);
  EXPECT_EQ(profile.samples[0].packed(2)[kCostAssist], 900'000'000u);
  const std::vector<Line> leaf = profile.lines(profile.samples[0].packed(1).at(0));
  ASSERT_EQ(leaf.size(), 1u);
  EXPECT_EQ(leaf[0].function, "main.handle");
  EXPECT_EQ(leaf[0].line, 7u);
}

TEST(PprofReport, OfAnIncidentHasWhatFindingsCostAtTheirStacks) {
  Finding held;
  held.stack.resize(1);
  held.stack[0].function = "main.cache";
  held.cost.wasted_bytes = 5'000'000;
  held.cost.cpu_ns = 7;
  Profile profile(pprof_report(sample_incident(), {held}, {}));
  ASSERT_EQ(profile.samples.size(), 6u);
  EXPECT_EQ(profile.samples[5].packed(2)[kCostFindingWasted], 5'000'000u);
  EXPECT_EQ(profile.samples[5].packed(2)[kCostFindingCpu], 7u);
  EXPECT_EQ(profile.lines(profile.samples[5].packed(1).at(0)).at(0).function, "main.cache");
}

TEST(PprofReport, SaysWhenItWasAndHowLong) {
  Profile profile = sample_profile();
  EXPECT_EQ(profile.all.number(9), 1'790'000'000'000'000'000u);
  EXPECT_EQ(profile.all.number(10), 58'200'000'000u);
}

TEST(PprofReport, AGrowthSiteCarriesItsThreeCostsAndItsVerdict) {
  Profile profile = sample_profile();
  Message& orders = profile.samples.at(0);
  EXPECT_THAT(orders.packed(2), ElementsAre(3'221'225'472, 412'000'000, 201'326'592, 0, 0));
  const auto labels = profile.labels(orders);
  EXPECT_EQ(labels.at("verdict"), "content");
  EXPECT_EQ(labels.at("container"), "std::vector<checkout::Order>");
}

TEST(PprofReport, FramesInlinedIntoOneAreLinesOfOneLocationInnermostFirst) {
  Profile profile = sample_profile();
  const auto stack = profile.samples.at(0).packed(1);
  ASSERT_EQ(stack.size(), 5u);  // six frames, one of them inlined
  EXPECT_EQ(profile.lines(stack[0]).size(), 1u);
  const auto lines = profile.lines(stack[1]);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].function, "std::vector<checkout::Order>::push_back");
  EXPECT_EQ(lines[1].function, "checkout::Book::add");
  EXPECT_EQ(lines[1].file, "/build/checkout/src/book.cpp");
  EXPECT_EQ(lines[1].line, 88u);
  EXPECT_EQ(profile.lines(stack[4]).at(0).function, "main");
}

TEST(PprofReport, EveryAddressLiesInItsMappingAndTheFirstIsTheProgram) {
  Profile profile = sample_profile();
  std::map<std::uint64_t, Message*> mappings;
  for (Message& mapping : profile.mappings) mappings[mapping.number(1)] = &mapping;
  EXPECT_EQ(mappings.size(), 2u);
  EXPECT_EQ(profile.text(profile.mappings[0].number(5)), "checkout");
  EXPECT_EQ(profile.text(profile.mappings[0].number(6)),
            "5a1f0c3d9e2b47788899aabbccddeeff00112233");
  for (auto& [id, location] : profile.locations) {
    Message& mapping = *mappings.at(location.number(2));
    EXPECT_GE(location.number(3), mapping.number(2));
    EXPECT_LT(location.number(3), mapping.number(3));
  }
  // has_functions .. has_inline_frames: nobody needs to look for the binary.
  for (const unsigned field : {7u, 8u, 9u, 10u}) EXPECT_EQ(profile.mappings[1].number(field), 1u);
}

TEST(PprofReport, TotalsOfEachTypeAreThoseOfTheEvidence) {
  const evidence::Evidence evidence = sample::rich();
  std::uint64_t copied = 0, allocated = 0, inuse = 0;
  for (const auto& site : evidence.growth_sites) {
    if (evidence::strong(site.verdict)) copied += site.copied_bytes;  // the weak one stays out
  }
  for (const auto& site : evidence.allocation_sites) {
    allocated += site.bytes;
    inuse += site.live_bytes_end;
  }
  std::vector<std::uint64_t> sums(5);
  Profile profile = sample_profile();
  for (Message& sample : profile.samples) {
    const auto values = sample.packed(2);
    ASSERT_EQ(values.size(), sums.size());
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += values[i];
  }
  EXPECT_EQ(sums[0], copied);
  EXPECT_EQ(sums[3], allocated);
  EXPECT_EQ(sums[4], inuse);
}

TEST(PprofReport, WritesARunWithNothingInIt) {
  Profile profile(pprof_report({}, {}, {}));
  EXPECT_TRUE(profile.samples.empty());
  EXPECT_EQ(profile.mappings.size(), 1u);
}

TEST(PprofReport, BytesThatAreNotTextBecomeText) {
  evidence::Evidence evidence;
  evidence.growth_sites = {sample::log_site()};
  evidence.growth_sites[0].stack[0].function = "bad\xff name";
  Profile profile(pprof_report(evidence, {}, {}));
  EXPECT_EQ(profile.lines(profile.samples.at(0).packed(1)[0]).at(0).function,
            "bad\xEF\xBF\xBD name");
}

TEST(ProtobufWriter, EncodesTheExamplesOfTheSpecification) {
  ProtobufWriter writer;
  writer.number(1, 150);
  writer.number(3, 0);  // a default is not written
  writer.text(2, "testing");
  writer.packed(6, {3, 270, 86942});
  EXPECT_EQ(writer.out(),
            std::string("\x08\x96\x01\x12\x07testing\x32\x06\x03\x8E\x02\x9E\xA7\x05"));
}

}  // namespace
}  // namespace ullage::diagnose
