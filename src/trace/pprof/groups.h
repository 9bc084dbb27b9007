// SPDX-License-Identifier: Apache-2.0
#pragma once

// Groups: samples with the same list of locations are one group, whatever their labels. The second
// pass over a profile; no graph, no strings, one record of 80 bytes a stack.
//
// Stacks are told apart by a 64-bit hash of their locations: among a million of them, two meet with
// a probability of 1 in 37 million. Limits: kGroupsMax stacks, further ones count in the totals
// only; kRungsMax sizes a stack.

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "trace/pprof/tables.h"

namespace ullage::trace {

class Groups {
 public:
  // 2 million stacks are 170 MB of records: what a profile of a gigabyte may cost.
  static constexpr std::size_t kGroupsMax = std::size_t{1} << 21;
  // Locations of a sample that are looked at, from the inner end: Go keeps 128 at most.
  static constexpr std::size_t kDepthMax = 4096;
  static constexpr std::size_t kValues = 4;

  struct Rung {
    std::uint64_t bytes = 0;
    std::array<double, 2> objects{};  // of the values chosen as such
    std::uint32_t next = UINT32_MAX;
  };
  struct Group {
    std::uint64_t hash = 0;
    std::uint64_t at = 0;  // offset of its first sample's message, and its size
    std::uint32_t bytes = 0;
    std::uint64_t samples = 0;
    std::array<std::uint64_t, kValues> values{};
    std::uint32_t rungs = UINT32_MAX, rung_count = 0;
  };
  // Which of a sample's values are summed: indices into sample_types, -1 = none. With `sizes`,
  // values 0 and 2 are objects, 1 and 3 their bytes, and rungs are kept.
  struct Wanted {
    std::array<int, kValues> values{-1, -1, -1, -1};
    bool sizes = false;
  };

  static Groups read(std::span<const std::uint8_t> bytes, const Tables& tables,
                     const Wanted& wanted);

  // Most of weight() first; at most count_max.
  std::vector<std::uint32_t> largest(
      std::size_t count_max, const std::function<std::uint64_t(const Group&)>& weight) const;
  const Group& operator[](std::uint32_t i) const { return groups_[i]; }
  std::size_t size() const { return groups_.size(); }
  std::vector<Rung> rungs(const Group& group) const;  // ascending
  // Indices of its locations, innermost first.
  void locations(const Group& group, std::vector<std::uint32_t>& out) const;

  const std::array<std::uint64_t, kValues>& totals() const { return totals_; }
  std::uint64_t samples() const { return samples_; }
  std::uint64_t samples_broken() const { return samples_broken_; }    // not understood
  std::uint64_t samples_beyond() const { return samples_beyond_; }    // kGroupsMax was met
  std::uint64_t values_negative() const { return values_negative_; }  // a difference of profiles

 private:
  void read_sample(std::span<const std::uint8_t> bytes, const Wanted& wanted);
  bool read_label(std::span<const std::uint8_t> bytes);
  Group* group_of(std::uint64_t hash, std::span<const std::uint8_t> sample);
  void grow_index();
  void add_rung(Group& group, std::uint64_t bytes, double first, double second);

  std::span<const std::uint8_t> bytes_;
  const Tables* tables_ = nullptr;
  std::vector<Group> groups_;
  std::vector<std::uint32_t> index_;  // open addressing by hash; UINT32_MAX = free
  std::vector<Rung> rungs_;
  std::uint64_t bytes_key_ = UINT64_MAX;  // string of the label "bytes"
  std::uint64_t label_bytes_ = 0;
  bool label_found_ = false;
  std::array<std::uint64_t, kValues> totals_{};
  std::uint64_t samples_ = 0, samples_broken_ = 0, samples_beyond_ = 0, values_negative_ = 0;
};

}  // namespace ullage::trace
