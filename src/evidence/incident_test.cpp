// SPDX-License-Identifier: Apache-2.0
#include "evidence/incident.h"

#include <gtest/gtest.h>

namespace ullage::evidence {
namespace {

TEST(CallKind, KnowsTheRoutinesOfOldAndNewMaps) {
  EXPECT_EQ(call_kind_of("runtime.growslice"), CallKind::kAppend);
  EXPECT_EQ(call_kind_of("runtime.mapassign_fast64ptr"), CallKind::kMapAssign);
  EXPECT_EQ(call_kind_of("runtime.evacuate_faststr"), CallKind::kMapAssign);
  EXPECT_EQ(call_kind_of("internal/runtime/maps.(*table).split"), CallKind::kMapAssign);
  EXPECT_EQ(call_kind_of("runtime.makemap_small"), CallKind::kMapMake);
  EXPECT_EQ(call_kind_of("runtime.deferprocStack"), CallKind::kDefer);
  EXPECT_EQ(call_kind_of("main.growslice"), CallKind::kUnknown);
  EXPECT_EQ(call_kind_of(""), CallKind::kUnknown);
}

TEST(CallKind, OnlyWhatMakesAContainerLargerIsGrowth) {
  EXPECT_TRUE(is_growth(CallKind::kAppend));
  EXPECT_TRUE(is_growth(CallKind::kMapAssign));
  EXPECT_TRUE(is_growth(CallKind::kStack));
  EXPECT_FALSE(is_growth(CallKind::kMake));
  EXPECT_FALSE(is_growth(CallKind::kNew));
}

TEST(GoRuntime, IsTheRuntimeAndWhatCapturesProfiles) {
  EXPECT_TRUE(is_go_runtime("runtime.mallocgc"));
  EXPECT_TRUE(is_go_runtime("internal/runtime/maps.(*Map).grow"));
  EXPECT_TRUE(is_go_runtime("runtime/pprof.StartCPUProfile"));
  EXPECT_TRUE(is_go_runtime("aeshashbody")) << "assembly without a package";
  EXPECT_TRUE(is_go_runtime("gogo"));
  EXPECT_FALSE(is_go_runtime("main.runtime"));
  EXPECT_FALSE(is_go_runtime("")) << "unknown is not the runtime";
  EXPECT_FALSE(is_go_runtime("runtimes.f"));
}

TEST(SchedulingDelay, PercentileIsTheUpperEdgeOfItsBucket) {
  SchedulingDelay delay;
  EXPECT_EQ(delay.percentile(0.99), 0u);
  delay.buckets[10] = 99;
  delay.buckets[20] = 1;
  delay.count = 100;
  EXPECT_EQ(delay.percentile(0.5), 2048u);
  EXPECT_EQ(delay.percentile(1.0), 2u << 20);
}

}  // namespace
}  // namespace ullage::evidence
