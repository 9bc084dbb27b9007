// SPDX-License-Identifier: Apache-2.0
//
// A connection's answers: their bytes, what the socket takes of them, what the budget grants.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "server/http.h"
#include "server/http/connection.h"
#include "server/server.h"

namespace ullage::server {
namespace {

// Answers up to here go out in one piece with their head.
constexpr std::size_t kJoinBytes = 32 * 1024;

}  // namespace

Answer denied_buffer() {
  return problem(507, "budget-denied", "There is no memory for this.",
                 "The budget denied a buffer of this connection.",
                 "Send less at once, or raise residency.hot (see the page at /).");
}

void Connection::respond(Answer answer) {
  const wire::HttpRequest& request = parser_.request();
  bool keep = request.keep_alive && !answer.close && !http_.server().stopping();
  if (answer.parts) {
    chunked_ = request.minor > 0;
    keep = keep && chunked_;  // else its end is that of the connection
    if (chunked_) answer.fields.emplace_back("Transfer-Encoding", "chunked");
  }
  phase_ = keep ? Phase::kReading : Phase::kLast;
  if (keep && request.minor == 0) answer.fields.emplace_back("Connection", "keep-alive");
  std::string head = answer_head(answer, keep);
  if (request.method == "HEAD") {
    put(std::move(head));
  } else if (answer.parts) {
    put(std::move(head));
    parts_ = std::move(answer.parts);
    put_part();
  } else if (answer.content().size() <= kJoinBytes) {
    put(head.append(answer.content()));
  } else {
    put(std::move(head));
    put(Piece{std::move(answer.body), std::move(answer.kept), answer.part});
  }
  body_.release();
  since_ms_ = http_.now_ms();
  if (!account()) {
    // Nothing of it has gone out: another answer takes its place.
    drop_output();
    Answer instead = denied_buffer();
    put(answer_head(instead, keep) + (request.method == "HEAD" ? "" : instead.body));
    (void)account();
  }
  flush();
}

void Connection::respond_last(Answer answer) {
  answer.close = true;
  respond(std::move(answer));
}

void Connection::put(Piece piece) {
  out_bytes_ += piece.view().size();
  out_memory_ += piece.memory_bytes();
  out_.push_back(std::move(piece));
}

// Never empty: what is chunked ends with such a chunk.
void Connection::put_part() {
  constexpr std::size_t kSizeDigits = 8;
  std::string part = chunked_ ? std::string(kSizeDigits, '0') + "\r\n" : std::string();
  const std::size_t head = part.size();
  part.reserve(head + kPartBytes * 5 / 4);
  if (!parts_(part)) parts_ = nullptr;
  if (chunked_) {
    std::size_t left = part.size() - head;
    if (left == 0) part.clear();
    for (std::size_t i = kSizeDigits; i > 0 && left > 0; left /= 16) {
      part[--i] = "0123456789abcdef"[left % 16];
    }
    if (!part.empty()) part += "\r\n";
    if (!parts_) part += "0\r\n\r\n";
  }
  if (!part.empty()) put(std::move(part));
}

void Connection::drop_output() {
  out_.clear();
  parts_ = nullptr;
  out_at_ = out_bytes_ = out_memory_ = 0;
}

ssize_t Connection::read_some(char* into, std::size_t room) {
  if (tls_) return tls_->read(into, room);
  return recv(fd_, into, room, MSG_DONTWAIT);
}

ssize_t Connection::write_some(std::string_view bytes) {
  if (tls_) return tls_->write(bytes.data(), bytes.size());
  return send(fd_, bytes.data(), bytes.size(),
              MSG_NOSIGNAL | MSG_DONTWAIT | (out_.size() > 1 || parts_ ? MSG_MORE : 0));
}

void Connection::shake() {
  const tls::Stream::Shake shaken = tls_->handshake();
  if (shaken == tls::Stream::Shake::kBroken) {
    http_.server().log().warning("tls_failed", "a TLS handshake failed",
                                 {{"door", "https"}, {"why", tls_->problem()}});
    return close();
  }
  if (shaken == tls::Stream::Shake::kDone) handshaking_ = false;
  watch();
  // What came with the last of the handshake may lie decrypted already.
  if (!handshaking_) ready(EPOLLIN);
}

void Connection::flush() {
  while (!out_.empty() || parts_) {
    if (out_.empty()) {
      put_part();
      continue;
    }
    const std::string_view first = out_.front().view();
    const ssize_t sent = write_some(first.substr(out_at_));
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) return close();
    since_ms_ = http_.now_ms();
    out_at_ += static_cast<std::size_t>(sent);
    out_bytes_ -= static_cast<std::size_t>(sent);
    if (out_at_ < first.size()) continue;
    out_memory_ -= out_.front().memory_bytes();
    out_.pop_front();
    out_at_ = 0;
  }
  if (granted_bytes_ > 0) (void)account();
  if (phase_ == Phase::kLast) {
    phase_ = Phase::kLingering;
    if (tls_) tls_->say_goodbye();
    shutdown(fd_, SHUT_WR);
  }
}

// Buffers beyond what is free are granted by the budget. False: it denied more.
bool Connection::account() {
  const std::uint64_t all = body_.capacity() + in_.capacity() + out_memory_ + replies_memory_;
  const std::uint64_t needed = all > kConnectionFreeBytes ? all - kConnectionFreeBytes : 0;
  tier::Budget& budget = http_.server().budget();
  if (needed > granted_bytes_) {
    if (!budget.take(tier::Component::kClients, needed - granted_bytes_)) return false;
    granted_bytes_ = needed;
  } else if (needed < granted_bytes_) {
    budget.give_back(tier::Component::kClients, granted_bytes_ - needed);
    granted_bytes_ = needed;
  }
  return true;
}

void Connection::watch() {
  const bool reads = phase_ == Phase::kLingering || phase_ == Phase::kStreaming ||
                     (phase_ == Phase::kReading && out_.empty());
  const bool writes =
      handshaking_ ? tls_->wants_write() : !out_.empty() || (tls_ && tls_->wants_write());
  const std::uint32_t events = (reads ? EPOLLIN : 0U) | (writes ? EPOLLOUT : 0U);
  if (events == watched_) return;
  watched_ = events;
  http_.watch(fd_, id_, events);
}

}  // namespace ullage::server
