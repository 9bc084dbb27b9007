// SPDX-License-Identifier: Apache-2.0
#include "tier/key.h"

#include <sys/random.h>

#include <chrono>
#include <cstring>

namespace ullage::tier {
namespace {

// Two secrets: with one, a key whose bytes equal the public constant it is mixed with would make a
// product zero, whatever the seed, and everything before it would no longer matter.
struct Secrets {
  std::uint64_t first = 0, second = 0, mask = ~std::uint64_t{0};
};

constexpr std::uint64_t kSpread = 0x9e3779b97f4a7c15;  // 2^64 / golden ratio

std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

Secrets fresh() noexcept {
  Secrets secrets;
  std::uint64_t random[2];
  if (::getrandom(random, sizeof random, GRND_NONBLOCK) == sizeof random) {
    secrets.first = random[0];
    secrets.second = random[1];
  } else {
    const auto ticks = std::chrono::steady_clock::now().time_since_epoch().count();
    secrets.first = fold(static_cast<std::uint64_t>(ticks) ^ kSpread,
                         reinterpret_cast<std::uintptr_t>(&secrets) | 1);
    secrets.second = fold(secrets.first ^ kSpread, static_cast<std::uint64_t>(ticks) | 1);
  }
  return secrets;
}

Secrets& secrets() noexcept {
  static Secrets of_this_process = fresh();
  return of_this_process;
}

std::uint64_t load(const char* p, std::size_t bytes) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, p, bytes);
  return word;
}

}  // namespace

void set_hash_seed(std::uint64_t seed, std::uint64_t mask) noexcept {
  secrets() = {fold(seed ^ kSpread, kSpread | 1), fold(seed + kSpread, kSpread << 1 | 1), mask};
}

std::uint64_t hash_text(std::string_view text) noexcept {
  const Secrets& secret = secrets();
  const char* p = text.data();
  std::size_t left = text.size();
  std::uint64_t state = secret.first ^ (left * kSpread);
  for (; left > 16; left -= 16, p += 16) {
    state = fold(load(p, 8) ^ secret.second, load(p + 8, 8) ^ state);
  }
  std::uint64_t a = 0, b = 0;
  if (left > 8) {
    a = load(p, 8);
    b = load(p + left - 8, 8);
  } else if (left >= 4) {
    a = load(p, 4);
    b = load(p + left - 4, 4);
  } else if (left > 0) {
    a = load(p, left);
  }
  return fold(fold(a ^ secret.second, b ^ state) ^ secret.first, state ^ kSpread) & secret.mask;
}

}  // namespace ullage::tier
