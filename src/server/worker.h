// SPDX-License-Identifier: Apache-2.0
#pragma once

// Worker: one thread of the server: its loop, its clients, its shard.
//
// A turn of the loop reads what clients sent, at most kReadBytes each, runs every command in it,
// and writes each client's replies at once. A command for a shard of another thread is posted
// there; its reply comes back as a post, and waits for its turn in the client's order.
//
// With one thread nothing is posted and nothing is locked.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/context.h"
#include "server/early_refresh.h"
#include "server/post.h"
#include "server/session.h"
#include "server/stats.h"
#include "tier/shard.h"

namespace ullage::server {

class Router;
class Server;
struct Parked;

// What one client is read of in one turn: some hundred commands, a millisecond at most.
inline constexpr std::size_t kReadBytes = 32 * 1024;
// What a client may send in one command before it has said who it is, where it must.
inline constexpr std::size_t kStrangerWordsMax = 10, kStrangerWordBytesMax = 16 * 1024;
// TLS handshakes of one thread that may be under way, and how long one may take: each holds some
// 40 KB and costs a signature, which is what floods of them are after.
inline constexpr std::size_t kHandshakesMax = 256;
inline constexpr std::uint64_t kHandshakeMs = 10'000;
// Buffers of a client up to here are free; more is granted by the budget.
inline constexpr std::size_t kFreeBufferBytes = 64 * 1024;
// What one write hands to a socket, and what one client is written in one turn: the kernel copies
// some 0.3 ms a MiB, and the others wait meanwhile.
inline constexpr std::size_t kSendBytes = 256 * 1024, kWriteBytes = 1024 * 1024;
// Replies on their way between threads, and in slots, that are not counted.
inline constexpr std::size_t kSmallReplyBytes = 4 * 1024;

class Worker final : public tier::Listener {
 public:
  Worker(Server& server, unsigned index);
  ~Worker();

  // The thread's whole life. Its own listening sockets; -1: none.
  void run(int listener, int tls_listener);
  // From any thread.
  void wake() noexcept;
  // Its thread has ended: it stands still for good.
  std::atomic<bool> gone{false};
  void settled(std::uint64_t bytes) noexcept;
  void drain() noexcept { draining_.store(true), wake(); }
  Inbox& inbox() { return inbox_; }

  Server& server() { return server_; }
  unsigned index() const { return index_; }
  tier::Shard& shard() { return *shard_; }
  Stats& stats() { return stats_; }
  EarlyRefresh& early_refresh() { return early_refresh_; }
  std::uint64_t now_ms() const { return now_ms_; }
  std::unordered_map<std::uint64_t, std::unique_ptr<Session>>& sessions() { return sessions_; }

  // Out of band, to a client of any thread.
  void push(unsigned worker, std::uint64_t session, PushKind kind, std::vector<std::string> words,
            bool redirected = false, SharedText shared = nullptr);
  // A copy of it for several clients. Null: denied. Entries may go for it: see borrow().
  SharedText shared_text(std::string_view text);
  // As its user has them, now that it is another.
  void limit_words(Session& session);
  // Closes a client of this thread (which runs, or stands still).
  void kill(Session& session);
  // Its next turn comes although nothing arrives (a pause has ended).
  void resume_waiting();
  void resume_soon() noexcept { next_tick_ms_ = 0, wake(); }  // everything stands still
  void reset_stats();
  // Runs queued words as a command of the session, in EXEC.
  void run_queued(Context& exec, std::span<const std::string_view> words);
  // Bytes written for this session right now, for pushes in the middle of its command.
  void note_slow(Session* session, const Context& context, std::uint64_t ns);
  // Buffers of this client, for CLIENT LIST.
  void forget_watches(Session& session);
  // Memory for something large, from the budget; in a full store entries go for it, and for the
  // value of `beside` bytes that it may become: one write alone may not evict so many. Not in the
  // middle of the shard's work, and views of it are no longer good.
  bool borrow(std::uint64_t bytes, std::uint64_t beside);
  // As borrow() makes it, by the other threads, which stand still. Not in the middle of a command.
  void others_make_room(std::uint64_t bytes);
  // As borrow(), for a part of what is on its way: whoever has most makes room for `beside`, while
  // the rest arrives; the last part is as borrow().
  bool borrow_part(std::uint64_t bytes, std::uint64_t beside, bool last);
  // As borrow(), where there is mostly room.
  bool afford(std::uint64_t bytes);
  // Room for `more` bytes of a reply, granted before it is there; the same holds as for borrow().
  // False: denied. Replies up to 4 MiB are made first and granted then.
  bool lend_reply(wire::ByteBuffer& reply, std::size_t more);
  static bool reply_grows(const wire::ByteBuffer& reply, std::size_t more);

  // Standing still: see standstill.h.
  std::atomic<std::uint64_t> park_wanted{0}, parked_at{0};
  void park_if_wanted();

  void on_removed(unsigned db, std::string_view key, tier::Removal why) noexcept override;
  void on_changed(const tier::Key& key, bool erased) noexcept override;
  bool on_evicting(const tier::Key& key, const tier::Found& found) noexcept override;
  const tier::Kept* kept() noexcept override;

  // Null: there is no cold tier.
  Router* router() { return router_.get(); }

 private:
  friend class Router;  // runs what has waited for the cold tier

  enum class Ran { kDone, kWait };

  void turn(int timeout_ms);
  bool step(std::chrono::nanoseconds time);
  void accept_clients(int listener);
  bool turn_away(int listener);
  void listen(bool on);
  bool may_come(const Session& session, bool from_here);
  void ready(Session& session, std::uint32_t events);
  static bool may_be_silent(const Session& session);
  void readable(Session& session);
  void read_some(Session& session);
  // What becomes of a client that sends a large word.
  enum class Room { kThere, kLater, kDenied };
  Room room_to_read(Session& session, std::size_t& room);
  Room wait_for_room(Session& session);
  void look_for_room();
  void cut_unfinished();
  // As recv() and send(), over TLS where the client speaks it.
  ssize_t receive(Session& session, char* into, std::size_t room);
  ssize_t transmit(Session& session, std::string_view bytes);
  ssize_t transmit_queue(Session& session, std::size_t most);
  void begin_tls(Session& session);
  void shake(Session& session);
  void end_handshake(Session& session);
  void cut_handshakes();
  std::size_t process(Session& session, std::string_view bytes);
  void process_held(Session& session);
  // One command among those that were cut from a client's bytes.
  struct Cut {
    std::vector<std::string_view> words;
    std::size_t end = 0;  // where its bytes end
    const Command* command = nullptr;
    std::uint64_t hash = 0;  // of its first key, when `hashed`
    bool hashed = false;
  };
  struct Memo {
    char name[16];
    std::size_t size = 0;
    const Command* command = nullptr;
  };
  static constexpr std::size_t kBatch = 16, kMemos = 64;

  const Command* command_named(std::string_view name);
  wire::Parsed cut_batch(Session& session, std::string_view bytes, std::size_t& count);
  Context context_of(Session& session, std::span<const std::string_view> words,
                     const Command* command);
  Ran run_command(Session& session, Cut& cut);
  Ran dispatch(Session& session, const Command& command, Cut& cut);
  Ran run_standing(Session& session, Context& context, std::size_t before);
  Ran finish(Session& session, Context& context, std::size_t before);
  // With a cold tier (worker_tiered.cpp).
  Ran finish_tiered(Session& session, Context& context, std::size_t before);
  void hold_reply(Session& session, std::size_t before,
                  std::vector<std::pair<unsigned, std::uint64_t>> others, SharedText shared);
  bool call_tiered(Context& context, PostPtr& post, const Parked* parked);
  void run_parked(PostPtr post, const Parked& parked);
  void resume(const Parked& parked);
  void fill_slot(std::uint64_t session, Slot* slot);
  void replace_slot(std::uint64_t session, Slot* slot, std::string_view error);
  void send_reply(PostPtr post);
  void return_loan(Post& post);
  void grant_errand(Post& post);
  void run_words(PostPtr& post, const Parked* parked);
  void after_reply(Session& session, const Command& command);
  bool refused(Session& session, Context& context, const Command* command);
  void call(Context& context);
  void run(Context& context);
  void call_with(Context& context, std::string_view bytes, std::uint64_t& granted,
                 std::uint64_t& taken, unsigned granted_to);
  void after_call(Session& session, Context& context, std::size_t before);
  void finish_reply(Session& session, std::size_t before, SharedText shared = nullptr);
  void queue_shared(Session& session, SharedText shared);
  void abort_exec(Context& context, std::size_t before);
  bool must_pause(const Session& session, const Command& command) const;
  bool queue_command(Session& session, const Command& command,
                     const std::vector<std::string_view>& words);
  // Commands whose parts several threads run (worker_gather.cpp).
  bool may_scatter(const Session& session, const Command& command) const;
  void scatter(Session& session, Context& context);
  void send_parts(Session& session, Slot& slot, const Caller& caller);
  void assemble(Slot& slot, int resp);
  void take_part(Session& session, Post& post);
  bool run_whole(Session& session, Slot& slot, Caller& caller);
  void ran_part(Post& post);
  void put_behind(Session& session);
  bool measures_cpu() const;
  void begin_call();
  void show(const Session& session, const Command& command,
            std::span<const std::string_view> words);
  void count(const Command& command, std::uint64_t ns, bool failed);
  void fill_post(Post& post, const Command& command, std::span<const std::string_view> words,
                 std::uint64_t hash);
  Slot& promise_reply(Session& session);
  static void copy_words(Post& post, std::span<const std::string_view> words);
  void begin_post(Post& post, const Command& command, std::uint64_t hash);
  bool hand_words(Session& session, Post& post, std::span<const std::string_view> words);
  void forward(Session& session, Context& context, unsigned to);
  PostPtr copied(Session& session, const Command& command, std::span<const std::string_view> words,
                 std::uint64_t hash);
  bool may_run_more() const;
  void take_posts();
  void take_reply(Post& post);
  void run_post(PostPtr post);
  void deliver(Session& session, PushKind kind, const std::vector<std::string>& words,
               bool redirected, const SharedText& shared = nullptr);
  void cut_deaf(Session& session, Tally& why);
  void keep_reply(Slot& slot, std::size_t before);
  static void count_slot(Session& session, Slot& slot);
  void keep_slot(Session& session, Slot& slot);
  void settle_slots(Session& session);
  void spill(Session& session);
  void flush(Session& session);
  void mark_dirty(Session& session);
  void watch_events(Session& session);
  // What the budget must grant for it, and for `more` bytes of it.
  static std::uint64_t buffer_bytes(const Session& session, std::uint64_t more = 0);
  bool try_grant(Session& session);
  void note_buffers(const Session& session);
  bool grant_buffers(Session& session);
  bool afford_buffers(Session& session);
  bool make_room(std::uint64_t bytes);
  void close_dead();
  void close(Session& session);
  void tick();
  void send_posts();
  PostPtr new_post();

  Server& server_;
  const unsigned index_;
  std::unique_ptr<tier::Shard> shard_;
  std::unique_ptr<Router> router_;
  Stats stats_;
  EarlyRefresh early_refresh_;
  int epoll_ = -1, wake_fd_ = -1, listener_ = -1, tls_listener_ = -1;
  int spare_fd_ = -1;       // given up for a moment to turn somebody away, when there is no other
  bool listening_ = false;  // not from when no descriptor was left until the next tick
  std::size_t handshakes_ = 0;  // under way
  std::atomic<bool> sleeping_{false}, draining_{false};
  std::uint64_t now_ms_ = 0;  // Unix time: what entries expire by
  // By the steady clock, which nobody sets: what is waited for, and how long clients are silent.
  std::uint64_t steady_ms_ = 0, next_tick_ms_ = 0, drain_until_ms_ = 0;
  std::uint64_t buffers_until_ms_ = 0;  // what is the largest of late is looked for anew
  bool more_steps_ = false;

  std::unordered_map<std::uint64_t, std::unique_ptr<Session>> sessions_;
  std::vector<std::uint64_t> dirty_, dead_;
  std::vector<std::uint64_t> unfinished_;  // clients of whom half a command is here, or was lately
  std::vector<Session*> waiting_;
  std::vector<Session*> thirsty_;  // whose large word waits for room
  std::uint64_t others_again_ms_ = 0;
  std::uint64_t lacking_ = 0;  // what borrow() did not get, for the command under way
  std::unique_ptr<char[]> read_buffer_;
  std::array<Cut, kBatch> batch_;
  std::array<Memo, kMemos> memos_{};
  wire::ByteBuffer scratch_;   // replies of the client whose turn it is
  wire::ByteBuffer aside_;     // of the command under way, when its reply is not wanted
  wire::ByteBuffer deferred_;  // pushes to the client whose command is under way
  Session* current_ = nullptr;
  bool in_call_ = false;

  Inbox inbox_;
  std::vector<PostPtr> taken_, spare_, errands_done_;
  std::vector<std::vector<PostPtr>> outboxes_;
  std::deque<PostPtr> backlog_;  // commands of others, while they have not taken enough
  std::atomic<std::uint64_t> owed_{0};
  std::uint64_t call_started_ns_ = 0, call_started_cpu_ns_ = 0, last_part_ns_ = 0;
  std::uint64_t lent_ = 0;  // for the reply under way, until it is somewhere
  // Of the post under way: its client, and what that is to be told behind the reply.
  std::uint64_t posted_caller_ = 0;
  std::vector<PostPtr> behind_reply_;
};

}  // namespace ullage::server
