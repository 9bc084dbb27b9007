// SPDX-License-Identifier: Apache-2.0
#include "agent/stepping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace ullage::agent {
namespace {

// A stack of 16 words; a frame's bp was read from its word 2, by a step before.
class SteppingTest : public testing::Test {
 protected:
  uintptr_t at(int word) const { return reinterpret_cast<uintptr_t>(stack_ + word); }
  State saved_bp(uintptr_t bp) const {
    State s{};
    s.pc = 0x401000;
    s.sp = at(4);
    s.bp = bp;
    s.bp_word = at(2);
    return s;
  }
  Stepped step_by(const Rule& rule, State s) {
    const View view{at(0), at(16), 0};
    words_ = {};
    reads_bp_ = false;
    return step(rule, view, s, words_, reads_bp_);
  }
  std::vector<uintptr_t> words() const { return {words_.address, words_.address + words_.count}; }

  uint64_t stack_[16] = {};
  StepWords words_;
  bool reads_bp_ = false;
};

Rule by_bp(Rule::Cfa cfa) {
  Rule rule{};
  rule.cfa = cfa;
  rule.cfa_offset = 16;
  rule.bp = Rule::kSame;
  return rule;
}

TEST_F(SteppingTest, ACallersFrameByASavedBpRestsOnTheWordItCameFrom) {
  stack_[7] = 0x402000;  // the return address, below the CFA
  EXPECT_EQ(step_by(by_bp(Rule::kRbp), saved_bp(at(6))), Stepped::kOk);
  EXPECT_TRUE(reads_bp_);
  EXPECT_THAT(words(), testing::ElementsAre(at(2), at(7)));
}

// It failed because of that word: with another one there it may succeed.
TEST_F(SteppingTest, SoDoesAStepThatFailsByIt) {
  struct Case {
    Rule::Cfa cfa;
    uintptr_t bp;
    const char* what;
  };
  for (const Case& c : {Case{Rule::kRbp, at(100), "the return address is not on the stack"},
                        Case{Rule::kRbp, at(0), "the caller's frame is not above"},
                        Case{Rule::kAtRbp, at(100), "the CFA's word is not on the stack"}}) {
    EXPECT_EQ(step_by(by_bp(c.cfa), saved_bp(c.bp)), Stepped::kFailed) << c.what;
    EXPECT_TRUE(reads_bp_) << c.what;
    EXPECT_THAT(words(), testing::Contains(at(2))) << c.what;
  }
}

TEST_F(SteppingTest, AWordIsNamedOnceHoweverOftenItsBpIsUsed) {
  Rule rule = by_bp(Rule::kRbp);
  rule.bp = Rule::kBpAtRbp;
  stack_[7] = 0x402000;
  EXPECT_EQ(step_by(rule, saved_bp(at(6))), Stepped::kOk);
  EXPECT_THAT(words(), testing::ElementsAre(at(2), at(7)));
}

}  // namespace
}  // namespace ullage::agent
