// SPDX-License-Identifier: Apache-2.0
#pragma once

// Session: one connected client. Belongs to the thread that accepted it; others reach it by its id,
// through that thread's messages, or while every thread stands still.

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "server/command.h"
#include "server/gather.h"
#include "server/out_queue.h"
#include "server/shared_bytes.h"
#include "tier/key.h"
#include "tls/tls.h"
#include "wire/byte_buffer.h"
#include "wire/request_parser.h"

namespace ullage::server {

struct Parked;

// What a command needs to know of its client; a copy travels with a forwarded command.
struct Caller {
  std::uint64_t id = 0;
  std::uint8_t db = 0;
  std::uint8_t resp = 2;
  bool tracking = false;  // remembers keys that are read (not BCAST)
  bool tracking_noloop = false;
  bool no_touch = false;
  bool guarded = true;         // something must be asked before its commands run: acl/door.h
  bool authenticated = false;  // has said who it is, or did not need to
  std::uint32_t user = 0;      // number of its user
};

struct TrackingState {
  bool on = false, broadcast = false, optin = false, optout = false, noloop = false;
  bool broken_redirect = false;
  bool caching_next = false;  // CLIENT CACHING yes|no was the last command
  std::uint64_t redirect = 0;
  std::vector<std::string> prefixes;
};

struct Watched {
  std::string key;
  std::uint8_t db;
  std::uint64_t version;
  bool existed;
};

// State that most clients never have.
struct SessionExtras {
  std::vector<std::vector<std::string>> queued;  // MULTI
  std::size_t queued_bytes = 0;
  std::vector<Watched> watched;
  std::unordered_set<std::string> channels, patterns;
  TrackingState tracking;
  std::string name, lib_name, lib_version;
};

enum class ReplyMode : std::uint8_t { kOn, kOff, kSkip, kSkipNext };

// A reply that must wait for earlier ones, which other threads still owe.
struct Slot {
  wire::ByteBuffer reply;
  SharedText shared;  // what comes behind it, and ends a line
  bool done = false;
  bool dropped = false;             // CLIENT REPLY OFF: nobody wants it
  std::unique_ptr<Gather> gather;   // its command runs in parts
  std::uint64_t granted_bytes = 0;  // of the budget, for parts; the session's in the end
  std::uint64_t counted_bytes = 0;  // of Session::slot_bytes
};

struct Session : Caller {
  int fd = -1;
  std::unique_ptr<tls::Stream> tls;  // null: what it sends is what it says
  bool handshaking = false;          // nothing but the handshake goes over it yet
  wire::RequestParser parser;
  wire::ByteBuffer in;         // of a command that is not whole yet
  std::uint64_t in_taken = 0;  // bytes of it whose pages have become a value
  std::uint64_t room_since_ms = 0, room_tried_ms = 0;  // since when it waits for room; 0: not
  OutQueue out;                                        // what the socket did not take
  std::list<Slot> slots;                               // in the order of their commands
  std::uint64_t slot_bytes = 0;                        // of replies in them, but for small ones

  bool want_write = false, want_read = true;  // what epoll is asked for
  bool close_after_reply = false;             // what is written goes out, nothing more is read
  bool dead = false;                          // closed at the end of this turn
  bool dirty = false;                         // in the list of those to be flushed
  bool unfinished = false;                    // in the list of those who sent half a command
  bool waiting = false;                       // its next command waits: a pause, other threads
  bool multi = false, multi_failed = false, multi_writes = false;
  bool no_evict = false;
  bool monitors = false;           // is shown every command
  std::shared_ptr<Parked> parked;  // its next command waits for the cold tier
  ReplyMode reply_mode = ReplyMode::kOn;
  std::uint64_t created_ms = 0, active_ms = 0;  // by the steady clock
  const Command* last_command = nullptr;
  std::uint64_t granted_bytes = 0;  // of buffers, from the budget
  std::uint64_t bytes_in = 0, bytes_out = 0, commands = 0;
  std::string peer, local;  // "127.0.0.1:40000"

  SessionExtras& extras() {
    if (!extras_) extras_ = std::make_unique<SessionExtras>();
    return *extras_;
  }
  const SessionExtras* known_extras() const { return extras_.get(); }
  std::size_t subscriptions() const {
    return extras_ ? extras_->channels.size() + extras_->patterns.size() : 0;
  }

 private:
  std::unique_ptr<SessionExtras> extras_;
};

}  // namespace ullage::server
