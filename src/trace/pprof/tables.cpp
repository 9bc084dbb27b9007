// SPDX-License-Identifier: Apache-2.0
#include "trace/pprof/tables.h"

#include <algorithm>

#include "evidence/incident.h"
#include "trace/pprof/wire.h"

namespace ullage::trace {
namespace {

// Addresses of a position-independent program start here or higher; others are linked below 4 GiB.
constexpr std::uint64_t kPositionIndependentFrom = std::uint64_t{1} << 32;

std::string_view base_name(std::string_view path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::uint32_t narrowed(std::uint64_t v) {
  return v < Tables::kNone ? static_cast<std::uint32_t>(v) : Tables::kNone;
}

}  // namespace

void Tables::Ids::finish() {
  dense_ = true;
  for (std::size_t i = 0; i < pairs_.size() && dense_; ++i) dense_ = pairs_[i].first == i + 1;
  count_ = pairs_.size();
  if (dense_) {
    pairs_ = {};
  } else {
    std::sort(pairs_.begin(), pairs_.end());
  }
}

std::uint32_t Tables::Ids::find(std::uint64_t id) const {
  if (dense_) return id - 1 < count_ ? static_cast<std::uint32_t>(id - 1) : kNone;
  const auto found =
      std::lower_bound(pairs_.begin(), pairs_.end(), std::pair{id, std::uint32_t{0}});
  return found != pairs_.end() && found->first == id ? found->second : kNone;
}

Result<Tables> Tables::read(std::span<const std::uint8_t> bytes) {
  Tables t;
  const auto full = [](const char* what) {
    return Error{Code::kExhausted, std::string("more than ") + std::to_string(kEntriesMax) + " " +
                                       what + ": not a profile that can be read here"};
  };
  Wire wire(bytes);
  t.bytes_understood_ = bytes.size();
  const std::uint8_t* before = bytes.data();
  bool good = true;
  while (good && wire.next()) {
    const bool message = wire.type() == Wire::kBytes;
    switch (wire.field()) {
      case 1:
        good = message && t.add_sample_type(wire.bytes());
        break;
      case 2:
        good = message;
        ++t.samples_;
        break;
      case 3:
        good = message && t.add_mapping(wire.bytes());
        break;
      case 4:
        if (t.locations_.size() >= kEntriesMax) return full("locations");
        good = message && t.add_location(wire.bytes());
        if (t.lines_.size() > kEntriesMax) return full("lines");
        break;
      case 5:
        if (t.functions_.size() >= kEntriesMax) return full("functions");
        good = message && t.add_function(wire.bytes());
        break;
      case 6:
        if (t.strings_.size() >= kEntriesMax) return full("strings");
        good = message;
        t.strings_.push_back(wire.text());
        break;
      case 9:
        t.time_ns_ = static_cast<std::int64_t>(wire.value());
        break;
      case 10:
        t.duration_ns_ = static_cast<std::int64_t>(wire.value());
        break;
      case 12:
        t.period_ = static_cast<std::int64_t>(wire.value());
        break;
      case 14:
        t.default_type_ = wire.value();
        break;
      case 7:  // frames to drop, to keep: for viewers
      case 8:
      case 11:  // what the period counts
      case 13:  // comments
      case 15:  // a page about it
        break;
      default:
        ++t.fields_unknown_;
    }
    if (good) before = wire.position();
  }
  if (!good || !wire.ok()) {
    t.bytes_understood_ = static_cast<std::uint64_t>(before - bytes.data());
  }
  t.resolve();
  return t;
}

bool Tables::add_sample_type(std::span<const std::uint8_t> bytes) {
  if (sample_type_ids_.size() >= kSampleTypesMax) return false;
  Wire wire(bytes);
  std::uint64_t type = 0, unit = 0;
  while (wire.next()) {
    if (wire.field() == 1) type = wire.value();
    if (wire.field() == 2) unit = wire.value();
  }
  sample_type_ids_.emplace_back(type, unit);
  return wire.ok();
}

bool Tables::add_mapping(std::span<const std::uint8_t> bytes) {
  if (mappings_.size() >= kMappingsMax) return false;
  Wire wire(bytes);
  Mapping mapping;
  std::uint64_t id = 0, file = 0, build_id = 0;
  while (wire.next()) {
    if (wire.field() == 1) id = wire.value();
    if (wire.field() == 2) mapping.start = wire.value();
    if (wire.field() == 3) mapping.limit = wire.value();
    if (wire.field() == 4) mapping.file_offset = wire.value();
    if (wire.field() == 5) file = wire.value();
    if (wire.field() == 6) build_id = wire.value();
  }
  mappings_by_id_.add(id, static_cast<std::uint32_t>(mappings_.size()));
  mappings_.push_back(mapping);
  mapping_strings_.emplace_back(file, build_id);
  return wire.ok();
}

bool Tables::add_location(std::span<const std::uint8_t> bytes) {
  Wire wire(bytes);
  Location location;
  location.first_line = static_cast<std::uint32_t>(lines_.size());
  std::uint64_t id = 0, mapping = 0;
  bool good = true;
  while (good && wire.next()) {
    if (wire.field() == 1) id = wire.value();
    if (wire.field() == 2) mapping = wire.value();
    if (wire.field() == 3) location.address = wire.value();
    if (wire.field() == 4) good = wire.type() == Wire::kBytes && add_line(wire.bytes(), location);
  }
  locations_by_id_.add(id, static_cast<std::uint32_t>(locations_.size()));
  locations_.push_back(location);
  location_mapping_ids_.push_back(mapping);
  return good && wire.ok();
}

bool Tables::add_line(std::span<const std::uint8_t> bytes, Location& location) {
  if (lines_.size() > kEntriesMax) return false;
  Wire wire(bytes);
  Line line;
  while (wire.next()) {
    if (wire.field() == 1) line.function = wire.value();
    if (wire.field() == 2) line.line = static_cast<std::int32_t>(wire.value());
  }
  lines_.push_back(line);
  ++location.lines;
  return wire.ok();
}

bool Tables::add_function(std::span<const std::uint8_t> bytes) {
  Wire wire(bytes);
  Function function;
  std::uint64_t id = 0;
  while (wire.next()) {
    if (wire.field() == 1) id = wire.value();
    if (wire.field() == 2) function.name = narrowed(wire.value());
    if (wire.field() == 4) function.file = narrowed(wire.value());
  }
  functions_by_id_.add(id, static_cast<std::uint32_t>(functions_.size()));
  functions_.push_back(function);
  return wire.ok();
}

void Tables::resolve() {
  for (const auto& [type, unit] : sample_type_ids_) {
    sample_types_.push_back({string(type), string(unit)});
  }
  mappings_by_id_.finish();
  functions_by_id_.finish();
  locations_by_id_.finish();
  for (std::size_t i = 0; i < mappings_.size(); ++i) {
    mappings_[i].file = string(mapping_strings_[i].first);
    mappings_[i].build_id = string(mapping_strings_[i].second);
  }
  for (Line& line : lines_) {
    const std::uint32_t index = functions_by_id_.find(line.function);
    line.function = index == kNone ? UINT64_MAX : index;
  }
  for (std::size_t i = 0; i < locations_.size(); ++i) {
    locations_[i].mapping = mappings_by_id_.find(location_mapping_ids_[i]);
  }
  location_mapping_ids_ = {};
}

int Tables::sample_type(std::string_view type) const {
  for (std::size_t i = 0; i < sample_types_.size(); ++i) {
    if (sample_types_[i].type == type) return static_cast<int>(i);
  }
  return -1;
}

void Tables::frames(std::uint32_t index, evidence::Stack& stack) const {
  const Location& location = locations_[index];
  evidence::Frame place;
  place.offset = location.address;
  if (location.mapping != kNone) {
    const Mapping& mapping = mappings_[location.mapping];
    place.module = base_name(mapping.file);
    if (mapping.start >= kPositionIndependentFrom && location.address >= mapping.start) {
      place.offset = location.address - mapping.start + mapping.file_offset;
    }
  }
  if (location.lines == 0) {
    stack.push_back(std::move(place));
    return;
  }
  for (std::uint32_t i = 0; i < location.lines; ++i) {
    const Line& line = lines_[location.first_line + i];
    evidence::Frame& frame = stack.emplace_back(place);
    frame.line = line.line;
    frame.inlined = i + 1 < location.lines;
    if (line.function == UINT64_MAX) continue;
    const Function& function = functions_[line.function];
    frame.function = string(function.name);
    frame.file = string(function.file);
    frame.library = evidence::is_go_runtime(frame.function);
  }
}

}  // namespace ullage::trace
