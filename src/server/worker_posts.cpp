// SPDX-License-Identifier: Apache-2.0
//
// What threads hand to each other: commands for the thread that has their keys, and the replies.
#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "server/clock.h"
#include "server/router.h"
#include "server/server.h"
#include "server/standstill.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

// Posts kept for reuse.
constexpr std::size_t kSparePostsMax = 1024;
// Bytes of replies that one thread has made and others have not taken yet; then commands from
// elsewhere wait for their turn. Two of the largest that are made before they are granted.
constexpr std::uint64_t kRepliesUnderWay = 8 << 20;

}  // namespace

// To the thread whose keys it is about.
void Worker::forward(Session& session, Context& context, unsigned to) {
  PostPtr post = new_post();
  begin_post(*post, *context.command, context.first_hash);
  if (!hand_words(session, *post, context.words)) {
    stats_.denied_buffers.add();
    spare_.push_back(std::move(post));
    const std::size_t before = scratch_.size();
    context.out_of_memory();
    return finish_reply(session, before);
  }
  show(session, *context.command, context.words);
  post->caller = session;
  post->slot = &promise_reply(session);
  outboxes_[to].push_back(std::move(post));
}

// The words go into the post: small ones as a copy, and a large command that arrived in pieces as
// the buffer it is in. False: the budget has no room for a copy.
bool Worker::hand_words(Session& session, Post& post, std::span<const std::string_view> words) {
  std::size_t bytes = 0;
  for (const std::string_view word : words) bytes += word.size();
  if (bytes <= kFreeBufferBytes) {
    copy_words(post, words);
    return true;
  }
  const std::string_view in = session.in.view();
  const std::less<const char*> before;
  const bool inside = !in.empty() && !before(words[0].data(), in.data()) &&
                      before(words[0].data(), in.data() + in.size());
  if (inside && bytes >= in.size() / 2 && session.in_taken == 0) {
    post.bytes.clear();
    for (const std::string_view word : words) {
      post.lengths.push_back(static_cast<std::uint32_t>(word.size()));
      post.starts.push_back(static_cast<std::size_t>(word.data() - in.data()));
    }
    // What is behind it is put back when this turn of the client is over: process_held().
    post.bytes.swap(session.in);
    post.lent = std::min<std::uint64_t>(session.granted_bytes, post.bytes.capacity());
    session.granted_bytes -= post.lent;
    return true;
  }
  if (!afford(bytes)) return false;
  post.lent = bytes;
  copy_words(post, words);
  return true;
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
  begin_post(post, command, hash);
  copy_words(post, words);
}

void Worker::begin_post(Post& post, const Command& command, std::uint64_t hash) {
  post.kind = Post::Kind::kCommand;
  post.from = post.ran_by = index_;
  post.command = &command;
  post.first_hash = hash;
  post.part = post.cut = false;
  post.owed = 0;
  post.lengths.clear();
  post.starts.clear();
  post.bytes.clear();
}

void Worker::copy_words(Post& post, std::span<const std::string_view> words) {
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

// Commands of others wait while so much is under way that their threads have not taken yet;
// replies and messages never do, so that no two threads wait for each other.
bool Worker::may_run_more() const {
  return owed_.load(std::memory_order_seq_cst) < kRepliesUnderWay;
}

void Worker::take_posts() {
  while (!backlog_.empty() && may_run_more()) {
    PostPtr post = std::move(backlog_.front());
    backlog_.pop_front();
    run_post(std::move(post));
  }
  if (inbox_.take(taken_)) {
    for (PostPtr& post : taken_) {
      const bool later =
          post->kind == Post::Kind::kCommand && !(backlog_.empty() && may_run_more());
      if (later) {
        backlog_.push_back(std::move(post));
      } else {
        run_post(std::move(post));
      }
    }
    taken_.clear();
  }
  if (!waiting_.empty()) resume_waiting();
}

// By the thread that has taken a reply of this one's.
void Worker::settled(std::uint64_t bytes) noexcept {
  const std::uint64_t before = owed_.fetch_sub(bytes, std::memory_order_seq_cst);
  if (before >= kRepliesUnderWay && before - bytes < kRepliesUnderWay) wake();
}

void Worker::run_post(PostPtr post) {
  switch (post->kind) {
    case Post::Kind::kCommand:
      run_words(post, nullptr);
      if (post != nullptr) send_reply(std::move(post));
      return;
    case Post::Kind::kReply: {
      if (post->owed > 0) server_.workers()[post->ran_by]->settled(std::exchange(post->owed, 0));
      const auto found = sessions_.find(post->caller.id);
      if (found != sessions_.end() && post->cut) {
        // It has happened, so an error would not be the truth; or it is this very client that takes
        // the room and does not read.
        const bool changed = (post->command->flags & kReadonly) == 0;
        if (changed || found->second->out.size() > kFreeBufferBytes) kill(*found->second);
      }
      if (found != sessions_.end() && post->part) {
        take_part(*found->second, *post);
      } else if (found != sessions_.end()) {
        Slot& slot = *post->slot;
        slot.reply.swap(post->bytes);
        slot.granted_bytes += std::exchange(post->lent, 0);
        slot.shared = std::move(post->shared);
        if (slot.dropped) slot.reply.release(), slot.shared = nullptr;
        slot.done = true;
        count_slot(*found->second, slot);
        if (!found->second->dead) settle_slots(*found->second);
      }
      return_loan(*post);  // of a client that is gone
      post->shared = nullptr;
      break;
    }
    case Post::Kind::kPush:
      if (const auto found = sessions_.find(post->session); found != sessions_.end()) {
        deliver(*found->second, post->push, post->words, post->redirected, post->shared);
      }
      post->shared = nullptr;
      break;
  }
  if (post->bytes.capacity() <= kFreeBufferBytes && spare_.size() < kSparePostsMax) {
    spare_.push_back(std::move(post));
  }
}

// Runs the command in a post, which then holds the reply; null afterwards: it has to wait.
void Worker::run_words(PostPtr& post, const Parked* parked) {
  std::vector<std::string_view> words;
  std::size_t at = 0;
  for (std::size_t i = 0; i < post->lengths.size(); ++i) {
    if (!post->starts.empty()) at = post->starts[i];
    words.emplace_back(post->bytes.data() + at, post->lengths[i]);
    at += post->lengths[i];
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
    context.may_share = post->errand == 0 && !post->part;
    std::uint64_t taken = 0;
    call_with(context, post->bytes.view(), post->lent, taken, post->from);
    post->shared = std::move(context.shared);
  } else if (!call_tiered(context, post, parked)) {
    posted_caller_ = 0;
    return;
  }
  take_reply(*post);
  posted_caller_ = 0;
}

// What aside_ holds is the reply to the command that was in the post.
void Worker::take_reply(Post& post) {
  post.bytes.swap(aside_);
  if (aside_.capacity() > 2 * kFreeBufferBytes) aside_.release();  // it had a large value
  post.starts.clear();
  server_.budget().give_back(tier::Component::kClients, std::exchange(post.lent, 0),
                             static_cast<int>(post.from));  // of its words
  post.kind = Post::Kind::kReply;
  post.ran_by = index_;
  post.lent = std::exchange(lent_, 0);
  if (post.part) ran_part(post);
  if (post.errand != 0 || post.bytes.size() <= kFreeBufferBytes) return;
  if (post.bytes.capacity() <= post.lent) return;
  if (afford(post.bytes.capacity() - post.lent)) {
    post.lent = post.bytes.capacity();
    return;
  }
  stats_.denied_buffers.add();
  post.bytes.release();
  wire::ReplyWriter(post.bytes, post.caller.resp).error(kOutOfMemory);
  post.cut = true;
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
  if (post->bytes.size() > kSmallReplyBytes) {
    post->owed = post->bytes.size();
    owed_.fetch_add(post->owed, std::memory_order_seq_cst);
  }
  server_.budget().entrust(post->lent, static_cast<int>(index_), static_cast<int>(from));
  outboxes_[from].push_back(std::move(post));
  for (PostPtr& behind : behind_reply_) outboxes_[from].push_back(std::move(behind));
  behind_reply_.clear();
}

}  // namespace ullage::server
