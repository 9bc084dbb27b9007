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
  const bool keep = request.keep_alive && !answer.close && !http_.server().stopping();
  phase_ = keep ? Phase::kReading : Phase::kLast;
  if (keep && request.minor == 0) answer.fields.emplace_back("Connection", "keep-alive");
  std::string head = answer_head(answer, keep);
  if (request.method == "HEAD") answer.body.clear();
  if (answer.body.size() <= kJoinBytes) {
    put(head + answer.body);
  } else {
    put(std::move(head));
    put(std::move(answer.body));
  }
  body_.release();
  since_ms_ = http_.now_ms();
  if (!account()) {
    // Nothing of it has gone out: another answer takes its place.
    out_.clear();
    out_at_ = out_bytes_ = 0;
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

void Connection::put(std::string bytes) {
  out_bytes_ += bytes.size();
  out_.push_back(std::move(bytes));
}

void Connection::flush() {
  while (!out_.empty()) {
    const std::string& first = out_.front();
    const ssize_t sent = send(fd_, first.data() + out_at_, first.size() - out_at_,
                              MSG_NOSIGNAL | MSG_DONTWAIT | (out_.size() > 1 ? MSG_MORE : 0));
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) return close();
    since_ms_ = http_.now_ms();
    out_at_ += static_cast<std::size_t>(sent);
    out_bytes_ -= static_cast<std::size_t>(sent);
    if (out_at_ < first.size()) continue;
    out_.pop_front();
    out_at_ = 0;
  }
  if (granted_bytes_ > 0) (void)account();
  if (phase_ == Phase::kLast) {
    phase_ = Phase::kLingering;
    shutdown(fd_, SHUT_WR);
  }
}

// Buffers beyond what is free are granted by the budget. False: it denied more.
bool Connection::account() {
  const std::uint64_t all = body_.capacity() + in_.capacity() + out_bytes_;
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
  const std::uint32_t events = (reads ? EPOLLIN : 0U) | (out_.empty() ? 0U : EPOLLOUT);
  if (events == watched_) return;
  watched_ = events;
  http_.watch(fd_, id_, events);
}

}  // namespace ullage::server
