// SPDX-License-Identifier: Apache-2.0
#pragma once

// Router: hot or cold, for the keys of one thread. There is one beside each shard when the contract
// says where the cold tier is; without, there is none, and nothing of this costs anything.
//
//   switch (router.way(context, session)) ...   // kRun: all that the command must know is here
//   router.park(std::move(post));               // kPark: it runs when its keys are read
//   router.turn();                              // once per turn of the loop
//
// The cold tier has everything that is persisted; the shard is a cache of it, and eviction costs no
// write. A command that needs a key which is neither in the shard nor known to be absent waits, and
// one read per key is under way, however many wait for it (single flight). Who waits for a key
// forms a queue: a later command on the same key queues up behind, so nothing overtakes.
//
// Invariants (1) A command is in the queues of all its keys at once, so no two wait for each other.
// (2) An answer counts only if the key was not changed, flushed or swapped since the read began.
// (3) What a turn changed is handed over before any read that begins after it, and at its end.
// (4) A key is in memory, or in `absent_`, or the cold tier is asked.
// (5) A value that was read is granted from its reader's thread on until its last command has run:
// what the budget denies is dropped there, and read again once there is room. See read_room.h.
// A large one only until it is in memory, if its commands need no other key.
//
// Writes    The shard tells of every change, so no command can forget it; see changes.h. Replies of
//           writes that must be durable first are held back until they are; so are those of writes
//           within a window while anything acknowledged is older than it and not durable. While the
//           cold tier has as much to write as it may, writes wait: clients of this thread as they
//           are, commands from elsewhere in a queue of kPressedMax; beyond, they are refused.
// Threads   Its worker's; and whoever lets that one stand still. Answers come through a box.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/changes.h"
#include "server/cold_tier.h"
#include "server/needs.h"
#include "server/negative.h"
#include "server/parked.h"
#include "server/post.h"
#include "server/read_room.h"
#include "server/warmer.h"
#include "tier/counters.h"

namespace ullage::server {

struct Context;
class Server;
class Worker;

class Router {
 public:
  Router(Worker& worker, ColdTier& cold);
  ~Router();

  enum class Way : std::uint8_t {
    kRun,
    kPark,     // give it to park(), as a copy
    kWait,     // the client waits, and its command comes again
    kRefused,  // an error was replied
  };
  // `session`: of this thread, when the command must run as it is: one that waits keeps its place
  // by Session::parked. Null: it can be copied.
  Way way(Context& context, Session* session);
  void park(PostPtr post);
  static void refuse(Context& context, const Parked& parked);
  // Behind a command that ran with a Session::parked.
  void finished(Session& session);
  // The client is gone.
  void abandon(Session& session);
  // Keys of this command are other threads'.
  bool elsewhere(Context& context);
  // A writer should wait: the cold tier has more to write than it may hold.
  bool congested(Context& context);

  // --- Writes. From the shard, in the middle of an operation:
  void changed(const tier::Key& key, bool gone);
  bool evicting(const tier::Key& key, const tier::Found& found);
  void expired(const tier::Key& key);
  // All threads stand still.
  void flushed(unsigned db);
  void swapped(std::string places);
  void forget_all();
  // For tests: what is persisted leaves memory, and nothing is known to be absent.
  void evict_all();
  // Since the last call, something changed that may not be acknowledged before it is durable.
  bool take_must_hold(std::uint64_t now_ns);
  // When the oldest change was made that is not handed over yet, by the steady clock; 0: none.
  std::uint64_t unhanded_since_ns() const {
    return unhanded_since_ns_.load(std::memory_order_seq_cst);
  }
  // Its reply waits until what was changed so far is durable, here and in `others`.
  using Others = std::vector<std::pair<unsigned, std::uint64_t>>;
  void hold(std::uint64_t session, Slot* slot, Others others = {});
  void hold(PostPtr post, Others others);
  // What a command changed at threads that stand still for it, as far as it must be durable.
  Others hand_over_others(std::uint64_t now_ns);
  // Behind each command: a turn may have changed as much as may wait.
  void after_call() {
    if (!changes_.empty()) hand_over_if_full();
  }
  std::uint64_t hand_over();

  // --- The loop.
  bool news() const { return news_.load(std::memory_order_seq_cst); }
  bool wants_progress() const { return wants_progress_.load(std::memory_order_seq_cst); }
  // The time by which entries end: it stands still while the cold tier fails, for stale_window.
  std::uint64_t clock(std::uint64_t now_ms) const;
  void tell() noexcept;  // from any thread: there is news
  void turn();
  void tick();
  void collect_hot_to_end();

  // --- Keyspace commands (router_survey.cpp). False: its words are wrong, it will say so itself.
  bool begin_survey(Context& context, Parked& parked);
  // An EXEC, before it runs: the next survey that it will need is made, and forgotten, so that a
  // disk that hangs is met while no thread stands. False: there is none.
  bool survey_ahead(Context& context, Parked& parked);
  // In a transaction: waits for it, here and now.
  std::unique_ptr<Surveyed> survey_now(Context& context);

  // Of a command in a transaction, behind others that may have driven its keys out of memory: has
  // them read here and now. False: that failed.
  bool read_now(Context& context);

  // What a command may wait for the disk while its thread stands, of `most`. Once that was not
  // enough it is next to nothing for a while: a disk that hangs is waited for once, not each time.
  std::chrono::milliseconds patience(std::chrono::milliseconds most) const;
  void waited(bool enough);

  // Which of these are in either tier: those that memory does not know are read here and now, side
  // by side. All threads stand still. False: that failed.
  bool there_now(const std::vector<KeyNeed>& keys, std::vector<bool>& there);

  // --- Reading ahead (preload.cpp): at low priority, and only what fits. From any thread:
  void put_preloads(std::vector<std::pair<unsigned, std::string>> keys);
  std::size_t preloads_outstanding() const { return outstanding_.load(std::memory_order_relaxed); }
  std::size_t preload_bytes() const { return outstanding_bytes_.load(std::memory_order_relaxed); }

  // Why an entry is where it is: the last time that it came into memory, or left.
  enum class Moved : std::uint8_t { kNever, kEvicted, kRead, kPreloaded, kWritten };
  std::pair<Moved, std::uint64_t> last_move(const tier::Key& key) const;
  // Of a command that looks at a key: what was read, or null.
  const KeyWait* looked_at(const tier::Key& key) { return find(key); }

  ColdTier& cold() { return cold_; }
  const Negative& absent() const { return absent_; }
  bool known_absent(const tier::Key& key) const;

  // Written by its thread, read by any.
  struct Figures {
    tier::Tally parked, reads, found, missing, failed, dropped_fills, denied_fills, lent;
    tier::Tally negative_hits, changes, handed_over, held, late, refused_writes, preloaded;
    tier::Tally pressed, shed_writes, dropped_reads, read_room;
    tier::Tally waiting_keys, waiting_commands, held_now, negative_entries, preload_waiting;
  };
  const Figures& figures() const { return figures_; }

 private:
  struct Answer {
    std::uint64_t read = 0;
    tier::ColdStatus status = tier::ColdStatus::kFailed;
    tier::ColdEntry entry;
    std::uint64_t bytes = 0;  // of the value, granted; or it was dropped, for there was no room
    bool dropped = false;
    std::shared_ptr<Parked> survey;  // instead: a part of a survey,
    bool begins = false;             // or that it may begin
    std::uint64_t next = 0;
    std::vector<tier::ColdStore::ScannedEntry> scanned;
    bool preload = false;
    unsigned db = 0;
    std::string key;
  };
  struct Unsent {
    std::uint64_t read = 0, since_ms = 0;
    std::uint64_t bytes = 0;  // once dropped: the room that it takes
  };
  struct Held {
    std::uint64_t session = 0;
    Slot* slot = nullptr;  // of the session
    PostPtr post;          // or the reply itself
    std::uint64_t number = 0;
    Others others;
  };

  // Of a command from elsewhere, while the cold tier is congested.
  struct Pressed {
    std::shared_ptr<Parked> parked;
    std::uint64_t since_ms = 0;
    std::size_t bytes = 0;
  };
  // Commands and bytes that wait on one thread because the cold tier is congested.
  static constexpr std::size_t kPressedMax = 4096, kPressedBytesMax = std::size_t{16} << 20;

  void hand_over_if_full();
  void gather(Context& context);
  void gather_exec(Session& session);
  bool refuses(Context& context);
  bool late(std::uint64_t now_ns) const;
  void press(const std::shared_ptr<Parked>& parked);
  void relieve();
  KeyWait* find(const tier::Key& key);
  KeyWait& wait_for(const KeyNeed& need);
  bool holds_up(const KeyNeed& need);
  bool known(KeyWait& wait);
  void enqueue(const std::shared_ptr<Parked>& parked);
  void settle(KeyWait& wait);
  void unblock(const std::shared_ptr<Parked>& parked);
  void leave(const std::shared_ptr<Parked>& parked);
  bool lend(Parked& parked);
  void start_read(KeyWait& wait);
  void send_reads();
  void keep_value(Answer& answer, tier::ColdStatus status, tier::ColdEntry& entry);
  void make_read_room(bool idle = false);
  bool grow_room(std::uint64_t bytes);
  bool room_for_one(std::uint64_t bytes);
  void drop_value(KeyWait& wait);
  void fail(KeyWait& wait, std::atomic<bool> Parked::*why = nullptr);
  void fail_late();
  void reset(KeyWait& wait);
  void erase(KeyWait& wait);
  void answer(Answer& answer);
  void answer_survey(Answer& answer);
  void answer_preload(Answer& answer);
  void start_survey(const std::shared_ptr<Parked>& parked);
  void put_awaiting(std::shared_ptr<Parked> parked);
  void let_begin();
  void scan_more(const std::shared_ptr<Parked>& parked);
  bool add_to_survey(Surveyed& survey, tier::ColdStatus status, std::uint64_t next,
                     std::vector<tier::ColdStore::ScannedEntry>& entries);
  void fill(KeyWait& wait);
  bool run_ready();
  void run(const std::shared_ptr<Parked>& parked);
  bool release();
  void deliver(Held& held);
  void fail_held();
  void preload_some();
  void take_preloads();
  void preload_done(std::size_t name_bytes);
  void moved(const tier::Key& key, Moved how);
  void note_write(const tier::Key& key, bool gone);
  void collect_hot();
  tier::Shard& shard();
  Router& owner_of(std::uint64_t hash);
  void put(Answer answer);

  Worker& worker_;
  ColdTier& cold_;
  Negative absent_;
  Changes changes_;
  bool must_hold_ = false, windowed_ = false, sync_ = false;
  std::atomic<std::uint64_t> unhanded_since_ns_{0};
  std::deque<Pressed> pressed_;
  std::size_t pressed_bytes_ = 0;
  std::uint64_t last_number_ = 0;
  std::atomic<std::uint64_t> impatient_until_ns_{0};
  std::deque<Held> held_;
  std::size_t unnumbered_ = 0;  // at the end of held_: of this turn

  std::vector<KeyNeed> needs_;
  std::unordered_multimap<std::uint64_t, std::unique_ptr<KeyWait>> waits_;  // by hash
  std::unordered_map<std::uint64_t, KeyWait*> reads_;                       // by number
  std::uint64_t next_read_ = 0;
  std::deque<Unsent> unsent_;
  std::size_t in_flight_ = 0;  // those that the store has, also when nobody needs them now
  std::vector<std::shared_ptr<Parked>> surveys_;  // with a part under way
  ReadRoom room_;
  std::uint64_t kept_bytes_ = 0, lent_bytes_ = 0;  // of waits_; of what the shard was lent
  std::shared_ptr<Parked> next_parked_;            // of way(), for park()
  std::deque<std::shared_ptr<Parked>> ready_;

  std::deque<std::pair<unsigned, std::string>> preload_;
  std::vector<std::pair<unsigned, std::string>> preload_box_;
  std::atomic<std::size_t> outstanding_{0}, outstanding_bytes_{0};
  std::size_t preloading_ = 0;
  std::vector<std::uint64_t> preload_hashes_;  // being read, and not changed since

  std::mutex box_mutex_;
  std::vector<Answer> box_;
  std::vector<std::shared_ptr<Parked>> ready_box_;  // of other threads' doing
  // Surveys of other threads' that begin when this one has handed over: as they were put, and
  // taken.
  std::vector<std::shared_ptr<Parked>> awaiting_box_, awaiting_;
  std::vector<Answer> taken_;
  std::atomic<bool> news_{false}, wants_progress_{false};

  // The latest moves, by hash: a newer one takes the place of an older one.
  static constexpr std::size_t kMoves = 4096;
  struct Move {
    std::uint64_t hash = 0, at_ms = 0;
    Moved how = Moved::kNever;
  };
  std::vector<Move> moves_ = std::vector<Move>(kMoves);

  // A pass over memory for what is hot (preload.cpp).
  std::shared_ptr<HotNames> hot_;  // null: it begins
  unsigned hot_db_ = 0;
  std::uint64_t hot_place_ = 0;
  Figures figures_;
};

// FLUSHDB, FLUSHALL, SWAPDB: the cold tier's part, if there is one. All threads stand still.
void flush_cold(Context& context, unsigned first_db, unsigned end_db);
// Before the shards swap; and behind it.
void swap_cold(Context& context, unsigned one, unsigned other);
void forget_cold(Server& server);

}  // namespace ullage::server
