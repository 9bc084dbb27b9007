// SPDX-License-Identifier: Apache-2.0
// templates: a file that makes compilers work. Nothing runs it.
//
// Ranges are left out because clang 14 cannot read libstdc++ 12's, <regex> because it alone takes
// g++ three seconds.
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace {

template <int N>
struct Tag {
  int value = N;
  auto operator<=>(const Tag&) const = default;
};

template <int N>
using Key = std::tuple<Tag<N>, std::string, int>;

template <int N>
using Value = std::variant<int, double, std::string, Tag<N>, std::vector<Tag<N>>>;

template <int N>
std::size_t exercise(const std::vector<std::string>& words) {
  std::map<Key<N>, Value<N>> ordered;
  std::unordered_map<std::string, std::vector<Value<N>>> hashed;
  for (const auto& word : words) {
    ordered[Key<N>{{}, word, static_cast<int>(word.size())}] = word;
    hashed[word].push_back(Tag<N>{});
    hashed[word].push_back(std::vector<Tag<N>>(word.size()));
  }
  std::size_t sum = 0;
  for (const auto& entry : ordered) {
    const std::string& word = std::get<1>(entry.first);
    sum += std::visit(
        [&](const auto& held) -> std::size_t {
          if constexpr (requires { held.size(); }) {
            return held.size() + word.size();
          } else {
            return sizeof(held);
          }
        },
        entry.second);
  }
  sum += std::accumulate(words.begin(), words.end(), std::size_t{0},
                         [](std::size_t so_far, const auto& w) { return so_far + w.size(); });
  std::vector<Key<N>> keys;
  for (const auto& entry : ordered) keys.push_back(entry.first);
  std::sort(keys.begin(), keys.end(), std::greater<>{});
  std::stable_sort(keys.begin(), keys.end());
  std::function<std::size_t(std::size_t)> add = [keys](std::size_t x) { return x + keys.size(); };
  return add(sum) + hashed.size() + std::set<Key<N>>(keys.begin(), keys.end()).size();
}

template <int... N>
std::size_t exercise_all(std::integer_sequence<int, N...>, const std::vector<std::string>& words) {
  return (exercise<N>(words) + ...);
}

}  // namespace

std::size_t templates(const std::vector<std::string>& words) {
  return exercise_all(std::make_integer_sequence<int, 1>{}, words);
}
