// SPDX-License-Identifier: Apache-2.0
#include "server/acl/user.h"

#include <algorithm>

#include "base/sha256.h"
#include "server/numbers.h"

namespace ullage::server {
namespace {

constexpr std::size_t kHashDigits = 64;

bool is_hash(std::string_view text) {
  return text.size() == kHashDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace

User::User(std::uint32_t number, std::string name) : number_(number), name_(std::move(name)) {}

Result<std::vector<std::string>> join_selectors(std::span<const std::string_view> words) {
  std::vector<std::string> joined;
  bool open = false;
  std::string_view begin;
  for (const std::string_view word : words) {
    if (open) {
      joined.back() += ' ';
      joined.back() += word;
      open = !word.ends_with(')');
    } else {
      joined.emplace_back(word);
      open = word.starts_with('(') && !word.ends_with(')');
      begin = word;
    }
  }
  if (open) {
    return Error{Code::kInvalid,
                 "Unmatched parenthesis in acl selector starting at '" + std::string(begin) + "'."};
  }
  return joined;
}

Result<void> User::apply(std::span<const std::string_view> words) {
  Result<std::vector<std::string>> rules = join_selectors(words);
  if (!rules.ok()) return rules.error();
  User changed = *this;
  for (const std::string& rule : rules.value()) {
    const RuleStatus status = changed.apply_one(rule);
    if (status == RuleStatus::kOk) continue;
    return Error{Code::kInvalid,
                 "Error in ACL SETUSER modifier '" + rule + "': " + to_text(status)};
  }
  *this = std::move(changed);
  return {};
}

void User::reset() {
  passwords_.clear();
  on_ = no_password_ = skips_sanitize_ = false;
  sanitizes_ = true;
  rights_.assign(1, Rights());
}

RuleStatus User::apply_one(std::string_view rule) {
  const auto is = [rule](std::string_view name) { return equals_ignoring_case(rule, name); };
  if (is("on") || is("off")) return on_ = is("on"), RuleStatus::kOk;
  if (is("nopass") || is("resetpass")) {
    no_password_ = is("nopass");
    passwords_.clear();
    return RuleStatus::kOk;
  }
  // Of Redis's RESTORE, which is not here; taken, so that its files are.
  if (is("sanitize-payload") || is("skip-sanitize-payload")) {
    sanitizes_ = is("sanitize-payload");
    skips_sanitize_ = !sanitizes_;
    return RuleStatus::kOk;
  }
  if (is("reset")) return reset(), RuleStatus::kOk;
  if (is("clearselectors")) return rights_.resize(1), RuleStatus::kOk;
  if (rule.empty()) return RuleStatus::kOk;
  if (rule.front() == '(' && rule.back() == ')') return add_selector(rule);
  if (std::string_view("><#!").find(rule[0]) != std::string_view::npos) {
    return change_password(rule);
  }
  return rights_[0].apply(rule);
}

RuleStatus User::add_selector(std::string_view rules) {
  if (rights_.size() > kSelectorsMax) return RuleStatus::kTooMany;
  rules = rules.substr(1, rules.size() - 2);
  Rights rights;
  while (!rules.empty()) {
    const std::size_t end = std::min(rules.find(' '), rules.size());
    if (end > 0) {
      // One that ends like a selector could not be read back.
      if (rules.substr(0, end).ends_with(')')) return RuleStatus::kSyntax;
      const RuleStatus status = rights.apply(rules.substr(0, end));
      if (status != RuleStatus::kOk) return status;
    }
    rules.remove_prefix(std::min(end + 1, rules.size()));
  }
  rights_.push_back(std::move(rights));
  return RuleStatus::kOk;
}

RuleStatus User::change_password(std::string_view rule) {
  const bool add = rule[0] == '>' || rule[0] == '#';
  const bool plain = rule[0] == '>' || rule[0] == '<';
  rule.remove_prefix(1);
  if (!plain && !is_hash(rule)) return RuleStatus::kBadHash;
  const std::string hash = plain ? sha256_hex(rule) : std::string(rule);
  const auto known = std::find(passwords_.begin(), passwords_.end(), hash);
  if (!add) {
    if (known == passwords_.end()) return RuleStatus::kNoSuchPassword;
    passwords_.erase(known);
    return RuleStatus::kOk;
  }
  if (passwords_.size() >= kPasswordsMax) return RuleStatus::kTooMany;
  if (known == passwords_.end()) passwords_.push_back(hash);
  no_password_ = false;
  return RuleStatus::kOk;
}

bool User::knows(std::string_view password) const {
  const std::string hash = sha256_hex(password);
  bool known = false;
  for (const std::string& own : passwords_) known |= equal_in_constant_time(own, hash);
  return known;
}

Verdict User::check(const Command& command, std::span<const std::string_view> words) const {
  Verdict most;
  for (const Rights& rights : rights_) {
    const Verdict verdict = rights.check(command, words);
    if (verdict.why == Refusal::kNone) return verdict;
    if (verdict.why > most.why || (verdict.why == most.why && verdict.word > most.word)) {
      most = verdict;
    }
  }
  return most;
}

bool User::may_see(std::string_view key, const Command* command) const {
  return std::any_of(rights_.begin(), rights_.end(), [&](const Rights& rights) {
    if (!rights.may_touch(key, kReadsKey)) return false;
    return command == nullptr || rights.check(*command, {}).why == Refusal::kNone;
  });
}

bool User::may_use_channel(std::string_view channel, bool pattern) const {
  return std::any_of(rights_.begin(), rights_.end(), [&](const Rights& rights) {
    return rights.may_use_channel(channel, pattern);
  });
}

bool User::unbounded() const {
  return std::any_of(rights_.begin(), rights_.end(), [](const Rights& r) { return r.unbounded(); });
}

bool User::sees_all_keys() const {
  return std::any_of(rights_.begin(), rights_.end(), [](const Rights& r) { return r.all_keys(); });
}

std::vector<const char*> User::flags() const {
  std::vector<const char*> flags{on_ ? "on" : "off"};
  if (no_password_) flags.push_back("nopass");
  if (skips_sanitize_) flags.push_back("skip-sanitize-payload");
  if (sanitizes_) flags.push_back("sanitize-payload");
  return flags;
}

std::string User::text() const {
  std::string text = "user " + name_;
  for (const char* flag : flags()) text += std::string(" ") + flag;
  for (const std::string& hash : passwords_) text += " #" + hash;
  text += " " + rights_[0].text();
  for (std::size_t i = 1; i < rights_.size(); ++i) text += " (" + rights_[i].text() + ")";
  return text;
}

}  // namespace ullage::server
