// SPDX-License-Identifier: Apache-2.0
//
// The store's own part, over an engine in memory: order, pending changes, bounds, failures.
#include "tier/cold/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>

#include "tier/cold/memory_engine_testing.h"
#include "tier/cold/store_testing.h"

namespace ullage::tier::cold {
namespace {

using testing::changes;
using testing::erase;
using testing::flush;
using ::testing::HasSubstr;
using testing::keys_of;
using testing::MemoryEngine;
using testing::Progress;
using testing::put;
using testing::read;
using testing::scan;
using ::testing::UnorderedElementsAre;
using testing::value_of;

class ColdStoreTest : public ::testing::Test {
 protected:
  void open(ColdOptions options = {}) {
    options.directory = "/the/directory";
    if (!options.now_ms) options.now_ms = [this] { return now_ms_.load(); };
    auto engine = std::make_unique<MemoryEngine>();
    engine_ = engine.get();
    store_ = make_store(options, 7, std::move(engine));
    progress_ = std::make_unique<Progress>(*store_);
  }
  void TearDown() override {
    if (engine_ != nullptr) {
      engine_->hold_reads(false);
      engine_->hold_writes(false);
      engine_->hold_syncs(false);
      engine_->hold_looks(false);
      engine_->hold_recoveries(false);
    }
    progress_.reset();
  }
  void wait_durable(std::uint64_t number, unsigned shard = 0) {
    progress_->until([&] { return store_->durable(shard) >= number; });
  }

  std::atomic<std::uint64_t> now_ms_{10'000};
  MemoryEngine* engine_ = nullptr;
  std::unique_ptr<ColdStore> store_;
  std::unique_ptr<Progress> progress_;
};

TEST_F(ColdStoreTest, ReadsWhatWasWritten) {
  open();
  store_->write(0, changes(put(0, "a", "1"), put(1, "a", "2")), true);
  EXPECT_EQ(value_of(*store_, 0, "a"), "1");
  EXPECT_EQ(value_of(*store_, 1, "a"), "2");
  EXPECT_EQ(value_of(*store_, 2, "a"), "missing");
  wait_durable(2);
  EXPECT_EQ(value_of(*store_, 0, "a"), "1");
  EXPECT_EQ(read(*store_, 0, "a").entry.written_ms, 1000u);
}

TEST_F(ColdStoreTest, ReadsAndScansSeeWhatWaitsToBeApplied) {
  open();
  store_->write(0, changes(put(0, "old", "1"), put(0, "gone", "1")), true);
  wait_durable(2);
  engine_->hold_writes(true);
  store_->write(0, changes(put(0, "old", "2"), erase(0, "gone"), put(0, "new", "3")), false);
  store_->write(0, changes(put(0, "old", "4")), false);
  EXPECT_EQ(value_of(*store_, 0, "old"), "4");
  EXPECT_EQ(value_of(*store_, 0, "gone"), "missing");
  EXPECT_EQ(value_of(*store_, 0, "new"), "3");
  EXPECT_THAT(keys_of(*store_, 0, 1), UnorderedElementsAre("old", "new"));
  engine_->hold_writes(false);
  wait_durable(6);
  EXPECT_THAT(keys_of(*store_, 0, 1), UnorderedElementsAre("old", "new"));
  EXPECT_EQ(engine_->after_a_crash().size(), 2u);
}

TEST_F(ColdStoreTest, AFlushHidesWhatWasBeforeItAndNothingElse) {
  open({.shards = 2});
  store_->write(0, changes(put(3, "before", "1"), put(4, "other", "1")), true);
  wait_durable(2);
  engine_->hold_writes(true);
  store_->write(0, changes(put(3, "waits", "1")), false);
  store_->write(1, changes(flush(3), put(3, "after", "2")), false);
  const auto check = [&] {
    EXPECT_EQ(value_of(*store_, 3, "before"), "missing");
    EXPECT_EQ(value_of(*store_, 3, "waits"), "missing");
    EXPECT_EQ(value_of(*store_, 3, "after"), "2");
    EXPECT_EQ(value_of(*store_, 4, "other"), "1");
    EXPECT_THAT(keys_of(*store_, 3), UnorderedElementsAre("after"));
    EXPECT_THAT(keys_of(*store_, 4), UnorderedElementsAre("other"));
  };
  check();
  engine_->hold_writes(false);
  wait_durable(3, 0);
  wait_durable(2, 1);
  check();
}

TEST_F(ColdStoreTest, NumbersCountChangesPerShardFromOne) {
  open({.shards = 2});
  EXPECT_EQ(store_->write(0, changes(put(0, "a", "1"), put(0, "b", "1")), false), 2u);
  EXPECT_EQ(store_->write(1, changes(put(0, "c", "1")), false), 1u);
  EXPECT_EQ(store_->write(0, changes(put(0, "d", "1")), true), 3u);
  EXPECT_EQ(store_->write(0, {}, true), 3u);
  wait_durable(3, 0);
  wait_durable(1, 1);
  EXPECT_EQ(store_->applied(0), 3u);
}

TEST_F(ColdStoreTest, NothingIsDurableBeforeItsSyncEnded) {
  open();
  engine_->hold_syncs(true);
  store_->write(0, changes(put(0, "a", "1")), true);
  progress_->until([&] { return store_->applied(0) == 1; });
  EXPECT_EQ(store_->durable(0), 0u);
  engine_->hold_syncs(false);
  wait_durable(1);
}

TEST_F(ColdStoreTest, OneSyncIsForAllThatGatheredMeanwhile) {
  open({.sync_window_ms = 0});
  engine_->hold_syncs(true);
  store_->write(0, changes(put(0, "first", "1")), true);
  progress_->until([&] { return store_->applied(0) == 1; });
  for (int i = 0; i < 100; ++i) store_->write(0, changes(put(0, std::to_string(i), "1")), true);
  progress_->until([&] { return store_->applied(0) == 101; });
  engine_->hold_syncs(false);
  wait_durable(101);
  EXPECT_LE(store_->figures().syncs, 3u);
}

TEST_F(ColdStoreTest, TheWindowSyncsWhatNobodyAskedToSync) {
  open({.sync_window_ms = 1});
  store_->write(0, changes(put(0, "a", "1")), false);
  wait_durable(1);
  EXPECT_EQ(engine_->after_a_crash().size(), 1u);
}

TEST_F(ColdStoreTest, TellsHowOldTheOldestChangeIsThatIsNotDurable) {
  open({.shards = 2, .sync_window_ms = 0});
  EXPECT_EQ(store_->oldest_ns(), 0u);
  engine_->hold_syncs(true);
  store_->write(0, changes(put(0, "a", "1")), true, 700);
  engine_->wait_for_a_held_sync();
  EXPECT_EQ(store_->oldest_ns(), 700u);
  // Applied while the sync of the first one runs, so no part of it. A thread that got no processor
  // comes with something older.
  store_->write(0, changes(put(0, "b", "1"), put(0, "c", "1")), false, 800);
  store_->write(1, changes(put(0, "d", "1")), false, 600);
  store_->write(0, changes(put(0, "e", "1")), false, 900);
  progress_->until([&] { return store_->applied(0) == 4 && store_->applied(1) == 1; });
  EXPECT_EQ(store_->oldest_ns(), 600u);
  engine_->hold_syncs(false);
  wait_durable(1);
  EXPECT_EQ(store_->oldest_ns(), 600u);
  store_->write(0, changes(put(0, "f", "1")), true, 1000);
  wait_durable(5);
  EXPECT_EQ(store_->oldest_ns(), 0u);
  EXPECT_EQ(store_->durable(1), 1u);
}

TEST_F(ColdStoreTest, WhatWaitsIsDurableWhenItIsClosed) {
  open({.sync_window_ms = 0});
  engine_->hold_writes(true);
  for (int i = 0; i < 10; ++i) store_->write(0, changes(put(0, std::to_string(i), "1")), false);
  engine_->hold_writes(false);
  progress_.reset();
  // The engine goes with the store, so what it said last counts.
  std::atomic<std::uint64_t> durable{0};
  store_->on_progress([&, store = store_.get()] { durable = store->durable(0); });
  store_.reset();
  engine_ = nullptr;
  EXPECT_EQ(durable, 10u);
}

TEST_F(ColdStoreTest, FinishingBringsAllToTheDiskOrTellsWhatIsNotThere) {
  using std::chrono::milliseconds;
  open({.sync_window_ms = 0});
  engine_->hold_syncs(true);
  for (int i = 0; i < 10; ++i) store_->write(0, changes(put(0, std::to_string(i), "1")), false);
  EXPECT_GE(store_->finish(milliseconds(20)), 10u) << "the disk does not answer";
  engine_->hold_syncs(false);
  EXPECT_EQ(store_->finish(milliseconds(60'000)), 0u);
  EXPECT_EQ(engine_->after_a_crash().size(), 10u);
  engine_->set([](MemoryEngine& e) { e.apply_fault = {Fault::kFull, "No space left"}; });
  store_->write(0, changes(put(0, "a", "1")), false);
  EXPECT_GE(store_->finish(milliseconds(60'000)), 1u) << "the disk is full";
  EXPECT_FALSE(store_->health().writes);
  EXPECT_GE(store_->finish(milliseconds(60'000)), 1u) << "it was tried again";
  engine_->set([](MemoryEngine& e) { e.apply_fault = {}; });
  EXPECT_EQ(store_->finish(milliseconds(60'000)), 0u) << "once more, and there was room";
  EXPECT_EQ(engine_->after_a_crash().size(), 11u);
}

TEST_F(ColdStoreTest, TheTimeOfAWriteThatStallsIsToldWhileItDoes) {
  open();
  engine_->hold_writes(true);
  store_->write(0, changes(put(0, "a", "1")), true);
  engine_->wait_for_a_held_write();
  const std::uint64_t begun = store_->figures().write_ns;
  while (store_->figures().write_ns <= begun) {
  }
  engine_->hold_writes(false);
  wait_durable(1);
  EXPECT_GT(store_->figures().write_ns, begun);
}

TEST_F(ColdStoreTest, ATickDoesNotWaitForTheEngine) {
  open();
  engine_->hold_looks(true);
  for (int i = 0; i < 30; ++i) store_->tick(0);
  engine_->wait_for_a_held_look();
  EXPECT_EQ(value_of(*store_, 0, "a"), "missing") << "nor does more than one of its readers";
}

TEST_F(ColdStoreTest, ReadsBeyondTheBoundAreShed) {
  open({.readers = 1, .reads_max = 3});
  engine_->hold_reads(true);
  std::atomic<int> answered{0}, shed{0};
  for (int i = 0; i < 100; ++i) {
    store_->read(Key(0, "a"), [&](ColdStatus status, ColdEntry) {
      if (status == ColdStatus::kShed) ++shed;
      ++answered;
    });
  }
  EXPECT_GE(shed, 100 - 3 - 16);  // waiting, and in the hands of the thread
  EXPECT_EQ(store_->figures().shed, static_cast<std::uint64_t>(shed));
  engine_->hold_reads(false);
  progress_->until([&] { return answered == 100; });
}

TEST_F(ColdStoreTest, IsCongestedWhileMoreWaitsThanAllowed) {
  open({.pending_bytes_max = 10'000});
  EXPECT_FALSE(store_->congested());
  engine_->hold_writes(true);
  std::uint64_t last = 0;
  for (int i = 0; i < 10; ++i) {
    last = store_->write(0, changes(put(0, std::to_string(i), std::string(1000, 'x'))), false);
  }
  EXPECT_TRUE(store_->congested());
  EXPECT_GE(store_->memory().pending, 10'000u);
  engine_->hold_writes(false);
  wait_durable(last);
  EXPECT_FALSE(store_->congested());
  EXPECT_EQ(store_->memory().pending, 0u);
}

TEST_F(ColdStoreTest, AWriteThatFailsIsTriedAgainAndLosesNothing) {
  open();
  engine_->set([](MemoryEngine& e) { e.apply_fault = {Fault::kFull, "No space left"}; });
  store_->write(0, changes(put(0, "a", "1")), true);
  progress_->until([&] { return !store_->health().writes; });
  EXPECT_THAT(store_->health().message, HasSubstr("/the/directory: no space left"));
  EXPECT_TRUE(store_->health().reads);
  EXPECT_EQ(value_of(*store_, 0, "a"), "1") << "it waits, so it is seen";
  EXPECT_EQ(store_->durable(0), 0u);
  const std::uint64_t last = store_->write(0, changes(put(0, "b", "2")), true);
  engine_->set([](MemoryEngine& e) { e.apply_fault = {}; });
  for (int i = 0; i < 10; ++i) store_->tick(0);
  wait_durable(last);
  EXPECT_TRUE(store_->health().writes);
  EXPECT_EQ(store_->health().message, "");
  EXPECT_EQ(engine_->after_a_crash().size(), 2u);
}

TEST_F(ColdStoreTest, AfterAFailedSyncEverythingNotDurableIsAppliedAnew) {
  open({.sync_window_ms = 0});
  engine_->set([](MemoryEngine& e) { e.sync_fault = {Fault::kFailed, "Input/output error"}; });
  store_->write(0, changes(put(0, "a", "1"), put(0, "b", "1")), false);
  store_->write(0, changes(erase(0, "b")), true);
  progress_->until([&] { return !store_->health().writes; });
  engine_->crash();  // the file keeps nothing of it, and the next sync would say yes
  EXPECT_EQ(store_->durable(0), 0u);
  for (int i = 0; i < 10; ++i) store_->tick(0);
  wait_durable(3);
  EXPECT_EQ(engine_->after_a_crash().size(), 1u);
  EXPECT_EQ(value_of(*store_, 0, "a"), "1");
}

class ColdRepairTest : public ColdStoreTest {
 protected:
  // Three changes are on the disk; four more were applied, and their sync fails.
  void break_it() {
    open({.sync_window_ms = 0});
    store_->write(0, changes(put(0, "a", "1"), put(3, "gone", "1"), put(0, "c", "1")), true);
    wait_durable(3);
    engine_->set([](MemoryEngine& e) { e.sync_fault = {Fault::kFailed, "Input/output error"}; });
    store_->write(0, changes(put(0, "a", "2"), erase(0, "c")), false);
    store_->write(0, changes(flush(3), put(0, "a", "3")), true);
    progress_->until([&] { return !store_->health().writes; });
  }
  // The file has lost what was not synced, and is just being given it again.
  void hold_in_the_middle() {
    engine_->crash();
    engine_->hold_writes(true);
    for (int i = 0; i < 10; ++i) store_->tick(0);
    engine_->wait_for_a_held_write();
  }
};

TEST_F(ColdRepairTest, WhatIsAppliedAnewIsSeenMeanwhile) {
  break_it();
  hold_in_the_middle();
  const auto check = [&] {
    EXPECT_EQ(value_of(*store_, 0, "a"), "3");
    EXPECT_EQ(value_of(*store_, 0, "c"), "missing");
    EXPECT_EQ(value_of(*store_, 3, "gone"), "missing");
    EXPECT_THAT(keys_of(*store_, 0), UnorderedElementsAre("a"));
    EXPECT_THAT(keys_of(*store_, 3), UnorderedElementsAre());
  };
  check();
  engine_->hold_writes(false);
  wait_durable(7);
  check();
}

TEST_F(ColdRepairTest, WhatIsNewerThanWhatIsAppliedAnewStaysTheNewest) {
  break_it();
  store_->write(0, changes(put(0, "a", "4"), put(3, "new", "1")), false);
  const std::uint64_t last = store_->write(0, changes(put(3, "new", "2"), flush(0)), false);
  const auto check = [&] {
    EXPECT_EQ(value_of(*store_, 0, "a"), "missing");
    EXPECT_EQ(value_of(*store_, 3, "new"), "2");
    EXPECT_EQ(value_of(*store_, 3, "gone"), "missing");
  };
  hold_in_the_middle();
  check();
  engine_->hold_writes(false);
  progress_->until([&] { return store_->applied(0) >= last; });
  check();
}

TEST_F(ColdRepairTest, ItIsSeenEvenWhenApplyingItAnewFails) {
  break_it();
  engine_->crash();
  engine_->set([](MemoryEngine& e) { e.apply_fault = {Fault::kFull, "No space left"}; });
  for (int i = 0; i < 10; ++i) store_->tick(0);
  progress_->until([&] { return store_->health().message.find("no space") != std::string::npos; });
  EXPECT_EQ(value_of(*store_, 0, "a"), "3");
  EXPECT_EQ(value_of(*store_, 3, "gone"), "missing");
  engine_->set([](MemoryEngine& e) { e.apply_fault = {}; });
  for (int i = 0; i < 10; ++i) store_->tick(0);
  wait_durable(7);
  EXPECT_EQ(value_of(*store_, 0, "a"), "3");
}

TEST_F(ColdRepairTest, WhatWasWrongBeforeARepairIsNotToldBehindIt) {
  break_it();
  engine_->set([](MemoryEngine& e) { e.background_fault = {Fault::kFull, "No space left"}; });
  engine_->hold_recoveries(true);
  store_->tick(0);
  engine_->hold_looks(true);
  for (int i = 0; i < 10; ++i) store_->tick(0);
  engine_->wait_for_a_held_look();
  engine_->hold_recoveries(false);
  progress_->until([&] { return store_->health().writes; });
  const auto looks = [&] {
    int count = 0;
    engine_->set([&](MemoryEngine& e) { count = e.looks; });
    return count;
  };
  const int before = looks();
  engine_->hold_looks(false);
  // One begins when the one before has ended.
  while (looks() == before) store_->tick(0);
  EXPECT_EQ(store_->figures().failed_writes, 1u);
}

TEST_F(ColdStoreTest, WhatIsSyncedWhileRecoveringFailsIsNotPendingForEver) {
  open({.sync_window_ms = 0});
  engine_->hold_syncs(true);
  store_->write(0, changes(put(0, "a", "1")), true);
  engine_->wait_for_a_held_sync();
  engine_->set([](MemoryEngine& e) {
    e.apply_fault = {Fault::kFull, "No space left"};
    e.recover_fault = {Fault::kFull, "No space left, still"};
  });
  store_->write(0, changes(put(0, "b", "1")), true);
  progress_->until([&] { return !store_->health().writes; });
  for (int i = 0; i < 10; ++i) store_->tick(0);
  progress_->until([&] { return store_->health().message.find("still") != std::string::npos; });
  engine_->hold_syncs(false);
  wait_durable(1);
  engine_->set([](MemoryEngine& e) { e.apply_fault = e.recover_fault = {}; });
  for (int i = 0; i < 10; ++i) store_->tick(0);
  store_->write(0, changes(flush(0)), true);
  wait_durable(3);
  EXPECT_EQ(value_of(*store_, 0, "a"), "missing");
  EXPECT_THAT(keys_of(*store_, 0), UnorderedElementsAre());
}

TEST_F(ColdRepairTest, AReadThatBeganBeforeSeesNothingOlderEither) {
  break_it();
  engine_->hold_reads(true);
  std::promise<std::string> answer;
  store_->read(Key(0, "a"), [&](ColdStatus, ColdEntry entry) { answer.set_value(entry.value); });
  engine_->wait_for_a_held_read();
  hold_in_the_middle();
  engine_->hold_reads(false);
  EXPECT_EQ(answer.get_future().get(), "3");
}

TEST_F(ColdStoreTest, ANoteTakesItsTurnAmongTheChanges) {
  open({.shards = 2, .sync_window_ms = 0});
  EXPECT_EQ(store_->note("map").error().code, Code::kNotFound);
  wait_durable(store_->write(0, changes(put(0, "a", "1"), testing::note("map", "old")), true));
  EXPECT_EQ(store_->note("map").value(), "old");
  // What another shard changes later is durable only with it.
  engine_->hold_writes(true);
  engine_->hold_syncs(true);
  const std::uint64_t noted = store_->write(0, changes(testing::note("map", "new")), true);
  const std::uint64_t later = store_->write(1, changes(put(1, "a", "2"), flush(0)), false);
  engine_->hold_writes(false);
  engine_->wait_for_a_held_sync();
  EXPECT_EQ(store_->durable(0), noted - 1);
  engine_->hold_syncs(false);
  wait_durable(noted);
  store_->write(1, {}, true);
  wait_durable(store_->write(1, changes(put(1, "b", "3")), true), 1);
  EXPECT_GT(store_->durable(1), later);
  EXPECT_EQ(store_->note("map").value(), "new") << "flushing databases leaves it";
  EXPECT_THAT(keys_of(*store_, 0), ::testing::IsEmpty());
  EXPECT_THAT(keys_of(*store_, 1), UnorderedElementsAre("a", "b")) << "it is no entry";
  // Where the file loses what was not synced, it is written again.
  engine_->set([](MemoryEngine& e) { e.sync_fault = {Fault::kFailed, "Input/output error"}; });
  const std::uint64_t last = store_->write(0, changes(testing::note("map", "newest")), true);
  progress_->until([&] { return !store_->health().writes; });
  engine_->crash();
  EXPECT_EQ(store_->note("map").value(), "new");
  for (int i = 0; i < 10; ++i) store_->tick(0);
  wait_durable(last);
  EXPECT_EQ(store_->note("map").value(), "newest");
}

TEST_F(ColdStoreTest, AReadThatFailsSaysSoAndIsInTheHealth) {
  open();
  store_->write(0, changes(put(0, "a", "1")), true);
  wait_durable(1);
  engine_->set([](MemoryEngine& e) { e.get_fault = {Fault::kCorrupted, "block checksum"}; });
  EXPECT_EQ(value_of(*store_, 0, "a"), "failed");
  EXPECT_EQ(scan(*store_, 0, 0, 10).status, ColdStatus::kFailed);
  EXPECT_THAT(store_->health().message, HasSubstr("block checksum"));
  EXPECT_TRUE(store_->health().writes);
}

TEST_F(ColdStoreTest, AnEntryWhoseTimeHasComeIsMissing) {
  open();
  store_->write(0, changes(put(0, "short", "1", 20'000), put(0, "long", "1")), true);
  EXPECT_EQ(value_of(*store_, 0, "short"), "1");
  wait_durable(2);
  EXPECT_EQ(read(*store_, 0, "short").entry.expires_ms, 20'000u);
  now_ms_ = 20'000;
  EXPECT_EQ(value_of(*store_, 0, "short"), "missing");
  EXPECT_THAT(keys_of(*store_, 0), UnorderedElementsAre("long"));
}

TEST_F(ColdStoreTest, ScansGiveEveryKeyOnceInAnyPortions) {
  open();
  std::vector<std::string> keys;
  std::vector<ColdChange> all;
  for (int i = 0; i < 500; ++i) keys.push_back("key:" + std::to_string(i));
  for (const std::string& key : keys) all.push_back(put(0, key, key + "!"));
  store_->write(0, std::move(all), true);
  wait_durable(500);
  // Half of them wait, so that both sources are merged.
  engine_->hold_writes(true);
  for (int i = 0; i < 500; i += 2) store_->write(0, changes(put(0, keys[i], "new")), false);
  for (const std::size_t count : {1, 7, 1000}) {
    std::vector<std::string> found = keys_of(*store_, 0, count);
    EXPECT_EQ(found.size(), 500u) << count;
    EXPECT_THAT(found, ::testing::UnorderedElementsAreArray(keys));
  }
  const testing::Scan some = scan(*store_, 0, 0, 5, true);
  for (const auto& entry : some.entries) {
    EXPECT_TRUE(entry.entry.value == "new" || entry.entry.value == entry.key + "!");
  }
}

}  // namespace
}  // namespace ullage::tier::cold
