// SPDX-License-Identifier: Apache-2.0
// threads: string churn from many threads, and threads that come and go.
//
//   threads WORKERS STRINGS SHORT_LIVED
//
// WORKERS threads share STRINGS strings evenly, so that the work is the same whatever their
// number; then SHORT_LIVED threads run one after the other, 100 strings each.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int kStringsPerShortThread = 100;

// A vector lives for this many strings, growing from nothing each time.
constexpr std::size_t kStringsPerVector = 1000;

void churn(int strings) {
  std::vector<std::string> words;
  for (int i = 0; i < strings; ++i) {
    words.push_back(std::string(static_cast<std::size_t>(20 + i % 50), 'x'));
    if (words.size() > kStringsPerVector) words = {};
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s WORKERS STRINGS SHORT_LIVED\n", argv[0]);
    return 2;
  }
  const int workers = std::atoi(argv[1]);
  const int strings = std::atoi(argv[2]);
  const int short_lived = std::atoi(argv[3]);
  std::vector<std::thread> threads;
  for (int i = 0; i < workers; ++i) threads.emplace_back(churn, strings / workers);
  for (auto& thread : threads) thread.join();
  for (int i = 0; i < short_lived; ++i) std::thread(churn, kStringsPerShortThread).join();
}
