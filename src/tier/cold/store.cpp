// SPDX-License-Identifier: Apache-2.0
#include "tier/cold/store.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <utility>

#include "tier/cold/backup.h"
#include "tier/cold/keeper.h"
#include "tier/cold/layout.h"
#include "tier/cold/meta.h"
#include "tier/cold/pending.h"
#include "tier/cold/readers.h"
#include "tier/cold/rocks.h"
#include "tier/cold/scan.h"
#include "tier/cold/writer.h"

namespace ullage::tier::cold {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
// Ticks, ten a second: how often figures are asked of the engine, and how often it is tried again
// after a failure.
constexpr unsigned kFigureTicks = 10, kRetryTicks = 10;
// A read that failed is in the health for so long after the last one.
constexpr unsigned kSoundTicks = 600;

std::uint64_t steady_ns() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

std::uint64_t system_ms() {
  using namespace std::chrono;
  return static_cast<std::uint64_t>(
      duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count());
}

ColdOptions with_clock(ColdOptions options) {
  if (!options.now_ms) options.now_ms = system_ms;
  return options;
}

class Store final : public ColdStore {
 public:
  Store(const ColdOptions& options, std::uint64_t hash_seed, std::unique_ptr<Engine> engine)
      : options_(with_clock(options)),
        hash_seed_(hash_seed),
        engine_(std::move(engine)),
        keeper_(*engine_, options.budget_bytes, options.sink),
        writer_(*engine_, pending_,
                {options.shards, options.pending_bytes_max, options.sync_window_ms},
                [this] { progress(); }),
        readers_(options.readers, options.reads_max,
                 [this](std::span<Readers::Task> tasks) { work(tasks); }) {
    look();
  }

  void read(const Key& key, Read done) override {
    Readers::Task task;
    encode_key(key.db, key.hash, key.text, task.key);
    task.read = std::move(done);
    add({&task, 1});
  }

  void read_all(std::span<Asked> asked) override {
    std::vector<Readers::Task> tasks(asked.size());
    for (std::size_t i = 0; i < asked.size(); ++i) {
      const Key& key = asked[i].key;
      encode_key(key.db, key.hash, key.text, tasks[i].key);
      tasks[i].read = std::move(asked[i].done);
    }
    add(tasks);
  }

  void scan(unsigned db, std::uint64_t cursor, std::size_t count, bool values,
            Scanned done) override {
    Readers::Task task;
    task.key = first_key(db, hash_of_place(cursor));
    task.scanned = std::move(done);
    task.count = std::max<std::size_t>(count, 1);
    task.values = values;
    add({&task, 1});
  }

  std::uint64_t write(unsigned shard, std::vector<ColdChange> changes, bool sync,
                      std::uint64_t since_ns) override {
    return writer_.write(shard, std::move(changes), sync, since_ns);
  }
  Result<std::string> note(const std::string& name) override {
    std::string key, text;
    encode_note(name, key);
    bool understood = false;
    const Outcome outcome = engine_->get(key, [&](std::string_view bytes) {
      StoredValue stored;
      understood = decode_value(bytes, stored);
      text = stored.value;
    });
    if (outcome.fault == Fault::kMissing) return Error{Code::kNotFound, name + ": not noted"};
    if (!outcome.ok()) return Error{Code::kIo, advice(outcome, options_.directory)};
    if (!understood) return Error{Code::kInvalid, name + ": noted by a later version of Ullage"};
    return text;
  }
  bool congested() const noexcept override { return writer_.congested(); }
  std::uint64_t oldest_ns() const noexcept override { return writer_.oldest_ns(); }
  std::uint64_t applied(unsigned shard) const noexcept override { return writer_.applied(shard); }
  std::uint64_t durable(unsigned shard) const noexcept override { return writer_.durable(shard); }

  void on_progress(std::function<void()> progress) override {
    const std::lock_guard lock(progress_mutex_);
    progress_ = std::move(progress);
  }

  ColdHealth health() const override {
    ColdHealth health;
    const Outcome writing = writer_.failure();
    health.writes = writing.ok();
    const std::lock_guard lock(state_mutex_);
    health.reads = reading_.fault != Fault::kFailed && reading_.fault != Fault::kGone;
    health.message = advice(writing.ok() ? reading_ : writing, options_.directory);
    return health;
  }

  ColdMemory memory() const override {
    const std::lock_guard lock(state_mutex_);
    const EngineMemory now = engine_->memory();
    return {now.cache,   now.memtables, state_.table_readers, writer_.pending_bytes(),
            state_.disk, state_.garbage};
  }

  ColdFigures figures() const override {
    ColdFigures f;
    f.reads = reads_.load(kRelaxed);
    f.hits = hits_.load(kRelaxed);
    f.shed = shed_.load(kRelaxed);
    f.read_ns = read_ns_.load(kRelaxed);
    const Writer::Counts& written = writer_.counts();
    f.writes = written.writes.load(kRelaxed);
    f.batches = written.batches.load(kRelaxed);
    f.syncs = written.syncs.load(kRelaxed);
    f.sync_ns = written.sync_ns.load(kRelaxed);
    f.write_ns = writer_.write_ns();
    f.failed_writes = written.failures.load(kRelaxed);
    f.reads_waiting = readers_.waiting();
    const std::lock_guard lock(state_mutex_);
    f.stalls = state_.stalls;
    f.stalled_ns = state_.stalled_ns;
    f.compactions_pending = state_.compactions_pending;
    f.entries = state_.entries;
    return f;
  }

  std::uint64_t budget_bytes() const noexcept override { return keeper_.budget_bytes(); }
  void budget_bytes(std::uint64_t bytes) override { keeper_.budget_bytes(bytes); }
  std::uint64_t hash_seed() const noexcept override { return hash_seed_; }

  void tick(std::uint64_t resident_bytes) override {
    keeper_.tick(resident_bytes);
    const unsigned now = ticks_++;
    if (now % kFigureTicks == 0 && !looking_.exchange(true)) {
      Readers::Task look;
      if (readers_.add({&look, 1}) == 0) looking_ = false;
    }
    if (now % kRetryTicks == 0) writer_.retry();
    const std::lock_guard lock(state_mutex_);
    if (!reading_.ok() && ++sound_ticks_ >= kSoundTicks) reading_ = {};
  }

  std::uint64_t finish(std::chrono::milliseconds most) override { return writer_.finish(most); }

  Result<void> backup(const std::string& directory) override {
    const Outcome settled = writer_.settle();
    if (!settled.ok()) return Error{Code::kIo, advice(settled, options_.directory)};
    return make_backup(*engine_, options_.directory, directory);
  }

 private:
  void add(std::span<Readers::Task> tasks) {
    const std::uint64_t now = steady_ns();
    for (Readers::Task& task : tasks) task.since_ns = now;
    for (Readers::Task& task : tasks.subspan(readers_.add(tasks))) {
      shed_.fetch_add(1, kRelaxed);
      answer(task, ColdStatus::kShed);
    }
  }

  static void answer(Readers::Task& task, ColdStatus status) {
    if (task.scanned) {
      task.scanned(status, 0, {});
    } else {
      task.read(status, {});
    }
  }

  void work(std::span<Readers::Task> tasks) {
    const std::uint64_t now_ms = options_.now_ms();
    std::uint64_t begin = steady_ns();
    for (Readers::Task& task : tasks) {
      if (!task.read && !task.scanned) {
        look();
        looking_ = false;
        continue;
      }
      if (options_.read_wait_ms_max != 0 &&
          begin > task.since_ns + options_.read_wait_ms_max * 1'000'000) {
        shed_.fetch_add(1, kRelaxed);
        answer(task, ColdStatus::kShed);
        continue;
      }
      if (task.scanned) {
        scan_now(task, now_ms);
      } else {
        read_now(task, now_ms);
      }
      const std::uint64_t end = steady_ns();
      reads_.fetch_add(1, kRelaxed);
      read_ns_.fetch_add(end - begin, kRelaxed);
      begin = end;
    }
  }

  void read_now(Readers::Task& task, std::uint64_t now_ms) {
    StoredKey key;
    decode_key(task.key, key);
    ColdEntry entry;
    ColdStatus status = ColdStatus::kMissing;
    std::uint64_t returns = 0;
    do {
      returns = pending_.returns();
      entry = {};
      Pending::Seen seen;
      switch (pending_.find(key.db, key.hash, key.text, seen)) {
        case Pending::Found::kFlushed:
          return task.read(ColdStatus::kMissing, {});
        case Pending::Found::kChange: {
          const ColdEntry& newest = seen.change->entry;
          const bool there = seen.change->kind == ColdChange::Kind::kPut &&
                             (newest.expires_ms == 0 || newest.expires_ms > now_ms);
          if (there) hits_.fetch_add(1, kRelaxed);
          return there ? task.read(ColdStatus::kOk, newest) : task.read(ColdStatus::kMissing, {});
        }
        case Pending::Found::kNothing:
          status = from_engine(task.key, now_ms, entry);
      }
    } while (returns != pending_.returns());
    if (status == ColdStatus::kOk) hits_.fetch_add(1, kRelaxed);
    task.read(status, std::move(entry));
  }

  ColdStatus from_engine(const std::string& key, std::uint64_t now_ms, ColdEntry& entry) {
    ColdStatus status = ColdStatus::kMissing;
    const Outcome outcome = engine_->get(key, [&](std::string_view bytes) {
      StoredValue stored;
      if (!decode_value(bytes, stored)) {
        status = ColdStatus::kFailed;
      } else if (!stored.expired(now_ms)) {
        status = ColdStatus::kOk;
        entry = {std::string(stored.value), stored.expires_ms, stored.written_ms, stored.kind};
      }
    });
    if (status == ColdStatus::kFailed) {
      failed_read({Fault::kCorrupted, "a value of a format that this version does not know"});
    } else if (!outcome.ok() && outcome.fault != Fault::kMissing) {
      status = ColdStatus::kFailed;
      failed_read(outcome);
    }
    return status;
  }

  void scan_now(Readers::Task& task, std::uint64_t now_ms) {
    std::vector<ScannedEntry> entries;
    std::uint64_t next = 0;
    const Outcome outcome =
        cold::scan(*engine_, pending_, {task.key, task.count, task.values}, now_ms, entries, next);
    if (!outcome.ok()) {
      failed_read(outcome);
      return answer(task, ColdStatus::kFailed);
    }
    task.scanned(ColdStatus::kOk, next, std::move(entries));
  }

  void failed_read(const Outcome& outcome) {
    {
      const std::lock_guard lock(state_mutex_);
      sound_ticks_ = 0;
      if (reading_.fault == outcome.fault) return;
      reading_ = outcome;
    }
    progress();
  }

  // Asks the engine for what costs more than a load, and may wait for the disk.
  void look() {
    const std::uint64_t repairs = writer_.repairs();
    const EngineState state = engine_->state();
    if (!state.background.ok()) writer_.fail(state.background, repairs);
    const std::lock_guard lock(state_mutex_);
    state_ = state;
  }

  void progress() {
    const std::lock_guard lock(progress_mutex_);
    if (progress_) progress_();
  }

  const ColdOptions options_;
  const std::uint64_t hash_seed_;
  const std::unique_ptr<Engine> engine_;
  Pending pending_;
  Keeper keeper_;
  std::atomic<std::uint64_t> reads_{0}, hits_{0}, shed_{0}, read_ns_{0};
  unsigned ticks_ = 0;
  std::atomic<bool> looking_{false};
  std::mutex progress_mutex_;
  std::function<void()> progress_;
  mutable std::mutex state_mutex_;
  Outcome reading_;           // the last read that failed, until
  unsigned sound_ticks_ = 0;  // none has for a while
  EngineState state_;
  // Last: their threads use everything above.
  Writer writer_;
  Readers readers_;
};

}  // namespace

std::unique_ptr<ColdStore> make_store(const ColdOptions& options, std::uint64_t hash_seed,
                                      std::unique_ptr<Engine> engine) {
  return std::make_unique<Store>(options, hash_seed, std::move(engine));
}

Result<std::unique_ptr<ColdStore>> open_store(const ColdOptions& options) {
  tame_malloc();
  const Result<Meta> meta = open_directory(options.directory);
  if (!meta.ok()) return meta.error();
  RocksOptions rocks;
  rocks.directory = options.directory + "/" + kDataName;
  rocks.cache_bytes = first_cache_bytes(options.budget_bytes);
  rocks.now_ms = with_clock(options).now_ms;
  Result<std::unique_ptr<Engine>> engine = open_rocks(rocks);
  if (!engine.ok()) return engine.error();
  return make_store(options, meta.value().seed, std::move(engine).value());
}

}  // namespace ullage::tier::cold
