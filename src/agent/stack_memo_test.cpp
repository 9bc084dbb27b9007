// SPDX-License-Identifier: Apache-2.0
#include "agent/stack_memo.h"

#include <gtest/gtest.h>

namespace ullage::agent {
namespace {

// A stack of one page with nothing behind it.
class StackMemoTest : public testing::Test {
 protected:
  static constexpr size_t kPage = 4096;

  void SetUp() override {
    memory_ = map_private(StackMemo::bytes());
    stack_ = static_cast<char*>(map_private(2 * kPage));
    ASSERT_NE(memory_, nullptr);
    ASSERT_NE(stack_, nullptr);
    ASSERT_EQ(mprotect(stack_ + kPage, kPage, PROT_NONE), 0);
    memo_.init(memory_);
    high_ = reinterpret_cast<uintptr_t>(stack_) + kPage;
  }
  void TearDown() override {
    munmap(stack_, 2 * kPage);
    munmap(memory_, StackMemo::bytes());
  }
  uint32_t ask(uintptr_t sp) {
    const Registers at{kPc, sp, 0};
    return memo_.find(at, high_, 1, [](const StackMemo::Entry&) { return true; });
  }
  void store(uintptr_t sp, uint32_t id) {
    memo_.store({kPc, sp, 0}, high_, 1, id, nullptr, 0, 0, {});
  }

  static constexpr uintptr_t kPc = 0x401234;
  void* memory_ = nullptr;
  char* stack_ = nullptr;
  uintptr_t high_ = 0;
  StackMemo memo_;
};

TEST_F(StackMemoTest, AFrameThatWasLargerElsewhereIsNotReadBeyondTheStack) {
  memo_.teach(kPc, high_ - 2048, high_ - 8);  // 255 words up lies who called the caller
  for (const uintptr_t below : {8u, 16u, 64u, 2032u, 2040u}) {
    EXPECT_EQ(ask(high_ - below), 0u) << below;
    store(high_ - below, static_cast<uint32_t>(below));
    EXPECT_EQ(ask(high_ - below), below);
  }
}

TEST_F(StackMemoTest, AWordThatIsOnlyInPartOnTheStackIsNotRead) {
  memo_.teach(kPc, high_ - 2048, high_ - 8);
  for (uintptr_t unaligned = 1; unaligned < 8; ++unaligned) {
    EXPECT_EQ(ask(high_ - 2048 + unaligned), 0u) << unaligned;
  }
}

}  // namespace
}  // namespace ullage::agent
