// SPDX-License-Identifier: Apache-2.0
#include "tier/cold/backup.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "tier/cold/meta.h"
#include "tier/cold/rocks.h"

namespace ullage::tier::cold {
namespace {

namespace fs = std::filesystem;

const std::string kUnfinished = ".new";  // of the record, as write_meta leaves it when it fails

// Makes it; false in `made` if it was there, empty.
Result<void> make_empty(const std::string& directory, bool& made) {
  std::error_code error;
  if (fs::exists(directory, error) && !fs::is_empty(directory, error)) {
    return Error{Code::kInvalid,
                 directory +
                     " is not empty; nothing was changed.\n  Name a directory that does "
                     "not exist, or remove it first."};
  }
  made = fs::create_directories(directory, error);
  if (error) return Error{Code::kIo, directory + ": can't be made: " + error.message()};
  if (made) fs::permissions(directory, fs::perms::owner_all, error);
  return {};
}

Result<void> sync_path(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = file >= 0 && ::fsync(file) == 0;
  const int number = errno;
  if (file >= 0) ::close(file);
  if (!synced) return Error{Code::kIo, path + ": " + std::strerror(number)};
  return {};
}

Result<void> copy_files(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::create_directory(to, error);
  for (const fs::directory_entry& entry : fs::directory_iterator(from, error)) {
    const std::string name = entry.path().filename().string();
    // The record comes last: a directory without it is no store and no backup.
    if (!entry.is_regular_file(error) || name == kMetaName || name == kMetaName + kUnfinished) {
      continue;
    }
    const std::string target = to + "/" + name;
    if (!fs::copy_file(entry.path(), target, error)) {
      return Error{Code::kIo, target + ": " + error.message()};
    }
    if (Result<void> synced = sync_path(target); !synced.ok()) return synced;
  }
  if (error) return Error{Code::kIo, from + ": " + error.message()};
  return sync_path(to);
}

void remove_what_was_begun(const std::string& directory, bool made) {
  std::error_code error;
  if (made) {
    fs::remove_all(directory, error);
    return;
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    fs::remove_all(entry.path(), error);
  }
}

}  // namespace

Result<void> make_backup(Engine& engine, const std::string& from, const std::string& directory) {
  const Result<Meta> meta = read_meta(from);
  if (!meta.ok()) return meta.error();
  bool made = false;
  if (Result<void> empty = make_empty(directory, made); !empty.ok()) return empty;
  const Outcome outcome = engine.backup(directory + "/" + kDataName);
  Result<void> done;
  if (!outcome.ok()) {
    done = Error{Code::kIo, directory + ": no backup was made: " + outcome.detail};
  } else {
    done = sync_path(directory + "/" + kDataName);
    if (done.ok()) done = copy_files(from, directory);
    if (done.ok()) done = write_meta(directory, meta.value());
  }
  if (!done.ok()) remove_what_was_begun(directory, made);
  return done;
}

Result<std::uint64_t> restore_backup(const std::string& from, const std::string& to) {
  const Result<Meta> meta = read_meta(from);
  if (!meta.ok()) return meta.error();
  const std::string source = from + "/" + kDataName;
  if (const Result<std::uint64_t> sound = verify_rocks(source); !sound.ok()) {
    return Error{Code::kInvalid, "the backup is damaged; nothing was changed. " +
                                     sound.error().message + "\n  Use another backup."};
  }
  bool made = false;
  if (const Result<void> empty = make_empty(to, made); !empty.ok()) return empty.error();
  const std::string target = to + "/" + kDataName;
  Result<void> done = copy_files(source, target);
  if (done.ok()) done = copy_files(from, to);
  Result<std::uint64_t> bytes = std::uint64_t{0};
  if (done.ok()) {
    bytes = verify_rocks(target);
    if (!bytes.ok()) {
      done = Error{Code::kIo, "the copy differs from the backup: " + bytes.error().message};
    }
  }
  if (done.ok()) done = write_meta(to, meta.value());
  if (!done.ok()) {
    remove_what_was_begun(to, made);
    return done.error();
  }
  return bytes;
}

}  // namespace ullage::tier::cold
