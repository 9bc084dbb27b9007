// SPDX-License-Identifier: Apache-2.0
#pragma once

// Engine: an ordered map of bytes on a disk: what the store asks of RocksDB, and nothing more.
//
//   Result<std::unique_ptr<Engine>> engine = open_rocks({.directory = dir, ...});
//   engine->apply(changes);     // readable afterwards, and safe from the end of the process
//   engine->sync();             // what was applied before is now safe from the end of the machine
//
// There is one with RocksDB in it (rocks.cpp) and, in tests, ones that lie, stall and fail.
//
// Threads   get, visit, memory, state: any. apply, recover: one. sync: another one.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tier/cold_store.h"

namespace ullage::tier::cold {

enum class Fault : std::uint8_t {
  kNone,
  kMissing,    // no such key
  kFull,       // no space left
  kReadOnly,   // the file system takes no writes
  kCorrupted,  // bytes are not what was written
  kGone,       // the directory is not there any more
  kLocked,     // another process has it
  kFailed,     // anything else
};

struct Outcome {
  Fault fault = Fault::kNone;
  std::string detail;  // what the engine says
  bool ok() const noexcept { return fault == Fault::kNone; }
};

// Cheap to ask for.
struct EngineMemory {
  std::uint64_t cache = 0;      // what is in the cache, all that is charged to it in it
  std::uint64_t memtables = 0;  // of that
  std::uint64_t spare = 0;      // not in the cache any more, and resident still
};

struct EngineState {
  std::uint64_t table_readers = 0, disk = 0, garbage = 0;  // bytes
  std::uint64_t stalls = 0, stalled_ns = 0, compactions_pending = 0, entries = 0;
  // What went wrong in the background since the last recover(): it stops writes until then.
  Outcome background;
};

class Engine {
 public:
  virtual ~Engine() = default;

  using See = std::function<void(std::string_view value)>;  // good as long as the call
  virtual Outcome get(std::string_view key, const See& see) = 0;
  // In order, from `from` on, before `until`; ends when `fn` says false.
  using Visit = std::function<bool(std::string_view key, std::string_view value)>;
  virtual Outcome visit(std::string_view from, std::string_view until, const Visit& fn) = 0;
  // All or nothing, in this order.
  virtual Outcome apply(std::span<const ColdChange* const> changes) = 0;
  virtual Outcome sync() = 0;
  // After a failure: makes it writable again if the world allows.
  virtual Outcome recover() = 0;
  virtual Outcome backup(const std::string& directory) = 0;

  virtual EngineMemory memory() = 0;
  virtual EngineState state() = 0;
  virtual void cache_bytes(std::uint64_t bytes) = 0;     // of everything charged
  virtual void memtable_bytes(std::uint64_t bytes) = 0;  // of that, what writes may take
  virtual void give_back(std::uint64_t bytes) = 0;       // of what is spare
};

using OpenEngine = std::function<Result<std::unique_ptr<Engine>>()>;

}  // namespace ullage::tier::cold
