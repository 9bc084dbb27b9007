// SPDX-License-Identifier: Apache-2.0
#pragma once

// Connection: one connection of HTTP: bytes to requests, steps to answers, answers to bytes.
//
// A request is read whole (its body within what its route allows, and what the budget grants), then
// its steps run; what comes behind it waits in the socket. So a connection holds one request and
// one answer at most. Closed while errands are under way: their replies are dropped by its number.
//
// Threads: the one of HTTP.

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "server/http/call.h"
#include "tls/tls.h"
#include "wire/byte_buffer.h"
#include "wire/http_parser.h"

namespace ullage::server {

class Http;

// Time for a head from its first byte on; for the next bytes of a body, or of an answer; between
// two requests (a scraper's interval, several times); for the other side to close.
inline constexpr std::uint64_t kHeadMs = 10'000, kProgressMs = 30'000, kIdleMs = 300'000,
                               kLingerMs = 2'000;
// Events that wait for a listener who does not read; then it misses some.
inline constexpr std::size_t kStreamBytesMax = 256 * 1024;

// Buffers of a connection up to here are free; more is granted by the budget.
inline constexpr std::size_t kConnectionFreeBytes = 128 * 1024;
// 507: the budget says no.
Answer denied_buffer();

class Connection {
 public:
  // With a context it begins with a handshake, which counts as its first head's time.
  Connection(Http& http, int fd, std::uint64_t id, tls::ContextPtr context = nullptr);
  ~Connection();
  // What one connection too many is told.
  static std::string refusal();
  // And what somebody from elsewhere is, while there is no password.
  static std::string not_from_here();

  void ready(std::uint32_t events);
  void tick();
  // An event for a listener, and the growths since; "": only those.
  void tell(const std::string& event);
  const Caller& caller() const { return plan_.caller; }
  bool streaming() const { return phase_ == Phase::kStreaming; }
  bool dead() const { return phase_ == Phase::kDead; }
  // An answer is under way.
  bool owing() const {
    return phase_ == Phase::kWaiting || (!out_.empty() && phase_ != Phase::kStreaming);
  }

 private:
  enum class Phase : std::uint8_t {
    kReading,    // a request, or its beginning
    kWaiting,    // for the replies of its errands
    kStreaming,  // events, until it goes
    kLast,       // the last answer goes out, nothing more is read
    kLingering,  // it has gone out: what still comes is dropped, so that it is not lost by a reset
    kDead,
  };

  void shake();
  ssize_t read_some(char* into, std::size_t room);
  ssize_t write_some(std::string_view bytes);
  void receive();
  void advance();
  void begin();
  void take_body();
  void run();
  void take(Step step);
  void start(Round round);
  void take_reply(std::uint64_t round, std::size_t index, std::optional<ErrandReply> told);
  void end_round();
  void drop_replies();
  void start_stream();
  void respond(Answer answer);
  void respond_last(Answer answer);
  // What goes out: bytes of its own, or a part of others, which it may keep.
  struct Piece {
    std::string bytes;
    wire::ByteBuffer kept;
    std::string_view part;
    std::string_view view() const { return part.empty() ? std::string_view(bytes) : part; }
    std::size_t memory_bytes() const { return bytes.capacity() + kept.capacity(); }
  };
  void put(Piece piece);
  void put(std::string bytes) { put(Piece{std::move(bytes), {}, {}}); }
  void put_part();
  void drop_output();
  void flush();
  bool account();
  void watch();
  void close();

  Http& http_;
  const int fd_;
  const std::uint64_t id_;
  std::unique_ptr<tls::Stream> tls_;  // null: as it is
  bool handshaking_ = false;
  Phase phase_ = Phase::kReading;
  wire::HttpParser parser_;
  wire::ByteBuffer in_;
  Plan plan_;
  wire::HttpTarget target_;
  wire::ByteBuffer body_;
  bool answered_ = false;  // by its head alone
  std::deque<Piece> out_;
  std::size_t out_at_ = 0, out_bytes_ = 0;  // in the first; all
  std::size_t out_memory_ = 0;
  Parts parts_;  // what is to come behind out_, made when that has gone out
  bool chunked_ = false;
  std::uint64_t since_ms_ = 0;
  std::uint64_t granted_bytes_ = 0;
  std::uint32_t watched_;
  // The round under way.
  std::uint64_t round_ = 0;
  std::size_t missing_ = 0;
  Replies replies_;
  std::size_t replies_memory_ = 0;
  std::function<Step(Replies&)> then_;
  std::uint64_t patience_until_ms_ = 0;  // 0: it waits for all
  std::uint64_t cursor_ = 0;             // of its stream
};

}  // namespace ullage::server
