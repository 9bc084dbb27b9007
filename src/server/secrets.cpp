// SPDX-License-Identifier: Apache-2.0
#include "server/secrets.h"

#include <algorithm>

#include "server/numbers.h"

namespace ullage::server {
namespace {

constexpr std::string_view kHidden = "(redacted)";

}  // namespace

std::vector<std::string_view> without_secrets(const Command& command,
                                              std::span<const std::string_view> words) {
  std::vector<std::string_view> shown(words.begin(), words.end());
  const std::string_view name = command.name;
  const auto hide = [&shown](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < std::min(to, shown.size()); ++i) shown[i] = kHidden;
  };
  if (name == "auth") hide(1, shown.size());
  if (name == "acl|setuser") hide(2, shown.size());
  if (name == "hello") {
    for (std::size_t i = 2; i + 2 < words.size(); ++i) {
      if (!equals_ignoring_case(words[i], "auth")) continue;
      hide(i + 1, i + 3);
      i += 2;
    }
  }
  if (name == "config|set") {
    for (std::size_t i = 2; i + 1 < words.size(); i += 2) {
      if (equals_ignoring_case(words[i], "requirepass") ||
          equals_ignoring_case(words[i], "server.requirepass")) {
        hide(i + 1, i + 2);
      }
    }
  }
  return shown;
}

}  // namespace ullage::server
