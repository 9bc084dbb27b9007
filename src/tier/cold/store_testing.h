// SPDX-License-Identifier: Apache-2.0
#pragma once

// What tests of the cold store share: calls that wait for their answer.

#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tier/cold/store.h"
#include "tier/cold_store.h"

namespace ullage::tier::cold::testing {

// A folder that goes with it.
class Folder {
 public:
  explicit Folder(const std::string& beside = "/tmp") {
    std::string name = beside + "/ullage-cold-XXXXXX";
    path_ = ::mkdtemp(name.data()) != nullptr ? name : "";
  }
  ~Folder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

struct Read {
  ColdStatus status = ColdStatus::kFailed;
  ColdEntry entry;
};

inline Read read(ColdStore& store, unsigned db, std::string_view text) {
  std::promise<Read> answer;
  store.read(Key(db, text), [&](ColdStatus status, ColdEntry entry) {
    answer.set_value({status, std::move(entry)});
  });
  return answer.get_future().get();
}

// The value, or what else was said: "missing", "shed", "failed".
inline std::string value_of(ColdStore& store, unsigned db, std::string_view text) {
  const Read got = read(store, db, text);
  switch (got.status) {
    case ColdStatus::kOk:
      return got.entry.value;
    case ColdStatus::kMissing:
      return "missing";
    case ColdStatus::kShed:
      return "shed";
    case ColdStatus::kFailed:
      break;
  }
  return "failed";
}

struct Scan {
  ColdStatus status = ColdStatus::kFailed;
  std::uint64_t next = 0;
  std::vector<ColdStore::ScannedEntry> entries;
};

inline Scan scan(ColdStore& store, unsigned db, std::uint64_t cursor, std::size_t count,
                 bool values = false) {
  std::promise<Scan> answer;
  store.scan(db, cursor, count, values,
             [&](ColdStatus status, std::uint64_t next, std::vector<ColdStore::ScannedEntry> e) {
               answer.set_value({status, next, std::move(e)});
             });
  return answer.get_future().get();
}

// All keys of a database, by as many scans as it takes.
inline std::vector<std::string> keys_of(ColdStore& store, unsigned db, std::size_t count = 10) {
  std::vector<std::string> keys;
  std::uint64_t cursor = 0;
  do {
    const Scan part = scan(store, db, cursor, count);
    if (part.status != ColdStatus::kOk) return {"failed"};
    for (const auto& entry : part.entries) keys.push_back(entry.key);
    cursor = part.next;
  } while (cursor != 0);
  return keys;
}

inline ColdChange put(unsigned db, std::string text, std::string value,
                      std::uint64_t expires_ms = 0) {
  ColdChange change;
  change.db = static_cast<std::uint8_t>(db);
  change.hash = Key(db, text).hash;
  change.key = std::move(text);
  change.entry.value = std::move(value);
  change.entry.expires_ms = expires_ms;
  change.entry.written_ms = 1'000;
  return change;
}
inline ColdChange erase(unsigned db, std::string text) {
  ColdChange change = put(db, std::move(text), {});
  change.kind = ColdChange::Kind::kErase;
  return change;
}
inline ColdChange flush(unsigned db) {
  ColdChange change;
  change.kind = ColdChange::Kind::kFlush;
  change.db = static_cast<std::uint8_t>(db);
  return change;
}

inline ColdChange note(std::string name, std::string text) {
  ColdChange change;
  change.kind = ColdChange::Kind::kNote;
  change.key = std::move(name);
  change.entry.value = std::move(text);
  return change;
}

// Waits for what the store says of itself, told by its progress.
class Progress {
 public:
  explicit Progress(ColdStore& store) : store_(store) {
    store.on_progress([this] {
      const std::lock_guard lock(mutex_);
      changed_.notify_all();
    });
  }
  ~Progress() { store_.on_progress({}); }
  // For ever, if need be: the test's time-out says which.
  void until(const std::function<bool()>& holds) {
    std::unique_lock lock(mutex_);
    while (!holds()) changed_.wait_for(lock, std::chrono::milliseconds(50));
  }

 private:
  ColdStore& store_;
  std::mutex mutex_;
  std::condition_variable changed_;
};

template <class... Changes>
std::vector<ColdChange> changes(Changes&&... some) {
  std::vector<ColdChange> all;
  (all.push_back(std::forward<Changes>(some)), ...);
  return all;
}

}  // namespace ullage::tier::cold::testing
