// SPDX-License-Identifier: Apache-2.0
//
// A client's bytes: read, cut into commands, and what each command must pass before it runs.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "server/clock.h"
#include "server/commands/handlers.h"
#include "server/keys_of.h"
#include "server/numbers.h"
#include "server/server.h"
#include "server/worker.h"
#include "tier/large.h"

namespace ullage::server {
namespace {

// A large word is read in steps of this, so that other clients have their turn in between.
constexpr std::size_t kLargeReadBytes = 256 * 1024;
// Room behind a large word: for its line end, and the start of what comes next.
constexpr std::size_t kTailBytes = 64;
// A client's buffer grows by a part of itself, between these: room for that much, and for as much
// of the value that it becomes, is made at once; what came before has its room already.
constexpr std::size_t kGrowthBytesMin = 256 * 1024, kGrowthBytesMax = 1024 * 1024;
constexpr std::size_t kGrowthPart = 16;
// Words that a place in the batch keeps room for.
constexpr std::size_t kWordsKept = 256;

// How long a client waits for room that other threads make, by the steady clock.
constexpr std::uint64_t kRoomWaitMs = 100;

// Whether the command that begins here makes its value of the pages it arrives in.
bool takes_pages(std::string_view bytes) {
  for (int line = 0; line < 2; ++line) {
    const std::size_t end = bytes.substr(0, 64).find("\r\n");
    if (end == std::string_view::npos) return false;
    bytes.remove_prefix(end + 2);
  }
  const std::size_t end = bytes.substr(0, 64).find("\r\n");
  if (end == std::string_view::npos) return false;
  for (const char* name : {"set", "setex", "psetex", "setnx", "getset", "mset", "msetnx"}) {
    if (equals_ignoring_case(bytes.substr(0, end), name)) return true;
  }
  return false;
}

bool in_pubsub_mode(const Session& session) {
  return session.resp < 3 && session.subscriptions() > 0;
}

bool allowed_in_pubsub_mode(std::string_view name) {
  for (const char* allowed :
       {"subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ping", "quit", "reset"}) {
    if (name == allowed) return true;
  }
  return false;
}

std::string unknown_command(std::span<const std::string_view> words) {
  // Redis shows 128 bytes of the arguments, and 128 of the name.
  constexpr std::size_t kShownBytes = 128;
  std::string arguments;
  for (std::size_t i = 1; i < words.size() && arguments.size() < kShownBytes; ++i) {
    arguments += "'" + std::string(words[i].substr(0, kShownBytes - arguments.size())) + "' ";
  }
  return "ERR unknown command '" + std::string(words[0].substr(0, kShownBytes)) +
         "', with args beginning with: " + arguments;
}

}  // namespace

void Worker::readable(Session& session) {
  read_some(session);
  // What TLS has decrypted already no poll tells of; a record is 16 KiB at most.
  while (session.tls && !session.dead && !session.waiting && !session.close_after_reply &&
         session.tls->pending()) {
    read_some(session);
  }
}

void Worker::read_some(Session& session) {
  if (session.close_after_reply || session.waiting) {
    // Nothing is read from it; a hang-up alone is of interest.
    char probe;
    const ssize_t got = recv(session.fd, &probe, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN)) kill(session);
    return;
  }
  char* into = read_buffer_.get();
  std::size_t room = kReadBytes;
  const bool held = !session.in.empty();
  if (held) {
    switch (room_to_read(session, room)) {
      case Room::kThere:
        session.room_since_ms = 0;
        break;
      case Room::kLater:
        return watch_events(session);
      case Room::kDenied:
        stats_.denied_buffers.add();
        return kill(session);
    }
    into = session.in.room(room);
  }
  const ssize_t got = receive(session, into, room);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return kill(session);
  const auto count = static_cast<std::size_t>(got);
  stats_.bytes_in.add(count);
  session.bytes_in += count;
  session.active_ms = steady_ms_;
  if (held) {
    session.in.advance(count);
    // What is whole needs no more: what it takes now is not to be made up for.
    const std::size_t needed = session.parser.needed_bytes();
    if (needed != 0 && session.in.size() >= needed) server_.budget().ask(0, -1);
    process_held(session);
    return;
  }
  const std::size_t used = process(session, {into, count});
  if (used < count && !session.dead) {
    session.in.append({into + used, count - used});
    if (!session.unfinished) unfinished_.push_back(session.id);
    session.unfinished = true;
  }
  flush(session);
  if (used < count && !session.dead && !afford_buffers(session)) kill(session);
}

// Where the next bytes of a command go that is not whole yet. Its buffer grows as they arrive, by
// at most what is there and by little at once (malloc moves pages of large blocks, not bytes), and
// is granted before: a size that is only announced takes nothing, and drives out nothing. So room
// for a large value is made in as many turns as it takes to arrive.
Worker::Room Worker::room_to_read(Session& session, std::size_t& room) {
  wire::ByteBuffer& in = session.in;
  const std::size_t needed = session.parser.needed_bytes();
  const bool announced = needed > in.size();
  if (announced) room = std::clamp(needed - in.size(), kReadBytes, kLargeReadBytes);
  const std::size_t free = in.capacity() - in.size();
  const std::size_t enough = announced ? std::min(needed - in.size(), kReadBytes) : kReadBytes;
  if (free < enough) {
    const std::uint64_t allowed = server_.budget().allowed_bytes();
    // it never fits
    if (announced && needed > kFreeBufferBytes && needed > allowed) return Room::kDenied;
    const std::size_t most = std::clamp(in.size() / kGrowthPart, kGrowthBytesMin, kGrowthBytesMax);
    std::size_t wanted = in.size() + std::clamp(in.size(), kReadBytes, most);
    if (announced) wanted = std::min(wanted, needed + kTailBytes);
    const std::uint64_t bytes = buffer_bytes(session, wanted - in.capacity());
    // Room for what the word becomes, too, as far as it is here, unless it is made of these pages:
    // see borrow().
    const bool taken = needed >= tier::Large::kTakenBytesMin && takes_pages(in.view());
    const std::uint64_t beside = announced && !taken && needed <= allowed / 2 ? wanted : 0;
    if (bytes > session.granted_bytes) {
      const std::uint64_t more = bytes - session.granted_bytes;
      if (!borrow_part(more, beside, wanted >= needed)) {
        if (const Room room_now = wait_for_room(session); room_now != Room::kDenied) {
          return room_now;
        }
        // The last resort: they may not have had a turn.
        others_make_room(more);
        if (!borrow(more, 0)) return Room::kDenied;
      }
      session.granted_bytes = bytes;
    }
    in.reserve(wanted);
  }
  room = std::min(room, in.capacity() - in.size());
  return Room::kThere;
}

// Another thread may be about to make it: nothing is read from the client for a while.
Worker::Room Worker::wait_for_room(Session& session) {
  if (outboxes_.size() == 1) return Room::kDenied;
  if (session.room_since_ms == 0) session.room_since_ms = steady_ms_;
  if (steady_ms_ - session.room_since_ms >= kRoomWaitMs) return Room::kDenied;
  session.waiting = true;
  session.room_tried_ms = steady_ms_;
  thirsty_.push_back(&session);
  return Room::kLater;
}

void Worker::look_for_room() {
  std::vector<Session*> thirsty;
  thirsty.swap(thirsty_);
  for (Session* session : thirsty) {
    if (session->room_tried_ms == steady_ms_) {
      thirsty_.push_back(session);
      continue;
    }
    session->waiting = false;
    if (session->dead) continue;
    session->active_ms = steady_ms_;
    readable(*session);
    if (!session->dead) watch_events(*session);
  }
}

// Whoever has sent half a command and then nothing for long does not keep its memory for ever.
void Worker::cut_unfinished() {
  const std::uint64_t limit_ms = server_.config().command_timeout_ns / 1'000'000;
  std::erase_if(unfinished_, [&](std::uint64_t id) {
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) return true;
    Session& session = *found->second;
    session.unfinished = !session.in.empty() && !session.dead;
    if (!session.unfinished) return true;
    // One that waits has its command here in whole: it is we who make it wait.
    if (limit_ms == 0 || session.waiting || steady_ms_ - session.active_ms <= limit_ms)
      return false;
    stats_.unfinished_cuts.add();
    kill(session);
    return false;
  });
}

void Worker::process_held(Session& session) {
  const std::string_view held = session.in.view();
  const std::size_t used = process(session, held);
  if (session.in_taken != 0) {  // little is left of it
    wire::ByteBuffer rest;
    rest.append(held.substr(used));
    session.in.swap(rest);
    session.in_taken = 0;
  } else if (session.in.data() == held.data()) {
    session.in.consume(used);
  } else {
    session.in.append(held.substr(used));  // the buffer went away with a command
  }
  if (session.in.empty() && session.in.capacity() > kReadBytes) session.in.release();
  if (session.in.size() > server_.config().query_buffer_bytes) {
    stats_.query_limit_cuts.add();
    kill(session);
  }
  flush(session);
  if (!session.dead && !afford_buffers(session)) kill(session);
}

// The command of this name; what was asked for lately is found without a hash.
const Command* Worker::command_named(std::string_view name) {
  if (name.empty() || name.size() > sizeof(Memo::name)) return find_command(name);
  const auto first = static_cast<unsigned char>(name.front());
  const auto last = static_cast<unsigned char>(name.back());
  Memo& memo = memos_[(first + last * 5 + name.size() * 17) % kMemos];
  if (memo.size == name.size() && std::memcmp(memo.name, name.data(), name.size()) == 0) {
    return memo.command;
  }
  const Command* command = find_command(name);
  if (command == nullptr) return nullptr;
  memo.size = name.size();
  std::memcpy(memo.name, name.data(), name.size());
  memo.command = command;
  return command;
}

// Cuts `bytes` into as many commands as are whole and fit into a batch, and has the memory loaded
// that their keys will need: by the time the first one runs, the misses of all are under way.
wire::Parsed Worker::cut_batch(Session& session, std::string_view bytes, std::size_t& count) {
  const std::size_t all = bytes.size();
  count = 0;
  // What a password makes of a client holds for the very next command.
  const std::size_t batch = session.guarded && !session.authenticated ? 1 : kBatch;
  while (count < batch) {
    const wire::Parsed got = session.parser.parse(bytes);
    if (got != wire::Parsed::kCommand) return got;
    bytes.remove_prefix(session.parser.consumed());
    Cut& cut = batch_[count++];
    cut.end = all - bytes.size();
    cut.command = nullptr;
    cut.hashed = false;
    session.parser.swap_words(cut.words);
    if (session.parser.is_inline()) return got;
    if (cut.words.empty()) continue;
    cut.command = command_named(cut.words[0]);
    if (cut.command == nullptr) continue;
    const auto first = static_cast<std::size_t>(cut.command->first_key);
    if (first == 0 || first >= cut.words.size()) continue;
    cut.hash = tier::hash_text(cut.words[first]);
    cut.hashed = true;
    const tier::Key key = hashed_key(session.db, cut.words[first], cut.hash);
    const auto shards = static_cast<unsigned>(outboxes_.size());
    if (shards == 1 || key.shard(shards) == index_) shard_->prefetch(key);
  }
  return wire::Parsed::kCommand;
}

// Runs what is whole in `bytes`; how many of them are done with.
std::size_t Worker::process(Session& session, std::string_view bytes) {
  const std::size_t all = bytes.size();
  current_ = &session;
  begin_call();
  bool more = true;
  while (more && !bytes.empty()) {
    std::size_t count = 0, done = 0;
    const wire::Parsed got = cut_batch(session, bytes, count);
    for (std::size_t i = 0; i < count; ++i) {
      Cut& cut = batch_[i];
      if (!cut.words.empty() && run_command(session, cut) == Ran::kWait) {
        session.waiting = true;
        waiting_.push_back(&session);
        more = false;
        break;
      }
      done = cut.end;
      if (scratch_.size() > kFreeBufferBytes / 2) spill(session);
      if (session.dead || session.close_after_reply) {
        more = false;
        break;
      }
    }
    for (std::size_t i = 0; i < count; ++i) {
      // Assigned an empty list, a vector keeps what it holds.
      std::vector<std::string_view>& words = batch_[i].words;
      if (words.capacity() > kWordsKept) std::vector<std::string_view>().swap(words);
    }
    bytes.remove_prefix(done);
    if (!more) {
      session.parser.reset();  // what it has seen beyond is seen again, or never
      break;
    }
    if (got == wire::Parsed::kNeedMore) break;
    if (got == wire::Parsed::kError) {
      wire::ReplyWriter(scratch_, session.resp).error("ERR " + session.parser.error());
      stats_.protocol_errors.add();
      session.close_after_reply = true;
      bytes = {};
    }
  }
  session.parser.trim();
  current_ = nullptr;
  return all - bytes.size();
}

// Errors that are there before the command runs also spoil a transaction.
bool Worker::refused(Session& session, Context& context, const Command* command) {
  const auto refuse = [&](std::string_view text) {
    context.error(text);
    return true;
  };
  if (command == nullptr) return refuse(unknown_command(context.words));
  if (!arity_fits(*command, context.words.size())) {
    context.wrong_arity();
    return true;
  }
  if (session.guarded && refused_at_door(context, session.multi ? kInMulti : kAtTop)) return true;
  if (session.multi && (command->flags & kNoMulti)) {
    return refuse("ERR Command not allowed inside a transaction");
  }
  if (in_pubsub_mode(session) && !allowed_in_pubsub_mode(command->name)) {
    return refuse("ERR Can't execute '" + lower_case(command->name) +
                  "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in "
                  "this context");
  }
  if (session.monitors && (command->flags & (kReadonly | kWrite | kMayReplicate)) != 0) {
    return refuse("ERR Replica can't interact with the keyspace");
  }
  return false;
}

// Of a command of this thread's own client, whose reply goes behind what scratch_ holds.
Context Worker::context_of(Session& session, std::span<const std::string_view> words,
                           const Command* command) {
  return {
      server_, *this, session, &session, words, command, wire::ReplyWriter(scratch_, session.resp),
      0,       false};
}

Worker::Ran Worker::run_command(Session& session, Cut& cut) {
  const std::vector<std::string_view>& words = cut.words;
  const Command* command = cut.command != nullptr ? cut.command : command_named(words[0]);
  if (command != nullptr && (command->flags & kContainer) && words.size() > 1) {
    const Command* sub = find_subcommand(*command, words[1]);
    if (sub != nullptr) {
      command = sub;
    } else {
      Context context = context_of(session, words, command);
      const std::size_t before = scratch_.size();
      context.unknown_subcommand();
      if (session.multi) session.multi_failed = true;
      finish_reply(session, before);
      return Ran::kDone;
    }
  }
  // The usual case first: a known command of a client in no special state.
  const bool special = command == nullptr || session.guarded || session.multi ||
                       session.subscriptions() > 0 || session.monitors ||
                       server_.paused_until_ms.load(std::memory_order_relaxed) != 0 ||
                       !arity_fits(*command, words.size());
  if (special) {
    Context context = context_of(session, words, command);
    const std::size_t before = scratch_.size();
    if (refused(session, context, command)) {
      if (command != nullptr && std::string_view(command->name) == "exec") {
        abort_exec(context, before);
      } else if (session.multi) {
        session.multi_failed = true;
      }
      if (command != nullptr) stats_.commands[command_index(command)].rejected.add();
      finish_reply(session, before);
      return Ran::kDone;
    }
    if (must_pause(session, *command)) return Ran::kWait;
    if (session.multi && queue_command(session, *command, words)) {
      context.out.simple("QUEUED");
      finish_reply(session, before);
      return Ran::kDone;
    }
  }
  return dispatch(session, *command, cut);
}

// An EXEC that is refused ends the transaction; its error says so.
void Worker::abort_exec(Context& context, std::size_t before) {
  std::string why(scratch_.view().substr(before + 1));
  scratch_.truncate(before);
  if (why.starts_with("ERR ")) why.erase(0, 4);
  why.resize(why.size() - 2);
  discard_quietly(context);
  context.error("EXECABORT Transaction discarded because of: " + why);
}

bool Worker::must_pause(const Session& session, const Command& command) const {
  const std::uint64_t until = server_.paused_until_ms.load(std::memory_order_relaxed);
  if (until == 0 || steady_ms_ >= until) return false;
  if (server_.paused_all.load(std::memory_order_relaxed)) return true;
  const bool writes = (command.flags & (kWrite | kMayReplicate)) != 0;
  const std::string_view name = command.name;
  return writes || (name == "exec" && session.multi_writes);
}

bool Worker::queue_command(Session& session, const Command& command,
                           const std::vector<std::string_view>& words) {
  for (const char* now : {"exec", "discard", "multi", "watch", "quit", "reset"}) {
    if (std::string_view(command.name) == now) return false;
  }
  SessionExtras& extras = session.extras();
  for (const std::string_view word : words) extras.queued_bytes += word.size() + 32;
  extras.queued.emplace_back(words.begin(), words.end());
  if (command.flags & (kWrite | kMayReplicate)) session.multi_writes = true;
  if (!grant_buffers(session)) kill(session);
  return true;
}

}  // namespace ullage::server
