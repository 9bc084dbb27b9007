// SPDX-License-Identifier: Apache-2.0
#include "trace/pprof/groups.h"

#include <algorithm>
#include <numeric>

#include "evidence/incident.h"
#include "trace/pprof/wire.h"

namespace ullage::trace {
namespace {

constexpr std::uint32_t kFree = UINT32_MAX;
constexpr std::uint64_t kMultiplier = 0x9e3779b97f4a7c15;

std::uint64_t mixed(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * kMultiplier;
  return hash ^ (hash >> 29);
}

constexpr std::uint64_t kSampleField = 2;

}  // namespace

Groups Groups::read(std::span<const std::uint8_t> bytes, const Tables& tables,
                    const Wanted& wanted) {
  Groups groups;
  groups.bytes_ = bytes.first(static_cast<std::size_t>(tables.bytes_understood()));
  groups.tables_ = &tables;
  groups.index_.assign(1024, kFree);
  for (std::size_t i = 0; wanted.sizes && i < tables.strings(); ++i) {
    if (tables.string(i) == "bytes" && groups.bytes_key_ == UINT64_MAX) groups.bytes_key_ = i;
  }
  Wire wire(groups.bytes_);
  while (wire.next()) {
    if (wire.field() != kSampleField) continue;
    if (wire.bytes().size() <= UINT32_MAX) groups.read_sample(wire.bytes(), wanted);
  }
  return groups;
}

void Groups::read_sample(std::span<const std::uint8_t> bytes, const Wanted& wanted) {
  Wire wire(bytes);
  std::uint64_t hash = kMultiplier, depth = 0;
  std::array<std::int64_t, Tables::kSampleTypesMax> values{};
  std::size_t count = 0;
  label_bytes_ = 0;
  label_found_ = false;
  bool good = true;
  while (good && wire.next()) {
    if (wire.field() == 1) {
      good = each_number(wire, [&](std::uint64_t id) {
        if (depth++ < kDepthMax) hash = mixed(hash, id);
      });
    } else if (wire.field() == 2) {
      good = each_number(wire, [&](std::uint64_t v) {
        if (count < values.size()) values[count++] = static_cast<std::int64_t>(v);
      });
    } else if (wire.field() == 3 && wanted.sizes && !label_found_) {
      good = wire.type() == Wire::kBytes && read_label(wire.bytes());
    }
  }
  if (!good || !wire.ok() || count != tables_->sample_types().size()) {
    ++samples_broken_;
    return;
  }
  ++samples_;
  std::array<std::uint64_t, kValues> chosen{};
  for (std::size_t i = 0; i < kValues; ++i) {
    if (wanted.values[i] < 0) continue;
    const std::int64_t v = values[static_cast<std::size_t>(wanted.values[i])];
    if (v < 0) ++values_negative_;
    chosen[i] = v < 0 ? 0 : static_cast<std::uint64_t>(v);
    totals_[i] += chosen[i];
  }
  Group* group = group_of(hash, bytes);
  if (group == nullptr) {
    ++samples_beyond_;
    return;
  }
  ++group->samples;
  for (std::size_t i = 0; i < kValues; ++i) group->values[i] += chosen[i];
  if (!wanted.sizes) return;
  std::uint64_t size = label_bytes_;
  if (!label_found_ && chosen[0] > 0) size = chosen[1] / chosen[0];
  if (!label_found_ && chosen[0] == 0 && chosen[2] > 0) size = chosen[3] / chosen[2];
  if (size > 0) {
    add_rung(*group, size, static_cast<double>(chosen[0]), static_cast<double>(chosen[2]));
  }
}

// The size of an object is the numeric label "bytes".
bool Groups::read_label(std::span<const std::uint8_t> bytes) {
  Wire wire(bytes);
  std::uint64_t key = 0, number = 0;
  while (wire.next()) {
    if (wire.field() == 1) key = wire.value();
    if (wire.field() == 3) number = wire.value();
  }
  if (key == bytes_key_ && number > 0) {
    label_found_ = true;
    label_bytes_ = number;
  }
  return wire.ok();
}

Groups::Group* Groups::group_of(std::uint64_t hash, std::span<const std::uint8_t> sample) {
  if (groups_.size() * 2 >= index_.size()) grow_index();
  std::size_t slot = hash & (index_.size() - 1);
  while (index_[slot] != kFree) {
    Group& group = groups_[index_[slot]];
    if (group.hash == hash) return &group;
    slot = (slot + 1) & (index_.size() - 1);
  }
  if (groups_.size() >= kGroupsMax) return nullptr;
  index_[slot] = static_cast<std::uint32_t>(groups_.size());
  Group& group = groups_.emplace_back();
  group.hash = hash;
  group.at = static_cast<std::uint64_t>(sample.data() - bytes_.data());
  group.bytes = static_cast<std::uint32_t>(sample.size());
  return &group;
}

void Groups::grow_index() {
  std::vector<std::uint32_t> larger(index_.size() * 2, kFree);
  for (std::uint32_t i = 0; i < groups_.size(); ++i) {
    std::size_t slot = groups_[i].hash & (larger.size() - 1);
    while (larger[slot] != kFree) slot = (slot + 1) & (larger.size() - 1);
    larger[slot] = i;
  }
  index_ = std::move(larger);
}

// At most kRungsMax a group: a larger size takes the place of the smallest.
void Groups::add_rung(Group& group, std::uint64_t bytes, double first, double second) {
  std::uint32_t smallest = group.rungs;
  for (std::uint32_t i = group.rungs; i != UINT32_MAX; i = rungs_[i].next) {
    if (rungs_[i].bytes == bytes) {
      rungs_[i].objects[0] += first;
      rungs_[i].objects[1] += second;
      return;
    }
    if (rungs_[i].bytes < rungs_[smallest].bytes) smallest = i;
  }
  if (group.rung_count >= evidence::kRungsMax) {
    Rung& rung = rungs_[smallest];
    if (bytes > rung.bytes) rung = {bytes, {first, second}, rung.next};
    return;
  }
  rungs_.push_back({bytes, {first, second}, group.rungs});
  group.rungs = static_cast<std::uint32_t>(rungs_.size() - 1);
  ++group.rung_count;
}

std::vector<std::uint32_t> Groups::largest(
    std::size_t count_max, const std::function<std::uint64_t(const Group&)>& weight) const {
  std::vector<std::uint64_t> weights(groups_.size());
  std::transform(groups_.begin(), groups_.end(), weights.begin(), weight);
  std::vector<std::uint32_t> order(groups_.size());
  std::iota(order.begin(), order.end(), 0u);
  const auto end = order.begin() + static_cast<std::ptrdiff_t>(std::min(count_max, order.size()));
  std::partial_sort(order.begin(), end, order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return weights[a] != weights[b] ? weights[a] > weights[b] : a < b;
  });
  order.erase(end, order.end());
  return order;
}

std::vector<Groups::Rung> Groups::rungs(const Group& group) const {
  std::vector<Rung> found;
  for (std::uint32_t i = group.rungs; i != UINT32_MAX; i = rungs_[i].next) {
    found.push_back(rungs_[i]);
  }
  std::sort(found.begin(), found.end(),
            [](const Rung& a, const Rung& b) { return a.bytes < b.bytes; });
  return found;
}

void Groups::locations(const Group& group, std::vector<std::uint32_t>& out) const {
  out.clear();
  Wire wire(bytes_.subspan(static_cast<std::size_t>(group.at), group.bytes));
  while (wire.next()) {
    if (wire.field() != 1) continue;
    each_number(wire, [&](std::uint64_t id) {
      const std::uint32_t index = tables_->location_index(id);
      if (index != Tables::kNone && out.size() < kDepthMax) out.push_back(index);
    });
  }
}

}  // namespace ullage::trace
