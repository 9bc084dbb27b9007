// SPDX-License-Identifier: Apache-2.0
//
// Any sequence of operations on two hash_sets leaves them in agreement with two std::sets, whatever
// the hash, also when a copy, a hash, a comparison or an allocation fails in the middle of one.
//
//   | hash and memory: 1 B | operation: 1 B, key: 2 B, number: 1 B | operation ... |
#include <ullage/hash_set.h>
#include <ullage/testing/allocator_testing.h>
#include <ullage/testing/faults_testing.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <set>
#include <utility>

namespace {

using namespace ullage::testing;

constexpr std::size_t kStepsMax = 2048;
constexpr std::size_t kRunMax = 600;  // keys inserted or erased in a row: more than one segment
// Where every key hashes alike, keys are cut to this, or one input would take a minute.
constexpr int kAlikeKeysMax = 500;

void require(bool right) {
  if (!right) std::abort();
}

struct operation {
  unsigned what;
  int key;
  unsigned number;
};

template <hashing Hashing, class Key, template <class> class Allocator>
class pair_of_sets {
  using real_set = ullage::hash_set<Key, counted_hash<Hashing>, counted_equal, Allocator<Key>>;
  using model_set = std::set<int>;

 public:
  void step(const operation& op) {
    real_set& a = real_[op.what >> 7 & 1];
    model_set& m = model_[op.what >> 7 & 1];
    real_set& b = real_[~op.what >> 7 & 1];
    model_set& n = model_[~op.what >> 7 & 1];
    const Key key(op.key);
    switch (op.what % 18) {
      case 0:
      case 1:
        for (std::size_t i = 0; i < run(op); ++i) insert(a, m, next(op, i));
        break;
      case 2:
        for (std::size_t i = 0; i < run(op); ++i) erase(a, m, next(op, i));
        break;
      case 3:
        insert(a, m, op.key);
        break;
      case 4:
        erase(a, m, op.key);
        break;
      case 5: {
        const auto done = a.try_insert(key);
        require(done.inserted() == m.insert(op.key).second && number(*done.position) == op.key);
        break;
      }
      case 6:
        if (const auto at = a.find(key); at != a.end()) {
          require(m.erase(op.key) == 1);
          a.erase(at);
        } else {
          require(m.count(op.key) == 0);
        }
        break;
      case 7: {
        auto node = a.extract(key);
        require(node.empty() == (m.erase(op.key) == 0));
        const bool had = !node.empty();
        const auto [at, inserted, rest] = b.insert(std::move(node));
        require(inserted == (had && n.insert(op.key).second));
        require(rest.empty() == (inserted || !had) && (at != b.end()) == had);
        break;
      }
      case 8:
        a.merge(b);
        for (auto it = n.begin(); it != n.end();) it = m.insert(*it).second ? n.erase(it) : ++it;
        break;
      case 9: {
        const unsigned part = 2 + op.number % 5;
        const auto goes = [part](int k) { return static_cast<unsigned>(k) % part == 0; };
        const std::size_t gone = erase_if(a, [&](const Key& k) { return goes(number(k)); });
        require(gone == std::erase_if(m, goes));
        break;
      }
      case 10:
        a.reserve(std::size_t{op.number} * 8);
        break;
      case 11:
        a.rehash(op.number % 4 == 0 ? 0 : std::size_t{op.number} * 8);
        break;
      case 12:
        while (a.compact(std::size_t{op.number} + 1)) {
        }
        break;
      case 13:
        if (op.number % 4 == 0) {
          a.clear();
          m.clear();
        }
        break;
      case 14:
        swap(a, b);
        std::swap(m, n);
        break;
      case 15: {
        real_set copy(a);
        require(copy == a);
        b = op.number % 2 == 0 ? copy : std::move(copy);
        n = m;
        break;
      }
      case 16:
        require((a == b) == (m == n));
        break;
      default:
        fail(a, m, op);
    }
    if (++steps_ % 16 == 0) check();
  }
  void check() const {
    for (int i = 0; i < 2; ++i) {
      require(real_[i].size() == model_[i].size());
      std::size_t seen = 0;
      for (const Key& key : real_[i]) {
        require(model_[i].count(number(key)) == 1);
        ++seen;
      }
      require(seen == model_[i].size());
      for (const int key : model_[i]) require(real_[i].contains(Key(key)));
    }
  }

 private:
  static constexpr bool kAlike =
      Hashing == hashing::constant || Hashing == hashing::few || Hashing == hashing::low_bits_equal;
  static int number(const Key& key) { return static_cast<int>(number_of(key)); }
  static int cut(int key) { return kAlike ? key % kAlikeKeysMax : key; }
  static std::size_t run(const operation& op) { return std::size_t{op.number} * kRunMax / 255; }
  static int next(const operation& op, std::size_t i) { return op.key + static_cast<int>(i); }

  static void insert(real_set& a, model_set& m, int key) {
    key = cut(key);
    const auto [at, inserted] = a.insert(Key(key));
    require(inserted == m.insert(key).second && number(*at) == key);
  }
  static void erase(real_set& a, model_set& m, int key) {
    require(a.erase(Key(cut(key))) == m.erase(cut(key)));
  }
  // The k-th step of what can throw does: the set is as before.
  void fail(real_set& a, model_set& m, const operation& op) {
    const Key key(op.key);
    bool inserted = false;
    try {
      const fault_scope fault(kAllocate | kHash | kEqual | kCopy, 1 + std::uint64_t{op.number});
      inserted = a.insert(key).second;
    } catch (const std::bad_alloc&) {
      require(a.size() == m.size());
      return check();
    }
    require(inserted == m.insert(op.key).second);
  }

  real_set real_[2];
  model_set model_[2];
  std::size_t steps_ = 0;
};

template <hashing Hashing, class Key, template <class> class Allocator>
void live(const std::uint8_t* data, std::size_t size) {
  {
    pair_of_sets<Hashing, Key, Allocator> sets;
    for (std::size_t i = 0; i + 4 <= size && i / 4 < kStepsMax; i += 4) {
      operation op{data[i], data[i + 1] | data[i + 2] << 8, data[i + 3]};
      if (Hashing != hashing::good) op.key %= kAlikeKeysMax;
      sets.step(op);
    }
    sets.check();
  }
  require(g_faults.live == 0);
  require(g_default_pool.balanced());
}

template <hashing Hashing>
void with(unsigned memory, const std::uint8_t* data, std::size_t size) {
  if (memory % 3 == 0) return live<Hashing, tracked_value, ullage::arena_allocator>(data, size);
  if (memory % 3 == 1) return live<Hashing, tracked_value, staying_allocator>(data, size);
  live<Hashing, int, staying_allocator>(data, size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const unsigned memory = data[0] / 4U;
  switch (data[0] % 4) {
    case 0:
      with<hashing::constant>(memory, data + 1, size - 1);
      break;
    case 1:
      with<hashing::low_bits_equal>(memory, data + 1, size - 1);
      break;
    default:
      with<hashing::good>(memory, data + 1, size - 1);
  }
  return 0;
}
