// SPDX-License-Identifier: Apache-2.0
#pragma once

// User: a name, passwords, and what it may do: its own rights, and those of selectors, each of
// which is enough by itself. Rules are Redis's: "on", ">secret", "~key*", "+@read", "(+set ~a*)".
// Passwords are kept as their SHA-256. Threads: as std::vector.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "server/acl/rights.h"

namespace ullage::server {

inline constexpr std::size_t kPasswordsMax = 64;
inline constexpr std::size_t kSelectorsMax = 64;

class User {
 public:
  // Off, no password, no rights.
  User(std::uint32_t number, std::string name);

  // All rules, or none: what is wrong is Redis's text.
  Result<void> apply(std::span<const std::string_view> rules);

  std::uint32_t number() const { return number_; }
  const std::string& name() const { return name_; }
  bool on() const { return on_; }
  bool needs_no_password() const { return no_password_; }
  // Takes as long whichever password it is.
  bool knows(std::string_view password) const;

  // The refusal that says most, of all selectors; kNone: one of them allows it.
  Verdict check(const Command& command, std::span<const std::string_view> words) const;
  // May a key's name be told to this user? With a command: by one that it may run.
  bool may_see(std::string_view key, const Command* command = nullptr) const;
  bool may_use_channel(std::string_view channel, bool pattern = false) const;
  bool unbounded() const;
  bool sees_all_keys() const;

  const std::vector<std::string>& passwords() const { return passwords_; }
  const std::vector<Rights>& rights() const { return rights_; }  // its own first
  std::vector<const char*> flags() const;                        // "on", "nopass"
  std::string text() const;                                      // "user alice on #... ~* &* +@all"

 private:
  RuleStatus apply_one(std::string_view rule);
  RuleStatus add_selector(std::string_view rules);
  RuleStatus change_password(std::string_view rule);
  void reset();

  std::uint32_t number_;
  std::string name_;
  bool on_ = false, no_password_ = false, sanitizes_ = false, skips_sanitize_ = false;
  std::vector<std::string> passwords_;  // 64 hexadecimal digits each
  std::vector<Rights> rights_{1};
};

// Rules in parentheses are one: joined, with blanks between. Error: one is not closed.
Result<std::vector<std::string>> join_selectors(std::span<const std::string_view> words);

}  // namespace ullage::server
