// SPDX-License-Identifier: Apache-2.0
#pragma once

// Users: who there is, and who a connection speaks for. One table for all threads:
//
//   worker threads   read it without a lock: it changes while they stand still
//   any other thread reads it inside of reading()
//   a change         every thread standing still, inside of changing()
//
// A user is known by a number that is never used again: what travels to another thread carries it,
// and finds nobody when its user is gone.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "server/acl/user.h"

namespace ullage::server {

struct Caller;

// Users at once; each takes some hundred bytes and more.
inline constexpr std::size_t kUsersMax = 10'000;
// An ACL file larger than this is refused.
inline constexpr std::size_t kAclFileBytesMax = 16u << 20;

class Users {
 public:
  Users();  // the user "default", who may do everything, without a password

  std::shared_lock<std::shared_mutex> reading() const { return std::shared_lock(mutex_); }
  std::unique_lock<std::shared_mutex> changing() { return std::unique_lock(mutex_); }

  const User& default_user() const { return *default_; }
  const User* find(std::string_view name) const;  // null: there is none
  const User* find(std::uint32_t number) const;
  std::vector<const User*> all() const;  // by name

  // Null: no such user, it is off, or the password is another. Takes as long in each case.
  const User* authenticate(std::string_view name, std::string_view password) const;
  // Must clients say who they are? Not while the default user needs no password.
  bool password_needed() const;
  // What its user is, for the hot path: `guarded` says whether anything must be asked at all.
  void mark(Caller& caller, bool authenticated) const;
  // As a client that has just come; false: it must say who it is first.
  bool admit(Caller& caller) const;

  // Makes the user if there is none. All rules, or none.
  Result<void> set(std::string_view name, std::span<const std::string_view> rules);
  bool remove(std::string_view name);
  // The default user's only password; empty: none is needed.
  void require_password(const std::string& password);
  // All users of this text, lines of ACL LIST; others are gone. All, or nothing changes. `name`: of
  // the file, for messages.
  Result<void> load(std::string_view text, const std::string& name);
  std::string text() const;

 private:
  using Table = std::map<std::string, std::unique_ptr<User>, std::less<>>;
  std::uint32_t next_number_ = 0;
  mutable std::shared_mutex mutex_;
  Table by_name_;
  std::unordered_map<std::uint32_t, User*> by_number_;
  User* default_ = nullptr;
};

Result<std::string> read_acl_file(const std::string& path);
// Written beside it, made durable, and put in its place.
Result<void> write_acl_file(const std::string& path, const std::string& text);

}  // namespace ullage::server
