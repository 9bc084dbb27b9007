// SPDX-License-Identifier: Apache-2.0
#include "tier/cold/writer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "tier/cold/scheduling.h"

namespace ullage::tier::cold {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
// One write to the engine takes no more than this, so that a reader of what it wrote, and a client
// that waits for its sync, do not wait for a backlog.
constexpr std::size_t kTurnBytesMax = std::size_t{1} << 20;
// What nobody waits for gathers for so long, or until it is so much: a wake-up and a write to the
// engine for each turn of a shard's thread would cost more than the changes. An eighth of the
// window at most, of which the sync needs half.
constexpr std::uint64_t kGatherNs = 5'000'000;
constexpr std::uint64_t kGatherWindowShare = 8;
constexpr std::size_t kGatherBytes = std::size_t{256} << 10;
// What a change takes while it waits, beside its bytes: itself, its place in the pending table.
constexpr std::size_t kChangeBytes = sizeof(ColdChange) + 96;

std::uint64_t steady_ns() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

}  // namespace

Writer::Writer(Engine& engine, Pending& pending, const WriterOptions& options,
               std::function<void()> progress)
    : engine_(engine),
      pending_(pending),
      options_(options),
      gather_ns_(
          options.sync_window_ms == 0
              ? kGatherNs
              : std::min(kGatherNs, options.sync_window_ms * 1'000'000 / kGatherWindowShare)),
      gather_bytes_(std::min<std::uint64_t>(kGatherBytes, options.pending_bytes_max / 4)),
      progress_(std::move(progress)),
      applied_(options.shards),
      durable_(options.shards),
      handed_(options.shards) {
  writer_ = std::thread([this] {
    begin_thread("cold-write");
    run_writer();
  });
  syncer_ = std::thread([this] {
    begin_thread("cold-sync");
    run_syncer();
  });
}

Writer::~Writer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = retry_ = true;
  }
  to_writer_.notify_all();
  to_syncer_.notify_all();
  writer_.join();
  syncer_.join();
}

std::uint64_t Writer::write(unsigned shard, std::vector<ColdChange> changes, bool sync,
                            std::uint64_t since_ns) {
  if (since_ns == 0) since_ns = steady_ns();
  auto handed = std::make_shared<Handed>();
  handed->shard = shard;
  handed->sync = sync;
  for (const ColdChange& change : changes) {
    handed->bytes += kChangeBytes + change.key.size() + change.entry.value.size();
  }
  handed->changes = std::move(changes);
  pending_bytes_.fetch_add(handed->bytes, kRelaxed);
  bool wake = false;
  std::uint64_t last = 0;
  {
    // One section, so that the order in the queue and in the table of what is pending is the same.
    const std::lock_guard lock(mutex_);
    handed->order = order_;
    order_ += handed->changes.size();
    last = handed_[shard] += handed->changes.size();
    handed->last = last;
    if (!handed->changes.empty()) {
      pending_.add(handed);
      grown_older(handed->order, since_ns);
      wake = queue_.empty();
      if (wake) gathers_until_ns_ = steady_ns() + gather_ns_;
      queued_bytes_ += handed->bytes;
      const bool urgent = handed->sync || queued_bytes_ >= gather_bytes_;
      wake = wake || (urgent && !urgent_);
      urgent_ = urgent_ || urgent;
      queue_.push_back(std::move(handed));
    }
  }
  if (wake) to_writer_.notify_one();
  return last;
}

// Threads hand over in their own time, so one may come later with what is older.
void Writer::grown_older(std::uint64_t order, std::uint64_t since_ns) {
  while (!oldest_.empty() && oldest_.back().since_ns >= since_ns) oldest_.pop_back();
  oldest_.push_back({order, since_ns});
  oldest_ns_.store(oldest_.front().since_ns, std::memory_order_seq_cst);
}

void Writer::durable_until(std::uint64_t order) {
  while (!oldest_.empty() && oldest_.front().order < order) oldest_.pop_front();
  oldest_ns_.store(oldest_.empty() ? 0 : oldest_.front().since_ns, std::memory_order_seq_cst);
}

Outcome Writer::failure() const {
  const std::lock_guard lock(mutex_);
  return broken_ ? why_ : Outcome{};
}

void Writer::fail(const Outcome& why, std::uint64_t repairs) {
  const std::lock_guard lock(mutex_);
  if (!broken_ && repairs == repairs_) broken(why);
}

std::uint64_t Writer::repairs() const {
  const std::lock_guard lock(mutex_);
  return repairs_;
}

Outcome Writer::settle() {
  std::unique_lock lock(mutex_);
  const std::uint64_t until = order_;
  urgent_ = true;
  to_writer_.notify_one();
  to_settler_.wait(lock, [&] { return applied_order_ >= until || broken_; });
  return broken_ ? why_ : Outcome{};
}

void Writer::retry() {
  {
    const std::lock_guard lock(mutex_);
    if (!broken_) return;
    retry_ = true;
  }
  to_writer_.notify_one();
}

std::uint64_t Writer::finish(std::chrono::milliseconds most) {
  std::unique_lock lock(mutex_);
  finishing_ = true;
  if (broken_) retry_ = true;
  to_writer_.notify_one();
  to_syncer_.notify_one();
  to_settler_.wait_for(
      lock, most, [this] { return pending_bytes() == 0 || (broken_ && !retry_ && !repairing_); });
  return pending_bytes();
}

std::uint64_t Writer::write_ns() const {
  const std::lock_guard lock(mutex_);
  return write_ns_ + (writing_since_ns_ == 0 ? 0 : steady_ns() - writing_since_ns_);
}

void Writer::broken(const Outcome& why) {
  broken_ = true;
  to_settler_.notify_all();
  retry_ = stopping_;
  why_ = why;
  counts_.failures.fetch_add(1, kRelaxed);
}

Outcome Writer::apply(const std::vector<HandedPtr>& turn) {
  std::vector<const ColdChange*> changes;
  for (const HandedPtr& handed : turn) {
    for (const ColdChange& change : handed->changes) changes.push_back(&change);
  }
  {
    const std::lock_guard lock(mutex_);
    writing_since_ns_ = steady_ns();
  }
  Outcome outcome = engine_.apply(changes);
  const std::lock_guard lock(mutex_);
  write_ns_ += steady_ns() - std::exchange(writing_since_ns_, 0);
  return outcome;
}

void Writer::applied_now(const std::vector<HandedPtr>& turn) {
  bool sync = false;
  {
    const std::lock_guard lock(mutex_);
    for (const HandedPtr& handed : turn) {
      kept_.push_back(handed);
      kept_bytes_ += handed->bytes;
      sync = sync || handed->sync;
      counts_.writes.fetch_add(handed->changes.size(), kRelaxed);
      applied_[handed->shard].store(handed->last, std::memory_order_release);
      applied_order_ = handed->order + handed->changes.size();
    }
    sync_wanted_ = sync_wanted_ || sync;
  }
  counts_.batches.fetch_add(1, kRelaxed);
  // Readers look here first: the engine has them before they go.
  for (const HandedPtr& handed : turn) pending_.remove(*handed);
  to_syncer_.notify_one();
  to_settler_.notify_all();
  progress_();
}

void Writer::run_writer() {
  std::vector<HandedPtr> turn;
  std::unique_lock lock(mutex_);
  for (;;) {
    to_writer_.wait(lock, [this] { return stopping_ || (broken_ ? retry_ : !queue_.empty()); });
    if (broken_) {
      retry_ = false;
      repairing_ = true;
      lock.unlock();
      const bool repaired = repair();
      progress_();
      lock.lock();
      repairing_ = false;
      to_settler_.notify_all();
      if (!repaired && stopping_) break;
      continue;
    }
    if (queue_.empty()) break;  // stopping
    if (!urgent_ && !stopping_ && !finishing_) {
      const std::uint64_t now = steady_ns();
      if (now < gathers_until_ns_) {
        to_writer_.wait_for(lock, std::chrono::nanoseconds(gathers_until_ns_ - now));
        continue;
      }
    }
    std::size_t bytes = 0;
    while (!queue_.empty() && (turn.empty() || bytes + queue_.front()->bytes <= kTurnBytesMax)) {
      bytes += queue_.front()->bytes;
      turn.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    // What is left of a backlog goes at once.
    urgent_ = !queue_.empty();
    queued_bytes_ -= bytes;
    lock.unlock();
    const Outcome outcome = apply(turn);
    if (outcome.ok()) {
      applied_now(turn);
      lock.lock();
    } else {
      lock.lock();
      for (; !turn.empty(); turn.pop_back()) queue_.push_front(std::move(turn.back()));
      queued_bytes_ += bytes;
      urgent_ = true;
      // At the end it is tried once more, and no more: somebody waits for the end.
      if (stopping_ && std::exchange(last_try_, true)) break;
      broken(outcome);
      lock.unlock();
      progress_();
      lock.lock();
    }
    turn.clear();
  }
  writer_ended_ = true;
  lock.unlock();
  to_syncer_.notify_all();
}

bool Writer::repair() {
  // They were applied before; whether the engine still has them is not known after a failure, and
  // is not while it recovers: readers see them here until it has them again.
  {
    const std::lock_guard lock(mutex_);
    // After a try that failed they are there already, also those that a sync was still under way
    // for then.
    if (again_.empty()) again_.assign(kept_.begin(), kept_.end());
    pending_.put_back(again_);
  }
  Outcome outcome = engine_.recover();
  // In one piece: a process that ends in the middle of it leaves no older value behind.
  if (outcome.ok() && !again_.empty()) outcome = apply(again_);
  if (outcome.ok()) {
    for (const HandedPtr& handed : again_) pending_.remove(*handed);
    again_.clear();
  }
  const std::lock_guard lock(mutex_);
  if (!outcome.ok()) {
    why_ = outcome;
    return false;
  }
  broken_ = false;
  ++repairs_;
  sync_wanted_ = !kept_.empty();
  to_syncer_.notify_one();
  return true;
}

bool Writer::sync_due(std::uint64_t now_ns) const {
  if (kept_.empty() || broken_) return false;
  if (sync_wanted_ || finishing_ || writer_ended_ || kept_bytes_ >= options_.pending_bytes_max / 4)
    return true;
  return options_.sync_window_ms != 0 && now_ns >= sync_due_ns();
}

// What is kept is as old as the oldest of all, or younger.
std::uint64_t Writer::sync_due_ns() const {
  return oldest_.front().since_ns + options_.sync_window_ms * 500'000;
}

void Writer::run_syncer() {
  std::unique_lock lock(mutex_);
  while (!(writer_ended_ && (kept_.empty() || broken_))) {
    const std::uint64_t now = steady_ns();
    if (!sync_due(now)) {
      if (kept_.empty() || broken_ || options_.sync_window_ms == 0) {
        to_syncer_.wait(lock);
      } else {
        const std::uint64_t due = sync_due_ns();
        to_syncer_.wait_for(lock, std::chrono::nanoseconds(due > now ? due - now : 0));
      }
      continue;
    }
    const std::size_t count = kept_.size();
    sync_wanted_ = false;
    lock.unlock();
    const Outcome outcome = engine_.sync();
    const std::uint64_t after = steady_ns();
    lock.lock();
    counts_.syncs.fetch_add(1, kRelaxed);
    counts_.sync_ns.fetch_add(after - now, kRelaxed);
    if (outcome.ok()) {
      // Who sees that something is durable sees that nothing of it is waited for.
      if (count > 0) durable_until(kept_[count - 1]->order + kept_[count - 1]->changes.size());
      std::uint64_t bytes = 0;
      for (std::size_t i = 0; i < count; ++i) {
        const Handed& handed = *kept_.front();
        durable_[handed.shard].store(handed.last, std::memory_order_release);
        bytes += handed.bytes;
        kept_.pop_front();
      }
      kept_bytes_ -= bytes;
      pending_bytes_.fetch_sub(bytes, kRelaxed);
      to_settler_.notify_all();
    } else if (!broken_) {
      // A file that failed to sync may say yes the next time and have lost what it was given: so
      // nothing is synced until everything was applied anew.
      broken(outcome);
    }
    lock.unlock();
    progress_();
    lock.lock();
  }
}

}  // namespace ullage::tier::cold
