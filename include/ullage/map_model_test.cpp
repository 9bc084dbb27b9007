// SPDX-License-Identifier: Apache-2.0
//
// Long random lives of every map beside a std::map, with good hashes and hostile ones. A failure
// names its seed; ULLAGE_MODEL_SEED=n repeats it, ULLAGE_MODEL_STEPS=n lengthens every life.
#include <gtest/gtest.h>
#include <ullage/testing/faults_testing.h>
#include <ullage/testing/map_ops_testing.h>
#include <ullage/testing/maps_testing.h>

#include <cstdint>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <string>

namespace ullage::testing {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

struct throw_failure {
  [[noreturn]] void operator()(const std::string& text) const { throw std::runtime_error(text); }
};

template <class Family>
class MapModel : public ::testing::Test {
 public:
  // `keys` bounds how large the map becomes. Phases favour growth, then decline, in turn.
  template <hashing Hashing, class Value>
  static void live(int keys, std::uint64_t steps) {
    using Map = typename Family::template map<Value, Value, counted_hash<Hashing>, counted_equal>;
    const std::uint64_t seed = from_environment("ULLAGE_MODEL_SEED", 20260301);
    std::mt19937_64 random(seed + static_cast<std::uint64_t>(Hashing));
    map_beside_model<Map, throw_failure> both{throw_failure{}};
    const std::uint64_t phase = steps / 6 + 1;
    for (std::uint64_t i = 0; i < steps; ++i) {
      map_step s;
      s.what = static_cast<std::uint8_t>(random());
      if (s.what % 32 == 17 && random() % 64 != 0) s.what = 0;  // emptied now and then only
      s.key = static_cast<int>(random() % static_cast<std::uint64_t>(keys));
      s.value = static_cast<int>(random() % 100'000);
      const bool growing = i / phase % 2 == 0;
      if (growing && s.what % 32 == 23) s.what = 22;
      if (!growing && s.what % 32 == 22) s.what = 23;
      try {
        both.step(s);
        if (i % 5000 == 4999) both.check_all();
      } catch (const std::runtime_error& wrong) {
        FAIL() << wrong.what() << "\nstep " << i << ", seed " << seed;
      }
    }
    both.check_all();
  }

  static std::uint64_t steps(std::uint64_t usual) {
    return from_environment("ULLAGE_MODEL_STEPS", usual);
  }

 protected:
  void TearDown() override { EXPECT_EQ(g_faults.live, 0); }
};
TYPED_TEST_SUITE(MapModel, map_families, family_names);

TYPED_TEST(MapModel, AgreesWithStdMapWhenSmall) {
  TestFixture::template live<hashing::good, int>(40, TestFixture::steps(60'000));
}
TYPED_TEST(MapModel, AgreesWithStdMapWhenLarge) {
  TestFixture::template live<hashing::good, int>(20'000, TestFixture::steps(60'000));
}
TYPED_TEST(MapModel, AgreesWithStdMapWhenElementsKnowWhereTheyLive) {
  TestFixture::template live<hashing::good, tracked_value>(4000, TestFixture::steps(40'000));
}
TYPED_TEST(MapModel, AgreesWithStdMapUnderTheIdentity) {
  TestFixture::template live<hashing::identity, int>(6000, TestFixture::steps(40'000));
}
TYPED_TEST(MapModel, AgreesWithStdMapWhenAllHashesAreEqual) {
  TestFixture::template live<hashing::constant, int>(300, TestFixture::steps(8000));
}
TYPED_TEST(MapModel, AgreesWithStdMapWhenLowHashBitsAreEqual) {
  TestFixture::template live<hashing::low_bits_equal, int>(1500, TestFixture::steps(12'000));
}
TYPED_TEST(MapModel, AgreesWithStdMapWhenHighHashBitsAreEqual) {
  TestFixture::template live<hashing::high_bits_equal, int>(3000, TestFixture::steps(20'000));
}
TYPED_TEST(MapModel, AgreesWithStdMapWhenThereAreSevenHashes) {
  TestFixture::template live<hashing::few, int>(600, TestFixture::steps(10'000));
}

}  // namespace
}  // namespace ullage::testing
