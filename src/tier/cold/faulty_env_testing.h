// SPDX-License-Identifier: Apache-2.0
#pragma once

// FaultyEnv: a disk for tests, over the real one: it fails, waits, lies and crashes as it is told.
//
//   FaultyEnv disk;  RocksOptions{..., .env = disk.env()}
//   disk.fail_writes("No space left on device");  ...  disk.heal();
//   disk.crash(); ...close everything...; disk.drop_unsynced();   // the machine ended, and started
//
// Threads   Any.

#include <memory>
#include <string>

namespace rocksdb {
class Env;
}

namespace ullage::tier::cold::testing {

class FaultyEnv {
 public:
  FaultyEnv();
  ~FaultyEnv();  // after whatever uses it
  rocksdb::Env* env();

  // From here on, with this reason.
  void fail_writes(const std::string& reason);
  void fail_syncs(const std::string& reason);
  // Syncs wait until they are let go.
  void hold_syncs(bool held);
  // Tables (not the log) are not written on until they are let go, or writes fail.
  void hold_tables(bool held);
  // Says that it synced, and did not.
  void lie(bool lies);
  // Nothing arrives any more; what was not synced goes with drop_unsynced().
  void crash();
  void drop_unsynced();
  void heal();

 private:
  struct Disk;
  class Files;
  std::shared_ptr<Disk> disk_;
  std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace ullage::tier::cold::testing
