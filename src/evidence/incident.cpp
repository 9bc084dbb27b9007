// SPDX-License-Identifier: Apache-2.0
#include "evidence/incident.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace ullage::evidence {

const char* to_string(Runtime runtime) {
  switch (runtime) {
    case Runtime::kNative:
      return "native";
    case Runtime::kGo:
      return "Go";
    case Runtime::kJvm:
      return "JVM";
  }
  return "native";
}

const char* to_string(Alignment::How how) {
  switch (how) {
    case Alignment::How::kNone:
      return "not aligned";
    case Alignment::How::kReference:
      return "reference clock";
    case Alignment::How::kWallClock:
      return "wall clock";
    case Alignment::How::kGcOrdinal:
      return "GC ordinal";
    case Alignment::How::kStart:
      return "process start";
  }
  return "not aligned";
}

const char* to_string(PauseReason reason) {
  switch (reason) {
    case PauseReason::kUnknown:
      return "unknown";
    case PauseReason::kWaitedForOne:
      return "waited for one";
    case PauseReason::kNobodyLate:
      return "nobody late";
    case PauseReason::kWorkInside:
      return "work inside";
  }
  return "unknown";
}

const char* to_string(CallKind kind) {
  switch (kind) {
    case CallKind::kUnknown:
      return "unknown";
    case CallKind::kAppend:
      return "append";
    case CallKind::kMake:
      return "make";
    case CallKind::kMapAssign:
      return "map assign";
    case CallKind::kMapMake:
      return "make(map)";
    case CallKind::kNew:
      return "new";
    case CallKind::kConcat:
      return "string concatenation";
    case CallKind::kConvert:
      return "string conversion";
    case CallKind::kDefer:
      return "defer";
    case CallKind::kStack:
      return "stack growth";
    case CallKind::kChan:
      return "make(chan)";
  }
  return "unknown";
}

const char* to_string(CallProof proof) {
  switch (proof) {
    case CallProof::kNone:
      return "not known";
    case CallProof::kLadder:
      return "size ladder";
    case CallProof::kProgramCounter:
      return "program counter";
    case CallProof::kCallSite:
      return "call instruction";
    case CallProof::kStack:
      return "stack";
  }
  return "not known";
}

const std::vector<GrowthFunction>& growth_functions() {
  static const std::vector<GrowthFunction> kFunctions = {
      {"runtime.growslice", CallKind::kAppend},
      {"runtime.hashGrow", CallKind::kMapAssign},                          // to 1.23
      {"internal/runtime/maps.(*Map).growToSmall", CallKind::kMapAssign},  // since 1.24
      {"internal/runtime/maps.(*Map).growToTable", CallKind::kMapAssign},
      {"internal/runtime/maps.(*table).grow", CallKind::kMapAssign},
      {"internal/runtime/maps.(*table).split", CallKind::kMapAssign},
      {"runtime.copystack", CallKind::kStack},
  };
  return kFunctions;
}

bool is_growth(CallKind kind) {
  return kind == CallKind::kAppend || kind == CallKind::kMapAssign || kind == CallKind::kStack;
}

namespace {

struct Prefix {
  std::string_view text;
  CallKind kind;
};

// Names of the runtime's routines from Go 1.19 to 1.27, by their beginning. Longer ones first
// where one begins like another.
constexpr std::array kPrefixes = {
    Prefix{"runtime.growslice", CallKind::kAppend},
    Prefix{"runtime.reflect_growslice", CallKind::kAppend},
    Prefix{"reflect.growslice", CallKind::kAppend},
    Prefix{"runtime.moveSlice", CallKind::kAppend},
    Prefix{"runtime.makeslice", CallKind::kMake},
    Prefix{"runtime.mapassign", CallKind::kMapAssign},
    Prefix{"runtime.hashGrow", CallKind::kMapAssign},
    Prefix{"runtime.growWork", CallKind::kMapAssign},
    Prefix{"runtime.evacuate", CallKind::kMapAssign},
    Prefix{"runtime.makeBucketArray", CallKind::kMapAssign},
    Prefix{"internal/runtime/maps.(*Map).grow", CallKind::kMapAssign},
    Prefix{"internal/runtime/maps.(*Map).PutSlot", CallKind::kMapAssign},
    Prefix{"internal/runtime/maps.(*Map).putSlot", CallKind::kMapAssign},
    Prefix{"internal/runtime/maps.(*Map).installTableSplit", CallKind::kMapAssign},
    Prefix{"internal/runtime/maps.(*table).grow", CallKind::kMapAssign},
    Prefix{"internal/runtime/maps.(*table).split", CallKind::kMapAssign},
    Prefix{"internal/runtime/maps.(*table).rehash", CallKind::kMapAssign},
    Prefix{"internal/runtime/maps.(*table).reset", CallKind::kMapAssign},
    Prefix{"internal/runtime/maps.(*table).uncheckedPutSlot", CallKind::kMapAssign},
    Prefix{"internal/runtime/maps.(*table).PutSlot", CallKind::kMapAssign},
    Prefix{"internal/runtime/maps.runtime_mapassign", CallKind::kMapAssign},
    Prefix{"internal/runtime/maps.newTable", CallKind::kMapAssign},
    Prefix{"runtime.makemap", CallKind::kMapMake},
    Prefix{"internal/runtime/maps.NewMap", CallKind::kMapMake},
    Prefix{"internal/runtime/maps.NewEmptyMap", CallKind::kMapMake},
    Prefix{"runtime.newobject", CallKind::kNew},
    Prefix{"runtime.concatstring", CallKind::kConcat},
    Prefix{"runtime.concatbyte", CallKind::kConcat},
    Prefix{"runtime.slicebytetostring", CallKind::kConvert},
    Prefix{"runtime.slicerunetostring", CallKind::kConvert},
    Prefix{"runtime.stringtoslice", CallKind::kConvert},
    Prefix{"runtime.intstring", CallKind::kConvert},
    Prefix{"runtime.convT", CallKind::kConvert},
    Prefix{"runtime.rawbyteslice", CallKind::kConvert},
    Prefix{"runtime.rawstring", CallKind::kConvert},
    Prefix{"runtime.deferproc", CallKind::kDefer},
    Prefix{"runtime.newdefer", CallKind::kDefer},
    Prefix{"runtime.newstack", CallKind::kStack},
    Prefix{"runtime.copystack", CallKind::kStack},
    Prefix{"runtime.morestack", CallKind::kStack},
    Prefix{"runtime.adjustframe", CallKind::kStack},
    Prefix{"runtime.makechan", CallKind::kChan},
};

constexpr std::array<std::string_view, 5> kRuntimePackages = {
    "runtime.", "internal/runtime/", "runtime/internal/", "runtime/pprof.", "runtime/trace."};

}  // namespace

CallKind call_kind_of(const std::string& function) {
  const auto found = std::find_if(kPrefixes.begin(), kPrefixes.end(), [&](const Prefix& p) {
    return function.compare(0, p.text.size(), p.text) == 0;
  });
  return found == kPrefixes.end() ? CallKind::kUnknown : found->kind;
}

bool is_go_runtime(const std::string& function) {
  // Assembly of the runtime has no package: aeshashbody, memeqbody, gogo.
  if (!function.empty() && function.find('.') == std::string::npos) return true;
  return std::any_of(kRuntimePackages.begin(), kRuntimePackages.end(),
                     [&](std::string_view package) { return function.starts_with(package); });
}

std::uint64_t SchedulingDelay::percentile(double share) const {
  if (count == 0) return 0;
  const double wanted = share * static_cast<double>(count);
  double seen = 0;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    seen += static_cast<double>(buckets[i]);
    if (seen >= wanted && buckets[i] > 0) return std::uint64_t{1} << (i + 1);
  }
  return max_ns;
}

}  // namespace ullage::evidence
