// SPDX-License-Identifier: Apache-2.0
#include "server/backup_job.h"

#include <utility>

#include "server/clock.h"

namespace ullage::server {

const char* to_string(BackupJob::State state) noexcept {
  switch (state) {
    case BackupJob::State::kNone:
      return "none";
    case BackupJob::State::kRunning:
      return "running";
    case BackupJob::State::kDone:
      return "done";
    case BackupJob::State::kFailed:
      return "failed";
  }
  return "unknown";
}

bool BackupJob::start(tier::ColdStore& store, std::string directory) {
  const std::lock_guard lock(mutex_);
  if (status_.state == State::kRunning) return false;
  if (thread_.joinable()) thread_.join();  // it has ended
  status_ = {State::kRunning, std::move(directory), {}, unix_ms(), 0};
  thread_ = std::thread([this, &store, where = status_.directory, begin = status_.started_ms] {
    const Result<void> made = store.backup(where);
    const std::lock_guard done(mutex_);
    status_.state = made.ok() ? State::kDone : State::kFailed;
    if (!made.ok()) status_.message = made.error().message;
    status_.took_ms = unix_ms() - begin;
  });
  return true;
}

BackupJob::Status BackupJob::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void BackupJob::end() {
  std::thread ending;
  {
    const std::lock_guard lock(mutex_);
    ending = std::move(thread_);
  }
  if (ending.joinable()) ending.join();
}

}  // namespace ullage::server
