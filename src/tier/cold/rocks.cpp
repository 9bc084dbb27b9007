// SPDX-License-Identifier: Apache-2.0
#include "tier/cold/rocks.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <malloc.h>
#include <pthread.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/listener.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>
#include <rocksdb/write_buffer_manager.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <string_view>
#include <utility>

#include "tier/cold/block_memory.h"
#include "tier/cold/layout.h"
#include "tier/cold/rocks_recipe.h"

namespace ullage::tier::cold {
namespace {

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view(const rocksdb::Slice& s) { return {s.data(), s.size()}; }

std::uint64_t steady_ns() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

// Writes and syncs a little: whether the world would let the engine write. Engines are expensive
// to ask, and one that was closed to be opened anew can't be read meanwhile.
Outcome probe(const std::string& directory) {
  const std::string path = directory + "/probe.tmp";
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  int error = file < 0 ? errno : 0;
  if (file >= 0) {
    std::array<char, 65536> bytes{};
    const ssize_t wrote = ::write(file, bytes.data(), bytes.size());
    if (wrote < 0) {
      error = errno;
    } else if (wrote != static_cast<ssize_t>(bytes.size())) {
      error = ENOSPC;
    } else if (::fdatasync(file) != 0) {
      error = errno;
    }
    ::close(file);
    ::unlink(path.c_str());
  }
  if (error == 0) return {};
  const Fault fault = error == ENOSPC || error == EDQUOT || error == EFBIG ? Fault::kFull
                      : error == EROFS || error == EACCES                  ? Fault::kReadOnly
                      : error == ENOENT                                    ? Fault::kGone
                                                                           : Fault::kFailed;
  return {fault, path + ": " + std::strerror(error)};
}

// When files of a directory were last read is written down with the first read of each, and that
// can wait for seconds behind a journal which others keep busy. Not for files that are made in it
// from here on, where the file system knows the flag (ext4, XFS, Btrfs, F2FS).
void forget_access_times(const std::string& directory) noexcept {
  (void)::mkdir(directory.c_str(), 0777);
  const int folder = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  int flags = 0;
  if (::ioctl(folder, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_NOATIME_FL) == 0) {
    flags |= FS_NOATIME_FL;
    (void)::ioctl(folder, FS_IOC_SETFLAGS, &flags);
  }
  ::close(folder);
}

// A flush or a compaction goes on at a tenth of a busy processor: enough that writers do not wait
// for it for ever and that files do not pile up, each of which every read has to ask; and little
// enough that who serves clients there owes it nothing when it wakes. Of RocksDB's own threads
// alone, and never more than the process has.
constexpr int kBackgroundNice = 10;

void give_way() noexcept {
  thread_local bool given = false;
  if (std::exchange(given, true)) return;
  std::array<char, 16> name{};
  if (::pthread_getname_np(::pthread_self(), name.data(), name.size()) != 0) return;
  if (!std::string_view(name.data()).starts_with("rocksdb:")) return;
  if (::getpriority(PRIO_PROCESS, 0) < kBackgroundNice) {
    (void)::setpriority(PRIO_PROCESS, 0, kBackgroundNice);  // on Linux, of this thread
  }
}

// Hears what RocksDB tells from its threads.
class Listener final : public rocksdb::EventListener {
 public:
  explicit Listener(std::function<void()> failed) : failed_(std::move(failed)) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    {
      const std::lock_guard lock(mutex_);
      background_ = to_outcome(*status);
    }
    failed_();
  }
  void OnFlushBegin(rocksdb::DB*, const rocksdb::FlushJobInfo&) override { give_way(); }
  void OnCompactionBegin(rocksdb::DB*, const rocksdb::CompactionJobInfo&) override { give_way(); }
  void OnStallConditionsChanged(const rocksdb::WriteStallInfo& info) override {
    const std::lock_guard lock(mutex_);
    const bool now = info.condition.cur != rocksdb::WriteStallCondition::kNormal;
    if (now && since_ns_ == 0) {
      ++stalls_;
      since_ns_ = steady_ns();
    } else if (!now && since_ns_ != 0) {
      stalled_ns_ += steady_ns() - std::exchange(since_ns_, 0);
    }
  }
  void tell(EngineState& state) const {
    const std::lock_guard lock(mutex_);
    state.stalls = stalls_;
    state.stalled_ns = stalled_ns_ + (since_ns_ != 0 ? steady_ns() - since_ns_ : 0);
    state.background = background_;
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    background_ = {};
    if (since_ns_ != 0) stalled_ns_ += steady_ns() - std::exchange(since_ns_, 0);
  }

 private:
  const std::function<void()> failed_;
  mutable std::mutex mutex_;
  Outcome background_;
  std::uint64_t stalls_ = 0, stalled_ns_ = 0, since_ns_ = 0;
};

class Rocks final : public Engine {
 public:
  explicit Rocks(const RocksOptions& options)
      : options_(options),
        recipe_(options.cache_bytes, memtable_bytes_of(options.cache_bytes), options.now_ms,
                options.env),
        listener_(std::make_shared<Listener>([this] { failed(); })),
        memtable_bytes_(memtable_bytes_of(options.cache_bytes)) {
    recipe_.options().listeners.push_back(listener_);
  }

  Outcome open() {
    forget_access_times(options_.directory);
    rocksdb::DB* db = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(recipe_.options(), options_.directory, &db);
    if (status.ok()) db_.reset(db);
    return to_outcome(status);
  }

  Outcome get(std::string_view key, const See& see) override {
    const std::shared_lock lock = enter();
    if (!db_) return closed();
    rocksdb::PinnableSlice value;
    rocksdb::ReadOptions how;
    const rocksdb::Status status = db_->Get(how, db_->DefaultColumnFamily(), slice(key), &value);
    if (!status.ok()) return to_outcome(status);
    see(view(value));
    return {};
  }

  Outcome visit(std::string_view from, std::string_view until, const Visit& fn) override {
    const std::shared_lock lock = enter();
    if (!db_) return closed();
    rocksdb::ReadOptions how;
    const rocksdb::Slice end = slice(until);
    how.iterate_upper_bound = &end;
    how.fill_cache = false;  // a scan reads everything once
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(how));
    for (at->Seek(slice(from)); at->Valid(); at->Next()) {
      if (!fn(view(at->key()), view(at->value()))) break;
    }
    return to_outcome(at->status());
  }

  Outcome apply(std::span<const ColdChange* const> changes) override {
    const std::shared_lock lock = enter();
    if (!db_) return closed();
    batch_.Clear();
    std::size_t bytes = 0;
    for (const ColdChange* change : changes)
      bytes += change->key.size() + change->entry.value.size();
    // Without what growing into it would take: many, after a failure.
    if (bytes > kBatchBytesKept) {
      batch_ = rocksdb::WriteBatch(bytes + changes.size() * kChangeBytesMax);
    }
    rocksdb::ColumnFamilyHandle* family = db_->DefaultColumnFamily();
    for (const ColdChange* change : changes) {
      if (change->kind == ColdChange::Kind::kNote) {
        encode_note(change->key, key_);
      } else {
        encode_key(change->db, change->hash, change->key, key_);
      }
      switch (change->kind) {
        case ColdChange::Kind::kPut:
        case ColdChange::Kind::kNote: {
          char header[kValueHeaderBytesMax];
          const std::size_t length = encode_header(change->entry, header);
          const rocksdb::Slice key = slice(key_);
          const rocksdb::Slice value[] = {{header, length}, slice(change->entry.value)};
          batch_.Put(family, rocksdb::SliceParts(&key, 1), rocksdb::SliceParts(value, 2));
          break;
        }
        case ColdChange::Kind::kErase:
          batch_.Delete(family, slice(key_));
          break;
        case ColdChange::Kind::kFlush:
          batch_.DeleteRange(family, first_key(change->db), first_key(change->db + 1u));
          break;
      }
    }
    const Outcome outcome = to_outcome(db_->Write({}, &batch_));
    // A large batch keeps what it took otherwise.
    if (batch_.Data().capacity() > kBatchBytesKept) batch_ = rocksdb::WriteBatch();
    return outcome;
  }

  Outcome sync() override {
    const std::shared_lock lock = enter();
    if (!db_) return closed();
    Outcome outcome = to_outcome(db_->SyncWAL());
    // Files without a name are synced without complaint, and nobody will find them again.
    if (outcome.ok() && ::access((options_.directory + "/CURRENT").c_str(), F_OK) != 0 &&
        errno == ENOENT && options_.env == nullptr) {
      outcome = {Fault::kGone, options_.directory + " is not there any more"};
    }
    if (!outcome.ok()) reopen_ = true;
    return outcome;
  }

  Outcome recover() override {
    if (Outcome writable = probe(options_.directory); !writable.ok()) return writable;
    {
      const std::shared_lock lock = enter();
      if (db_ && !reopen_ && db_->Resume().ok() && db_->SyncWAL().ok()) {
        forget();
        return {};
      }
    }
    // Behind the door, nobody comes in between who would keep it open for this one.
    const std::lock_guard door(door_);
    door_shut_ = true;
    const std::unique_lock lock(mutex_);
    door_shut_ = false;
    db_.reset();
    const Outcome opened = open();
    reopen_ = !opened.ok();
    if (opened.ok()) forget();
    return opened;
  }

  Outcome backup(const std::string& directory) override {
    const std::shared_lock lock = enter();
    if (!db_) return closed();
    rocksdb::Checkpoint* checkpoint = nullptr;
    rocksdb::Status status = rocksdb::Checkpoint::Create(db_.get(), &checkpoint);
    const std::unique_ptr<rocksdb::Checkpoint> owner(checkpoint);
    if (status.ok()) status = checkpoint->CreateCheckpoint(directory);
    return to_outcome(status);
  }

  EngineMemory memory() override {
    EngineMemory memory;
    memory.cache = recipe_.cache().GetUsage();
    memory.memtables = recipe_.writes().memory_usage();
    memory.spare = recipe_.blocks().spare_bytes();
    return memory;
  }

  EngineState state() override {
    EngineState state;
    listener_->tell(state);
    const std::shared_lock lock = enter();
    if (!db_) return state;
    using Of = rocksdb::DB::Properties;
    std::uint64_t live = 0;
    db_->GetIntProperty(Of::kEstimateTableReadersMem, &state.table_readers);
    db_->GetIntProperty(Of::kTotalSstFilesSize, &state.disk);
    db_->GetIntProperty(Of::kEstimateLiveDataSize, &live);
    state.garbage = state.disk > live ? state.disk - live : 0;
    db_->GetIntProperty(Of::kEstimateNumKeys, &state.entries);
    db_->GetIntProperty(Of::kCompactionPending, &state.compactions_pending);
    // An estimate, of entries less deletions: but nothing is nothing.
    if (state.entries == 0) {
      const std::unique_ptr<rocksdb::Iterator> first(db_->NewIterator({}));
      first->SeekToFirst();
      if (first->Valid()) state.entries = 1;
    }
    return state;
  }

  void cache_bytes(std::uint64_t bytes) override { recipe_.cache().SetCapacity(bytes); }
  void memtable_bytes(std::uint64_t bytes) override {
    const std::lock_guard lock(limit_mutex_);
    memtable_bytes_ = bytes;
    if (!unlimited_) recipe_.writes().SetBufferSize(bytes);
  }
  void give_back(std::uint64_t bytes) override { recipe_.blocks().give_back(bytes); }

 private:
  static constexpr std::size_t kBatchBytesKept = std::size_t{2} << 20;
  // Of a change in a batch, beside its key and value.
  static constexpr std::size_t kChangeBytesMax = 64;
  static constexpr std::size_t kNoLimit = std::size_t{1} << 40;

  std::shared_lock<std::shared_mutex> enter() {
    if (door_shut_) const std::lock_guard wait(door_);
    return std::shared_lock(mutex_);
  }

  // Whoever writes may be waiting until memtables were written out, which is not going to happen,
  // and recovering needs its place: it goes on, and is told why when it writes.
  void failed() {
    const std::lock_guard lock(limit_mutex_);
    unlimited_ = true;
    recipe_.writes().SetBufferSize(kNoLimit);
  }
  void forget() {
    listener_->forget();
    const std::lock_guard lock(limit_mutex_);
    unlimited_ = false;
    recipe_.writes().SetBufferSize(memtable_bytes_);
  }

  Outcome closed() const {
    return {Fault::kFailed, options_.directory + " could not be opened again"};
  }

  const RocksOptions options_;
  Recipe recipe_;
  const std::shared_ptr<Listener> listener_;
  std::shared_mutex mutex_;  // held alone to close the database and open it anew
  std::mutex door_;
  std::atomic<bool> door_shut_{false};
  std::mutex limit_mutex_;
  std::uint64_t memtable_bytes_;
  bool unlimited_ = false;  // what memtables may take does not hold while flushing fails
  std::unique_ptr<rocksdb::DB> db_;
  // A file failed to sync: what it holds is not known, so it is not to be written on.
  std::atomic<bool> reopen_{false};
  rocksdb::WriteBatch batch_;
  std::string key_;
};

}  // namespace

Outcome to_outcome(const rocksdb::Status& status) {
  if (status.ok()) return {};
  if (status.IsNotFound()) return {Fault::kMissing, {}};
  std::string text = status.ToString();
  const auto says = [&](const char* what) { return text.find(what) != std::string::npos; };
  Fault fault = Fault::kFailed;
  if (status.IsNoSpace() || says("No space left") || says("Disk quota") || says("File too large")) {
    fault = Fault::kFull;
  } else if (status.IsCorruption()) {
    fault = Fault::kCorrupted;
  } else if (says("LOCK: ") && (says("temporarily unavailable") || says("No locks available"))) {
    fault = Fault::kLocked;
  } else if (says("Read-only file system") || says("Permission denied")) {
    fault = Fault::kReadOnly;
  } else if (status.IsPathNotFound() || says("No such file or directory")) {
    fault = Fault::kGone;
  }
  return {fault, std::move(text)};
}

Result<std::unique_ptr<Engine>> open_rocks(const RocksOptions& options) {
  auto engine = std::make_unique<Rocks>(options);
  if (const Outcome outcome = engine->open(); !outcome.ok()) {
    std::string message = options.directory + ": " + outcome.detail;
    if (outcome.fault == Fault::kLocked) {
      message = options.directory +
                ": another process has it open.\n  Stop that one, or name another directory. (" +
                outcome.detail + ")";
    } else if (outcome.fault == Fault::kCorrupted) {
      message += "\n  Restore a backup (ullage restore), or name another directory.";
    } else if (outcome.fault == Fault::kFull) {
      message += "\n  Free some space, then start again.";
    } else if (outcome.fault == Fault::kReadOnly) {
      message +=
          "\n  Mount it for writing and let this user write there, or name another directory.";
    }
    return Error{Code::kIo, std::move(message)};
  }
  return std::unique_ptr<Engine>(std::move(engine));
}

void tame_malloc() noexcept {
  // Set, it does not rise by itself when a large one is freed: from here on blocks are mapped one
  // by one, and go when they are freed.
  ::mallopt(M_MMAP_THRESHOLD, 128 << 10);
  ::mallopt(M_TRIM_THRESHOLD, 256 << 10);
}

Result<std::uint64_t> verify_rocks(const std::string& directory) {
  rocksdb::Options options;
  options.info_log_level = rocksdb::InfoLogLevel::FATAL_LEVEL;
  rocksdb::DB* db = nullptr;
  rocksdb::Status status = rocksdb::DB::OpenForReadOnly(options, directory, &db);
  const std::unique_ptr<rocksdb::DB> owner(db);
  if (status.ok()) status = db->VerifyChecksum();
  if (!status.ok()) return Error{Code::kInvalid, directory + ": " + status.ToString()};
  std::uint64_t bytes = 0;
  db->GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &bytes);
  return bytes;
}

}  // namespace ullage::tier::cold
