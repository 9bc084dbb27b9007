// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tables: everything of a pprof profile but its samples, as flat arrays that point into the bytes.
// A first pass over the file makes them, because Go writes samples before the tables they name.
//
// Limits: kEntriesMax strings, functions, locations and lines each; beyond, kExhausted.
// Valid while the bytes are.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "evidence/frame.h"

namespace ullage::trace {

class Tables {
 public:
  // 8 million of each is 40 times a profile of a 100 MB binary, and at most 192 MB an array.
  static constexpr std::size_t kEntriesMax = std::size_t{1} << 23;
  static constexpr std::size_t kSampleTypesMax = 64, kMappingsMax = 1 << 16;
  static constexpr std::uint32_t kNone = UINT32_MAX;

  struct SampleType {
    std::string_view type, unit;
  };
  struct Mapping {
    std::uint64_t start = 0, limit = 0, file_offset = 0;
    std::string_view file, build_id;
  };
  struct Function {
    std::uint32_t name = 0, file = 0;  // strings
  };
  struct Line {
    std::uint64_t function = 0;  // index (an id until resolve()); UINT64_MAX = none
    std::int32_t line = 0;
  };
  struct Location {
    std::uint64_t address = 0;
    std::uint32_t mapping = kNone;
    std::uint32_t first_line = 0;
    std::uint32_t lines = 0;
  };

  static Result<Tables> read(std::span<const std::uint8_t> bytes);

  const std::vector<SampleType>& sample_types() const { return sample_types_; }
  // Index of the sample type with this name; -1 when there is none.
  int sample_type(std::string_view type) const;
  std::string_view string(std::uint64_t i) const {
    return i < strings_.size() ? strings_[i] : std::string_view{};
  }
  std::size_t strings() const { return strings_.size(); }
  const std::vector<Mapping>& mappings() const { return mappings_; }
  std::size_t locations() const { return locations_.size(); }
  std::size_t functions() const { return functions_.size(); }
  std::string_view function_name(std::uint64_t i) const {
    return i < functions_.size() ? string(functions_[i].name) : std::string_view{};
  }
  const Location& location(std::uint32_t i) const { return locations_[i]; }
  std::span<const Line> lines(const Location& l) const {
    return std::span(lines_).subspan(l.first_line, l.lines);
  }
  // Index of a location by its id; kNone when no such id was defined.
  std::uint32_t location_index(std::uint64_t id) const { return locations_by_id_.find(id); }
  // Appends the frames of a location, innermost first.
  void frames(std::uint32_t location, evidence::Stack& stack) const;

  std::uint64_t samples() const { return samples_; }
  std::int64_t time_ns() const { return time_ns_; }
  std::int64_t duration_ns() const { return duration_ns_; }
  std::int64_t period() const { return period_; }
  std::string_view default_type() const { return string(default_type_); }
  // Bytes up to the first place that made no sense; all of them when it all did.
  std::uint64_t bytes_understood() const { return bytes_understood_; }
  std::uint64_t fields_unknown() const { return fields_unknown_; }

 private:
  // Ids are 1, 2, 3, ... in nearly all profiles: then a plain array; else sorted pairs.
  class Ids {
   public:
    void add(std::uint64_t id, std::uint32_t index) { pairs_.emplace_back(id, index); }
    void finish();
    std::uint32_t find(std::uint64_t id) const;

   private:
    std::vector<std::pair<std::uint64_t, std::uint32_t>> pairs_;
    std::size_t count_ = 0;
    bool dense_ = false;  // the i-th id is i + 1: pairs_ is not kept
  };

  bool add_sample_type(std::span<const std::uint8_t> bytes);
  bool add_mapping(std::span<const std::uint8_t> bytes);
  bool add_location(std::span<const std::uint8_t> bytes);
  bool add_line(std::span<const std::uint8_t> bytes, Location& location);
  bool add_function(std::span<const std::uint8_t> bytes);
  void resolve();

  std::vector<SampleType> sample_types_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> sample_type_ids_;
  std::vector<Mapping> mappings_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> mapping_strings_;  // file, build id
  std::vector<std::string_view> strings_;
  std::vector<Function> functions_;
  std::vector<Location> locations_;
  std::vector<Line> lines_;
  Ids mappings_by_id_, functions_by_id_, locations_by_id_;
  std::vector<std::uint64_t> location_mapping_ids_;
  std::uint64_t samples_ = 0, default_type_ = 0, bytes_understood_ = 0, fields_unknown_ = 0;
  std::int64_t time_ns_ = 0, duration_ns_ = 0, period_ = 0;
};

}  // namespace ullage::trace
