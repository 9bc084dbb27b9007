// SPDX-License-Identifier: Apache-2.0
// keys: what is put into the maps, and the one hash that all of them use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace maps {

inline std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  __extension__ using wide = unsigned __int128;
  const wide product = static_cast<wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// The i-th key: scattered (splitmix64), so that no table profits from an order.
struct Numbers {
  using key = std::uint64_t;
  using view = std::uint64_t;
  struct hash {
    using is_avalanching = void;
    using is_transparent = void;
    std::size_t operator()(std::uint64_t x) const noexcept {
      return fold(x ^ 0x2d358dccaa6c78a5U, 0x9E3779B97F4A7C15U);
    }
  };
  struct equal {
    using is_transparent = void;
    bool operator()(std::uint64_t a, std::uint64_t b) const noexcept { return a == b; }
  };
  view operator()(std::uint64_t i) const {
    std::uint64_t z = (i + 1) * 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
  }
};

// Fourteen characters: inside a std::string without an allocation. Looked up by view.
struct Texts {
  using key = std::string;
  using view = std::string_view;
  struct hash {
    using is_avalanching = void;
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept {
      std::uint64_t a = 0, b = 0;
      if (s.size() >= 8) {  // all of ours; longer ones do not occur
        std::memcpy(&a, s.data(), 8);
        std::memcpy(&b, s.data() + s.size() - 8, 8);
      } else {
        std::memcpy(&a, s.data(), s.size());
      }
      return fold(fold(a ^ 0x2d358dccaa6c78a5U, b ^ 0x8bb84b93962eacc9U) ^ s.size(),
                  0x9E3779B97F4A7C15U);
    }
  };
  struct equal {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const noexcept { return a == b; }
  };
  view operator()(std::uint64_t i) {
    static constexpr char kLetters[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    std::uint64_t x = i * 0x9E3779B97F4A7C15U;
    buffer_[0] = 'k';
    buffer_[1] = ':';
    for (int j = 2; j < 14; ++j, x >>= 5) buffer_[j] = kLetters[x & 63];
    return {buffer_, 14};
  }

 private:
  char buffer_[16];
};

// A small fast stream of numbers for choosing keys.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : x_(seed * 2 + 1) {}
  std::uint64_t next() {
    x_ ^= x_ << 13;
    x_ ^= x_ >> 7;
    return x_ ^= x_ << 17;
  }
  // 0 <= i < n, each as likely as any other.
  std::uint64_t uniform(std::uint64_t n) {
    __extension__ using wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<wide>(next()) * n) >> 64);
  }
  // 0 <= i < n, half of them within the first sixteenth, a quarter within the first 1/256.
  std::uint64_t skewed(std::uint64_t n) {
    const double u = static_cast<double>(next() >> 11) * 0x1p-53;
    return static_cast<std::uint64_t>(u * u * u * u * static_cast<double>(n));
  }

 private:
  std::uint64_t x_;
};

}  // namespace maps
