// SPDX-License-Identifier: Apache-2.0
//
// A client's replies: gathered over its turn, written at once, kept when it does not read.
#include <algorithm>
#include <utility>

#include "server/server.h"
#include "server/standstill.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

// What transmit() says of a client that is gone, or gone wrong.
constexpr ssize_t kBroken = -1;
// A thread makes a reply up to here before it is granted: entries that went for it first could be
// those that it is about.
constexpr std::size_t kUngrantedReplyBytes = 4 << 20;
// What a reply has around a value, at most.
constexpr std::size_t kFrameBytes = 64;
// Room that one read makes for what a value becomes, when another thread was asked for the most.
constexpr std::uint64_t kRoomStepBytes = std::uint64_t{1} << 20;

// After the others had nothing to give, they are left in peace for so long.
constexpr std::uint64_t kOthersPauseMs = 100;

}  // namespace

std::uint64_t Worker::buffer_bytes(const Session& session, std::uint64_t more) {
  const SessionExtras* extras = session.known_extras();
  const std::uint64_t all = more + session.in.capacity() - session.in_taken +
                            session.out.memory_bytes() + session.slot_bytes +
                            session.parser.memory_bytes() +
                            (extras != nullptr ? extras->queued_bytes : 0);
  return all > kFreeBufferBytes ? all - kFreeBufferBytes : 0;
}

// The largest of late, for INFO.
void Worker::note_buffers(const Session& session) {
  const std::uint64_t in = session.in.capacity(), out = session.out.memory_bytes();
  if (in > stats_.buffer_in_max.value()) stats_.buffer_in_max.set(in);
  if (out > stats_.buffer_out_max.value()) stats_.buffer_out_max.set(out);
}

bool Worker::try_grant(Session& session) {
  note_buffers(session);
  const std::uint64_t needed = buffer_bytes(session);
  const int shard = static_cast<int>(index_);
  if (needed > session.granted_bytes) {
    if (!server_.budget().take(tier::Component::kClients, needed - session.granted_bytes, shard)) {
      return false;
    }
  } else if (needed < session.granted_bytes) {
    server_.budget().give_back(tier::Component::kClients, session.granted_bytes - needed, shard);
  }
  session.granted_bytes = needed;
  return true;
}

bool Worker::grant_buffers(Session& session) {
  if (try_grant(session)) return true;
  stats_.denied_buffers.add();
  return false;
}

// As grant_buffers; in a full store entries go for it. Not in the middle of a command.
bool Worker::afford_buffers(Session& session) {
  if (try_grant(session)) return true;
  // The session may hear of what goes: then it needs more, or has been granted it already.
  if (!in_call_) (void)make_room(buffer_bytes(session) - session.granted_bytes);
  return grant_buffers(session);
}

bool Worker::make_room(std::uint64_t bytes) { return shard_->make_room(bytes); }

bool Worker::borrow(std::uint64_t bytes, std::uint64_t beside) {
  const bool made = make_room(bytes + beside);
  if (!made && beside != 0) (void)make_room(bytes);
  if (server_.budget().take(tier::Component::kClients, bytes, static_cast<int>(index_)))
    return true;
  lacking_ = std::max(lacking_, bytes + beside);
  return false;
}

// Those that hold most first.
void Worker::others_make_room(std::uint64_t bytes) {
  tier::Budget& budget = server_.budget();
  if (bytes == 0 || bytes > budget.allowed_bytes()) return;
  // A store in which nothing may go would stand still for each write that is refused.
  if (steady_ms_ < others_again_ms_) return;
  others_again_ms_ = steady_ms_ + kOthersPauseMs;
  const Standstill still(server_, this, Standstill::For::kLooks);
  std::vector<Worker*> others;
  for (const auto& worker : server_.workers()) {
    if (worker.get() != this) others.push_back(worker.get());
  }
  std::sort(others.begin(), others.end(), [&](const Worker* one, const Worker* other) {
    return budget.held_bytes(static_cast<int>(one->index_)) >
           budget.held_bytes(static_cast<int>(other->index_));
  });
  for (Worker* other : others) {
    for (;;) {
      const std::uint64_t granted = budget.granted_bytes(), allowed = budget.allowed_bytes();
      const std::uint64_t free = allowed > granted ? allowed - granted : 0;
      if (free >= bytes) {
        others_again_ms_ = 0;
        return;
      }
      // What one operation may do is bounded: as long as it gets further, it is asked again.
      const tier::Counters& counters = other->shard_->counters();
      const std::uint64_t evicted = counters.evicted.value(), packed = counters.packed.value();
      const bool made = other->make_room(std::min(bytes, free + kRoomStepBytes));
      if (!made && counters.evicted.value() == evicted && counters.packed.value() == packed &&
          budget.granted_bytes() >= granted) {
        break;
      }
    }
  }
}

bool Worker::borrow_part(std::uint64_t bytes, std::uint64_t beside, bool last) {
  tier::Budget& budget = server_.budget();
  const int richest = budget.richest();
  if (richest == static_cast<int>(index_) || budget.has_free(bytes + beside)) {
    return borrow(bytes, beside);
  }
  budget.ask(bytes + beside, richest);
  server_.workers()[static_cast<std::size_t>(richest)]->wake();
  if (last) return borrow(bytes, beside);
  // The other may be slower than what arrives: so this one goes on as well, a little at a time.
  const std::uint64_t granted = budget.granted_bytes(), allowed = budget.allowed_bytes();
  const std::uint64_t soon = (allowed > granted ? allowed - granted : 0) + kRoomStepBytes;
  return borrow(bytes, soon > bytes ? std::min(beside, soon - bytes) : 0);
}

bool Worker::afford(std::uint64_t bytes) {
  tier::Budget& budget = server_.budget();
  if (budget.has_free(bytes) &&
      budget.take(tier::Component::kClients, bytes, static_cast<int>(index_))) {
    return true;
  }
  return borrow(bytes, 0);
}

bool Worker::reply_grows(const wire::ByteBuffer& reply, std::size_t more) {
  const std::size_t needed = reply.size() + more + kFrameBytes;
  return needed > kUngrantedReplyBytes && needed > reply.capacity();
}

bool Worker::lend_reply(wire::ByteBuffer& reply, std::size_t more) {
  if (!reply_grows(reply, more)) return true;
  const std::size_t needed = reply.size() + more + kFrameBytes;
  // With some to spare, or else what it takes.
  for (const std::size_t wanted : {std::max(needed, reply.size() + reply.size() / 2), needed}) {
    const std::size_t bytes = wanted - reply.capacity();
    if (!borrow(bytes, 0)) continue;
    lent_ += bytes;
    reply.reserve(wanted);
    return true;
  }
  stats_.denied_buffers.add();
  return false;
}

// What another door gets is granted in whole before it is there: it can't make room itself.
void Worker::grant_errand(Post& post) {
  static const Command* const kMany = find_internal("http.mget");
  const std::uint64_t held = post.bytes.capacity();
  // Of many values JSON is made, beside them.
  const std::uint64_t beside = post.command == kMany ? 2 * post.bytes.size() : 0;
  const std::uint64_t needed = held > kFreeBufferBytes ? held + beside : 0;
  const std::uint64_t lent = post.lent;
  if (needed < lent) {
    server_.budget().give_back(tier::Component::kClients, lent - needed, static_cast<int>(index_));
  } else if (needed > lent && !borrow(needed - lent, 0)) {
    stats_.denied_buffers.add();
    return_loan(post);
    post.bytes.release();
    wire::ReplyWriter(post.bytes, post.caller.resp).error(kOutOfMemory);
    return;
  }
  post.lent = needed;
}

// What scratch_ holds is this session's: out with it, as far as the socket takes it.
void Worker::spill(Session& session) {
  session.granted_bytes += std::exchange(lent_, 0);
  if (scratch_.empty()) {
    if (scratch_.capacity() > kFreeBufferBytes * 2) scratch_.release();
    return;
  }
  std::string_view bytes = scratch_.view();
  if (session.out.empty() && !session.dead) {
    const ssize_t sent = transmit(session, bytes.substr(0, kSendBytes));
    if (sent == kBroken) {
      kill(session);
    } else {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      stats_.bytes_out.add(static_cast<std::uint64_t>(sent));
      session.bytes_out += static_cast<std::uint64_t>(sent);
    }
  }
  if (!bytes.empty() && !session.dead) {
    if (session.out.size() + bytes.size() > server_.config().output_buffer_bytes) {
      stats_.output_limit_cuts.add();
      kill(session);
    } else {
      if (bytes.size() > kFreeBufferBytes) {
        const std::size_t sent = scratch_.size() - bytes.size();
        session.out.adopt(std::move(scratch_), sent);
      } else {
        session.out.append(bytes);
      }
      scratch_.clear();
      if (scratch_.capacity() > kFreeBufferBytes * 2) scratch_.release();
      // An entry that goes for it may be told to this very client: behind what is kept now.
      if (!afford_buffers(session)) kill(session);
      return;
    }
  }
  scratch_.clear();
  if (scratch_.capacity() > kFreeBufferBytes * 2) scratch_.release();
}

void Worker::flush(Session& session) {
  if (session.dead) {
    if (current_ == nullptr) scratch_.clear();
    return;
  }
  spill(session);
  std::size_t left = kWriteBytes;  // the rest in another turn: the socket is asked for it
  while (!session.out.empty() && !session.dead && left > 0) {
    const ssize_t sent = transmit_queue(session, std::min(left, kSendBytes));
    if (sent == kBroken) kill(session);
    if (sent <= 0) break;
    left -= static_cast<std::size_t>(sent);
    session.out.consume(static_cast<std::size_t>(sent));
    session.active_ms = steady_ms_;
    stats_.bytes_out.add(static_cast<std::uint64_t>(sent));
    session.bytes_out += static_cast<std::uint64_t>(sent);
  }
  if (session.dead) return;
  if (session.granted_bytes > 0) (void)try_grant(session);  // who needs more is told elsewhere
  if (session.close_after_reply && session.out.empty() && session.slots.empty()) {
    kill(session);
    return;
  }
  watch_events(session);
}

void Worker::mark_dirty(Session& session) {
  if (session.dirty) return;
  session.dirty = true;
  dirty_.push_back(session.id);
}

// The command under way has written behind `before`: does its client want that?
void Worker::finish_reply(Session& session, std::size_t before, SharedText shared) {
  if (session.reply_mode == ReplyMode::kOn) {
    if (session.slots.empty()) {
      if (shared != nullptr) queue_shared(session, std::move(shared));
      return;
    }
    // Earlier commands are still under way elsewhere: this reply waits behind theirs.
    Slot& slot = session.slots.emplace_back();
    keep_reply(slot, before);
    slot.shared = std::move(shared);
    slot.done = true;
    keep_slot(session, slot);
    return;
  }
  scratch_.truncate(before);
  if (session.reply_mode == ReplyMode::kSkip) session.reply_mode = ReplyMode::kOn;
  if (session.reply_mode == ReplyMode::kSkipNext) session.reply_mode = ReplyMode::kSkip;
}

// What scratch_ holds goes before it.
void Worker::queue_shared(Session& session, SharedText shared) {
  if (scratch_.size() > kFreeBufferBytes / 2) spill(session);
  if (session.dead) return scratch_.clear();
  session.granted_bytes += std::exchange(lent_, 0);
  const std::string_view bytes = shared->view();
  // It takes no memory here, so the bound is of what waits before it.
  if (session.out.size() + scratch_.size() > server_.config().output_buffer_bytes) {
    stats_.output_limit_cuts.add();
    scratch_.clear();
    return kill(session);
  }
  session.out.append(scratch_.view());
  scratch_.clear();
  session.out.share(std::move(shared), bytes);
  session.out.append("\r\n");
}

// What scratch_ holds behind `before` waits in the slot.
void Worker::keep_reply(Slot& slot, std::size_t before) {
  slot.granted_bytes = std::exchange(lent_, 0);
  if (before == 0 && scratch_.size() > kFreeBufferBytes) return slot.reply.swap(scratch_);
  slot.reply.append(scratch_.view().substr(before));
  scratch_.truncate(before);
}

// What waits in the slot counts for its client.
void Worker::count_slot(Session& session, Slot& slot) {
  const std::size_t bytes = slot.reply.capacity();
  const std::uint64_t counts = bytes > kSmallReplyBytes ? bytes : 0;
  session.slot_bytes = session.slot_bytes - slot.counted_bytes + counts;
  slot.counted_bytes = counts;
  if (slot.gather == nullptr) session.granted_bytes += std::exchange(slot.granted_bytes, 0);
}

void Worker::keep_slot(Session& session, Slot& slot) {
  count_slot(session, slot);
  if (slot.counted_bytes > 0 && !afford_buffers(session)) kill(session);
}

void Worker::settle_slots(Session& session) {
  const std::uint64_t held = session.slot_bytes;
  while (!session.slots.empty() && session.slots.front().done) {
    Slot& first = session.slots.front();
    const std::string_view reply = first.reply.view();
    if (session.out.size() + reply.size() > server_.config().output_buffer_bytes) {
      return cut_deaf(session, stats_.output_limit_cuts);
    }
    count_slot(session, first);
    session.slot_bytes -= first.counted_bytes;
    if (reply.size() > kFreeBufferBytes) {
      session.out.adopt(std::move(first.reply));
    } else {
      session.out.append(reply);
    }
    if (first.shared != nullptr) {
      session.out.share(first.shared, first.shared->view());
      session.out.append("\r\n");
    }
    session.slots.pop_front();
  }
  if (!afford_buffers(session)) return kill(session);
  if (session.waiting && session.slot_bytes < held) resume_soon();
  mark_dirty(session);
}

}  // namespace ullage::server
