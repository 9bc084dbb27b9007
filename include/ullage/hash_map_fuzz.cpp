// SPDX-License-Identifier: Apache-2.0
//
// Any sequence of operations leaves hash_map and std::map in agreement, whatever the hash, also
// when an allocation, a hash or a comparison fails in the middle of an insertion.
//
//   | hash and memory: 1 B | step: 1 B, key: 2 B, value: 1 B | step ... |
//
// A step of 0xE0 and above is an insertion in which something fails: the map must be as before.
#include <ullage/hash_map.h>
#include <ullage/testing/allocator_testing.h>
#include <ullage/testing/faults_testing.h>
#include <ullage/testing/map_ops_testing.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

namespace {

using namespace ullage::testing;

// Longer inputs only repeat themselves.
constexpr std::size_t kStepsMax = 4096;
// Where every key hashes alike, runs are cut to this, or one input would take a minute.
constexpr int kAlikeKeysMax = 700;

struct abort_on_failure {
  [[noreturn]] void operator()(const std::string& text) const {
    std::fprintf(stderr, "hash_map_fuzz: %s\n", text.c_str());
    std::abort();
  }
};

template <hashing Hashing, class Value, template <class> class Allocator>
void live(const std::uint8_t* data, std::size_t size) {
  using Map = ullage::hash_map<Value, Value, counted_hash<Hashing>, counted_equal,
                               Allocator<std::pair<const Value, Value>>>;
  constexpr bool alike =
      Hashing == hashing::constant || Hashing == hashing::few || Hashing == hashing::low_bits_equal;
  {
    map_beside_model<Map, abort_on_failure> both{abort_on_failure{}};
    for (std::size_t i = 0; i + 4 <= size && i / 4 < kStepsMax; i += 4) {
      map_step s{data[i], data[i + 1] | data[i + 2] << 8, data[i + 3]};
      if (alike) s.key %= kAlikeKeysMax;
      if (s.what < 0xE0) {
        both.step(s);
        continue;
      }
      s.what %= 9;  // an insertion of one element
      try {
        const fault_scope fault(kAllocate | kHash | kEqual | kCopy,
                                1 + static_cast<std::uint64_t>(s.value));
        both.step(s);
      } catch (const std::bad_alloc&) {  // the fault, or what a map makes of it
        if (both.map().size() != both.model().size()) {
          abort_on_failure{}("a failed insertion left something");
        }
        both.check_all();
      }
    }
    both.check_all();
  }
  if (g_faults.live != 0) abort_on_failure{}("elements were leaked");
  if (!g_default_pool.balanced()) abort_on_failure{}("memory was leaked");
}

template <hashing Hashing>
void with(unsigned memory, const std::uint8_t* data, std::size_t size) {
  switch (memory % 3) {
    case 0:
      return live<Hashing, int, std::allocator>(data, size);
    case 1:
      return live<Hashing, tracked_value, staying_allocator>(data, size);
    default:
      return live<Hashing, int, staying_allocator>(data, size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const unsigned memory = data[0] / 8U;
  switch (data[0] % 8) {
    case 0:
      with<hashing::identity>(memory, data + 1, size - 1);
      break;
    case 1:
      with<hashing::constant>(memory, data + 1, size - 1);
      break;
    case 2:
      with<hashing::low_bits_equal>(memory, data + 1, size - 1);
      break;
    case 3:
      with<hashing::high_bits_equal>(memory, data + 1, size - 1);
      break;
    case 4:
      with<hashing::few>(memory, data + 1, size - 1);
      break;
    default:
      with<hashing::good>(memory, data + 1, size - 1);
  }
  return 0;
}
