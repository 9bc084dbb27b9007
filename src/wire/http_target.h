// SPDX-License-Identifier: Apache-2.0
#pragma once

// What stands in a request's target: path and query, and the bytes that %XX stands for.
//
//   HttpTarget target;
//   if (!parse_target("/v1/keys/a%2Fb?db=3", target)) ...   // path "/v1/keys/a%2Fb", query db = 3
//   percent_decode("a%2Fb", false)                          // "a/b"; nothing: not well encoded
//
// Any byte may come out of it, zero included. Threads: any.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ullage::wire {

struct HttpTarget {
  std::string path;  // as it came: parts are decoded after they were taken apart
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in their order

  const std::string* parameter(std::string_view name) const;  // the first; null: not there
};

// Queries with more are refused.
inline constexpr std::size_t kQueryParametersMax = 32;

// `plus`: '+' stands for a blank, as forms write it.
std::optional<std::string> percent_decode(std::string_view text, bool plus);
// All but letters, digits and -._~ as %XX: what percent_decode takes back.
std::string percent_encode(std::string_view bytes);
// False: something in the query is not well encoded, or it has too many parameters.
bool parse_target(std::string_view text, HttpTarget& target);

}  // namespace ullage::wire
