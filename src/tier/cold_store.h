// SPDX-License-Identifier: Apache-2.0
#pragma once

// ColdStore: what the hot tier is a cache of: every entry of the store, on disk.
//
//   store->read(key, [&](ColdStatus status, ColdEntry entry) { ...post to the shard's thread... });
//   const std::uint64_t last = store->write(shard, std::move(changes), /*sync=*/true);
//   ...when progress told: if (store->durable(shard) >= last) answer the clients that waited
//
// It is opened by open_cold() (tier/cold_plugin.h).
//
// Nothing here waits for the disk: calls hand over, and answers come on a thread of the store's
// own. What a shard writes takes effect in the order in which it was handed over; a read or scan
// that is asked for after a write sees it.
//
// Budget    What the process is resident beyond what other tiers were granted is steered to
//           budget_bytes(): block cache, memtables, filters, table readers, buffers of compaction,
//           and what allocators and libraries take.
// Bounds    Reads that wait: ColdOptions::reads_max, more are shed (kShed). Writes that wait:
//           ColdOptions::pending_bytes_max; beyond it congested() is true and whoever writes waits.
// Threads   read, scan, write: any, each shard's writes from one. Answers: short, they may post.

#include <ullage/growth.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tier/key.h"

namespace ullage::tier {

struct ColdOptions {
  std::string directory = {};  // made when it is not there; one process at a time
  std::uint64_t budget_bytes = std::uint64_t{64} << 20;
  unsigned shards = 1;   // whose changes are counted
  unsigned readers = 2;  // threads that read
  std::size_t reads_max = 4096;
  std::uint64_t pending_bytes_max = std::uint64_t{8} << 20;
  // Within this every change should lie on the disk: a sync is begun at half of it; oldest_ns()
  // tells when that was not enough. 0: only those that ask, and all when it is closed.
  std::uint64_t sync_window_ms = 50;
  // A read that waited longer is shed. 0: none is.
  std::uint64_t read_wait_ms_max = 2000;
  std::function<std::uint64_t()> now_ms = {};  // Unix time; unset: the system's
  growth_sink* sink = nullptr;                 // hears of each step that memory takes
};

enum class ColdStatus : std::uint8_t {
  kOk,
  kMissing,  // no such entry, or its time has come
  kShed,     // too many wait already; nothing was done
  kFailed,   // the disk said no: health() says what
};

struct ColdEntry {
  std::string value;
  std::uint64_t expires_ms = 0;  // Unix time; 0: never
  std::uint64_t written_ms = 0;  // Unix time of the write
  std::uint8_t kind = 0;         // of the value: 0 text; others are the server's
};

struct ColdChange {
  enum class Kind : std::uint8_t {
    kPut,
    kErase,
    kFlush,  // the whole database
    kNote,   // no entry: what `key` names is kept beside them, see ColdStore::note
  };
  Kind kind = Kind::kPut;
  std::uint8_t db = 0;
  std::uint64_t hash = 0;
  std::string key;
  ColdEntry entry;
};

struct ColdHealth {
  bool reads = true, writes = true;
  std::string message;  // what is wrong, and what to do
};

// Bytes, as the store itself counts them; resident ones are what the budget steers on.
struct ColdMemory {
  std::uint64_t cache = 0, memtables = 0, table_readers = 0, pending = 0, disk = 0, garbage = 0;
};

struct ColdFigures {
  std::uint64_t reads = 0, hits = 0, shed = 0, read_ns = 0;
  std::uint64_t writes = 0, batches = 0, syncs = 0, sync_ns = 0, failed_writes = 0;
  std::uint64_t write_ns = 0;  // in the engine's writes, its stalls included
  std::uint64_t reads_waiting = 0, stalls = 0, stalled_ns = 0, compactions_pending = 0;
  std::uint64_t entries = 0;  // an estimate; 0 only if there are none
};

class ColdStore {
 public:
  using Read = std::function<void(ColdStatus, ColdEntry)>;
  struct ScannedEntry {
    std::string key;
    ColdEntry entry;  // without its value, unless asked for
  };
  using Scanned = std::function<void(ColdStatus, std::uint64_t next, std::vector<ScannedEntry>)>;

  virtual ~ColdStore() = default;

  virtual void read(const Key& key, Read done) = 0;
  struct Asked {
    Key key;
    Read done;
  };
  // The same for each of them; who reads is woken once for all.
  virtual void read_all(std::span<Asked> asked) {
    for (Asked& each : asked) read(each.key, std::move(each.done));
  }
  // Entries of a database in the order of their hash, from `cursor` (0: the first) on, as
  // Shard::scan counts it; `next` 0: that was all.
  virtual void scan(unsigned db, std::uint64_t cursor, std::size_t count, bool values,
                    Scanned done) = 0;
  // `sync`: on the disk as soon as may be; otherwise within the store's window. `since_ns`: by the
  // steady clock, when the first of them was made; 0: now. The number of the last change, counted
  // per shard from 1.
  virtual std::uint64_t write(unsigned shard, std::vector<ColdChange> changes, bool sync,
                              std::uint64_t since_ns = 0) = 0;
  // What was noted last under this name, by a change of kNote that took its turn among the others:
  // after a crash it is as old as they are. Reads the disk, here and now: for the start. Error
  // kNotFound: nothing was.
  virtual Result<std::string> note(const std::string& name) = 0;
  virtual bool congested() const noexcept = 0;
  // By the steady clock, since when there is a change that is not durable; 0: all are.
  virtual std::uint64_t oldest_ns() const noexcept = 0;
  // Changes up to this number are applied, or lie on the disk whatever happens to the machine. One
  // that can't be written stops the count until the store recovers; health() tells.
  virtual std::uint64_t applied(unsigned shard) const noexcept = 0;
  virtual std::uint64_t durable(unsigned shard) const noexcept = 0;
  // Called on a thread of the store's whenever one of the two went up, or health() changed; never
  // twice at once, and never again once another (or none) was set. It may not set one itself.
  virtual void on_progress(std::function<void()> progress) = 0;

  virtual ColdHealth health() const = 0;
  virtual ColdMemory memory() const = 0;
  virtual ColdFigures figures() const = 0;
  virtual std::uint64_t budget_bytes() const noexcept = 0;
  virtual void budget_bytes(std::uint64_t bytes) = 0;
  // Ten times a second, by one thread: steers, and tries to recover what failed. `resident_bytes`:
  // of the process, less what other tiers were granted.
  virtual void tick(std::uint64_t resident_bytes) = 0;
  // Drawn when the directory was made: keys have the same hashes whenever it is opened. For
  // set_hash_seed(), before the first Key.
  virtual std::uint64_t hash_seed() const noexcept = 0;

  // Before the end: brings what was handed over to the disk, for at most so long. The bytes that
  // are not there then: the disk fails, or does not answer. Taking the store apart waits for the
  // disk however long that takes.
  virtual std::uint64_t finish(std::chrono::milliseconds most) = 0;

  // A copy that can be opened, with all that was handed over before; made while everything goes
  // on. The directory must not exist, or be empty. Returns when it is made.
  virtual Result<void> backup(const std::string& directory) = 0;
};

}  // namespace ullage::tier
