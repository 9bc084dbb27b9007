// SPDX-License-Identifier: Apache-2.0
#include "server/warmer.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <future>
#include <iterator>

#include "base/text.h"
#include "server/files.h"
#include "server/glob.h"
#include "server/names_file.h"
#include "server/router.h"
#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

constexpr const char* kFile = "/hot-keys";
constexpr std::string_view kHead = "ullage hot keys 1\n";
constexpr std::chrono::minutes kSaveEvery{1};
// Names handed over at once, and how many may wait at the routers before more are.
constexpr std::size_t kPart = 1000, kWaitingMax = 20'000;
// The same in bytes: they are in no budget.
constexpr std::size_t kWaitingBytesMax = std::size_t{4} << 20;
// Lists and patterns that wait for their turn; of a pattern.
constexpr std::size_t kTasksMax = 16, kPatternBytesMax = std::size_t{64} << 10;
constexpr const char* kTooMany = "as much as may waits to be read ahead already; try again later";
constexpr std::chrono::milliseconds kPause{5};
constexpr std::chrono::seconds kScanWaitMax{10};
// Names kept for the next start: this share of the hot tier's budget; if that has none, so much.
constexpr std::uint64_t kNameShare = 128;
constexpr std::size_t kUnboundedNameBytes = std::size_t{64} << 20;

bool number(std::string_view& text, unsigned& out, char end) {
  const auto [at, problem] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (problem != std::errc() || at == text.data() + text.size() || *at != end) return false;
  text.remove_prefix(static_cast<std::size_t>(at - text.data()) + 1);
  return true;
}

}  // namespace

std::vector<std::string_view> hot_list(const HotLists& names) {
  std::vector<std::string_view> parts{kHead};
  for (unsigned frequency = HotNames::kMost + 1; frequency-- > 0;) {
    for (const auto& each : names) {
      if (each != nullptr) parts.emplace_back(each->lines(frequency));
    }
  }
  return parts;
}

Result<std::vector<HotKey>> read_hot_keys(std::string_view text) {
  if (!text.starts_with(kHead))
    return Error{Code::kInvalid, "it is no list of hot keys, version 1"};
  text.remove_prefix(kHead.size());
  std::vector<HotKey> keys;
  while (!text.empty()) {
    unsigned frequency = 0, db = 0, bytes = 0;
    if (!number(text, frequency, ' ') || !number(text, db, ' ') || !number(text, bytes, ' ') ||
        db >= tier::kDatabases || frequency > 255 || bytes >= text.size() || text[bytes] != '\n') {
      return Error{Code::kInvalid, "line " + std::to_string(keys.size() + 2) + " is damaged"};
    }
    keys.push_back({static_cast<std::uint8_t>(frequency), static_cast<std::uint8_t>(db),
                    std::string(text.substr(0, bytes))});
    text.remove_prefix(bytes + 1);
  }
  return keys;
}

Warmer::Warmer(Server& server) : server_(server), hot_(server.workers().size()) {}
Warmer::~Warmer() { end(); }

void Warmer::begin() {
  tasks_.push_back([this] { warm_up(); });
  thread_ = std::thread([this] { run(); });
}

void Warmer::end() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Warmer::run() {
  pthread_setname_np(pthread_self(), "ullage-warmer");
  // Of this thread alone: whoever serves goes first.
  setpriority(PRIO_PROCESS, 0, 10);
  auto next_save = std::chrono::steady_clock::now() + kSaveEvery;
  std::unique_lock lock(mutex_);
  while (!over_) {
    if (tasks_.empty()) {
      wake_.wait_until(lock, next_save, [this] { return over_ || !tasks_.empty(); });
    }
    if (over_) return;
    std::function<void()> task;
    if (!tasks_.empty()) {
      task = std::move(tasks_.front());
      tasks_.erase(tasks_.begin());
    } else {
      next_save = std::chrono::steady_clock::now() + kSaveEvery;
      task = [this] { save(); };
    }
    lock.unlock();
    task();
    lock.lock();
  }
}

void Warmer::take_hot(unsigned worker, std::shared_ptr<const HotNames> names) {
  const std::lock_guard lock(mutex_);
  hot_[worker] = std::move(names);
}

HotNames Warmer::room_for_names() const {
  const Config& config = server_.config();
  const std::size_t threads = server_.workers().size();
  const std::size_t bytes =
      config.hot_bytes == 0 ? kUnboundedNameBytes : config.hot_bytes / kNameShare;
  return {config.persistence.warm_keys / threads + 1, bytes / threads};
}

void Warmer::save() {
  // Ended before the old list was read back: that one is the better one.
  if (server_.warm_keys.load(std::memory_order_relaxed) == 0 || !warm_) return;
  HotLists names;
  {
    const std::lock_guard lock(mutex_);
    names = hot_;
  }
  if (std::all_of(names.begin(), names.end(),
                  [](const auto& each) { return each == nullptr || each->empty(); })) {
    return;
  }
  // A list that can't be saved costs a cold start, nothing else; the disk's trouble is told by the
  // cold tier.
  (void)replace_file(server_.cold()->directory() + kFile, hot_list(names)).ok();
}

bool Warmer::routers_full(std::size_t names_max) const {
  std::size_t names = 0, bytes = 0;
  for (const auto& worker : server_.workers()) {
    names += worker->router()->preloads_outstanding();
    bytes += worker->router()->preload_bytes();
  }
  return names >= names_max || bytes >= kWaitingBytesMax;
}

bool Warmer::wait_for_routers() {
  std::unique_lock lock(mutex_);
  while (!over_ && routers_full(kWaitingMax)) {
    wake_.wait_for(lock, kPause, [this] { return over_; });
  }
  return !over_;
}

void Warmer::hand_out(unsigned db, std::vector<std::string> keys) {
  const auto& workers = server_.workers();
  std::vector<std::vector<std::pair<unsigned, std::string>>> parts(workers.size());
  for (std::string& key : keys) {
    const unsigned owner = tier::Key(db, key).shard(static_cast<unsigned>(workers.size()));
    parts[owner].emplace_back(db, std::move(key));
  }
  for (std::size_t i = 0; i < workers.size(); ++i) {
    if (!parts[i].empty()) workers[i]->router()->put_preloads(std::move(parts[i]));
  }
}

Result<void> Warmer::preload_keys(unsigned db, std::vector<std::string> keys) {
  if (routers_full(~std::size_t{0})) return Error{Code::kExhausted, kTooMany};
  hand_out(db, std::move(keys));
  return {};
}

void Warmer::warm_up() {
  read_back();
  const std::lock_guard lock(mutex_);
  warm_ = !over_;
}

void Warmer::read_back() {
  const Result<std::string> text = read_file(server_.cold()->directory() + kFile);
  if (!text.ok()) return;  // there was none yet
  const Result<std::vector<HotKey>> keys = read_hot_keys(text.value());
  if (!keys.ok()) return;
  std::vector<std::string> part;
  const std::size_t most =
      std::min<std::size_t>(keys->size(), server_.warm_keys.load(std::memory_order_relaxed));
  for (std::size_t i = 0; i < most; ++i) {
    const HotKey& each = keys.value()[i];
    part.push_back(each.key);
    const bool last = i + 1 == most || keys.value()[i + 1].db != each.db;
    if (part.size() < kPart && !last) continue;
    if (!wait_for_routers()) return;
    hand_out(each.db, std::exchange(part, {}));
  }
}

Result<void> Warmer::add(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (tasks_.size() >= kTasksMax) return Error{Code::kExhausted, kTooMany};
    tasks_.push_back(std::move(task));
  }
  wake_.notify_all();
  return {};
}

Result<void> Warmer::preload_pattern(unsigned db, std::string pattern) {
  if (pattern.size() > kPatternBytesMax) {
    return Error{Code::kInvalid, "the pattern is longer than 64 KiB"};
  }
  return add([this, db, pattern = std::move(pattern)] { go_through(db, pattern); });
}

Result<void> Warmer::preload_file(unsigned db, const std::string& path) {
  Result<std::unique_ptr<NamesFile>> opened = NamesFile::open(path);
  if (!opened.ok()) return opened.error();
  const std::shared_ptr<NamesFile> file = std::move(opened.value());
  return add([this, db, file] { go_through(db, *file); });
}

void Warmer::go_through(unsigned db, const std::string& pattern) {
  std::uint64_t place = 0;
  do {
    if (!wait_for_routers()) return;
    struct Wait {
      std::promise<void> done;
      tier::ColdStatus status = tier::ColdStatus::kFailed;
      std::uint64_t next = 0;
      std::vector<tier::ColdStore::ScannedEntry> entries;
    };
    const auto wait = std::make_shared<Wait>();
    std::future<void> done = wait->done.get_future();
    server_.cold()->store().scan(server_.cold()->place(db), place, kPart, false,
                                 [wait](tier::ColdStatus status, std::uint64_t next,
                                        std::vector<tier::ColdStore::ScannedEntry> entries) {
                                   wait->status = status;
                                   wait->next = next;
                                   wait->entries = std::move(entries);
                                   wait->done.set_value();
                                 });
    if (done.wait_for(kScanWaitMax) != std::future_status::ready) return;
    if (wait->status != tier::ColdStatus::kOk) return;
    std::vector<std::string> names;
    for (auto& [key, entry] : wait->entries) {
      if (glob_match(pattern, key)) names.push_back(std::move(key));
    }
    hand_out(db, std::move(names));
    place = wait->next;
  } while (place != 0);
}

void Warmer::go_through(unsigned db, NamesFile& file) {
  std::vector<std::string> names;
  for (bool more = true; more;) {
    const Result<bool> read = file.next(names);
    if (!read.ok()) return server_.log().warning("preload_stopped", read.error().message);
    more = read.value();
    for (std::size_t at = 0; at < names.size(); at += kPart) {
      if (!wait_for_routers()) return;
      const auto begin = names.begin() + static_cast<std::ptrdiff_t>(at);
      const auto end = begin + static_cast<std::ptrdiff_t>(std::min(kPart, names.size() - at));
      hand_out(db, {std::make_move_iterator(begin), std::make_move_iterator(end)});
    }
  }
}

}  // namespace ullage::server
