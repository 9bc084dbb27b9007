// SPDX-License-Identifier: Apache-2.0
//
// map_hash: how keys become 64 well-mixed bits. Every map has a seed of its own, so that nobody can
// prepare keys that collide in it, and so that walking one map while filling another does not visit
// the other's segments one by one.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#if defined(__linux__)
#include <unistd.h>
#endif

namespace ullage {

namespace detail {

/// Both halves of the 128-bit product: every bit of the result depends on every bit of a and b.
inline std::uint64_t fold_multiply(std::uint64_t a, std::uint64_t b) noexcept {
#if defined(__SIZEOF_INT128__)
  __extension__ using wide = unsigned __int128;
  const wide product = static_cast<wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
#else
  const std::uint64_t al = a & 0xffffffffu, ah = a >> 32, bl = b & 0xffffffffu, bh = b >> 32;
  const std::uint64_t ll = al * bl, lh = al * bh, hl = ah * bl, hh = ah * bh;
  const std::uint64_t middle = (ll >> 32) + (lh & 0xffffffffu) + (hl & 0xffffffffu);
  const std::uint64_t low = (middle << 32) | (ll & 0xffffffffu);
  const std::uint64_t high = hh + (lh >> 32) + (hl >> 32) + (middle >> 32);
  return low ^ high;
#endif
}

inline constexpr std::uint64_t kMix = 0x9E3779B97F4A7C15u;   // 2^64 / golden ratio
inline constexpr std::uint64_t kMix2 = 0xD6E8FEB86659FD93u;  // odd, half its bits set

inline std::uint64_t load_bytes(const unsigned char* p, std::size_t n) noexcept {
  std::uint64_t v = 0;
  std::memcpy(&v, p, n);
  return v;
}

/// A word and a secret to 64 bits that are all good. The second multiplication is for numbers in a
/// row: one alone leaves them in a row, and with one secret in fifty they crowded in a few groups.
inline std::uint64_t mix_word(std::uint64_t word, std::uint64_t seed) noexcept {
  return fold_multiply(word ^ seed, kMix) * kMix2;
}

/// Bytes to 64 bits, 16 at a time, in the manner of wyhash (Wang Yi).
inline std::uint64_t hash_bytes(const void* data, std::size_t n, std::uint64_t seed) noexcept {
  const auto* p = static_cast<const unsigned char*>(data);
  std::uint64_t a = 0, b = 0;
  seed ^= kMix2;
  if (n <= 16) {
    if (n >= 8) {
      a = load_bytes(p, 8);
      b = load_bytes(p + n - 8, 8);
    } else if (n >= 4) {
      a = load_bytes(p, 4);
      b = load_bytes(p + n - 4, 4);
    } else if (n > 0) {
      a = std::uint64_t{p[0]} << 16 | std::uint64_t{p[n / 2]} << 8 | p[n - 1];
    }
  } else {
    std::size_t left = n;
    for (; left > 16; left -= 16, p += 16) {
      seed = fold_multiply(load_bytes(p, 8) ^ kMix, load_bytes(p + 8, 8) ^ seed);
    }
    a = load_bytes(p + left - 16, 8);
    b = load_bytes(p + left - 8, 8);
  }
  return fold_multiply(kMix ^ n, fold_multiply(a ^ kMix, b ^ seed));
}

/// What others can't guess, if the system has it; else the time.
inline std::uint64_t secret_of_this_run() noexcept {
  std::uint64_t secret = 0;
#if defined(__linux__)
  if (::getentropy(&secret, sizeof secret) != 0) secret = 0;
#endif
  const auto since = [](auto now) {
    return static_cast<std::uint64_t>(now.time_since_epoch().count());
  };
  return secret ^ fold_multiply(since(std::chrono::steady_clock::now()) ^ kMix,
                                since(std::chrono::system_clock::now()) ^ kMix2);
}

/// A seed that differs from map to map and from run to run.
[[gnu::visibility("default")]] inline std::uint64_t fresh_seed() noexcept {
  static const std::uint64_t of_this_run = secret_of_this_run();
  static std::atomic<std::uint64_t> maps{0};
  const std::uint64_t n = maps.fetch_add(kMix, std::memory_order_relaxed);
  return fold_multiply(of_this_run ^ n, kMix2) | 1;
}

template <class T>
concept string_like = std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>;

template <class T>
concept plain_word = (std::is_integral_v<T> || std::is_enum_v<T> ||
                      std::is_pointer_v<T>)&&sizeof(T) <= 8;

}  // namespace detail

/// The default hash. Words and strings take the map's seed themselves (operator()(key, seed)); all
/// others go through std::hash, whose result the map mixes.
template <class T>
struct hash : std::hash<T> {};

template <detail::plain_word T>
struct hash<T> {
  std::uint64_t operator()(T key) const noexcept { return (*this)(key, detail::kMix2); }
  std::uint64_t operator()(T key, std::uint64_t seed) const noexcept {
    std::uint64_t word = 0;
    if constexpr (std::is_pointer_v<T>) {
      word = reinterpret_cast<std::uintptr_t>(key);
    } else {
      word = static_cast<std::uint64_t>(key);
    }
    return detail::mix_word(word, seed);
  }
};

template <detail::string_like T>
struct hash<T> {
  using is_transparent = void;
  std::uint64_t operator()(std::string_view key) const noexcept { return (*this)(key, 0); }
  std::uint64_t operator()(std::string_view key, std::uint64_t seed) const noexcept {
    return detail::hash_bytes(key.data(), key.size(), seed);
  }
};

/// The default equality: strings compare with anything that is a string_view.
template <class T>
struct equal_to : std::equal_to<T> {};
template <detail::string_like T>
struct equal_to<T> : std::equal_to<> {};

/// True for hashes that say `using is_avalanching = ...`: all 64 bits of theirs are good. (Boost
/// and unordered_dense use the same name.) A type or a constant of that name that is false says no.
template <class Hash>
struct hash_is_avalanching : std::bool_constant<[] {
  if constexpr (requires { bool{Hash::is_avalanching::value}; }) {
    return bool{Hash::is_avalanching::value};
  } else if constexpr (requires { typename Hash::is_avalanching; }) {
    return true;
  } else if constexpr (requires { bool{Hash::is_avalanching}; }) {
    return bool{Hash::is_avalanching};
  } else {
    return false;
  }
}()> {};

namespace detail {

/// True when a hash takes the map's seed itself.
template <class Hash, class Key>
concept takes_seed = requires(const Hash& hash, const Key& key, std::uint64_t seed) {
  hash(key, seed);
};
template <class Hash, class Key>
consteval bool hashes_quietly() {
  if constexpr (takes_seed<Hash, Key>) {
    return noexcept(std::declval<const Hash&>()(std::declval<const Key&>(), std::uint64_t{}));
  } else {
    return noexcept(std::declval<const Hash&>()(std::declval<const Key&>()));
  }
}

/// The 64 bits a map works with.
template <class Hash, class Key>
inline std::uint64_t seeded_hash(const Hash& hash, const Key& key,
                                 std::uint64_t seed) noexcept(hashes_quietly<Hash, Key>()) {
  if constexpr (takes_seed<Hash, Key>) {
    return hash(key, seed);
  } else {
    const auto plain = static_cast<std::uint64_t>(hash(key));
    // A good hash is only spread anew, so that two maps don't agree in low bits (seeds are odd).
    if constexpr (hash_is_avalanching<Hash>::value) return plain * seed;
    return mix_word(plain, seed);
  }
}

template <class Hash, class Eq>
concept transparent_pair = requires {
  typename Hash::is_transparent;
  typename Eq::is_transparent;
};

}  // namespace detail
}  // namespace ullage
