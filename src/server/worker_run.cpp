// SPDX-License-Identifier: Apache-2.0
//
// Commands run here: on the thread that owns their keys.
#include <algorithm>
#include <optional>
#include <utility>

#include "server/clock.h"
#include "server/commands/scan_words.h"
#include "server/keys_of.h"
#include "server/router.h"
#include "server/running.h"
#include "server/secrets.h"
#include "server/server.h"
#include "server/standstill.h"
#include "server/worker.h"
#include "tier/large.h"

namespace ullage::server {
namespace {

// Commands of one client under way on other threads; the next one waits.
constexpr std::size_t kSlotsMax = 1024;
// Bytes of one client's replies that wait for an earlier one; its next command waits, too.
constexpr std::size_t kSlotBytesMax = 4 << 20;
// How often a command is run again after others made room: what is there others may take first.
constexpr int kRunAgainMax = 3;
// What SLOWLOG keeps of a command.
constexpr std::size_t kSlowWordsMax = 32, kSlowWordBytesMax = 128;

}  // namespace

Worker::Ran Worker::dispatch(Session& session, const Command& command, Cut& cut) {
  if (session.slot_bytes >= kSlotBytesMax) return Ran::kWait;
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
        forward(session, context, owner);
        return Ran::kDone;
      }
      case Route::kParts:
      case Route::kKeys: {
        const int owner = owner_of(context, count);
        if (owner == static_cast<int>(index_)) break;
        if (owner >= 0 && session.slots.size() < kSlotsMax) {
          forward(session, context, static_cast<unsigned>(owner));
          return Ran::kDone;
        }
        if (owner < 0 && may_scatter(session, command)) {
          if (session.slots.size() >= kSlotsMax) return Ran::kWait;
          scatter(session, context);
          return Ran::kDone;
        }
        [[fallthrough]];
      }
      case Route::kAll:
        // What asks the cold tier stands when that has answered: see finish_tiered().
        if (router_ != nullptr && survey_of(command) != Survey::kNone) break;
        return run_standing(session, context, before);
      case Route::kCursor: {
        const bool memory = router_ == nullptr || router_->cold().some_off();
        const unsigned at = shard_of_cursor(words, count, memory);
        if (at == index_ || at >= count) break;
        if (session.slots.size() >= kSlotsMax) return Ran::kWait;
        forward(session, context, at);
        return Ran::kDone;
      }
      case Route::kTotals:
        if (!session.slots.empty()) return Ran::kWait;
        break;
      case Route::kOrdered:
        if (!session.slots.empty()) return Ran::kWait;
        break;
    }
  }
  return finish(session, context, before);
}

// While every other thread stands still.
Worker::Ran Worker::run_standing(Session& session, Context& context, std::size_t before) {
  if (!session.slots.empty()) return Ran::kWait;
  const bool changes = (context.command->flags & kWrite) != 0;
  const Standstill still(server_, this,
                         changes ? Standstill::For::kChanges : Standstill::For::kLooks);
  return finish(session, context, before);
}

// It is on the right thread: now it runs, unless it has to wait for the cold tier.
Worker::Ran Worker::finish(Session& session, Context& context, std::size_t before) {
  if (router_ != nullptr) return finish_tiered(session, context, before);
  context.may_share = true;
  call_with(context, session.in.view(), session.granted_bytes, session.in_taken, index_);
  after_call(session, context, before);
  return Ran::kDone;
}

// Large words that lie in `bytes`, which were granted to clients of a thread, may be taken over.
// Not while somebody is shown commands: that is what they were.
void Worker::call_with(Context& context, std::string_view bytes, std::uint64_t& granted,
                       std::uint64_t& taken, unsigned granted_to) {
  tier::Offer offer;
  if (bytes.size() >= tier::Large::kTakenBytesMin && !server_.monitors().any()) {
    offer = {.bytes = bytes, .granted_bytes = granted, .shard = static_cast<int>(granted_to)};
    context.offer = &offer;
  }
  call(context);
  context.offer = nullptr;
  if (offer.taken_bytes == 0) return;
  granted = offer.granted_bytes;
  taken += offer.taken_bytes;
}

void Worker::run(Context& context) {
  const bool outer = in_call_;
  in_call_ = true;
  {
    const RunningCommand running(router_ != nullptr ? &context : nullptr);
    context.command->run(context);
  }
  in_call_ = outer;
}

void Worker::call(Context& context) {
  const Command& what = *context.command;
  // What has changed nothing when it is denied: it is run once more where that is worth it.
  if (outboxes_.size() > 1 && router_ == nullptr && !context.queued &&
      ((what.flags & kReadonly) != 0 || what.route == Route::kKey)) {
    const std::size_t before = context.out.buffer().size();
    context.may_ask_others = true;
    lacking_ = 0;
    (void)shard_->take_lacking();
    run(context);
    for (int again = kRunAgainMax; context.asks_others; --again) {
      others_make_room(std::max(lacking_, shard_->take_lacking()));
      context.out.buffer().truncate(before);
      context.failed = context.asks_others = false;
      context.may_ask_others = again > 1;  // or else the error is replied
      run(context);
    }
  } else {
    run(context);
  }
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
  finish_reply(session, before, std::move(context.shared));
  after_reply(session, *context.command);
}

void Worker::after_reply(Session& session, const Command& command) {
  if (!deferred_.empty()) {
    // Behind the reply, which may have to wait itself.
    if (!session.slots.empty() && session.slots.back().shared != nullptr) {
      session.slots.emplace_back().done = true;
    }
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

}  // namespace ullage::server
