// SPDX-License-Identifier: Apache-2.0
#include "diagnose/fingerprint.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>

namespace ullage::diagnose {
namespace {

// FNV-1a with the finaliser of MurmurHash3, which spreads what FNV leaves in the low bits.
std::string hex_hash(std::string_view text) {
  std::uint64_t hash = 14695981039346656037u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53u;
  hash ^= hash >> 33;
  std::array<char, 17> digits{};
  std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(hash));
  return digits.data();
}

bool named(const evidence::Frame& frame) { return frame.exact && !frame.function.empty(); }

bool all_of_set(std::string_view text, std::string_view set) {
  return text.find_first_not_of(set) == std::string_view::npos;
}

// True when `name` ends in a part that a compiler made up; the part is taken off.
bool strip_compiler_suffix(std::string_view& name) {
  const std::size_t dot = name.rfind('.');
  if (dot != std::string_view::npos && dot > 0) {
    const std::string_view last = name.substr(dot + 1);
    static constexpr std::array<std::string_view, 7> kWords = {
        "isra", "constprop", "part", "cold", "lto_priv", "llvm", "localalias"};
    if (all_of_set(last, "0123456789") ||
        std::find(kWords.begin(), kWords.end(), last) != kWords.end()) {
      name = name.substr(0, dot);
      return true;
    }
  }
  constexpr std::size_t kRustHash = 3 + 16;  // "::h" and 16 hex digits
  if (name.size() > kRustHash && name.substr(name.size() - kRustHash, 3) == "::h" &&
      all_of_set(name.substr(name.size() - 16), "0123456789abcdef")) {
    name.remove_suffix(kRustHash);
    return true;
  }
  return false;
}

}  // namespace

std::string stable_name(std::string_view function) {
  function = function.substr(0, function.find(" [clone"));
  while (strip_compiler_suffix(function)) {
  }
  std::string name;
  while (!function.empty()) {
    if (function.starts_with("[abi:")) {
      function.remove_prefix(std::min(function.find(']'), function.size() - 1) + 1);
      continue;
    }
    if (function.front() != ' ') name += function.front();
    function.remove_prefix(1);
  }
  return name;
}

std::string fingerprint(std::string_view kind, const evidence::Frame& growth,
                        const evidence::Frame& user, const evidence::Stack& stack) {
  const auto name = [](const evidence::Frame& frame) {
    return named(frame) ? stable_name(frame.function) : "<" + frame.module + ">";
  };
  std::string text(kind);
  text += '|' + name(growth) + '|' + name(user);
  if (!named(user)) {
    const auto outer = std::find_if(stack.begin(), stack.end(), [&](const evidence::Frame& frame) {
      return named(frame) && !frame.library && frame.function != growth.function;
    });
    if (outer != stack.end()) text += '|' + name(*outer);
  }
  return hex_hash(text);
}

std::string place_fingerprint(const evidence::GrowthSite& site) {
  return fingerprint("place", site.growth, site.user, site.stack);
}

std::string nth_fingerprint(std::string_view fingerprint, std::size_t n) {
  return hex_hash(std::string(fingerprint) + '#' + std::to_string(n));
}

}  // namespace ullage::diagnose
