// SPDX-License-Identifier: Apache-2.0
//
// What every tier owes, of the cold store: over RocksDB and over an engine in memory; of changes
// that have been applied, and of ones that still wait.
#include <atomic>

#include "tier/cold/memory_engine_testing.h"
#include "tier/cold/store.h"
#include "tier/cold/store_testing.h"
#include "tier/tier_contract_testing.h"

namespace ullage::tier::cold {
namespace {

using tier::testing::Held;

class ColdTier {
 public:
  explicit ColdTier(std::unique_ptr<Engine> engine) {
    ColdOptions options;
    options.directory = folder_ / "db";
    options.now_ms = [this] { return now_.load(); };
    if (engine != nullptr) {
      store_ = make_store(options, 7, std::move(engine));
    } else {
      auto opened = open_store(options);
      EXPECT_TRUE(opened.ok());
      store_ = std::move(opened).value();
    }
  }
  void now(std::uint64_t unix_ms) { now_ = unix_ms; }
  bool put(unsigned db, const std::string& key, const Held& held) {
    ColdChange change = testing::put(db, key, held.value, held.expires_ms);
    change.entry.kind = held.kind;
    store_->write(0, testing::changes(std::move(change)), false);
    return true;
  }
  std::optional<Held> get(unsigned db, const std::string& key) {
    const testing::Read got = testing::read(*store_, db, key);
    EXPECT_TRUE(got.status == ColdStatus::kOk || got.status == ColdStatus::kMissing);
    if (got.status != ColdStatus::kOk) return std::nullopt;
    return Held{got.entry.value, got.entry.expires_ms, got.entry.kind};
  }
  void erase(unsigned db, const std::string& key) {
    store_->write(0, testing::changes(testing::erase(db, key)), false);
  }
  void flush(unsigned db) { store_->write(0, testing::changes(testing::flush(db)), false); }
  std::vector<std::string> keys(unsigned db) { return testing::keys_of(*store_, db); }

 protected:
  testing::Folder folder_;
  std::atomic<std::uint64_t> now_{0};
  std::unique_ptr<ColdStore> store_;
};

struct OnRocks : ColdTier {
  OnRocks() : ColdTier(nullptr) {}
};
struct InMemory : ColdTier {
  InMemory() : ColdTier(std::make_unique<testing::MemoryEngine>()) {}
};
// No change is ever applied: what is asked for comes out of those that wait.
class Waiting : public ColdTier {
 public:
  Waiting() : Waiting(new testing::MemoryEngine) {}
  ~Waiting() { engine_->hold_writes(false); }

 private:
  explicit Waiting(testing::MemoryEngine* engine)
      : ColdTier(std::unique_ptr<Engine>(engine)), engine_(engine) {
    engine_->hold_writes(true);
  }
  testing::MemoryEngine* engine_;
};

}  // namespace
}  // namespace ullage::tier::cold

namespace ullage::tier::testing {
namespace {

using Cold = ::testing::Types<cold::OnRocks, cold::InMemory, cold::Waiting>;
INSTANTIATE_TYPED_TEST_SUITE_P(Cold, TierContract, Cold);

}  // namespace
}  // namespace ullage::tier::testing
