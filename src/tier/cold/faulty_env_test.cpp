// SPDX-License-Identifier: Apache-2.0
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <unistd.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

#include "tier/cold/faulty_env_testing.h"

namespace ullage::tier::cold::testing {

namespace rocks = rocksdb;

struct FaultyEnv::Disk {
  struct Lengths {
    std::uint64_t written = 0, synced = 0;
  };
  std::mutex mutex;
  std::condition_variable changed;
  std::string write_fault, sync_fault;
  bool held = false, tables_held = false, lies = false;
  std::map<std::string, Lengths> files;

  static rocks::IOStatus status(const std::string& path, const std::string& reason) {
    if (reason.starts_with("No space")) return rocks::IOStatus::NoSpace(path, reason);
    return rocks::IOStatus::IOError(path, reason);
  }
  rocks::IOStatus may_write(const std::string& path) {
    std::unique_lock lock(mutex);
    if (path.ends_with(".sst")) {
      changed.wait(lock, [&] { return !tables_held || !write_fault.empty(); });
    }
    return write_fault.empty() ? rocks::IOStatus::OK() : status(path, write_fault);
  }
};

namespace {

// Asks the disk before each append and each sync. Disk: FaultyEnv::Disk, which has no name here.
template <class Disk>
class File final : public rocks::FSWritableFileOwnerWrapper {
 public:
  File(std::unique_ptr<rocks::FSWritableFile>&& file, std::string path, std::shared_ptr<Disk> disk)
      : FSWritableFileOwnerWrapper(std::move(file)),
        path_(std::move(path)),
        disk_(std::move(disk)) {}

  rocks::IOStatus Append(const rocks::Slice& data, const rocks::IOOptions& options,
                         rocks::IODebugContext* context) override {
    if (rocks::IOStatus may = disk_->may_write(path_); !may.ok()) return may;
    rocks::IOStatus done = FSWritableFileOwnerWrapper::Append(data, options, context);
    if (done.ok()) {
      const std::lock_guard lock(disk_->mutex);
      disk_->files[path_].written += data.size();
    }
    return done;
  }
  rocks::IOStatus Append(const rocks::Slice& data, const rocks::IOOptions& options,
                         const rocks::DataVerificationInfo&,
                         rocks::IODebugContext* context) override {
    return Append(data, options, context);
  }
  rocks::IOStatus Sync(const rocks::IOOptions& options, rocks::IODebugContext* context) override {
    return synced([&] { return FSWritableFileOwnerWrapper::Sync(options, context); });
  }
  rocks::IOStatus Fsync(const rocks::IOOptions& options, rocks::IODebugContext* context) override {
    return synced([&] { return FSWritableFileOwnerWrapper::Fsync(options, context); });
  }

 private:
  template <class Real>
  rocks::IOStatus synced(Real&& real) {
    std::unique_lock lock(disk_->mutex);
    const std::uint64_t until = disk_->files[path_].written;
    disk_->changed.wait(lock, [&] { return !disk_->held || !disk_->sync_fault.empty(); });
    if (!disk_->sync_fault.empty()) return Disk::status(path_, disk_->sync_fault);
    if (disk_->lies) return rocks::IOStatus::OK();
    lock.unlock();
    rocks::IOStatus done = real();
    lock.lock();
    if (done.ok()) disk_->files[path_].synced = until;
    return done;
  }

  const std::string path_;
  const std::shared_ptr<Disk> disk_;
};

}  // namespace

class FaultyEnv::Files final : public rocks::FileSystemWrapper {
 public:
  explicit Files(std::shared_ptr<Disk> disk)
      : FileSystemWrapper(rocks::FileSystem::Default()), disk_(std::move(disk)) {}
  const char* Name() const override { return "faulty"; }

  rocks::IOStatus NewWritableFile(const std::string& path, const rocks::FileOptions& options,
                                  std::unique_ptr<rocks::FSWritableFile>* file,
                                  rocks::IODebugContext* context) override {
    if (rocks::IOStatus may = disk_->may_write(path); !may.ok()) return may;
    rocks::IOStatus made = FileSystemWrapper::NewWritableFile(path, options, file, context);
    if (made.ok()) {
      *file = std::make_unique<File<Disk>>(std::move(*file), path, disk_);
      const std::lock_guard lock(disk_->mutex);
      disk_->files[path] = {};
    }
    return made;
  }
  rocks::IOStatus RenameFile(const std::string& from, const std::string& to,
                             const rocks::IOOptions& options,
                             rocks::IODebugContext* context) override {
    rocks::IOStatus done = FileSystemWrapper::RenameFile(from, to, options, context);
    if (done.ok()) {
      const std::lock_guard lock(disk_->mutex);
      disk_->files[to] = disk_->files[from];
      disk_->files.erase(from);
    }
    return done;
  }
  rocks::IOStatus DeleteFile(const std::string& path, const rocks::IOOptions& options,
                             rocks::IODebugContext* context) override {
    {
      const std::lock_guard lock(disk_->mutex);
      // After a crash nothing is deleted any more either.
      if (disk_->write_fault == "crashed") return rocks::IOStatus::IOError(path, "crashed");
      disk_->files.erase(path);
    }
    return FileSystemWrapper::DeleteFile(path, options, context);
  }

 private:
  const std::shared_ptr<Disk> disk_;
};

FaultyEnv::FaultyEnv()
    : disk_(std::make_shared<Disk>()),
      env_(rocks::NewCompositeEnv(std::make_shared<Files>(disk_))) {}
FaultyEnv::~FaultyEnv() = default;

rocks::Env* FaultyEnv::env() { return env_.get(); }

void FaultyEnv::fail_writes(const std::string& reason) {
  const std::lock_guard lock(disk_->mutex);
  disk_->write_fault = reason;
  disk_->changed.notify_all();
}

void FaultyEnv::hold_tables(bool held) {
  const std::lock_guard lock(disk_->mutex);
  disk_->tables_held = held;
  disk_->changed.notify_all();
}

void FaultyEnv::fail_syncs(const std::string& reason) {
  const std::lock_guard lock(disk_->mutex);
  disk_->sync_fault = reason;
  disk_->changed.notify_all();
}

void FaultyEnv::hold_syncs(bool held) {
  const std::lock_guard lock(disk_->mutex);
  disk_->held = held;
  disk_->changed.notify_all();
}

void FaultyEnv::lie(bool lies) {
  const std::lock_guard lock(disk_->mutex);
  disk_->lies = lies;
}

void FaultyEnv::crash() {
  const std::lock_guard lock(disk_->mutex);
  disk_->write_fault = disk_->sync_fault = "crashed";
  disk_->held = false;
  disk_->changed.notify_all();
}

void FaultyEnv::drop_unsynced() {
  const std::lock_guard lock(disk_->mutex);
  for (auto& [path, lengths] : disk_->files) {
    if (::truncate(path.c_str(), static_cast<off_t>(lengths.synced)) == 0) {
      lengths.written = lengths.synced;
    }
  }
}

void FaultyEnv::heal() {
  const std::lock_guard lock(disk_->mutex);
  disk_->write_fault.clear();
  disk_->sync_fault.clear();
  disk_->held = disk_->tables_held = disk_->lies = false;
  disk_->changed.notify_all();
}

}  // namespace ullage::tier::cold::testing
