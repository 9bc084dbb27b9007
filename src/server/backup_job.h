// SPDX-License-Identifier: Apache-2.0
#pragma once

// BackupJob: the backup that is being made, on a thread of its own, while everything goes on.
//
//   if (!job.start(store, "/backups/today")) "one is being made already";
//   job.status().state                        // kRunning, then kDone or kFailed
//
// Threads   Any.

#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "tier/cold_store.h"

namespace ullage::server {

class BackupJob {
 public:
  enum class State : std::uint8_t { kNone, kRunning, kDone, kFailed };
  struct Status {
    State state = State::kNone;
    std::string directory, message;  // what failed
    std::uint64_t started_ms = 0, took_ms = 0;
  };

  BackupJob() = default;
  ~BackupJob() { end(); }
  BackupJob(const BackupJob&) = delete;
  BackupJob& operator=(const BackupJob&) = delete;

  // False: one is running. The store outlives it, or end() comes before its end.
  bool start(tier::ColdStore& store, std::string directory);
  Status status() const;
  void end();  // waits for it

 private:
  mutable std::mutex mutex_;
  Status status_;
  std::thread thread_;
};

const char* to_string(BackupJob::State state) noexcept;  // "none", "running", "done", "failed"

}  // namespace ullage::server
