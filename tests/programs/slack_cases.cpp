// SPDX-License-Identifier: Apache-2.0
//
// slack_cases: containers whose capacity is partly never written. Prints "CASE blocks unused_bytes"
// with the truth for the final block of each; every case runs several times, because a place is
// painted only after it was seen to grow.
#include <cstdio>
#include <string>
#include <vector>

namespace {

void* volatile escaped;

struct Truth {
  unsigned long blocks = 0, bytes = 0, unused_bytes = 0;
};

__attribute__((noinline)) void half_used_vector(Truth& truth) {
  std::vector<long> v;
  for (int i = 0; i < 5000; ++i) v.push_back(i + 1);
  escaped = v.data();
  truth.blocks += 1;
  truth.bytes += v.capacity() * sizeof(long);
  truth.unused_bytes += (v.capacity() - v.size()) * sizeof(long);
}

__attribute__((noinline)) void wasteful_vector(Truth& truth) {
  std::vector<int> v;
  for (int i = 0; i < 8500; ++i) v.push_back(i + 1);
  escaped = v.data();
  truth.blocks += 1;
  truth.bytes += v.capacity() * sizeof(int);
  truth.unused_bytes += (v.capacity() - v.size()) * sizeof(int);
}

__attribute__((noinline)) void half_used_string(Truth& truth) {
  std::string s;
  for (int i = 0; i < 8001; ++i) s.push_back('x');
  escaped = s.data();
  truth.blocks += 1;
  truth.bytes += s.capacity() + 1;
  truth.unused_bytes += s.capacity() - s.size();  // the terminating zero is written
}

__attribute__((noinline)) void full_vector(Truth& truth) {
  std::vector<long> v;
  for (int i = 0; i < 8192; ++i) v.push_back(i + 1);
  escaped = v.data();
  truth.blocks += 1;
  truth.bytes += v.capacity() * sizeof(long);
}

}  // namespace

int main() {
  Truth vector, wasteful, string, full;
  for (int i = 0; i < 60; ++i) half_used_vector(vector);
  for (int i = 0; i < 60; ++i) wasteful_vector(wasteful);
  for (int i = 0; i < 60; ++i) half_used_string(string);
  for (int i = 0; i < 60; ++i) full_vector(full);
  std::printf("half_used_vector %lu %lu %lu\n", vector.blocks, vector.bytes, vector.unused_bytes);
  std::printf("wasteful_vector %lu %lu %lu\n", wasteful.blocks, wasteful.bytes,
              wasteful.unused_bytes);
  std::printf("half_used_string %lu %lu %lu\n", string.blocks, string.bytes, string.unused_bytes);
  std::printf("full_vector %lu %lu %lu\n", full.blocks, full.bytes, full.unused_bytes);
}
