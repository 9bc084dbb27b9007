// SPDX-License-Identifier: Apache-2.0
//
// How commands run when there is a cold tier: some wait for keys, some replies for the disk.
#include <optional>
#include <utility>

#include "server/router.h"
#include "server/running.h"
#include "server/server.h"
#include "server/standstill.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

// Commands of one client that wait, here or on other threads; its next one is not read.
constexpr std::size_t kSlotsMax = 1024;

// Commands that need nothing of their client but its reply's place.
bool copyable(const Command& command) {
  return command.route == Route::kKey || command.route == Route::kKeys ||
         command.route == Route::kParts;
}

// Behind all that their client has sent before.
bool ordered(const Command& command) {
  return command.route == Route::kAll || command.route == Route::kCursor ||
         command.route == Route::kTotals || command.route == Route::kOrdered;
}

}  // namespace

void Worker::on_changed(const tier::Key& key, bool erased) noexcept {
  router_->changed(key, erased);
}

bool Worker::on_evicting(const tier::Key& key, const tier::Found& found) noexcept {
  return router_->evicting(key, found);
}

const tier::Kept* Worker::kept() noexcept { return RunningCommand::kept(); }

Worker::Ran Worker::finish_tiered(Session& session, Context& context, std::size_t before) {
  const Command& command = *context.command;
  if (ordered(command) && !session.slots.empty()) return Ran::kWait;
  std::optional<Standstill> still;
  if (command.route == Route::kOrdered && outboxes_.size() > 1 && router_->elsewhere(context)) {
    still.emplace(server_, this);
  }
  const bool waited = session.parked != nullptr;
  const bool copies = !waited && copyable(command) && Standstill::depth() == 0;
  switch (router_->way(context, copies ? nullptr : &session)) {
    case Router::Way::kRun:
      break;
    case Router::Way::kPark:
      if (session.slots.size() >= kSlotsMax) return Ran::kWait;
      router_->park(copied(session, command, context.words, context.first_hash));
      after_reply(session, command);
      return Ran::kDone;
    case Router::Way::kWait:
      return Ran::kWait;
    case Router::Way::kRefused:
      if (session.parked != nullptr) router_->finished(session);
      stats_.commands[command_index(&command)].rejected.add();
      finish_reply(session, before);
      return Ran::kDone;
  }
  if (command.route == Route::kAll && Standstill::depth() == 0 && outboxes_.size() > 1) {
    still.emplace(server_, this, Standstill::For::kLooks);
  }
  context.may_share = true;
  call_with(context, session.in.view(), session.granted_bytes, session.in_taken, index_);
  if (session.parked != nullptr) router_->finished(session);
  Router::Others others;
  const bool mine = router_->take_must_hold(call_started_ns_);
  if (Standstill::depth() > 0) others = router_->hand_over_others(call_started_ns_);
  if ((mine || !others.empty()) && session.reply_mode == ReplyMode::kOn) {
    hold_reply(session, before, std::move(others), std::move(context.shared));
  } else {
    finish_reply(session, before, std::move(context.shared));
  }
  after_reply(session, command);
  router_->after_call();
  return Ran::kDone;
}

// What the command has replied waits until its changes are durable.
void Worker::hold_reply(Session& session, std::size_t before, Router::Others others,
                        SharedText shared) {
  Slot& slot = session.slots.emplace_back();
  keep_reply(slot, before);
  slot.shared = std::move(shared);
  keep_slot(session, slot);
  router_->hold(session.id, &slot, std::move(others));
}

bool Worker::call_tiered(Context& context, PostPtr& post, const Parked* parked) {
  if (parked == nullptr) {
    switch (router_->way(context, nullptr)) {
      case Router::Way::kRun:
        break;
      case Router::Way::kRefused:
        return true;
      case Router::Way::kPark:
      case Router::Way::kWait:
        router_->park(std::move(post));
        return false;
    }
  } else if (parked->failed || parked->press != Parked::Press::kNo ||
             (parked->survey != nullptr && parked->survey->failed)) {
    router_->refuse(context, *parked);
    return true;
  } else {
    context.surveyed = parked->survey.get();
  }
  // A push to this client, if it is one of ours, goes behind the reply.
  const bool ours = post->errand == 0 && post->from == index_;
  const auto found = ours ? sessions_.find(post->caller.id) : sessions_.end();
  Session* const turn = current_;  // whose turn it is: a part of its command runs
  if (found != sessions_.end()) current_ = found->second.get();
  std::optional<Standstill> still;
  const Route route = context.command->route;
  if (route == Route::kAll || route == Route::kOrdered) still.emplace(server_, this);
  std::uint64_t taken = 0;
  call_with(context, post->bytes.view(), post->lent, taken, post->from);
  current_ = turn;
  if (post->part && found != sessions_.end()) {
    put_behind(*found->second);
  } else {
    aside_.append(deferred_.view());
    deferred_.clear();
  }
  Router::Others others;
  const bool mine = router_->take_must_hold(call_started_ns_);
  if (still) others = router_->hand_over_others(call_started_ns_);
  if (!mine && others.empty()) {
    router_->after_call();
    return true;
  }
  take_reply(*post);
  for (PostPtr& behind : behind_reply_) outboxes_[post->from].push_back(std::move(behind));
  behind_reply_.clear();
  router_->hold(std::move(post), std::move(others));
  router_->after_call();
  return false;
}

void Worker::run_parked(PostPtr post, const Parked& parked) {
  run_words(post, &parked);
  if (post != nullptr) send_reply(std::move(post));
}

// Its next command comes again, and can run now.
void Worker::resume(const Parked& parked) {
  const auto found = sessions_.find(parked.session);
  if (found == sessions_.end()) return;
  Session& session = *found->second;
  if (session.parked.get() != &parked || session.dead || !session.waiting) return;
  std::erase(waiting_, &session);
  session.waiting = false;
  process_held(session);
}

void Worker::fill_slot(std::uint64_t session, Slot* slot) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  slot->done = true;
  if (!found->second->dead) settle_slots(*found->second);
}

void Worker::replace_slot(std::uint64_t session, Slot* slot, std::string_view error) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  slot->reply.clear();
  slot->shared = nullptr;
  wire::ReplyWriter(slot->reply, found->second->resp).error(error);
}

}  // namespace ullage::server
