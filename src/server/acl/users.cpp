// SPDX-License-Identifier: Apache-2.0
#include "server/acl/users.h"

#include <algorithm>

#include "server/session.h"

namespace ullage::server {
namespace {

constexpr std::string_view kDefault = "default";
constexpr const char* kBadName = "Usernames can't contain spaces or null characters";

// Words between blanks.
std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  constexpr std::string_view kBlanks = " \t\r";
  for (;;) {
    line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
    if (line.empty()) return words;
    const std::size_t end = std::min(line.find_first_of(kBlanks), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

bool valid_name(std::string_view name) {
  return !name.empty() && std::none_of(name.begin(), name.end(), [](char c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
  });
}

}  // namespace

Users::Users() {
  auto user = std::make_unique<User>(next_number_++, std::string(kDefault));
  const std::string_view rules[] = {"on", "nopass", "~*", "&*", "+@all"};
  (void)user->apply(rules);
  default_ = user.get();
  by_number_.emplace(user->number(), user.get());
  by_name_.emplace(kDefault, std::move(user));
}

const User* Users::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second.get();
}

const User* Users::find(std::uint32_t number) const {
  const auto found = by_number_.find(number);
  return found == by_number_.end() ? nullptr : found->second;
}

std::vector<const User*> Users::all() const {
  std::vector<const User*> users;
  for (const auto& [name, user] : by_name_) users.push_back(user.get());
  return users;
}

const User* Users::authenticate(std::string_view name, std::string_view password) const {
  const User* user = find(name);
  // Whoever is not there has a password that nobody knows.
  const bool knows = (user != nullptr ? user : default_)->knows(password);
  if (user == nullptr || !user->on()) return nullptr;
  return user->needs_no_password() || knows ? user : nullptr;
}

bool Users::password_needed() const { return !default_->needs_no_password() || !default_->on(); }

void Users::mark(Caller& caller, bool authenticated) const {
  const User* user = find(caller.user);
  const bool stranger = password_needed() && !authenticated;
  caller.guarded = stranger || user == nullptr || !user->unbounded();
}

bool Users::admit(Caller& caller) const {
  caller.user = default_->number();
  const bool authenticated = !password_needed();
  mark(caller, authenticated);
  return authenticated;
}

Result<void> Users::set(std::string_view name, std::span<const std::string_view> rules) {
  if (!valid_name(name)) {
    return Error{Code::kInvalid, kBadName};
  }
  if (const auto found = by_name_.find(name); found != by_name_.end()) {
    return found->second->apply(rules);
  }
  if (by_name_.size() >= kUsersMax) {
    return Error{Code::kExhausted, "there are " + std::to_string(kUsersMax) + " users already"};
  }
  auto user = std::make_unique<User>(next_number_, std::string(name));
  Result<void> done = user->apply(rules);
  if (!done.ok()) return done;
  ++next_number_;
  by_number_.emplace(user->number(), user.get());
  by_name_.emplace(name, std::move(user));
  return {};
}

bool Users::remove(std::string_view name) {
  const auto found = by_name_.find(name);
  if (found == by_name_.end() || found->second.get() == default_) return false;
  by_number_.erase(found->second->number());
  by_name_.erase(found);
  return true;
}

void Users::require_password(const std::string& password) {
  const std::string add = ">" + password;
  std::vector<std::string_view> rules{"resetpass"};
  rules.emplace_back(password.empty() ? std::string_view("nopass") : std::string_view(add));
  (void)default_->apply(rules);
}

Result<void> Users::load(std::string_view text, const std::string& file) {
  std::map<std::string, std::vector<std::string_view>, std::less<>> lines;
  std::size_t number = 0;
  const auto wrong = [&](const std::string& what) {
    return Error{Code::kInvalid, file + ":" + std::to_string(number) + ": " + what};
  };
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::vector<std::string_view> words = words_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.empty() || words[0].starts_with('#')) continue;
    if (words[0] != "user" || words.size() < 2) {
      return wrong("line should start with user keyword, and name one");
    }
    const std::string name(words[1]);
    if (!valid_name(name)) return wrong(kBadName);
    words.erase(words.begin(), words.begin() + 2);
    User probe(0, name);
    if (Result<void> done = probe.apply(words); !done.ok()) return wrong(done.error().message);
    if (!lines.emplace(name, std::move(words)).second) {
      return wrong("Duplicate user '" + name + "' found");
    }
    if (lines.size() >= kUsersMax) return wrong("there are too many users");
  }
  std::vector<std::string> gone;
  for (const auto& [name, user] : by_name_) {
    if (!lines.contains(name) && user.get() != default_) gone.push_back(name);
  }
  for (const std::string& name : gone) remove(name);
  const std::vector<std::string_view> everything = {"on", "nopass", "~*", "&*", "+@all"};
  lines.emplace(kDefault, everything);
  for (const auto& [name, words] : lines) {
    const auto known = by_name_.find(name);
    if (known != by_name_.end()) *known->second = User(known->second->number(), name);
    if (Result<void> done = set(name, words); !done.ok()) return done;
  }
  return {};
}

std::string Users::text() const {
  std::string text;
  for (const auto& [name, user] : by_name_) text += user->text() + "\n";
  return text;
}

}  // namespace ullage::server
