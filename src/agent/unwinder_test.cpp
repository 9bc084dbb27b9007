// SPDX-License-Identifier: Apache-2.0
// The unwinder on this process's own stack, against libgcc's.
#include "agent/unwinder.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/uio.h>
#include <unistd.h>
#include <unwind.h>

#include <filesystem>
#include <random>

#include "agent/modules.h"
#include "agent/output.h"

namespace ullage::agent {
namespace {

using Path = std::vector<uintptr_t>;

struct Collected {
  uintptr_t from;
  bool begun = false;
  Path pcs;
};

_Unwind_Reason_Code collect(_Unwind_Context* context, void* data) {
  auto* c = static_cast<Collected*>(data);
  const uintptr_t pc = _Unwind_GetIP(context);
  if (pc == c->from) c->begun = true;
  if (c->begun && pc != 0) c->pcs.push_back(pc);
  return _URC_NO_REASON;
}

Path path_of(uint32_t id) {
  Path path;
  for (uint32_t n = id; n != 0;) {
    const record::StackNode* node = g_stacks.node(n);
    path.push_back(node->pc & record::kPcMask);
    n = node->parent;
  }
  return path;
}

class UnwinderTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const auto folder = std::filesystem::temp_directory_path() /
                        ("ullage_unwinder_test." + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
    record::FileHeader header{};
    g_output.use_tsc = invariant_tsc();
    ASSERT_TRUE(g_output.file.create((folder / "x.live").c_str(), header));
    std::filesystem::remove_all(folder);  // the mapping stays
    ASSERT_TRUE(g_modules.init() && g_rules.init() && g_stacks.init());
    g_modules.scan(nullptr);
  }

  void SetUp() override {
    ASSERT_TRUE(unwinder_.init(512));
    pthread_attr_t attributes;
    void* low = nullptr;
    size_t bytes = 0;
    ASSERT_EQ(pthread_getattr_np(pthread_self(), &attributes), 0);
    pthread_attr_getstack(&attributes, &low, &bytes);
    pthread_attr_destroy(&attributes);
    unwinder_.set_stack(reinterpret_cast<uintptr_t>(low), reinterpret_cast<uintptr_t>(low) + bytes);
  }

  // What a hook does: the caller's registers, its id, and the same path by libgcc.
  // Asking for the frame address makes the compiler keep a frame pointer here.
  __attribute__((noinline)) void check() {
    const Registers at = ULLAGE_CALLER;
    const uint32_t id = unwinder_.stack_id(at);
    Collected c{at.pc, false, {}};
    _Unwind_Backtrace(collect, &c);
    const Path ours = path_of(id);
    ++checked_;
    if (c.pcs.size() > limit_) {
      c.pcs.resize(std::min<size_t>(limit_, Unwinder::kLeafFrames));
      c.pcs.push_back(record::kPcTruncated);
    }
    if (ours != c.pcs) {
      ++different_;
      ADD_FAILURE() << "path of " << ours.size() << " frames, libgcc has " << c.pcs.size();
    }
  }

  __attribute__((noinline)) int descend(int depth, std::mt19937& random) {
    volatile char frame[96];
    frame[random() % sizeof frame] = static_cast<char>(depth);
    if (different_ != 0) return 0;
    check();
    const int children = depth == 0 ? 0 : static_cast<int>(random() % 3);
    int sum = 0;
    for (int i = 0; i < children; ++i) {
      sum += random() % 2 == 0 ? descend(depth - 1, random) : detour(depth - 1, random);
      check();
    }
    return sum + frame[0];
  }
  __attribute__((noinline)) int detour(int depth, std::mt19937& random) {
    void* space = __builtin_alloca(16 + random() % 500);
    *static_cast<volatile char*>(space) = 1;
    check();
    return descend(depth, random) + *static_cast<volatile char*>(space);
  }

  __attribute__((noinline)) int sink(int n) {
    volatile int kept = n;
    if (n > 0) return sink(n - 1) + kept;
    const Registers at = ULLAGE_CALLER;
    deep_id_ = unwinder_.stack_id(at);
    return kept;
  }

  __attribute__((noinline)) int dive(int n) {
    volatile int kept = n;
    check_quickly();
    if (n > 0) kept = kept + dive(n - 1);
    check_quickly();
    return kept;
  }
  __attribute__((noinline)) void check_quickly() {
    const Registers at = ULLAGE_CALLER;
    deep_id_ = unwinder_.stack_id(at);
  }

  // Down and up at random, with checks on the way.
  __attribute__((noinline)) int wander(int n, std::mt19937& random) {
    volatile int kept = n;
    if (random() % 4 == 0) check();
    if (n > 0) kept = kept + (random() % 2 == 0 ? wander(n - 1, random) : stray(n - 1, random));
    if (random() % 4 == 0) check();
    if (n > 0 && random() % 8 == 0) kept = kept + wander(n / 3, random);
    return kept;
  }
  __attribute__((noinline)) int stray(int n, std::mt19937& random) {
    void* space = __builtin_alloca(16 + random() % 500);
    *static_cast<volatile char*>(space) = 1;
    return wander(n, random) + *static_cast<volatile char*>(space);
  }

  // Two places in turn below `n` frames that stay as they are.
  __attribute__((noinline)) int hold(int n) {
    volatile int kept = n;
    if (n > 0) return hold(n - 1) + kept;
    for (int i = 0; i < 100; ++i) kept = kept + left() + right();
    return kept;
  }
  __attribute__((noinline)) int left() {
    volatile int kept = 1;
    check();
    return kept;
  }
  __attribute__((noinline)) int right() {
    volatile int kept[8] = {};
    check();
    return kept[0];
  }

  Unwinder unwinder_;
  size_t limit_ = 512;
  int checked_ = 0, different_ = 0;
  uint32_t deep_id_ = 0;
};

TEST_F(UnwinderTest, AgreesWithLibgccOnRandomCallTrees) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int i = 0; i < 400; ++i) descend(12, random);
  EXPECT_EQ(different_, 0);
  EXPECT_GT(checked_, 400);
  EXPECT_GT(unwinder_.counts.resumes, 0u);
  EXPECT_EQ(unwinder_.counts.failures, 0u);
}

TEST_F(UnwinderTest, TheSamePlaceReachedAgainIsAMemoHit) {
  for (int i = 0; i < 1000; ++i) check();
  EXPECT_GE(unwinder_.counts.memo_hits, 998u);
  EXPECT_EQ(different_, 0);
}

TEST_F(UnwinderTest, StacksThatDifferInTheirInnermostFramesAreMemoHitsAtAnyDepth) {
  hold(300);
  EXPECT_GE(unwinder_.counts.memo_hits, 190u);
  EXPECT_LT(unwinder_.counts.frames, 400u);
  EXPECT_EQ(different_, 0);
}

TEST_F(UnwinderTest, AlsoWhereTheStackIsCut) {
  limit_ = 40;
  ASSERT_TRUE(unwinder_.init(static_cast<int>(limit_)));
  hold(300);
  EXPECT_GT(unwinder_.counts.truncated, 1u);
  EXPECT_GE(unwinder_.counts.memo_hits, 150u);
  EXPECT_EQ(different_, 0);
}

TEST_F(UnwinderTest, RecursionDeeperThanTheLimitKeepsItsInnermostFramesUnderAMark) {
  sink(2000);
  const Path path = path_of(deep_id_);
  ASSERT_EQ(path.size(), static_cast<size_t>(Unwinder::kLeafFrames) + 1);
  EXPECT_EQ(path.back(), record::kPcTruncated);
  EXPECT_EQ(unwinder_.counts.truncated, 1u);
}

TEST_F(UnwinderTest, RecursionDeeperThanTheLimitWalksOnlyWhatChanged) {
  constexpr int kDepth = 3000;
  dive(kDepth);
  // Down and up again, two events a level; a whole walk would be 512 frames for each.
  EXPECT_LT(unwinder_.counts.frames, 30u * kDepth);
  EXPECT_GT(unwinder_.counts.resumes, static_cast<uint64_t>(kDepth));
  EXPECT_EQ(different_, 0);
}

TEST_F(UnwinderTest, AgreesWithLibgccAroundTheLimitAndFarBeyondIt) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  limit_ = 40;
  ASSERT_TRUE(unwinder_.init(static_cast<int>(limit_)));
  for (int i = 0; i < 40; ++i) {
    wander(static_cast<int>(random() % 150), random);
    descend(12, random);
  }
  EXPECT_EQ(different_, 0);
  EXPECT_GT(unwinder_.counts.truncated, 100u);
  EXPECT_GT(unwinder_.counts.resumes, 100u);
}

TEST_F(UnwinderTest, AStackItDoesNotOwnIsCopiedAndNeverTrusted) {
  char byte = 1, copy = 0;
  const iovec local{&copy, 1}, remote{&byte, 1};
  if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != 1) {
    GTEST_SKIP() << "process_vm_readv is refused here: such stacks end at their first frame";
  }
  unwinder_.set_stack(16, 32);  // nothing is ours
  check();
  EXPECT_EQ(unwinder_.counts.foreign, 1u);
  EXPECT_EQ(different_, 0);
}

}  // namespace
}  // namespace ullage::agent
