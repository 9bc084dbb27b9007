// SPDX-License-Identifier: Apache-2.0
#include "evidence/evidence.h"

namespace ullage::evidence {
namespace {

std::string hex(std::uint64_t value) {
  char digits[16];
  int n = 0;
  do {
    digits[n++] = "0123456789abcdef"[value & 15];
    value >>= 4;
  } while (value != 0);
  std::string s = "0x";
  while (n > 0) s += digits[--n];
  return s;
}

std::string base_name(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::string module_offset(const Frame& f) {
  return (f.module.empty() ? "?" : f.module) + "+" + hex(f.offset);
}

}  // namespace

std::string Frame::place() const {
  if (!file.empty())
    return line > 0 ? base_name(file) + ":" + std::to_string(line) : base_name(file);
  if (function.empty()) return module_offset(*this);
  return module.empty() ? label() : label() + " in " + module;
}

std::string Frame::label() const {
  if (function.empty()) return module_offset(*this);
  if (exact) return function;
  return "~" + function + "+" + hex(symbol_offset);
}

std::uint64_t copying_ns_max(std::uint64_t bytes) {
  // Elements that are copied one by one with an allocation each, or a table whose nodes are all
  // cache misses, stay below 30 ns per byte of the old block; memcpy is a hundred times faster.
  constexpr std::uint64_t kBaseNs = 100'000;
  constexpr std::uint64_t kNsPerByte = 30;
  constexpr std::uint64_t kBytesMax = (UINT64_MAX - kBaseNs) / kNsPerByte;
  return kBaseNs + kNsPerByte * (bytes < kBytesMax ? bytes : kBytesMax);
}

const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kReported:
      return "reported";
    case Verdict::kRealloc:
      return "realloc";
    case Verdict::kContent:
      return "content";
    case Verdict::kStructure:
      return "structure";
    case Verdict::kSeries:
      return "series";
    case Verdict::kMixed:
      return "mixed";
    case Verdict::kReplace:
      return "replace";
    case Verdict::kWeak:
      return "weak";
  }
  return "unknown";
}

bool strong(Verdict verdict) { return verdict != Verdict::kReplace && verdict != Verdict::kWeak; }

const char* to_string(GrowthLaw law) {
  switch (law) {
    case GrowthLaw::kGeometric:
      return "geometric";
    case GrowthLaw::kArithmetic:
      return "arithmetic";
    case GrowthLaw::kOneShot:
      return "one-shot";
    case GrowthLaw::kIrregular:
      return "irregular";
  }
  return "unknown";
}

}  // namespace ullage::evidence
