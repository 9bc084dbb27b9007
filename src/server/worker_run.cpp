// SPDX-License-Identifier: Apache-2.0
//
// Commands run here: on the thread that owns their keys.
#include <algorithm>
#include <optional>
#include <utility>

#include "server/clock.h"
#include "server/keys_of.h"
#include "server/router.h"
#include "server/secrets.h"
#include "server/server.h"
#include "server/standstill.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

// Commands of one client under way on other threads; the next one waits.
constexpr std::size_t kSlotsMax = 1024;
// Posts kept for reuse.
constexpr std::size_t kSparePostsMax = 1024;
// What SLOWLOG keeps of a command.
constexpr std::size_t kSlowWordsMax = 32, kSlowWordBytesMax = 128;

}  // namespace

Worker::Ran Worker::dispatch(Session& session, const Command& command, Cut& cut) {
  const std::vector<std::string_view>& words = cut.words;
  Context context = context_of(session, words, &command);
  const std::size_t before = scratch_.size();
  session.last_command = &command;
  ++session.commands;
  const auto first = static_cast<std::size_t>(command.first_key);
  if (command.first_key > 0 && first < words.size()) {
    context.first_hash =
        cut.hashed && &command == cut.command ? cut.hash : tier::hash_text(words[first]);
    context.hashed = true;
    if (words[first].size() > server_.config().max_key_bytes && (command.flags & kWrite)) {
      context.error("ERR key is longer than server.max_key allows");
      stats_.commands[command_index(&command)].rejected.add();
      finish_reply(session, before);
      return Ran::kDone;
    }
  }
  if (router_ != nullptr && router_->congested(context)) return Ran::kWait;
  if (outboxes_.size() > 1 && command.route != Route::kHere) {
    const unsigned count = static_cast<unsigned>(outboxes_.size());
    switch (command.route) {
      case Route::kHere:
        break;
      case Route::kKey: {
        const unsigned owner = context.key(first).shard(count);
        if (owner == index_) break;
        if (session.slots.size() >= kSlotsMax) return Ran::kWait;
        forward(session, command, words, context.first_hash, owner);
        return Ran::kDone;
      }
      case Route::kParts:
      case Route::kKeys: {
        const int owner = owner_of(context, count);
        if (owner == static_cast<int>(index_)) break;
        if (owner >= 0 && session.slots.size() < kSlotsMax) {
          forward(session, command, words, context.first_hash, static_cast<unsigned>(owner));
          return Ran::kDone;
        }
        if (owner < 0 && may_scatter(session, command)) {
          if (session.slots.size() >= kSlotsMax) return Ran::kWait;
          scatter(session, context);
          return Ran::kDone;
        }
        [[fallthrough]];
      }
      case Route::kAll: {
        if (!session.slots.empty()) return Ran::kWait;
        const bool changes = (command.flags & kWrite) != 0;
        const Standstill still(server_, this,
                               changes ? Standstill::For::kChanges : Standstill::For::kLooks);
        return finish(session, context, before);
      }
      case Route::kOrdered:
        if (!session.slots.empty()) return Ran::kWait;
        break;
    }
  }
  return finish(session, context, before);
}

// It is on the right thread: now it runs, unless it has to wait for the cold tier.
Worker::Ran Worker::finish(Session& session, Context& context, std::size_t before) {
  if (router_ != nullptr) return finish_tiered(session, context, before);
  call(context);
  after_call(session, context, before);
  return Ran::kDone;
}

void Worker::call(Context& context) {
  const bool outer = in_call_;
  in_call_ = true;
  context.command->run(context);
  in_call_ = outer;
  const std::uint64_t now = steady_ns();
  const std::uint64_t ns = now - call_started_ns_;
  call_started_ns_ = now;
  if (ns > stats_.command_ns_max.value()) stats_.command_ns_max.set(ns);
  if (measures_cpu()) {
    const std::uint64_t cpu = thread_cpu_ns();
    const std::uint64_t took = cpu - call_started_cpu_ns_;
    if (call_started_cpu_ns_ != 0 && took > stats_.command_cpu_ns_max.value()) {
      stats_.command_cpu_ns_max.set(took);
    }
    call_started_cpu_ns_ = cpu;
  }
  if (context.part) {
    last_part_ns_ = ns;
  } else {
    count(*context.command, ns, context.failed);
  }
  if (context.caller.tracking && (context.command->flags & kReadonly)) {
    for_each_key(*context.command, context.words, [&](std::size_t i) {
      server_.tracking().remember(context.caller.id, context.words[i],
                                  server_.config().tracking_table_max_keys, *this);
    });
  }
  if (context.session != nullptr) [[likely]] {
    show(*context.session, *context.command, context.words);
  }
  const Config& config = server_.config();
  if (config.slowlog_log_slower_than_us >= 0 &&
      ns >= static_cast<std::uint64_t>(config.slowlog_log_slower_than_us) * 1000) {
    note_slow(context.session, context, ns);
  }
  if (config.latency_monitor_threshold_ms > 0 &&
      ns >= config.latency_monitor_threshold_ms * 1'000'000) {
    server_.latency().add_event((context.command->flags & kFast) ? "fast-command" : "command",
                                static_cast<std::int64_t>(unix_ms() / 1000),
                                static_cast<std::uint32_t>(ns / 1'000'000));
  }
}

bool Worker::measures_cpu() const { return server_.config().latency_monitor_threshold_ms > 0; }

// What comes now is the next command's time.
void Worker::begin_call() {
  call_started_ns_ = steady_ns();
  call_started_cpu_ns_ = measures_cpu() ? thread_cpu_ns() : 0;
}

// For those who watch: on the thread of the client, behind all it did before.
void Worker::show(const Session& session, const Command& command,
                  std::span<const std::string_view> words) {
  if (!server_.monitors().any()) [[likely]]
    return;
  const bool outer = in_call_;
  in_call_ = true;  // one that watches itself is told behind the reply
  server_.monitors().tell(*this, session, command, words);
  in_call_ = outer;
}

void Worker::count(const Command& command, std::uint64_t ns, bool failed) {
  CommandStats& stats = stats_.commands[command_index(&command)];
  stats.calls.add();
  stats.ns.add(ns);
  stats.durations.record(ns);
  stats_.processed.add();
  if (failed) stats.failed.add();
}

void Worker::note_slow(Session* session, const Context& context, std::uint64_t ns) {
  if ((context.command->flags & kSkipSlowlog) || server_.config().slowlog_max_len == 0) return;
  SlowEntry entry;
  entry.unix_s = static_cast<std::int64_t>(unix_ms() / 1000);
  entry.us = static_cast<std::int64_t>(ns / 1000);
  const std::vector<std::string_view> words = without_secrets(*context.command, context.words);
  const std::size_t count = words.size();
  for (std::size_t i = 0; i < std::min(count, kSlowWordsMax); ++i) {
    if (count > kSlowWordsMax && i == kSlowWordsMax - 1) {
      entry.words.push_back("... (" + std::to_string(count - i) + " more arguments)");
      break;
    }
    const std::string_view word = words[i];
    std::string kept(word.substr(0, kSlowWordBytesMax));
    if (word.size() > kSlowWordBytesMax) {
      kept += "... (" + std::to_string(word.size() - kSlowWordBytesMax) + " more bytes)";
    }
    entry.words.push_back(std::move(kept));
  }
  if (session != nullptr) {
    entry.peer = session->peer;
    if (session->known_extras() != nullptr) entry.name = session->known_extras()->name;
  }
  server_.latency().add_slow(std::move(entry), server_.config().slowlog_max_len);
}

void Worker::after_call(Session& session, Context& context, std::size_t before) {
  finish_reply(session, before);
  after_reply(session, *context.command);
}

void Worker::after_reply(Session& session, const Command& command) {
  if (!deferred_.empty()) {
    // Behind the reply, which may have to wait itself.
    (session.slots.empty() ? scratch_ : session.slots.back().reply).append(deferred_.view());
    deferred_.clear();
  }
  if (session.known_extras() == nullptr) return;
  TrackingState& tracking = session.extras().tracking;
  if (tracking.caching_next && !session.multi &&
      !std::string_view(command.name).starts_with("client")) {
    tracking.caching_next = false;
    session.tracking = tracking.on && !tracking.broadcast && !tracking.optin;
  }
}

void Worker::run_queued(Context& exec, std::span<const std::string_view> words) {
  const Command* command = find_command(words[0]);
  if ((command->flags & kContainer) && words.size() > 1) {
    command = find_subcommand(*command, words[1]);
  }
  Context context{server_, *this, exec.caller, exec.session, words, command, exec.out, 0, false};
  context.queued = true;
  context.out = wire::ReplyWriter(exec.out.buffer(), exec.caller.resp);
  if (exec.caller.guarded && refused_in_exec(context)) return;
  if (router_ == nullptr) return call(context);
  const std::unique_ptr<Surveyed> surveyed = router_->survey_now(context);
  context.surveyed = surveyed.get();
  if (!router_->read_now(context) || (surveyed != nullptr && surveyed->failed)) {
    return context.error("TRYAGAIN the cold tier can't be read: " + server_.cold()->trouble());
  }
  call(context);
}

void Worker::forward(Session& session, const Command& command,
                     const std::vector<std::string_view>& words, std::uint64_t hash, unsigned to) {
  outboxes_[to].push_back(copied(session, command, words, hash));
}

// A command that is run somewhere else, or later: its reply has a slot.
PostPtr Worker::copied(Session& session, const Command& command,
                       std::span<const std::string_view> words, std::uint64_t hash) {
  show(session, command, words);
  PostPtr post = new_post();
  fill_post(*post, command, words, hash);
  post->caller = session;
  post->slot = &promise_reply(session);
  return post;
}

void Worker::fill_post(Post& post, const Command& command, std::span<const std::string_view> words,
                       std::uint64_t hash) {
  post.kind = Post::Kind::kCommand;
  post.from = index_;
  post.command = &command;
  post.first_hash = hash;
  post.part = false;
  post.lengths.clear();
  post.bytes.clear();
  for (const std::string_view word : words) {
    post.lengths.push_back(static_cast<std::uint32_t>(word.size()));
    post.bytes.append(word);
  }
}

// The place of a reply that is still to come.
Slot& Worker::promise_reply(Session& session) {
  Slot& slot = session.slots.emplace_back();
  slot.dropped = session.reply_mode != ReplyMode::kOn;
  if (session.reply_mode == ReplyMode::kSkip) session.reply_mode = ReplyMode::kOn;
  return slot;
}

PostPtr Worker::new_post() {
  if (spare_.empty()) return std::make_unique<Post>();
  PostPtr post = std::move(spare_.back());
  spare_.pop_back();
  return post;
}

void Worker::send_posts() {
  const auto holds_reply = [](const std::vector<PostPtr>& box) {
    return std::any_of(box.begin(), box.end(),
                       [](const PostPtr& post) { return post->kind == Post::Kind::kReply; });
  };
  // Replies last: whoever has one finds that what it brought about was told before, so that the
  // next command's events come behind this one's, whichever thread tells them.
  for (const bool replies : {false, true}) {
    for (std::size_t to = 0; to < outboxes_.size(); ++to) {
      if (outboxes_[to].empty() || holds_reply(outboxes_[to]) != replies) continue;
      stats_.posts.add(outboxes_[to].size());
      Worker& other = *server_.workers()[to];
      other.inbox_.put(outboxes_[to]);
      other.wake();
    }
  }
  if (!errands_done_.empty()) server_.errand_box().give(errands_done_);
}

void Worker::take_posts() {
  if (!inbox_.take(taken_)) return;
  for (PostPtr& post : taken_) run_post(std::move(post));
  taken_.clear();
  if (!waiting_.empty()) resume_waiting();
}

void Worker::run_post(PostPtr post) {
  switch (post->kind) {
    case Post::Kind::kCommand:
      run_words(post, nullptr);
      if (post != nullptr) send_reply(std::move(post));
      return;
    case Post::Kind::kReply: {
      const auto found = sessions_.find(post->caller.id);
      if (found != sessions_.end() && post->part) {
        take_part(*found->second, *post);
      } else if (found != sessions_.end()) {
        post->slot->reply.swap(post->bytes);
        post->slot->granted_bytes += std::exchange(post->lent, 0);
        if (post->slot->dropped) post->slot->reply.release();
        post->slot->done = true;
        if (!found->second->dead) settle_slots(*found->second);
      }
      return_loan(*post);  // of a client that is gone
      break;
    }
    case Post::Kind::kPush:
      if (const auto found = sessions_.find(post->session); found != sessions_.end()) {
        deliver(*found->second, post->push, post->words, post->redirected);
      }
      break;
  }
  if (post->bytes.capacity() <= kFreeBufferBytes && spare_.size() < kSparePostsMax) {
    spare_.push_back(std::move(post));
  }
}

// Runs the command in a post, which then holds the reply; null afterwards: it has to wait.
void Worker::run_words(PostPtr& post, const Parked* parked) {
  std::vector<std::string_view> words;
  const char* at = post->bytes.data();
  for (const std::uint32_t length : post->lengths) {
    words.emplace_back(at, length);
    at += length;
  }
  if (post->has_last) words.push_back(post->last.view());
  aside_.clear();
  begin_call();
  last_part_ns_ = 0;
  Context context{server_,
                  *this,
                  post->caller,
                  nullptr,
                  words,
                  post->command,
                  wire::ReplyWriter(aside_, post->caller.resp),
                  post->first_hash,
                  true};
  context.part = post->part;
  posted_caller_ = post->caller.id;
  const bool asked = parked == nullptr && post->caller.guarded;
  if (asked && refused_at_door(context, kAtTop)) {
    // The error is its reply.
  } else if (router_ == nullptr) {
    std::optional<Standstill> still;  // of an errand: workers do this before they post
    if (post->command->route == Route::kAll) still.emplace(server_, this);
    call(context);
  } else if (!call_tiered(context, post, parked)) {
    posted_caller_ = 0;
    return;
  }
  posted_caller_ = 0;
  post->bytes.swap(aside_);
  if (aside_.capacity() > 2 * kFreeBufferBytes) aside_.release();  // it had a large value
  post->kind = Post::Kind::kReply;
  post->lent = std::exchange(lent_, 0);
  if (post->part) ran_part(*post);
}

void Worker::return_loan(Post& post) {
  server_.budget().give_back(tier::Component::kClients, std::exchange(post.lent, 0),
                             static_cast<int>(index_));
}

void Worker::send_reply(PostPtr post) {
  if (post->errand != 0) {
    grant_errand(*post);
    server_.budget().entrust(post->lent, static_cast<int>(index_), -1);
    errands_done_.push_back(std::move(post));
    return;
  }
  const unsigned from = post->from;
  if (from == index_) return run_post(std::move(post));
  server_.budget().entrust(post->lent, static_cast<int>(index_), static_cast<int>(from));
  outboxes_[from].push_back(std::move(post));
  for (PostPtr& behind : behind_reply_) outboxes_[from].push_back(std::move(behind));
  behind_reply_.clear();
}

}  // namespace ullage::server
