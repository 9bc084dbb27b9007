// SPDX-License-Identifier: Apache-2.0
//
// map_ops: one step of a random life of a map, done to the map and to a std::map, which must agree.
// The random tests and the fuzzer share it. Tests only; not installed.
//
// Promise   The same bytes do the same things. Every disagreement calls `fail(text)`, which does
//           not return (tests throw, the fuzzer aborts).
#pragma once

#include <ullage/testing/faults_testing.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace ullage::testing {

/// What a step is made of: from a random engine or from the fuzzer's bytes.
struct map_step {
  std::uint8_t what = 0;
  int key = 0;
  int value = 0;
};

/// Drives a map of int-like keys and values beside its model.
template <class Map, class Fail>
class map_beside_model {
 public:
  using key_type = typename Map::key_type;

  explicit map_beside_model(Fail fail) : fail_(fail) {}

  void step(const map_step& s) {
    switch (s.what % 32) {
      case 0:
      case 1:
      case 2:
      case 3:
        inserted(map_.try_emplace(key_type(s.key), s.value), s, "try_emplace");
        break;
      case 4:
      case 5:
        inserted(map_.insert({key_type(s.key), s.value}), s, "insert");
        break;
      case 6:
        inserted(map_.emplace(key_type(s.key), s.value), s, "emplace");
        break;
      case 7: {
        const auto result = map_.insert_or_assign(key_type(s.key), s.value);
        const bool fresh = model_.insert_or_assign(s.key, s.value).second;
        expect(result.second == fresh, "insert_or_assign says another thing", s);
        expect(number(result.first->second) == s.value, "insert_or_assign did not assign", s);
        break;
      }
      case 8:
        map_[key_type(s.key)] = s.value;
        model_[s.key] = s.value;
        break;
      case 9:
      case 10:
      case 11:
      case 12:
      case 13:
      case 14:
        expect(map_.erase(key_type(s.key)) == model_.erase(s.key), "erase counts otherwise", s);
        break;
      case 15:
        erase_where_found(s);
        break;
      case 16:
        erase_some(s);
        break;
      case 17:
        if (s.value % 8 == 0) {
          map_.clear();
          model_.clear();
        }
        break;
      case 18:
        map_.reserve(static_cast<std::size_t>(s.value & 0xFFF));
        break;
      case 19:
        if (s.value % 4 == 0) map_.rehash(0);
        break;
      case 20:
        give_back(s);
        break;
      case 21:
        copy_and_move(s);
        break;
      case 22:
        insert_run(s);
        break;
      case 23:
        erase_run(s);
        break;
      case 24:
        through_node(s);
        break;
      case 25:
        if (s.value % 16 == 0) check_all();
        break;
      default:
        find(s);
    }
    expect(map_.size() == model_.size(), "the sizes differ", s);
  }

  /// Everything, both ways.
  void check_all() {
    std::size_t visited = 0;
    for (const auto& entry : map_) {
      ++visited;
      const auto found = model_.find(number(entry.first));
      if (found == model_.end() || found->second != number(entry.second)) {
        fail_("iteration shows a foreign element: " + std::to_string(number(entry.first)));
      }
    }
    if (visited != model_.size()) fail_("iteration misses elements");
    for (const auto& [key, value] : model_) {
      const auto found = map_.find(key_type(key));
      if (found == map_.end() || number(found->second) != value) {
        fail_("element " + std::to_string(key) + " is not found");
      }
    }
  }

  Map& map() { return map_; }
  const std::map<int, int>& model() const { return model_; }

 private:
  template <class T>
  static int number(const T& x) {
    return static_cast<int>(number_of(x));
  }

  void expect(bool truth, const char* text, const map_step& s) {
    if (truth) return;
    fail_(std::string(text) + " (step " + std::to_string(s.what % 32) + ", key " +
          std::to_string(s.key) + ", size " + std::to_string(model_.size()) + ")");
  }

  template <class Result>
  void inserted(const Result& result, const map_step& s, const char* text) {
    const auto expected = model_.emplace(s.key, s.value);
    expect(result.second == expected.second, text, s);
    expect(number(result.first->first) == s.key, text, s);
    expect(number(result.first->second) == expected.first->second, text, s);
  }

  void find(const map_step& s) {
    const auto found = map_.find(key_type(s.key));
    const auto expected = model_.find(s.key);
    expect((found == map_.end()) == (expected == model_.end()), "find", s);
    if (expected != model_.end()) expect(number(found->second) == expected->second, "find", s);
  }

  void erase_where_found(const map_step& s) {
    const auto found = map_.find(key_type(s.key));
    expect((found == map_.end()) == (model_.erase(s.key) == 0), "find before erase", s);
    if (found != map_.end()) erase_one(found);
  }

  typename Map::iterator erase_one(typename Map::iterator it) {
    if constexpr (std::is_void_v<decltype(map_.erase(it))>) {
      map_.erase(it++);
      return it;
    } else {
      return map_.erase(it);
    }
  }

  // Erases up to eight elements from the front of an iteration, every second one.
  void erase_some(const map_step& s) {
    int left = s.value & 15;
    for (auto it = map_.begin(); it != map_.end() && left > 0; --left) {
      if (left % 2 == 0) {
        ++it;
        continue;
      }
      expect(model_.erase(number(it->first)) == 1, "iteration shows an element that is gone", s);
      it = erase_one(it);
    }
  }

  // What only some maps have: giving memory back, in bounded steps or at once.
  void give_back(const map_step& s) {
    if constexpr (requires { map_.shrink_to_fit(); }) {
      if (s.value % 3 == 0) map_.shrink_to_fit();
    }
    if constexpr (requires { map_.compact(std::size_t{1}); }) {
      map_.compact(static_cast<std::size_t>(s.value & 7) + 1);
    }
  }

  void copy_and_move(const map_step& s) {
    if (s.value % 4 != 0 && model_.size() > 500) return;
    Map copy(map_);
    expect(copy.size() == model_.size(), "a copy has another size", s);
    if (s.value % 2 == 0) {
      map_ = std::move(copy);
    } else {
      map_.clear();
      swap(map_, copy);
    }
  }

  void insert_run(const map_step& s) {
    for (int i = 0; i < (s.value & 255); ++i) {
      map_.try_emplace(key_type(s.key + i), i);
      model_.try_emplace(s.key + i, i);
    }
  }
  void erase_run(const map_step& s) {
    for (int i = 0; i < (s.value & 255); ++i) {
      expect(map_.erase(key_type(s.key + i)) == model_.erase(s.key + i), "erase in a run", s);
    }
  }

  void through_node(const map_step& s) {
    if constexpr (requires { map_.extract(key_type(1)); }) {
      auto node = map_.extract(key_type(s.key));
      expect(node.empty() == !model_.contains(s.key), "extract", s);
      if (node.empty()) return;
      if (s.value % 2 == 0) {
        model_.erase(s.key);
      } else {
        expect(map_.insert(std::move(node)).inserted, "insert of a node", s);
      }
    }
  }

  Fail fail_;
  Map map_;
  std::map<int, int> model_;
};

}  // namespace ullage::testing
