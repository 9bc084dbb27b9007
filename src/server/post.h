// SPDX-License-Identifier: Apache-2.0
#pragma once

// Post: what one thread hands to another: a command for a shard of its own, the reply to one, a
// message for a client of its own. Reused: in steady state nothing is allocated per command.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "server/command.h"
#include "server/session.h"
#include "server/shared_bytes.h"
#include "wire/byte_buffer.h"

namespace ullage::server {

// Out of band, to a client: the words of a push, whose form depends on the client's protocol.
enum class PushKind : std::uint8_t {
  kMessage,     // {channel, message}
  kPMessage,    // {pattern, channel, message}
  kInvalidate,  // keys; none: everything
  kRedirectBroken,
  kMonitor,  // a line
};

struct Post {
  enum class Kind : std::uint8_t { kCommand, kReply, kPush };
  Kind kind = Kind::kCommand;
  unsigned from = 0;  // thread that waits for the reply
  // kCommand, kReply
  const Command* command = nullptr;
  Caller caller;
  std::uint64_t first_hash = 0;
  Slot* slot = nullptr;    // of the session `caller.id`, as long as that lives
  std::uint64_t lent = 0;  // of the budget: by `from` for large words, by `ran_by` for a reply
  std::uint64_t owed = 0;  // of the reply: what counts as under way from `ran_by`
  bool part = false;       // of a command that the slot gathers
  bool cut = false;        // there was no room for the reply: an error, or the client goes
  unsigned ran_by = 0;     // the thread that has made the reply, and what it tells of a part
  Gather::Ran ran;
  wire::ByteBuffer bytes;  // all words behind each other; then the reply
  std::vector<std::uint32_t> lengths;
  std::vector<std::size_t> starts;  // of the words in `bytes`; none: behind each other
  wire::ByteBuffer last;            // one more word behind them, of an errand
  bool has_last = false;
  std::uint64_t errand = 0;  // its number, when no worker waits for the reply (errand.h); 0: none
  // kPush
  std::uint64_t session = 0;
  PushKind push = PushKind::kMessage;
  bool redirected = false;  // an invalidation for another connection's tracking
  std::vector<std::string> words;
  SharedText shared;  // of a large message: in the place of the last word
};

using PostPtr = std::unique_ptr<Post>;

// Many threads put, one takes.
class Inbox {
 public:
  // True: the box was empty.
  bool put(std::vector<PostPtr>& posts) {
    const std::lock_guard lock(mutex_);
    const bool first = posts_.empty();
    for (PostPtr& post : posts) posts_.push_back(std::move(post));
    posts.clear();
    waiting_.store(true, std::memory_order_seq_cst);
    return first;
  }
  bool take(std::vector<PostPtr>& into) {
    const std::lock_guard lock(mutex_);
    into.swap(posts_);
    waiting_.store(false, std::memory_order_relaxed);
    return !into.empty();
  }
  // Something may be there. Costs a load.
  bool waiting() const { return waiting_.load(std::memory_order_seq_cst); }

 private:
  std::mutex mutex_;
  std::atomic<bool> waiting_{false};
  std::vector<PostPtr> posts_;
};

}  // namespace ullage::server
