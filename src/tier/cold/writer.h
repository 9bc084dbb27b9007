// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writer: takes changes from all shards and brings them to the engine, in the order in which they
// were handed over: one thread applies, another syncs.
//
//   write() ──► queue ──► applied (survives the process) ──► durable (survives the machine)
//
// What waits is applied in turns, each one write to the engine: at once when somebody waits for it,
// otherwise after it has gathered for some milliseconds. While one sync runs, what comes in
// gathers, and the next sync is for all of it. Changes are kept until they are durable: when the
// engine fails, nothing of what was handed over is lost as long as the process lives; they are
// applied again once it is writable.
//
// Bounds    pending_bytes(): what is not durable yet; whoever writes asks congested(). A sync is
//           begun when half of the window has passed, so that it has the other half; oldest_ns()
//           tells whether that was enough.
// Threads   write: each shard's from one. The rest: any.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "tier/cold/engine.h"
#include "tier/cold/pending.h"

namespace ullage::tier::cold {

struct WriterOptions {
  unsigned shards = 1;
  std::uint64_t pending_bytes_max = std::uint64_t{8} << 20;
  std::uint64_t sync_window_ms = 50;  // 0: when asked, and when much has gathered
};

class Writer {
 public:
  // `progress` is called on its threads, without a lock held.
  Writer(Engine& engine, Pending& pending, const WriterOptions& options,
         std::function<void()> progress);
  ~Writer();  // applies and syncs what waits, if the engine is writable
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // `since_ns`: when the first of them was made; 0: now.
  std::uint64_t write(unsigned shard, std::vector<ColdChange> changes, bool sync,
                      std::uint64_t since_ns = 0);
  bool congested() const noexcept { return pending_bytes() >= options_.pending_bytes_max; }
  std::uint64_t pending_bytes() const noexcept {
    return pending_bytes_.load(std::memory_order_relaxed);
  }
  // When the oldest change that is not durable was made, by the steady clock; 0: there is none.
  std::uint64_t oldest_ns() const noexcept { return oldest_ns_.load(std::memory_order_seq_cst); }
  std::uint64_t applied(unsigned shard) const noexcept {
    return applied_[shard].load(std::memory_order_acquire);
  }
  std::uint64_t durable(unsigned shard) const noexcept {
    return durable_[shard].load(std::memory_order_acquire);
  }
  // Why nothing is written at present; Fault::kNone: it is.
  Outcome failure() const;
  // Stops writing until retry(), with this reason, as if the engine had said it; unless it was
  // repaired since there were so many repairs().
  void fail(const Outcome& why, std::uint64_t repairs);
  std::uint64_t repairs() const;
  // Waits until all that was handed over before is applied; why it can't be.
  Outcome settle();
  // After a failure: try to recover, on the writer's thread.
  void retry();
  // Before the end: brings everything to the disk, for at most so long. The bytes that are not
  // there then, because the engine fails or does not answer.
  std::uint64_t finish(std::chrono::milliseconds most);
  // Time spent in the engine's writes, with that of one that is under way.
  std::uint64_t write_ns() const;

  struct Counts {
    std::atomic<std::uint64_t> writes{0}, batches{0}, syncs{0}, sync_ns{0}, failures{0};
  };
  const Counts& counts() const noexcept { return counts_; }

 private:
  void run_writer();
  void run_syncer();
  // The engine is writable again, and has everything that is not durable.
  bool repair();
  Outcome apply(const std::vector<HandedPtr>& turn);
  void applied_now(const std::vector<HandedPtr>& turn);
  void broken(const Outcome& why);                                // mutex_ is held
  void grown_older(std::uint64_t order, std::uint64_t since_ns);  // mutex_ is held
  void durable_until(std::uint64_t order);                        // mutex_ is held
  std::uint64_t sync_due_ns() const;
  bool sync_due(std::uint64_t now_ns) const;

  Engine& engine_;
  Pending& pending_;
  const WriterOptions options_;
  const std::uint64_t gather_ns_, gather_bytes_;
  const std::function<void()> progress_;
  std::vector<std::atomic<std::uint64_t>> applied_, durable_;
  std::atomic<std::uint64_t> pending_bytes_{0}, oldest_ns_{0};
  Counts counts_;

  mutable std::mutex mutex_;
  std::condition_variable to_writer_, to_syncer_, to_settler_;
  std::vector<std::uint64_t> handed_;  // per shard: the last number given
  std::uint64_t order_ = 0;            // of the next change
  std::uint64_t applied_order_ = 0;    // of the next one to be applied
  std::deque<HandedPtr> queue_;
  std::uint64_t queued_bytes_ = 0, gathers_until_ns_ = 0;
  std::deque<HandedPtr> kept_;  // applied, not yet durable
  std::uint64_t kept_bytes_ = 0;
  // Of the writer's thread: pending again until they are applied anew
  std::vector<HandedPtr> again_;
  // Of what is not durable: those older than all that was handed over later, by order. The first is
  // the oldest of all.
  struct Old {
    std::uint64_t order, since_ns;
  };
  std::deque<Old> oldest_;
  bool urgent_ = false;  // what is queued waits no longer
  bool sync_wanted_ = false, broken_ = false, retry_ = false;
  bool repairing_ = false, finishing_ = false;
  std::uint64_t write_ns_ = 0, writing_since_ns_ = 0;
  bool stopping_ = false, last_try_ = false, writer_ended_ = false;
  Outcome why_;
  std::uint64_t repairs_ = 0;
  std::thread writer_, syncer_;
};

}  // namespace ullage::tier::cold
