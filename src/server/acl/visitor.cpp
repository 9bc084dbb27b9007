// SPDX-License-Identifier: Apache-2.0
//
// Who an HTTP request speaks for.
#include <optional>

#include "server/acl/door.h"
#include "server/numbers.h"
#include "server/server.h"

namespace ullage::server {
namespace {

// Longest "name:password" in an Authorization header.
constexpr std::size_t kSecretBytesMax = 4096;

std::optional<std::string> base64(std::string_view text) {
  if (text.size() > kSecretBytesMax || text.size() % 4 != 0) return std::nullopt;
  std::string bytes;
  std::uint32_t bits = 0;
  int have = 0;
  while (text.ends_with('=') && have < 2) text.remove_suffix(1), ++have;
  have = 0;
  for (const char c : text) {
    constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    have += 6;
    if (have < 8) continue;
    have -= 8;
    bytes += static_cast<char>(bits >> have & 0xff);
  }
  return bytes;
}

// The scheme goes, if it is this one.
bool take_scheme(std::string_view& text, std::string_view scheme) {
  if (text.size() <= scheme.size() || text[scheme.size()] != ' ') return false;
  if (!equals_ignoring_case(text.substr(0, scheme.size()), scheme)) return false;
  text.remove_prefix(scheme.size() + 1);
  return true;
}

}  // namespace

std::optional<Caller> caller_of(Server& server, std::string_view authorization) {
  const Users& users = server.users();
  const auto lock = users.reading();
  Caller caller;
  if (authorization.empty()) {
    caller.authenticated = users.admit(caller);
    if (!caller.authenticated) return std::nullopt;
    return caller;
  }
  const User* user = nullptr;
  if (take_scheme(authorization, "Basic")) {
    const std::optional<std::string> decoded = base64(authorization);
    const std::size_t colon = decoded ? decoded->find(':') : std::string::npos;
    if (colon == std::string::npos) return std::nullopt;
    user = users.authenticate(std::string_view(*decoded).substr(0, colon),
                              std::string_view(*decoded).substr(colon + 1));
  } else if (take_scheme(authorization, "Bearer") && authorization.size() <= kSecretBytesMax) {
    const std::size_t colon = authorization.find(':');
    const bool named = colon != std::string_view::npos;
    user = users.authenticate(named ? authorization.substr(0, colon) : "default",
                              authorization.substr(named ? colon + 1 : 0));
  }
  if (user == nullptr) return std::nullopt;
  caller.user = user->number();
  caller.authenticated = true;
  users.mark(caller, true);
  return caller;
}

}  // namespace ullage::server
