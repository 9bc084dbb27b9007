// SPDX-License-Identifier: Apache-2.0
//
// What clients are told out of band: messages, invalidations, what a monitor shows.
#include <string>
#include <utility>

#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

// Pushes that wait behind replies, with those; more overtake them.
constexpr std::size_t kPushSlotsMax = 4096;
constexpr std::string_view kLineEnd = "\r\n";

}  // namespace

void Worker::push(unsigned worker, std::uint64_t session, PushKind kind,
                  std::vector<std::string> words, bool redirected, SharedText shared) {
  if (worker == index_) {
    const auto found = sessions_.find(session);
    if (found != sessions_.end()) deliver(*found->second, kind, words, redirected, shared);
    return;
  }
  PostPtr post = new_post();
  post->kind = Post::Kind::kPush;
  post->session = session;
  post->push = kind;
  post->words = std::move(words);
  post->redirected = redirected;
  post->shared = std::move(shared);
  auto& box = session == posted_caller_ ? behind_reply_ : outboxes_[worker];
  box.push_back(std::move(post));
}

void Worker::deliver(Session& session, PushKind kind, const std::vector<std::string>& words,
                     bool redirected, const SharedText& shared) {
  if (session.dead) return;
  if (session.guarded && (kind == PushKind::kMessage || kind == PushKind::kPMessage)) {
    const std::string_view channel = words[words.size() - (shared != nullptr ? 1 : 2)];
    const std::string_view message = shared != nullptr ? shared->view() : words.back();
    if (!may_hear(server_, session, channel, message)) return;
  }
  if (session.guarded && kind == PushKind::kMonitor && !may_monitor(server_, session)) {
    return kill(session);
  }
  if (session.guarded && kind == PushKind::kInvalidate && !words.empty()) {
    std::vector<std::string> seen = words;
    if (!sift_keys(server_, session, seen)) return;
    if (seen.size() < words.size()) return deliver(session, kind, seen, redirected);
  }
  wire::ByteBuffer bytes;
  wire::ReplyWriter out(bytes, session.resp);
  switch (kind) {
    case PushKind::kMessage:
      out.push(3), out.bulk("message");
      for (const std::string& word : words) out.bulk(word);
      break;
    case PushKind::kPMessage:
      out.push(4), out.bulk("pmessage");
      for (const std::string& word : words) out.bulk(word);
      break;
    case PushKind::kInvalidate:
      if (session.resp > 2) {
        out.push(2), out.bulk("invalidate");
      } else if (redirected && session.subscriptions() > 0) {
        out.push(3), out.bulk("message"), out.bulk("__redis__:invalidate");
      } else {
        return;  // RESP2 has no way to tell it
      }
      if (words.empty()) {
        out.null();
      } else {
        out.array(words.size());
        for (const std::string& key : words) out.bulk(key);
      }
      break;
    case PushKind::kMonitor:
      out.simple(words[0]);
      break;
    case PushKind::kRedirectBroken:
      session.extras().tracking.broken_redirect = true;
      if (session.resp < 3) return;
      out.push(2), out.bulk("tracking-redir-broken");
      out.integer(static_cast<std::int64_t>(std::stoull(words[0])));
      break;
  }
  if (shared != nullptr) {
    bytes.append("$" + std::to_string(shared->view().size()) + std::string(kLineEnd));
  }
  if (&session == current_) {
    wire::ByteBuffer& into = in_call_ ? deferred_ : scratch_;
    into.append(bytes.view());
    if (shared != nullptr) into.append(shared->view()), into.append(kLineEnd);
    return;
  }
  if (!session.slots.empty() && session.slots.size() < kPushSlotsMax) {
    // What it was promised before goes out before.
    Slot& slot = session.slots.emplace_back();
    slot.reply.append(bytes.view());
    slot.shared = shared;
    slot.done = true;
    count_slot(session, slot);
    // An entry that goes may be what is told: no other goes for it.
    if (!grant_buffers(session)) kill(session);
    return;
  }
  const std::size_t all = bytes.size() + (shared != nullptr ? shared->view().size() : 0);
  if (session.out.size() + all > server_.config().output_buffer_bytes) {
    return cut_deaf(session, stats_.output_limit_cuts);
  }
  session.out.append(bytes.view());
  if (shared != nullptr) {
    session.out.share(shared, shared->view());
    session.out.append(kLineEnd);
  }
  if (!try_grant(session)) return cut_deaf(session, stats_.denied_buffers);
  mark_dirty(session);
}

// Of one that does not read what it is told: it has asked for nothing just now, so nobody else
// would say why it is gone.
void Worker::cut_deaf(Session& session, Tally& why) {
  why.add();
  const bool denied = &why == &stats_.denied_buffers;
  server_.log().warning("client_cut",
                        denied ? "a client that did not read in time was closed: the budget has no "
                                 "room for its messages"
                               : "a client that did not read in time was closed: more than "
                                 "server.output_buffer waited for it",
                        {{"client", session.peer}});
  kill(session);
}

// A copy for several clients: taken before it is made.
SharedText Worker::shared_text(std::string_view text) {
  if (!afford(text.size())) {
    stats_.denied_buffers.add();
    return nullptr;
  }
  return std::make_shared<const SharedBytes>(server_.budget(), static_cast<int>(index_), text);
}

}  // namespace ullage::server
