// SPDX-License-Identifier: Apache-2.0
//
// vector_fuzz: the input is a sequence of operations on three vectors of different elements, each
// beside a std::vector, and on slices beside copies of what they should show. An input that makes
// one differ from its model aborts.
#include <ullage/slice.h>
#include <ullage/vector.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

// Reaches reserved memory, its end, and its return, with few bytes.
constexpr ullage::in_place_options kTiny{.heap_bytes_max = 128,
                                         .reserve_bytes = std::size_t{16} << 10,
                                         .ready_bytes_step = 4096,
                                         .kept_on_clear_bytes = 8192};
constexpr std::size_t kElementsMax = 4000;

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
  bool done() const { return at_ == end_; }
  std::size_t next() { return done() ? 0 : *at_++; }
  std::size_t below(std::size_t bound) {
    const std::size_t wide = next() << 8;
    return bound == 0 ? 0 : (wide | next()) % bound;
  }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

void require(bool right) {
  if (!right) std::abort();
}

template <class T>
T made_of(std::size_t n);
template <>
std::uint64_t made_of(std::size_t n) {
  return n * 0x9E3779B97F4A7C15U;
}
template <>
std::string made_of(std::size_t n) {
  return std::string(n % 40, static_cast<char>('a' + n % 26));
}
template <>
char made_of(std::size_t n) {
  return static_cast<char>(n);
}

template <class T, class Policy>
struct Pair {
  ullage::vector<T, Policy> v;
  std::vector<T> model;

  void check() const {
    require(v.size() == model.size() && v.capacity() >= v.size());
    require(std::equal(v.begin(), v.end(), model.begin(), model.end()));
  }
  void step(Input& in) {
    const std::size_t what = in.next() % 14;
    const std::size_t at = in.below(model.size() + 1);
    const auto where = static_cast<std::ptrdiff_t>(at);
    const std::size_t room = kElementsMax - std::min(kElementsMax, model.size());
    const std::size_t count = std::min(room, in.below(400));
    const T value = made_of<T>(at + count);
    switch (what) {
      case 0:
      case 1:
        for (std::size_t i = 0; i < count; ++i) {
          v.push_back(value);
          model.push_back(value);
        }
        break;
      case 2:
        v.insert(v.begin() + where, count, value);
        model.insert(model.begin() + where, count, value);
        break;
      case 3:
        if (!model.empty()) {
          v.insert(v.begin() + where, v[at / 2]);
          const T copy = model[at / 2];
          model.insert(model.begin() + where, copy);
        }
        break;
      case 4: {
        const auto to = static_cast<std::ptrdiff_t>(std::min(at + count, model.size()));
        v.erase(v.begin() + where, v.begin() + to);
        model.erase(model.begin() + where, model.begin() + to);
        break;
      }
      case 5:
        v.resize(at);
        model.resize(at);
        break;
      case 6:
        v.resize(model.size() + count, value);
        model.resize(model.size() + count, value);
        break;
      case 7:
        v.reserve(model.size() + count);
        break;
      case 8:
        v.shrink_to_fit();
        break;
      case 9:
        v.clear();
        model.clear();
        break;
      case 10: {
        auto copy = v;
        copy.push_back(value);
        v = std::move(copy);
        model.push_back(value);
        break;
      }
      case 11:
        v.assign(count, value);
        model.assign(count, value);
        break;
      case 12: {
        const std::vector<T> more(model.begin() + where, model.end());
        if (more.size() > room) break;
        v.insert(v.begin() + where / 2, more.begin(), more.end());
        model.insert(model.begin() + where / 2, more.begin(), more.end());
        break;
      }
      default:
        if (!v.empty()) {
          v.push_back(v.front());
          const T copy = model.front();
          model.push_back(copy);
          v.pop_back();
          v.emplace_back(v.back());
          model.back() = model[model.size() - 2];
        }
    }
    check();
  }
};

struct Slices {
  std::vector<ullage::slice<std::string>> slices{1};
  std::vector<std::vector<std::string>> models{1};

  void step(Input& in) {
    const std::size_t k = in.next() % slices.size();
    const std::size_t low = in.below(models[k].size() + 1);
    const std::size_t high = low + in.below(models[k].size() - low + 1);
    const std::string value = made_of<std::string>(low + high);
    switch (in.next() % 6) {
      case 0:
        slices[k].append(value);
        models[k].push_back(value);
        break;
      case 1:
        if (models[k].size() < 2000) {
          slices[k].append(slices[k].sub(low, high));
          const std::vector<std::string> more(
              models[k].begin() + static_cast<std::ptrdiff_t>(low),
              models[k].begin() + static_cast<std::ptrdiff_t>(high));
          models[k].insert(models[k].end(), more.begin(), more.end());
        }
        break;
      case 2:
        if (slices.size() < 32) {
          slices.push_back(slices[k].sub(low, high));
          models.emplace_back(models[k].begin() + static_cast<std::ptrdiff_t>(low),
                              models[k].begin() + static_cast<std::ptrdiff_t>(high));
        }
        break;
      case 3:
        slices[k].compact();
        break;
      case 4:
        if (slices.size() > 1) {
          std::swap(slices[k], slices.back());
          std::swap(models[k], models.back());
          slices.pop_back();
          models.pop_back();
        }
        break;
      default:
        slices[k] = slices[k].sub(low, high, high);
        models[k] = std::vector<std::string>(models[k].begin() + static_cast<std::ptrdiff_t>(low),
                                             models[k].begin() + static_cast<std::ptrdiff_t>(high));
    }
    // No operation on one slice may show in another.
    for (std::size_t i = 0; i < slices.size(); ++i) {
      require(std::equal(slices[i].begin(), slices[i].end(), models[i].begin(), models[i].end()));
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input in(data, std::min<std::size_t>(size, 512));
  Pair<std::uint64_t, ullage::in_place<kTiny>> words;
  Pair<std::string, ullage::in_place<kTiny>> strings;
  Pair<char, ullage::go_growth> chars;
  Slices slices;
  while (!in.done()) {
    switch (in.next() % 4) {
      case 0:
        words.step(in);
        break;
      case 1:
        strings.step(in);
        break;
      case 2:
        chars.step(in);
        break;
      default:
        slices.step(in);
    }
  }
  return 0;
}
