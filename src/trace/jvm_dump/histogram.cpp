// SPDX-License-Identifier: Apache-2.0
#include "trace/jvm_dump/histogram.h"

#include <algorithm>

#include "trace/jvm_gc/scan.h"

namespace ullage::trace::jvm {
namespace {

constexpr std::size_t kNameMax = 512;
constexpr std::size_t kSnapshotsMax = 1000;

}  // namespace

bool is_histogram_header(std::string_view line) {
  std::string_view text = trimmed(line);
  if (!eat(text, "num")) return false;
  skip_blanks(text);
  if (!eat(text, "#instances")) return false;
  skip_blanks(text);
  return text.starts_with("#bytes");
}

std::string class_name(std::string_view internal) {
  std::size_t dimensions = 0;
  while (dimensions < internal.size() && internal[dimensions] == '[') ++dimensions;
  std::string_view element = internal.substr(dimensions);
  std::string name;
  if (dimensions == 0) {
    name = element;
  } else if (element.size() >= 2 && element.front() == 'L' && element.back() == ';') {
    name = element.substr(1, element.size() - 2);
  } else if (element.size() == 1) {
    switch (element.front()) {
      case 'B':
        name = "byte";
        break;
      case 'C':
        name = "char";
        break;
      case 'D':
        name = "double";
        break;
      case 'F':
        name = "float";
        break;
      case 'I':
        name = "int";
        break;
      case 'J':
        name = "long";
        break;
      case 'S':
        name = "short";
        break;
      case 'Z':
        name = "boolean";
        break;
      default:
        return std::string(internal);
    }
  } else {
    return std::string(internal);
  }
  for (std::size_t i = 0; i < dimensions; ++i) name += "[]";
  return name;
}

bool HistogramParser::feed(std::string_view line) {
  if (is_histogram_header(line)) {
    inside_ = incident_.snapshots.size() < kSnapshotsMax;
    if (!inside_) return false;
    snapshot_ = static_cast<std::uint32_t>(incident_.snapshots.size());
    rows_ = 0;
    incident_.snapshots.emplace_back();
    incident_.snapshots.back().kind = "histogram";
    return true;
  }
  if (!inside_) return false;
  std::string_view text = trimmed(line);
  if (text.starts_with("-----")) return true;
  std::uint64_t ignored = 0, instances = 0, bytes = 0;
  if (eat(text, "Total")) {
    skip_blanks(text);
    eat_integer(text, instances);
    skip_blanks(text);
    if (eat_integer(text, bytes)) incident_.snapshots[snapshot_].inuse_bytes = bytes;
    inside_ = false;
    return true;
  }
  if (!eat_integer(text, ignored) || !eat(text, ":")) {
    inside_ = !text.empty();
    return text.empty();
  }
  skip_blanks(text);
  if (!eat_integer(text, instances)) return false;
  skip_blanks(text);
  if (!eat_integer(text, bytes)) return false;
  skip_blanks(text);
  if (text.empty()) return false;
  if (rows_ < evidence::kClassesMax) {
    const std::string_view name = text.substr(0, std::min(text.find(' '), kNameMax));
    incident_.classes.push_back({class_name(name), instances, bytes, snapshot_});
    ++rows_;
  }
  return true;
}

}  // namespace ullage::trace::jvm
