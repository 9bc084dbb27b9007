// SPDX-License-Identifier: Apache-2.0
//
// Commands on keys of several threads that each of them runs a part of.
#include <utility>

#include "server/clock.h"
#include "server/gather.h"
#include "server/keys_of.h"
#include "server/router.h"
#include "server/server.h"
#include "server/standstill.h"
#include "server/worker.h"

namespace ullage::server {

// A write's events are told in the order of its keys: where somebody listens, it runs as one.
bool Worker::may_scatter(const Session& session, const Command& command) const {
  if (command.route != Route::kParts || session.parked != nullptr) return false;
  if ((command.flags & kWrite) == 0) return true;
  return server_.notify_flags.load(std::memory_order_relaxed) == 0 && !server_.tracking().any();
}

void Worker::scatter(Session& session, Context& context) {
  std::vector<std::uint16_t> owners;
  const auto count = static_cast<unsigned>(outboxes_.size());
  for_each_key(*context.command, context.words, [&](std::size_t i) {
    owners.push_back(static_cast<std::uint16_t>(context.key(i).shard(count)));
  });
  Slot& slot = promise_reply(session);
  slot.gather = std::make_unique<Gather>(*context.command, context.words, std::move(owners));
  stats_.scattered.add();
  show(session, *context.command, context.words);
  send_parts(session, slot, session);
  after_reply(session, *context.command);
}

// Each thread gets its part behind all that it got of this client before, and before all that it
// gets later; our own runs now, as all that is ours does. No key sees two commands change places.
void Worker::send_parts(Session& session, Slot& slot, const Caller& caller) {
  PostPtr own;
  for (const std::uint16_t thread : slot.gather->parts()) {
    const std::vector<std::string_view> words = slot.gather->words_of(thread);
    const Command& command = slot.gather->command();
    PostPtr post = new_post();
    fill_post(*post, command, words,
              tier::hash_text(words[static_cast<std::size_t>(command.first_key)]));
    post->caller = caller;
    post->slot = &slot;
    post->part = true;
    if (thread == index_) {
      own = std::move(post);
    } else {
      outboxes_[thread].push_back(std::move(post));
    }
  }
  if (own == nullptr) return;
  run_words(own, nullptr);
  put_behind(session);
  // Others owe theirs: the reply is not whole yet.
  if (own == nullptr) return;
  slot.granted_bytes += std::exchange(own->lent, 0);
  slot.gather->add(index_, own->bytes, own->ran);
}

// The parts are there beside the whole until it is made.
void Worker::assemble(Slot& slot, int resp) {
  const Gather& gather = *slot.gather;
  if (lend_reply(slot.reply, gather.reply_bytes())) {
    slot.granted_bytes += std::exchange(lent_, 0);
    gather.assemble(slot.reply);
  } else {
    wire::ReplyWriter(slot.reply, resp).error(kOutOfMemory);
  }
}

// What this thread tells of a part that it has just run.
void Worker::ran_part(Post& post) {
  post.ran_by = index_;
  post.ran = {.moment = server_.joint_changes.load(std::memory_order_acquire), .ns = last_part_ns_};
}

void Worker::take_part(Session& session, Post& post) {
  Slot& slot = *post.slot;
  Gather& gather = *slot.gather;
  slot.granted_bytes += std::exchange(post.lent, 0);
  if (!gather.add(post.ran_by, post.bytes, post.ran)) return;
  if ((gather.command().flags & kWrite) != 0 || gather.one_moment()) {
    if (!slot.dropped) assemble(slot, post.caller.resp);
    count(gather.command(), gather.ns(), gather.failed());
  } else if (!run_whole(session, slot, post.caller)) {
    return;
  }
  slot.gather = nullptr;
  slot.done = true;
  count_slot(session, slot);
  if (!session.dead) settle_slots(session);
}

// A change of several threads' keys came between the parts, and what they read may be half of it:
// it is read again while nothing changes. False: some keys must be fetched first, so all parts are
// under way again.
bool Worker::run_whole(Session& session, Slot& slot, Caller& caller) {
  stats_.gathered_again.add();
  const std::vector<std::string_view> words = slot.gather->words();
  const Command& command = slot.gather->command();
  const auto first = static_cast<std::size_t>(command.first_key);
  const Standstill still(server_, this, Standstill::For::kLooks);
  aside_.clear();
  begin_call();
  Context context{server_,
                  *this,
                  caller,
                  nullptr,
                  words,
                  &command,
                  wire::ReplyWriter(aside_, caller.resp),
                  tier::hash_text(words[first]),
                  true};
  if (router_ != nullptr && router_->way(context, nullptr) == Router::Way::kPark) {
    slot.gather->again();
    send_parts(session, slot, caller);
    return false;
  }
  if (!context.failed) call(context);
  if (router_ != nullptr) {
    // It has changed nothing that its reply would have to wait for.
    (void)router_->take_must_hold(call_started_ns_);
    (void)router_->hand_over_others(call_started_ns_);
    router_->after_call();
  }
  put_behind(session);
  if (!slot.dropped) slot.reply.swap(aside_);
  slot.granted_bytes += std::exchange(lent_, 0);
  return true;
}

// Pushes to this client that the part under way brought about: behind the reply to the whole.
void Worker::put_behind(Session& session) {
  if (deferred_.empty()) return;
  Slot& slot = session.slots.emplace_back();
  slot.reply.append(deferred_.view());
  slot.done = true;
  deferred_.clear();
}

}  // namespace ullage::server
