// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who lost what: a writer notes for each key how many operations it handed over, and how many were
// acknowledged; after a crash each key must be in a state between the two.
//
//   CrashChecker::Note notes[kKeys];      // in memory that outlives the writer
//   notes[k].handed = n; store.write(...); ...; notes[k].acknowledged = n;
//   const std::string lost = CrashChecker::lost(notes, number_of_key);   // "": nothing
//
// Operation n of a key puts the number n, or erases the key when n is a multiple of kEraseEvery.

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace ullage::tier::cold::testing {

struct CrashChecker {
  static constexpr std::uint64_t kEraseEvery = 8;

  struct Note {
    std::atomic<std::uint64_t> handed{0}, acknowledged{0};
  };

  static bool erases(std::uint64_t n) { return n % kEraseEvery == 0; }

  // `found`: the number that key k has, 0 if the store has no such key.
  using Found = std::function<std::uint64_t(std::size_t k)>;
  static std::string lost(std::span<const Note> notes, const Found& found) {
    for (std::size_t k = 0; k < notes.size(); ++k) {
      const std::uint64_t least = notes[k].acknowledged, most = notes[k].handed;
      const std::uint64_t is = found(k);
      const auto says = [&](const char* what) {
        return "key " + std::to_string(k) + " " + what + ": found " + std::to_string(is) +
               ", acknowledged " + std::to_string(least) + ", handed over " + std::to_string(most);
      };
      if (is > most) return says("has what nobody wrote");
      if (is != 0 && erases(is)) return says("has the number of an erasure");
      if (is != 0 && is < least) return says("lost an acknowledged write");
      // Missing: there was nothing yet, or an erasure that may be the last.
      const std::uint64_t last_erasure = most / kEraseEvery * kEraseEvery;
      if (is == 0 && least != 0 && last_erasure < least) return says("is lost");
    }
    return {};
  }
};

}  // namespace ullage::tier::cold::testing
