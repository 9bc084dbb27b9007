// SPDX-License-Identifier: Apache-2.0
//
// Rules of a user, a line each. Whatever they say: nothing breaks, what is told of the user reads
// back as the same user, and a user that may not touch a key is not told it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "server/acl/user.h"
#include "server/acl/users.h"

namespace {

using namespace ullage::server;

std::vector<std::string_view> parts(std::string_view text, char by) {
  std::vector<std::string_view> found;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(by), text.size());
    found.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return found;
}

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  User user(1, "u");
  const std::string before = user.text();
  if (!user.apply(parts(text, '\n')).ok()) require(user.text() == before);
  const std::string told = user.text();
  std::vector<std::string_view> words = parts(told, ' ');
  words.erase(words.begin(), words.begin() + 2);
  User again(1, "u");
  require(again.apply(words).ok());
  require(again.text() == told);
  require(again.unbounded() == user.unbounded());
  const std::string_view get[] = {"get", "key"}, keys[] = {"keys", "*"};
  for (const User* one : {&user, &again}) {
    const bool reads = one->check(*find_command("get"), get).why == Refusal::kNone;
    require(!reads || one->may_see("key"));
    const bool lists = one->check(*find_command("keys"), keys).why == Refusal::kNone;
    require(lists || !one->may_see("key", find_command("keys")));
  }
  // The same bytes as a file: all of it, or the users that were there.
  Users users;
  const std::string all = users.text();
  if (!users.load(text, "users.acl").ok()) require(users.text() == all);
  const std::string saved = users.text();
  require(users.load(saved, "users.acl").ok());
  require(users.text() == saved);
  return 0;
}
