// SPDX-License-Identifier: Apache-2.0
//
// pprof_report: profile.proto (github.com/google/pprof, proto/profile.proto), gzipped.
//
// One sample per growth site (copied, stall, slack) and one per allocation site (alloc_space,
// inuse_space); a sample leaves the other values at zero, so each type adds up on its own. Frames
// inlined into one machine frame are lines of one location, innermost first. Everything is already
// symbolised and says so: pprof must not look for binaries on the reader's machine.
//
// Of an incident: one sample per stack that cost something, with the kinds of incident_costs.h.
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/text.h"
#include "diagnose/growth.h"
#include "diagnose/reports/common.h"
#include "diagnose/reports/incident_costs.h"
#include "diagnose/reports/pprof_encoder.h"
#include "diagnose/reports/reports.h"

namespace ullage::diagnose {
namespace {

using evidence::Evidence;
using evidence::Frame;
using evidence::Stack;

// Modules are laid out this far apart, because recordings keep offsets and pprof wants addresses.
// No offset within a module comes near it.
constexpr std::uint64_t kModuleStride = std::uint64_t{1} << 40;

// Field numbers of profile.proto.
enum ProfileField : unsigned {
  kSampleType = 1,
  kSample = 2,
  kMapping = 3,
  kLocation = 4,
  kFunction = 5,
  kStringTable = 6,
  kTimeNanos = 9,
  kDurationNanos = 10,
  kComment = 13,
  kDefaultSampleType = 14,
};

class Profile {
 public:
  explicit Profile(const Evidence& evidence, const ReportOptions& options)
      : evidence_(evidence), options_(options) {
    string("");  // index 0 must be the empty string
    if (!evidence.incident.empty()) {
      for (const CostKind& kind : kCosts) sample_type(kind.name, kind.unit);
      module(evidence.process.program);
      return;
    }
    sample_type("copied", "bytes");
    sample_type("stall", "nanoseconds");
    sample_type("slack", "bytes");
    sample_type("alloc_space", "bytes");
    sample_type("inuse_space", "bytes");
    // pprof takes the first mapping for the program itself.
    module(evidence.process.program);
  }

  void growth(const evidence::GrowthSite& site) {
    ProtobufWriter sample;
    sample.packed(1, locations(site.stack.empty() ? Stack{site.growth} : site.stack));
    sample.packed(2, {site.copied_bytes, stall_ns_total(site), site.slack_unused_bytes, 0, 0});
    label(sample, "verdict", evidence::to_string(site.verdict));
    label(sample, "law", evidence::to_string(site.law));
    if (!site.container.empty()) label(sample, "container", site.container);
    if (!site.container_kind.empty()) label(sample, "kind", site.container_kind);
    profile_.message(kSample, sample);
  }

  void allocation(const evidence::AllocationSite& site) {
    ProtobufWriter sample;
    sample.packed(1, locations(site.stack.empty() ? Stack{site.user} : site.stack));
    sample.packed(2, {0, 0, 0, site.bytes, site.live_bytes_end});
    profile_.message(kSample, sample);
  }

  void cost(const CostStack& cost) {
    ProtobufWriter sample;
    sample.packed(1, locations(cost.stack));
    sample.packed(2, {cost.values.begin(), cost.values.end()});
    for (std::size_t i = 0; i < kCostKinds; ++i) {
      if (cost.values[i] > 0) totals_[i] = true;
    }
    profile_.message(kSample, sample);
  }

  std::string finish() {
    for (const auto& [name, entry] : modules_) {
      ProtobufWriter mapping;
      mapping.number(1, entry.id);
      mapping.number(2, entry.id * kModuleStride);
      mapping.number(3, entry.id * kModuleStride + entry.bytes);
      mapping.number(5, string(name));
      if (name == evidence_.process.program) mapping.number(6, string(evidence_.process.build_id));
      for (const unsigned already_known : {7u, 8u, 9u, 10u}) mapping.number(already_known, 1);
      modules_in_order_[entry.id - 1] = mapping.out();
    }
    for (const std::string& mapping : modules_in_order_) profile_.text(kMapping, mapping);
    std::string command;
    for (const std::string& word : evidence_.process.command) {
      command += (command.empty() ? "" : " ") + shell_word(word);
    }
    profile_.number(kTimeNanos, evidence_.process.started_realtime_ns);
    profile_.number(kDurationNanos, evidence_.process.duration_ns);
    profile_.packed(kComment,
                    {string("command: " + command),
                     string(evidence_.incident.empty()
                                ? "growth recorded by ullage; values are exact unless sampled"
                                : "costs of an incident, put together by ullage")});
    profile_.number(kDefaultSampleType, string(default_type()));
    // Last, when it is complete; readers take fields in any order.
    for (const std::string& text : strings_in_order_) profile_.text(kStringTable, text);
    return profile_.out();
  }

 private:
  // Of an incident, the first kind of cost that it has.
  std::string default_type() const {
    if (evidence_.incident.empty()) return "copied";
    const auto first = std::find(totals_.begin(), totals_.end(), true);
    return kCosts[first == totals_.end() ? 0 : static_cast<std::size_t>(first - totals_.begin())]
        .name;
  }

  struct Module {
    std::uint64_t id = 0;
    std::uint64_t bytes = 1;
  };

  std::uint64_t string(std::string_view text) {
    const auto [known, added] = strings_.emplace(clean_utf8(text), strings_in_order_.size());
    if (added) strings_in_order_.push_back(known->first);
    return known->second;
  }

  void sample_type(std::string_view type, std::string_view unit) {
    ProtobufWriter value_type;
    value_type.number(1, string(type));
    value_type.number(2, string(unit));
    profile_.message(kSampleType, value_type);
  }

  void label(ProtobufWriter& sample, std::string_view key, std::string_view value) {
    ProtobufWriter writer;
    writer.number(1, string(key));
    writer.number(2, string(value));
    sample.message(3, writer);
  }

  Module& module(const std::string& name) {
    Module& entry = modules_[name.empty() ? "unknown" : name];
    if (entry.id == 0) {
      entry.id = modules_.size();
      modules_in_order_.emplace_back();
    }
    return entry;
  }

  std::uint64_t function(const Frame& frame) {
    const std::uint64_t name = string(frame.label());
    const std::uint64_t file =
        frame.file.empty() ? 0 : string(below_root(frame.file, options_.source_root));
    const auto [known, added] = functions_.emplace(std::pair(name, file), functions_.size() + 1);
    if (added) {
      ProtobufWriter writer;
      writer.number(1, known->second);
      writer.number(2, name);
      writer.number(3, name);
      writer.number(4, file);
      profile_.message(kFunction, writer);
    }
    return known->second;
  }

  std::vector<std::uint64_t> locations(const Stack& stack) {
    std::vector<std::uint64_t> ids;
    for (std::size_t from = 0; from < stack.size();) {
      std::size_t machine = from;  // the frame that the ones before it are inlined into
      while (machine + 1 < stack.size() && stack[machine].inlined) ++machine;
      ids.push_back(location(stack, from, machine));
      from = machine + 1;
    }
    return ids;
  }

  std::uint64_t location(const Stack& stack, std::size_t from, std::size_t machine) {
    Module& home = module(stack[machine].module);
    const std::uint64_t offset = std::min(stack[machine].offset, kModuleStride - 2);
    home.bytes = std::max(home.bytes, offset + 1);
    ProtobufWriter body;
    body.number(2, home.id);
    body.number(3, home.id * kModuleStride + offset);
    for (std::size_t i = from; i <= machine; ++i) {
      ProtobufWriter line;
      line.number(1, function(stack[i]));
      line.number(2, static_cast<std::uint64_t>(std::max(0, stack[i].line)));
      body.message(4, line);
    }
    const auto [known, added] = locations_.emplace(body.out(), locations_.size() + 1);
    if (added) {
      ProtobufWriter writer;
      writer.number(1, known->second);
      profile_.text(kLocation, writer.out() + body.out());
    }
    return known->second;
  }

  const Evidence& evidence_;
  const ReportOptions& options_;
  ProtobufWriter profile_;
  std::array<bool, kCostKinds> totals_{};
  std::map<std::string, std::uint64_t> strings_;
  std::vector<std::string> strings_in_order_;
  std::map<std::string, Module> modules_;
  std::vector<std::string> modules_in_order_;  // encoded, by id - 1
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> functions_;
  std::map<std::string, std::uint64_t> locations_;  // encoded without the id -> id
};

std::string gzip(const std::string& text) {
  z_stream stream{};
  constexpr int kGzipWrapper = 16;  // added to the window bits: a gzip header rather than zlib's
  int status = deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + kGzipWrapper, 8,
                            Z_DEFAULT_STRATEGY);
  assert(status == Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  status = deflate(&stream, Z_FINISH);
  assert(status == Z_STREAM_END);
  static_cast<void>(status);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace

std::string pprof_report(const Evidence& evidence, const Findings& findings,
                         const ReportOptions& options) {
  Profile profile(evidence, options);
  for (const evidence::GrowthSite& site : evidence.growth_sites) {
    if (may_stand(site)) profile.growth(site);
  }
  for (const evidence::AllocationSite& site : evidence.allocation_sites) profile.allocation(site);
  for (const CostStack& cost : incident_costs(evidence.incident, findings)) {
    profile.cost(cost);
  }
  return gzip(profile.finish());
}

}  // namespace ullage::diagnose
