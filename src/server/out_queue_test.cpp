// SPDX-License-Identifier: Apache-2.0
#include "server/out_queue.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace ullage::server {
namespace {

// As a socket that takes `bytes` of what it is offered.
std::string take(OutQueue& queue, std::size_t bytes) {
  std::string taken;
  iovec vectors[OutQueue::kVectors];
  const std::size_t count = queue.vectors(vectors, ~std::size_t{0});
  for (std::size_t i = 0; i < count && taken.size() < bytes; ++i) {
    const std::size_t part = std::min(vectors[i].iov_len, bytes - taken.size());
    taken.append(static_cast<const char*>(vectors[i].iov_base), part);
  }
  queue.consume(taken.size());
  return taken;
}

TEST(OutQueue, SharesBytesThatAreKeptUntilTheLastQueueHasSentThem) {
  const auto text = std::make_shared<const std::string>(std::string(100'000, 's'));
  OutQueue one, other;
  for (OutQueue* queue : {&one, &other}) {
    queue->append("before");
    queue->share(text, *text);
    queue->append("behind");
    EXPECT_EQ(queue->size(), 100'012u);
    EXPECT_EQ(queue->memory_bytes(), 2 * OutQueue::kChunkBytes) << "what is shared counts nowhere";
  }
  EXPECT_EQ(text.use_count(), 3);
  EXPECT_EQ(take(one, 50'006), "before" + std::string(50'000, 's'));
  EXPECT_EQ(take(one, 60'000), std::string(50'000, 's') + "behind");
  EXPECT_TRUE(one.empty());
  EXPECT_EQ(text.use_count(), 2);
  EXPECT_EQ(take(other, 200'000), "before" + *text + "behind");
  EXPECT_EQ(text.use_count(), 1);
}

TEST(OutQueue, TakesALargeReplyOverAsItIs) {
  OutQueue queue;
  wire::ByteBuffer large;
  large.append(std::string(100'000, 'x'));
  const char* const where = large.data();
  queue.append("before");
  queue.adopt(std::move(large), 90'000);
  queue.append("behind");
  EXPECT_EQ(queue.size(), 6u + 10'000u + 6u);
  EXPECT_GE(queue.memory_bytes(), 100'000u + 2 * OutQueue::kChunkBytes);
  iovec vectors[OutQueue::kVectors];
  ASSERT_EQ(queue.vectors(vectors, ~std::size_t{0}), 3u);
  EXPECT_EQ(vectors[1].iov_base, where + 90'000);
  EXPECT_EQ(take(queue, 100'000), "before" + std::string(10'000, 'x') + "behind");
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.memory_bytes(), 0u);
}

TEST(OutQueue, GivesBackWhatItWasGivenWhateverIsTakenAtOnce) {
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    OutQueue queue;
    std::string given, taken;
    for (int i = 0; i < 30; ++i) {
      const std::string bytes(random() % 80'000, static_cast<char>('a' + i % 26));
      given += bytes;
      if (random() % 3 == 0 && !bytes.empty()) {
        wire::ByteBuffer buffer;
        buffer.append(bytes);
        queue.adopt(std::move(buffer));
      } else {
        queue.append(bytes);
      }
      if (random() % 2 == 0) taken += take(queue, random() % 120'000);
    }
    while (!queue.empty()) taken += take(queue, 50'000);
    ASSERT_EQ(taken, given) << round;
    EXPECT_EQ(queue.memory_bytes(), 0u);
  }
}

}  // namespace
}  // namespace ullage::server
