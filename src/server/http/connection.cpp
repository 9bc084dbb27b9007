// SPDX-License-Identifier: Apache-2.0
#include "server/http/connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "server/http.h"
#include "server/server.h"

namespace ullage::server {
namespace {

// Read at once.
constexpr std::size_t kReadBytes = 64 * 1024;
// Values up to here are copied out of their replies.
constexpr std::size_t kCopiedBytesMax = 16 * 1024;

bool has_body(const wire::HttpRequest& request) {
  return request.chunked || request.content_length.value_or(0) > 0;
}

Answer too_large(std::uint64_t most) {
  return problem(413, "body-too-large", "The body is too long.",
                 most == 0 ? std::string("This request takes no body.")
                           : "At most " + std::to_string(most) + " bytes are taken here.",
                 "Send less. Values are bounded by server.max_value.");
}

}  // namespace

Connection::Connection(Http& http, int fd, std::uint64_t id, tls::ContextPtr context)
    : http_(http), fd_(fd), id_(id), since_ms_(http.now_ms()), watched_(EPOLLIN) {
  if (!context) return;
  tls_ = std::make_unique<tls::Stream>(std::move(context), fd);
  handshaking_ = true;
}

Connection::~Connection() {
  http_.server().budget().give_back(tier::Component::kClients, granted_bytes_);
  ::close(fd_);
}

std::string Connection::refusal() {
  const Answer answer = problem(503, "too-many-connections", "There are too many connections.",
                                "HTTP takes " + std::to_string(kHttpConnectionsMax) + " at once.",
                                "Use fewer, and keep them open between requests.");
  return answer_head(answer, false) + answer.body;
}

std::string Connection::not_from_here() {
  const Answer answer = problem(403, "protected-mode", "Only its own machine is let in.",
                                "This store has no password.",
                                "Give it one (server.requirepass, or users), or say "
                                "server.protected_mode = \"no\" where the network is safe.");
  return answer_head(answer, false) + answer.body;
}

void Connection::ready(std::uint32_t events) {
  if (events & (EPOLLERR | EPOLLHUP)) return close();
  if (handshaking_) shake();
  if (dead() || handshaking_) return;
  if (events & EPOLLOUT) flush();
  if (!dead() && (events & EPOLLIN)) receive();
  if (!dead()) advance();
  if (!dead()) watch();
}

void Connection::receive() {
  // (Room for a whole record: TLS keeps nothing back that no poll would tell of.)
  const ssize_t got = read_some(in_.room(kReadBytes), kReadBytes);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return close();
  if (phase_ == Phase::kLingering || phase_ == Phase::kStreaming) return in_.clear();
  if (in_.empty() || !parser_.between_requests()) since_ms_ = http_.now_ms();
  in_.advance(static_cast<std::size_t>(got));
}

// Parses what is there, until a request must wait for its answer.
void Connection::advance() {
  std::size_t used = 0;
  bool more = true;
  while (more && phase_ == Phase::kReading && out_.empty()) {
    const wire::HttpParsed got = parser_.parse(in_.view().substr(used));
    used += parser_.consumed();
    switch (got) {
      case wire::HttpParsed::kNeedMore:
        more = false;
        break;
      case wire::HttpParsed::kHead:
        begin();
        break;
      case wire::HttpParsed::kBody:
        take_body();
        break;
      case wire::HttpParsed::kDone:
        if (!answered_) run();
        answered_ = false;
        break;
      case wire::HttpParsed::kError:
        respond_last(problem(parser_.status(), "bad-request",
                             "This is no request that is taken here.", parser_.error(),
                             "Send HTTP/1.1 as RFC 9112 has it."));
        break;
    }
  }
  in_.consume(used);
  if (in_.empty() && in_.capacity() > 0) in_.release();
  if (in_.empty() && phase_ == Phase::kReading && out_.empty() && parser_.between_requests()) {
    body_.release();
    (void)account();
  }
}

// The head is there: may it go on?
void Connection::begin() {
  const wire::HttpRequest& request = parser_.request();
  parser_.body_bytes_max(http_.server().max_value_bytes.load(std::memory_order_relaxed));
  auto plan = std::variant<Plan, Answer>(Answer{});
  if (wire::parse_target(request.target, target_)) {
    plan = plan_of(http_.server(), request, target_);
  } else {
    plan = problem(400, "bad-target", "The target is not well encoded.",
                   "A % in the query is not followed by two hexadecimal digits, or there are too "
                   "many parameters.",
                   "Write a % itself as %25.");
  }
  if (auto* answer = std::get_if<Answer>(&plan)) {
    if (has_body(request)) return respond_last(std::move(*answer));
    answered_ = true;
    return respond(std::move(*answer));
  }
  plan_ = std::get<Plan>(plan);
  const std::uint64_t length = request.content_length.value_or(0);
  if (length > plan_.body_bytes_max) return respond_last(too_large(plan_.body_bytes_max));
  body_.clear();
  if (length > 0) {
    // From the budget before it is taken, and taken whole: nothing is copied while it arrives.
    if (length > kConnectionFreeBytes) {
      const std::uint64_t more = length - std::min<std::uint64_t>(length, granted_bytes_);
      if (!http_.server().budget().take(tier::Component::kClients, more)) {
        return respond_last(denied_buffer());
      }
      granted_bytes_ += more;
    }
    body_.reserve(static_cast<std::size_t>(length));
  }
  if (request.expects_continue && has_body(request)) {
    put("HTTP/1.1 100 Continue\r\n\r\n");
    flush();
  }
}

void Connection::take_body() {
  const std::string_view part = parser_.body();
  if (body_.size() + part.size() > plan_.body_bytes_max) {
    return respond_last(too_large(plan_.body_bytes_max));
  }
  body_.append(part);
  if (!account()) respond_last(denied_buffer());
}

void Connection::run() {
  Call call{http_.server(),    http_.live(),       plan_.caller,
            parser_.request(), std::move(target_), std::move(body_)};
  take(plan_.begin(call));
}

void Connection::take(Step step) {
  if (auto* round = std::get_if<Round>(&step)) return start(std::move(*round));
  if (std::holds_alternative<Stream>(step)) return start_stream();
  respond(std::move(std::get<Answer>(step)));
}

void Connection::start(Round round) {
  phase_ = Phase::kWaiting;
  ++round_;
  missing_ = round.asks.size();
  drop_replies();
  replies_.resize(missing_);
  then_ = std::move(round.then);
  patience_until_ms_ = round.patience_ms == 0 ? 0 : http_.now_ms() + round.patience_ms;
  for (std::size_t i = 0; i < round.asks.size(); ++i) {
    // What was granted for the body goes with it.
    std::uint64_t granted = 0;
    if (round.asks[i].last) {
      granted = std::min<std::uint64_t>(granted_bytes_, round.asks[i].last->capacity());
    }
    const bool sent = http_.errands().send(
        std::move(round.asks[i]), granted,
        [&http = http_, id = id_, number = round_, i](std::optional<ErrandReply> told) {
          if (Connection* self = http.find(id)) self->take_reply(number, i, std::move(told));
        });
    if (!sent && patience_until_ms_ != 0) return end_round();
    if (!sent) {
      Answer busy = problem(503, "busy", "Too much is under way.",
                            std::to_string(kErrandsMax) + " commands wait for their keys.",
                            "Send it again after the time in Retry-After.");
      busy.fields.emplace_back("Retry-After", "1");
      ++round_;
      drop_replies();
      return respond(std::move(busy));
    }
    granted_bytes_ -= granted;
  }
}

void Connection::take_reply(std::uint64_t round, std::size_t index,
                            std::optional<ErrandReply> told) {
  if (round != round_ || phase_ != Phase::kWaiting) return;
  if (!told) {
    ++round_;
    drop_replies();
    respond(
        problem(504, "no-reply", "The store did not answer in time.",
                "It had " + std::to_string(kErrandMs / 1000) + " s. A write may still take effect.",
                "Read the key before writing it again; see /v1/status for what is slow."));
  } else {
    Replied& reply = replies_[index];
    constexpr wire::ReplyLimits kLimits{.copied_bytes_max = kCopiedBytesMax};
    if (wire::parse_reply(told->view(), kLimits, reply).status != wire::Parsed::kCommand) {
      reply = {};
    }
    granted_bytes_ += told->take_granted();
    reply.whole = told->take_bytes();
    replies_memory_ += reply.whole.capacity();
    if (--missing_ > 0) return;
    end_round();
  }
  if (!dead()) advance();
  if (!dead()) watch();
}

// With the replies that are there; later ones are dropped by the round's number.
void Connection::end_round() {
  ++round_;
  const auto then = std::move(then_);
  Step step = then(replies_);
  drop_replies();
  take(std::move(step));
}

// What was granted for them is the answer's, until that is accounted for.
void Connection::drop_replies() {
  replies_.clear();
  replies_memory_ = 0;
}

void Connection::start_stream() {
  if (http_.streams() >= kStreamsMax) {
    return respond(problem(503, "too-many-listeners", "There are too many listeners.",
                           "Events are told to " + std::to_string(kStreamsMax) + " at once.",
                           "Close another page, or poll /v1/status."));
  }
  const std::string last = parser_.request().field("last-event-id").value_or("");
  std::int64_t seen = 0;
  const std::uint64_t newest = http_.live().newest_event();
  const bool known =
      wire::parse_integer(last, seen) && seen >= 0 && static_cast<std::uint64_t>(seen) <= newest;
  cursor_ = known ? static_cast<std::uint64_t>(seen)
                  : newest - std::min<std::uint64_t>(newest, Live::kEventsMax);
  phase_ = Phase::kStreaming;
  http_.count_stream(true);
  put("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\nretry: 2000\n\n");
  tell(http_.live().status_event(plan_.caller));
}

void Connection::tell(const std::string& event) {
  if (!may_look(http_.server(), plan_.caller)) return close();  // users have changed
  if (out_bytes_ > kStreamBytesMax) {
    if (http_.now_ms() - since_ms_ > kProgressMs) close();
    return;
  }
  std::string growths = http_.live().events_text(cursor_);
  if (event.empty() && growths.empty()) return;
  put(event + growths);
  flush();
  if (!dead()) watch();
}

void Connection::tick() {
  const std::uint64_t waited = http_.now_ms() - std::min(http_.now_ms(), since_ms_);
  if (handshaking_) {
    if (waited > kHeadMs) close();
    return;
  }
  const bool begun = !in_.empty() || !parser_.between_requests();
  switch (phase_) {
    case Phase::kReading:
      if (!out_.empty() || !begun) {
        if (waited > (out_.empty() ? kIdleMs : kProgressMs)) close();
      } else if (waited > (parser_.between_requests() ? kHeadMs : kProgressMs)) {
        respond_last(problem(408, "too-slow", "The request did not come in time.",
                             "A head has 10 s; the next bytes of a body have 30 s.",
                             "Send it again, at once."));
        if (!dead()) watch();
      }
      break;
    case Phase::kLast:
      if (waited > kProgressMs) close();
      break;
    case Phase::kLingering:
      if (waited > kLingerMs) close();
      break;
    case Phase::kWaiting:
      if (patience_until_ms_ == 0 || http_.now_ms() < patience_until_ms_) break;
      end_round();
      if (!dead()) advance();
      if (!dead()) watch();
      break;
    case Phase::kStreaming:
    case Phase::kDead:
      break;
  }
}

void Connection::close() {
  if (dead()) return;
  if (streaming()) http_.count_stream(false);
  phase_ = Phase::kDead;
  if (tls_) tls_->say_goodbye();
  http_.close_later(id_);
}

}  // namespace ullage::server
