// SPDX-License-Identifier: Apache-2.0
#pragma once

// ranks: who goes first. W-TinyLFU over the slots of one segment, by bytes.
//
// Newcomers live in a window; who leaves it competes with the oldest of the others by frequency
// (sketch.h), so a scan or a loop passes through and displaces nobody that is used. The others are
// on probation until they are used once more, then protected (segmented LRU, 80 % protected).
// (TinyLFU: Einziger, Friedman and Manes, 2017.)
//
// There are no lists. A slot has 16 bits: which of the three it is in, and a stamp of the shard's
// clock when it was last used. The oldest of a list is the least such word: one pass over 2 KiB,
// only when something must go. A hit writes one word; an entry costs 2 B and no links, and can move
// freely. The lists are the shard's, not the segment's: of two segments (the newcomer's and the
// next in turn) the one whose oldest is older pays, and a candidate of one competes with a victim
// of the other. Segments are cut by hash, so two of them say nearly what all would (choosing the
// better of two: Mitzenmacher, 2001).
//
// A Host is a segment of the table, a shadow cache or a simulator:
//
//   Ranks& ranks();                        std::span<std::uint16_t> words();   // kFree: no entry
//   std::uint32_t bytes(std::size_t slot); unsigned frequency(std::size_t slot);
//   bool may_go(std::size_t slot);         // e.g. volatile-only policies
//   std::uint16_t stamp();                 // now, at most kStampMax

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ullage::tier {

enum class List : std::uint8_t { kWindow, kProbation, kProtected };

// Bytes by List, of all segments together.
struct RankTotals {
  std::array<std::uint64_t, 3> bytes{};
  std::uint64_t total() const noexcept { return bytes[0] + bytes[1] + bytes[2]; }
};

// What a segment knows of its slots together.
struct Ranks {
  RankTotals* totals = nullptr;
  std::array<std::uint32_t, 3> bytes{};   // by List
  std::array<std::uint16_t, 3> oldest{};  // by List: no stamp in it is less
  std::uint16_t uses = 0;                 // counted in the sketch since it was last halved
  std::uint32_t total() const noexcept { return bytes[0] + bytes[1] + bytes[2]; }
};

namespace rank {

inline constexpr std::uint16_t kFree = 0xffff;
inline constexpr unsigned kStampBits = 14;
inline constexpr std::uint16_t kStampMax = (1u << kStampBits) - 1;
// Share of the main part that may be protected.
inline constexpr std::uint32_t kProtectedPercent = 80;
// Protected entries demoted for one that goes, at most: each takes a pass.
inline constexpr int kDemotionsMax = 4;
// Entries spared because of their frequency for one that goes, at most: each takes a pass.
inline constexpr int kSecondChancesMax = 4;
// A candidate this frequent sometimes wins against one that is more so: an attacker who makes a
// victim popular must not be able to keep all others out (HashDoS; Caffeine, 2015).
inline constexpr unsigned kWarm = 6;
inline constexpr unsigned kLuckOneIn = 128;
// After this many uses per slot the sketch forgets half.
inline constexpr unsigned kUsesPerEntry = 10;
inline constexpr std::size_t kNobody = ~std::size_t{0};

inline List list_of(std::uint16_t word) noexcept { return static_cast<List>(word >> kStampBits); }
inline std::uint16_t stamp_of(std::uint16_t word) noexcept { return word & kStampMax; }
inline std::uint16_t word_of(List list, std::uint16_t stamp) noexcept {
  return static_cast<std::uint16_t>(static_cast<unsigned>(list) << kStampBits | stamp);
}

// Words and bounds: all stamps become half of what they were: what a clock that reached its end
// does. Their order stays, near ones may tie.
inline void halve(Ranks& ranks, std::span<std::uint16_t> words, unsigned times) noexcept {
  for (std::uint16_t& bound : ranks.oldest) bound = static_cast<std::uint16_t>(bound >> times);
  for (std::uint16_t& word : words) {
    if (word != kFree) {
      word = word_of(list_of(word), static_cast<std::uint16_t>(stamp_of(word) >> times));
    }
  }
}

// The stamp of a clock that may have come to its end; the caller then halves every word.
class Clock {
 public:
  // Uses that share a stamp: so that stamps last for some four times the uses that entries live.
  void grain(std::uint32_t uses) noexcept { grain_ = uses == 0 ? 1 : uses; }
  std::uint16_t stamp() const noexcept { return stamp_; }
  std::uint32_t era() const noexcept { return era_; }  // how often it came to its end
  // True: all words have to be halved, now or when they are next looked at.
  bool tick() noexcept { return ++uses_ >= grain_ && next(); }
  // The next stamp, whatever the uses.
  bool next() noexcept {
    uses_ = 0;
    if (stamp_ < kStampMax) {
      ++stamp_;
      return false;
    }
    stamp_ = kStampMax / 2 + 1;
    ++era_;
    return true;
  }

 private:
  std::uint32_t uses_ = 0, grain_ = 1, era_ = 0;
  std::uint16_t stamp_ = 0;
};

// All bookkeeping of bytes: `bytes` more in a list, with a stamp; or less.
inline void join(Ranks& ranks, List list, std::uint16_t stamp, std::uint32_t bytes) noexcept {
  const auto i = static_cast<std::size_t>(list);
  if (ranks.bytes[i] == 0 || stamp < ranks.oldest[i]) ranks.oldest[i] = stamp;
  ranks.bytes[i] += bytes;
  ranks.totals->bytes[i] += bytes;
}
inline void part(Ranks& ranks, List list, std::uint32_t bytes) noexcept {
  const auto i = static_cast<std::size_t>(list);
  ranks.bytes[i] -= bytes;
  ranks.totals->bytes[i] -= bytes;
}

inline void arrive(Ranks& ranks, std::span<std::uint16_t> words, std::size_t slot,
                   std::uint32_t bytes, std::uint16_t stamp) noexcept {
  words[slot] = word_of(List::kWindow, stamp);
  join(ranks, List::kWindow, stamp, bytes);
}

inline void leave(Ranks& ranks, std::span<std::uint16_t> words, std::size_t slot,
                  std::uint32_t bytes) noexcept {
  part(ranks, list_of(words[slot]), bytes);
  words[slot] = kFree;
}

inline void to_list(Ranks& ranks, std::uint16_t& word, List list, std::uint16_t stamp,
                    std::uint32_t bytes) noexcept {
  part(ranks, list_of(word), bytes);
  join(ranks, list, stamp, bytes);
  word = word_of(list, stamp);
}

// A use. `bytes` is asked only when the entry changes its list.
template <class Bytes>
void use(Ranks& ranks, std::uint16_t& word, std::uint16_t stamp, Bytes bytes) noexcept {
  if (list_of(word) == List::kProbation) {
    to_list(ranks, word, List::kProtected, stamp, bytes());
  } else {
    word = word_of(list_of(word), stamp);
  }
}

// The entry of a list that was used longest ago. kNobody: it is empty. Written so that compilers
// make vector code of both loops; padding must be kFree.
inline std::size_t oldest(std::span<const std::uint16_t> words, List list) noexcept {
  // In the list that is sought the upper bits become zero: its words are the least.
  const auto flip = static_cast<std::uint16_t>(static_cast<unsigned>(list) << kStampBits ^ 0x8000u);
  std::int16_t least = 0x7fff;
  for (const std::uint16_t word : words) {
    const auto value = static_cast<std::int16_t>(word ^ flip);
    least = value < least ? value : least;
  }
  const auto wanted = static_cast<std::uint16_t>(static_cast<std::uint16_t>(least) ^ flip);
  if (wanted == kFree || list_of(wanted) != list) return kNobody;
  return static_cast<std::size_t>(std::find(words.begin(), words.end(), wanted) - words.begin());
}

// As oldest(), among those that may go; and remembers its stamp.
template <class Host>
std::size_t oldest_that_may_go(Host& host, List list) noexcept {
  std::size_t found = oldest(host.words(), list);
  if (found != kNobody) {
    host.ranks().oldest[static_cast<std::size_t>(list)] = stamp_of(host.words()[found]);
  }
  if (found == kNobody || host.may_go(found)) return found;
  const auto words = host.words();
  found = kNobody;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == kFree || list_of(words[i]) != list || !host.may_go(i)) continue;
    if (found == kNobody || words[i] < words[found]) found = i;
  }
  return found;
}

// What is in the window beyond `target` goes on probation, the oldest first, keeping its stamp: as
// if it had been moved when it became too old. In one pass for many.
template <class Host>
void settle(Host& host, std::uint32_t target) noexcept {
  Ranks& ranks = host.ranks();
  const auto words = host.words();
  std::array<std::uint32_t, 64> bytes_by_age{};
  constexpr unsigned kShift = kStampBits - 6;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == kFree || list_of(words[i]) != List::kWindow) continue;
    bytes_by_age[stamp_of(words[i]) >> kShift] += host.bytes(i);
  }
  std::uint32_t excess = ranks.bytes[0] > target ? ranks.bytes[0] - target : 0;
  for (unsigned age = 0; age < bytes_by_age.size() && excess > 0; ++age) {
    if (bytes_by_age[age] == 0) continue;
    if (bytes_by_age[age] > excess) {
      // Only a part of these: one by one.
      while (ranks.bytes[0] > target) {
        const std::size_t i = oldest(words, List::kWindow);
        if (i == kNobody) break;
        to_list(ranks, words[i], List::kProbation, stamp_of(words[i]), host.bytes(i));
      }
      return;
    }
    excess -= bytes_by_age[age];
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (words[i] == kFree || list_of(words[i]) != List::kWindow) continue;
      if (stamp_of(words[i]) >> kShift != age) continue;
      to_list(ranks, words[i], List::kProbation, stamp_of(words[i]), host.bytes(i));
    }
  }
}

// The one of two segments in which the oldest of a list is to be looked for.
template <class Host>
Host& older(Host& own, Host& other, List list) noexcept {
  const auto i = static_cast<std::size_t>(list);
  if (other.ranks().bytes[i] == 0) return own;
  if (own.ranks().bytes[i] == 0) return other;
  return other.ranks().oldest[i] < own.ranks().oldest[i] ? other : own;
}

template <class Host>
struct Choice {
  Host* host = nullptr;  // null: no entry may go
  std::size_t slot = kNobody;
};

template <class Host>
Choice<Host> oldest_of_two(Host& own, Host& other, List list) noexcept {
  Host& first = older(own, other, list);
  std::size_t slot = oldest_that_may_go(first, list);
  if (slot != kNobody) return {&first, slot};
  Host& second = &first == &own ? other : own;
  if (&second == &first) return {};
  slot = oldest_that_may_go(second, list);
  return slot == kNobody ? Choice<Host>{} : Choice<Host>{&second, slot};
}

// Who should go next, of two segments (which may be the same). `newcomer`: a slot of `own` that
// must stay, or kNobody. `luck`: random bits.
template <class Host>
Choice<Host> choose(Host& own, Host& other, unsigned window_percent, std::size_t newcomer,
                    std::uint32_t luck) noexcept {
  const RankTotals& totals = *own.ranks().totals;
  const std::uint64_t total = totals.total();
  const std::uint64_t target = total * window_percent / 100;
  // Many more than should be (it was never full before, or the window became smaller): settle. One
  // or a few: the oldest of them are candidates below.
  if (totals.bytes[0] > target + target / 8 + total / 128) {
    settle(own,
           static_cast<std::uint32_t>(own.ranks().total() * std::uint64_t{window_percent} / 100));
    settle(other,
           static_cast<std::uint32_t>(other.ranks().total() * std::uint64_t{window_percent} / 100));
  }
  const std::uint64_t protected_max = (total - target) * kProtectedPercent / 100;
  for (int i = 0; i < kDemotionsMax && totals.bytes[2] > protected_max; ++i) {
    Host& host = older(own, other, List::kProtected);
    const std::size_t slot = oldest(host.words(), List::kProtected);
    if (slot == kNobody) break;
    host.ranks().oldest[2] = stamp_of(host.words()[slot]);
    to_list(host.ranks(), host.words()[slot], List::kProbation, host.stamp(), host.bytes(slot));
  }
  const auto stays = [&](const Choice<Host>& c) { return c.host == &own && c.slot == newcomer; };
  Choice<Host> candidate;
  if (totals.bytes[0] > target) {
    candidate = oldest_of_two(own, other, List::kWindow);
    if (stays(candidate)) candidate = {};
  }
  Choice<Host> victim = oldest_of_two(own, other, List::kProbation);
  if (victim.host == nullptr) victim = oldest_of_two(own, other, List::kProtected);
  if (stays(victim)) victim = {};
  if (candidate.host == nullptr) {
    // More must go than came. The window keeps its share; of the others, those that are used more
    // than the window's oldest get another round.
    Choice<Host> newcomers = oldest_of_two(own, other, List::kWindow);
    if (stays(newcomers)) newcomers = {};
    if (victim.host == nullptr) return newcomers;
    const unsigned common =
        newcomers.host == nullptr ? 1 : newcomers.host->frequency(newcomers.slot);
    for (int i = 0; i < kSecondChancesMax; ++i) {
      if (victim.host->frequency(victim.slot) <= common) return victim;
      std::uint16_t& word = victim.host->words()[victim.slot];
      const Choice<Host> spared = victim;
      to_list(spared.host->ranks(), word, List::kProbation, spared.host->stamp(),
              spared.host->bytes(spared.slot));
      victim = oldest_of_two(own, other, List::kProbation);
      if (victim.host == nullptr || stays(victim)) return spared;
    }
    return newcomers.host == nullptr ? victim : oldest_of_two(own, other, List::kWindow);
  }
  if (victim.host == nullptr) return candidate;
  const unsigned mine = candidate.host->frequency(candidate.slot);
  const unsigned theirs = victim.host->frequency(victim.slot);
  const bool lucky = mine >= kWarm && mine <= theirs && luck % kLuckOneIn == 0;
  if (mine <= theirs && !lucky) return candidate;
  // It has won a place, as the youngest of those on probation.
  to_list(candidate.host->ranks(), candidate.host->words()[candidate.slot], List::kProbation,
          candidate.host->stamp(), candidate.host->bytes(candidate.slot));
  return victim;
}

}  // namespace rank
}  // namespace ullage::tier
