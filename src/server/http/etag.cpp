// SPDX-License-Identifier: Apache-2.0
#include "server/http/etag.h"

#include <array>
#include <bit>
#include <cstring>

namespace ullage::server {
namespace {

constexpr std::size_t kBlockBytes = 128, kTagBytes = 16;
// The fractions of the square roots of the first eight primes, as in SHA-512.
constexpr std::array<std::uint64_t, 8> kStart = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};
// In which order a round takes the words of the block; rounds 10 and 11 are 0 and 1 again.
constexpr std::uint8_t kOrder[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                         {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                         {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
                                         {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                         {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
                                         {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                         {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
                                         {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                         {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
                                         {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

class Blake2b {
 public:
  Blake2b() { state_[0] ^= 0x01010000 ^ kTagBytes; }

  void block(const char* bytes, std::uint64_t total, bool last) {
    std::array<std::uint64_t, 16> m, v;
    std::memcpy(m.data(), bytes, kBlockBytes);  // little endian, as this machine is
    for (std::size_t i = 0; i < 8; ++i) v[i] = state_[i], v[i + 8] = kStart[i];
    v[12] ^= total;
    if (last) v[14] = ~v[14];
    for (std::size_t round = 0; round < 12; ++round) {
      const std::uint8_t* s = kOrder[round % 10];
      mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
      mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
      mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
      mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
      mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
      mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
      mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
      mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
    }
    for (std::size_t i = 0; i < 8; ++i) state_[i] ^= v[i] ^ v[i + 8];
  }
  const std::array<std::uint64_t, 8>& state() const { return state_; }

 private:
  static void mix(std::array<std::uint64_t, 16>& v, std::size_t a, std::size_t b, std::size_t c,
                  std::size_t d, std::uint64_t x, std::uint64_t y) {
    v[a] += v[b] + x;
    v[d] = std::rotr(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = std::rotr(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = std::rotr(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = std::rotr(v[b] ^ v[c], 63);
  }
  std::array<std::uint64_t, 8> state_ = kStart;
};

}  // namespace

std::string etag_of(std::string_view value) {
  static_assert(std::endian::native == std::endian::little);
  Blake2b hash;
  std::size_t at = 0;
  for (; value.size() - at > kBlockBytes; at += kBlockBytes) {
    hash.block(value.data() + at, at + kBlockBytes, false);
  }
  char rest[kBlockBytes] = {};
  if (at < value.size()) std::memcpy(rest, value.data() + at, value.size() - at);
  hash.block(rest, value.size(), true);
  std::string tag = "\"";
  for (std::size_t i = 0; i < kTagBytes; ++i) {
    const auto byte = static_cast<unsigned>(hash.state()[i / 8] >> (i % 8 * 8) & 0xff);
    tag += "0123456789abcdef"[byte >> 4];
    tag += "0123456789abcdef"[byte & 15];
  }
  return tag + "\"";
}

bool parse_tags(std::string_view text, TagList& list) {
  list = {};
  const auto skip = [&text](std::string_view what) {
    while (!text.empty() && what.find(text.front()) != std::string_view::npos)
      text.remove_prefix(1);
  };
  skip(" \t");
  if (text.starts_with('*')) {
    text.remove_prefix(1);
    skip(" \t");
    list.any = true;
    return text.empty();
  }
  while (!text.empty()) {
    std::string tag;
    if (text.starts_with("W/")) {
      tag = "W/";
      text.remove_prefix(2);
    }
    const std::size_t end = text.find('"', 1);
    if (!text.starts_with('"') || end == std::string_view::npos) return false;
    list.tags.push_back(tag + std::string(text.substr(0, end + 1)));
    text.remove_prefix(end + 1);
    skip(" \t");
    if (!text.empty() && !text.starts_with(',')) return false;
    skip(" \t,");
  }
  return !list.tags.empty();
}

bool matches(const TagList& list, std::string_view etag, bool weak) {
  if (list.any) return true;
  for (const std::string_view tag : list.tags) {
    if (tag == etag || (weak && tag.starts_with("W/") && tag.substr(2) == etag)) return true;
  }
  return false;
}

}  // namespace ullage::server
