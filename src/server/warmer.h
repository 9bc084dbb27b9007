// SPDX-License-Identifier: Apache-2.0
#pragma once

// Warmer: the thread that has keys read ahead: those that were hot before a restart, and those that
// somebody names (ULLAGE.PRELOAD). It hands names to the routers, which read at low priority.
//
//   Warmer warmer(server);
//   warmer.begin();                       // reads the saved list, and saves one every minute
//   warmer.preload_pattern(db, "user:*"); // from any thread; at once back
//   warmer.end();                         // its thread ends; threads of the server have
//
// The list is a file in the cold tier's directory, replaced as a whole: a line of how often, which
// database and how many bytes, then the key. A file that can't be read is told and left alone: the
// store serves all the same.
//
// Bounds: persistence.warm_keys names, and a 128th of residency.hot for their bytes (twice: a pass
// is under way while the last one's names are kept). A pass over memory takes some 100 us of each
// thread's tick. Of what somebody names, 16 files and patterns wait, and as many names as 4 MiB
// hold are under way.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"
#include "server/hot_names.h"

namespace ullage::server {

class NamesFile;
class Server;

struct HotKey {
  std::uint8_t frequency = 0, db = 0;
  std::string key;
};
// The saved list, in parts that lie in `names`: the most used first.
using HotLists = std::vector<std::shared_ptr<const HotNames>>;  // null: none yet
std::vector<std::string_view> hot_list(const HotLists& names);
Result<std::vector<HotKey>> read_hot_keys(std::string_view text);

class Warmer {
 public:
  explicit Warmer(Server& server);
  ~Warmer();

  void begin();
  void end();
  // Errors: too many wait already, a file that can't be opened, is none, or waits for who writes
  // it.
  Result<void> preload_pattern(unsigned db, std::string pattern);
  Result<void> preload_file(unsigned db, const std::string& path);  // keys, one on a line
  Result<void> preload_keys(unsigned db, std::vector<std::string> keys);
  // What a pass over memory has found; of one thread.
  void take_hot(unsigned worker, std::shared_ptr<const HotNames> names);
  // What a pass of one thread may keep, all in all.
  HotNames room_for_names() const;
  // Threads have ended.
  void save();

 private:
  void run();
  void warm_up();
  void read_back();
  void go_through(unsigned db, const std::string& pattern);
  void go_through(unsigned db, NamesFile& file);
  Result<void> add(std::function<void()> task);
  void hand_out(unsigned db, std::vector<std::string> keys);
  bool routers_full(std::size_t names_max) const;
  bool wait_for_routers();  // false: it is over

  Server& server_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool over_ = false, warm_ = false;
  std::vector<std::function<void()>> tasks_;
  HotLists hot_;
  std::thread thread_;
};

}  // namespace ullage::server
