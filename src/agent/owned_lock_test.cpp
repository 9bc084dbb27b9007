// SPDX-License-Identifier: Apache-2.0
#include "agent/owned_lock.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace ullage::agent {
namespace {

TEST(OwnedLock, AThreadThatLeftByAJumpTakesItsOwnLockBackAtOnce) {
  OwnedLock lock;
  EXPECT_FALSE(lock.lock());
  EXPECT_FALSE(lock.lock()) << "nobody else was in: nothing needs to be replaced";
  EXPECT_TRUE(lock.mine());
  lock.unlock();
  EXPECT_FALSE(lock.mine());
}

TEST(OwnedLock, AnOwnerThatDoesNotComeBackIsRobbedAndItsUnlockFreesNothing) {
  OwnedLock lock;
  std::atomic<int> step{0};
  std::thread owner([&] {
    lock.lock();
    step = 1;
    step.wait(1);
    EXPECT_FALSE(lock.mine()) << "an owner can tell that it was robbed";
    lock.unlock();
    step = 3;
    step.notify_one();
  });
  while (step != 1) std::this_thread::yield();
  EXPECT_TRUE(lock.lock()) << "what the owner works on must be replaced";
  step = 2;
  step.notify_one();
  step.wait(2);
  EXPECT_TRUE(lock.mine());
  lock.unlock();
  owner.join();
}

TEST(OwnedLock, KeepsOthersOutWhileItsOwnerIsAtWork) {
  OwnedLock lock;
  // Reading and writing are two steps, so that only the lock keeps others out in between; atomic,
  // because a sanitizer does not see what the uninstrumented agent waits with.
  std::atomic<int> inside{0};
  std::atomic<int> robberies{0};
  constexpr int kThreads = 4, kRounds = 20'000;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kRounds; ++n) {
        if (lock.lock()) ++robberies;
        const int before = inside.load(std::memory_order_relaxed);
        if (n % 2000 == 0) std::this_thread::yield();
        inside.store(before + 1, std::memory_order_relaxed);
        lock.unlock();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (robberies != 0) GTEST_SKIP() << "an owner was kept from its processor for too long";
  EXPECT_EQ(inside, kThreads * kRounds);
}

TEST(SignalsHeld, AHandlerRunsOnlyAfterItsEnd) {
  static std::atomic<int> handled{0};
  handled = 0;
  const auto before = signal(SIGUSR1, [](int) { ++handled; });
  {
    const SignalsHeld held;
    raise(SIGUSR1);
    EXPECT_EQ(handled, 0);
  }
  EXPECT_EQ(handled, 1);
  signal(SIGUSR1, before);
}

}  // namespace
}  // namespace ullage::agent
