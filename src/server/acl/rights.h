// SPDX-License-Identifier: Apache-2.0
#pragma once

// Rights: what one user may do: commands, keys, channels. Made from rules as Redis 7 writes them:
//
//   Rights rights;
//   rights.apply("~orders:*"), rights.apply("+@read"), rights.apply("-keys");
//   rights.check(command, words).why == Refusal::kNone
//
// One more rule than Redis has: without all keys, a category (+@all, too) gives only commands that
// say which keys they touch, or that they touch none (kKeyless), or that sift what they tell
// (kSifted). Any other, also one that is new and says nothing, must be given by name: +flushall.
//
// Cost: check() is a bit for the command and one pattern match for each pattern and key, at most.
// Threads: as std::vector.

#include <bitset>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/command.h"

namespace ullage::server {

// Room for commands: two times what there are.
inline constexpr std::size_t kCommandsMax = 512;
// Patterns, channels and rules that one set of rights may hold; each costs a match per key.
inline constexpr std::size_t kRightsEntriesMax = 4096;

// What a rule or a change of one ended in. kOk: done.
enum class RuleStatus : std::uint8_t {
  kOk,
  kSyntax,
  kUnknownCommand,
  kFirstWordOfSubcommand,
  kKeysAfterAll,
  kChannelsAfterAll,
  kNoSuchPassword,
  kBadHash,
  kTooMany,
};
// As ACL SETUSER tells it.
const char* to_text(RuleStatus status);

// In the order in which a refusal says more than another.
enum class Refusal : std::uint8_t { kNone, kCommand, kKey, kReach, kChannel };
struct Verdict {
  Refusal why = Refusal::kNone;
  std::size_t word = 0;  // the key or the channel, of the command's words
};

enum KeyAccess : std::uint8_t { kReadsKey = 1, kWritesKey = 2 };

class Rights {
 public:
  RuleStatus apply(std::string_view rule);

  Verdict check(const Command& command, std::span<const std::string_view> words) const;
  bool may_touch(std::string_view key, std::uint8_t access) const;
  // As one that is listened to or told something, or as a pattern of those.
  bool may_use_channel(std::string_view channel, bool pattern = false) const;
  // Everything, also what commands there may be one day.
  bool unbounded() const { return all_commands_ && allowed_.all() && all_keys_ && all_channels_; }

  bool all_keys() const { return all_keys_; }
  std::string keys_text() const;      // "~a* %R~b*"
  std::string channels_text() const;  // "&a*"
  std::string commands_text() const;  // "-@all +get"
  // All three, as ACL LIST tells them.
  std::string text() const;

 private:
  struct KeyPattern {
    std::uint8_t access;
    std::string text;
  };
  RuleStatus add_keys(std::string_view rule);
  RuleStatus add_channel(std::string_view pattern);
  RuleStatus change_command(std::string_view name, bool allow);
  RuleStatus change_category(std::string_view name, bool allow);
  RuleStatus allow_first_word(std::string_view command, std::string_view word);
  void set_all_commands(bool allow);
  void set_command(const Command& command, bool allow);
  void note_rule(std::string_view name, bool allow);
  bool allows(const Command& command, std::span<const std::string_view> words) const;
  std::size_t entries() const { return keys_.size() + channels_.size() + rules_.size(); }

  bool all_commands_ = false, all_keys_ = false, all_channels_ = false;
  std::bitset<kCommandsMax> allowed_;
  std::map<std::size_t, std::vector<std::string>> first_words_;  // "+select|0"
  std::vector<KeyPattern> keys_;
  std::vector<std::string> channels_;
  std::vector<std::string> rules_;  // "+get", in the order they were said
};

// What a command does with its i-th word, a key: KeyAccess bits.
std::uint8_t access_of(const Command& command, std::span<const std::string_view> words,
                       std::size_t word);

}  // namespace ullage::server
