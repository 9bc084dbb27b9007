// SPDX-License-Identifier: Apache-2.0
#include "server/worker.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "server/clock.h"
#include "server/listen.h"
#include "server/router.h"
#include "server/server.h"

namespace ullage::server {
namespace {

constexpr std::uint64_t kWakeTag = 1, kListenTag = 2, kTlsListenTag = 3;
// Connections taken in one turn: the others wait for a turn of those that are here.
constexpr int kAcceptsMax = 64;
constexpr int kEventsMax = 256;
constexpr std::uint64_t kTickMs = 100;
// What the largest buffers of clients were "of late".
constexpr std::uint64_t kBuffersMs = 10'000;
constexpr std::chrono::microseconds kStepIdle{200}, kStepBusy{50};

std::string address_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET6) {
    const auto& six = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(six.sin6_port));
  }
  const auto& four = reinterpret_cast<const sockaddr_in&>(address);
  inet_ntop(AF_INET, &four.sin_addr, text, sizeof text);
  return std::string(text) + ":" + std::to_string(ntohs(four.sin_port));
}

}  // namespace

Worker::Worker(Server& server, unsigned index)
    : server_(server),
      index_(index),
      stats_(commands().size()),
      read_buffer_(std::make_unique_for_overwrite<char[]>(kReadBytes)),
      outboxes_(server.config().threads) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  spare_fd_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
  now_ms_ = unix_ms();
  steady_ms_ = steady_ms();
  ColdTier* cold = server.cold();
  shard_ =
      std::make_unique<tier::Shard>(tier::ShardOptions{.index = index,
                                                       .eviction = tier::Eviction::kAll,
                                                       .listener = this,
                                                       .sink = &server.growth_feed().lane(index),
                                                       .window_percent = std::nullopt,
                                                       .inclusive = cold != nullptr},
                                    server.budget());
  shard_->now(now_ms_);
  if (cold != nullptr) router_ = std::make_unique<Router>(*this, *cold);
}

Worker::~Worker() {
  for (auto& [id, session] : sessions_) ::close(session->fd);
  for (const int fd : {listener_, tls_listener_, spare_fd_}) {
    if (fd >= 0) ::close(fd);
  }
  ::close(wake_fd_);
  ::close(epoll_);
}

void Worker::wake() noexcept {
  if (!sleeping_.exchange(false, std::memory_order_seq_cst)) return;
  const std::uint64_t one = 1;
  if (write(wake_fd_, &one, sizeof one) < 0) return;  // full: it wakes anyway
}

void Worker::park_if_wanted() {
  for (;;) {
    const std::uint64_t ticket = park_wanted.load(std::memory_order_acquire);
    if (ticket == 0) return;
    parked_at.store(ticket, std::memory_order_release);
    park_wanted.wait(ticket, std::memory_order_acquire);
  }
}

void Worker::run(int listener, int tls_listener) {
  listener_ = listener;
  tls_listener_ = tls_listener;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kWakeTag;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_fd_, &event);
  listen(true);
  for (;;) {
    int timeout = 0;
    if (!more_steps_ && dirty_.empty() && dead_.empty()) {
      sleeping_.store(true, std::memory_order_seq_cst);
      const std::uint64_t now = steady_ms();
      timeout = now >= next_tick_ms_ ? 0 : static_cast<int>(next_tick_ms_ - now);
      if (!thirsty_.empty()) timeout = std::min(timeout, 1);
      if (park_wanted.load(std::memory_order_seq_cst) != 0 || inbox_.waiting() ||
          (!backlog_.empty() && may_run_more()) || (router_ != nullptr && router_->news())) {
        timeout = 0;
      }
    }
    turn(timeout);
    if (!draining_.load(std::memory_order_relaxed)) continue;
    if (drain_until_ms_ == 0) {
      drain_until_ms_ = steady_ms_ + server_.config().drain_ns / 1'000'000;
      for (int* fd : {&listener_, &tls_listener_}) {
        if (*fd >= 0) ::close(*fd);
        *fd = -1;
      }
    }
    const bool owing = inbox_.waiting() || !backlog_.empty() ||
                       std::any_of(sessions_.begin(), sessions_.end(), [](const auto& s) {
                         return !s.second->out.empty() || !s.second->slots.empty();
                       });
    if (!owing || steady_ms_ >= drain_until_ms_) break;
  }
  if (router_ == nullptr) return;
  router_->turn();
  send_posts();
}

void Worker::turn(int timeout_ms) {
  epoll_event events[kEventsMax];
  const int count = epoll_wait(epoll_, events, kEventsMax, timeout_ms);
  sleeping_.store(false, std::memory_order_relaxed);
  stats_.turns.add();
  now_ms_ = unix_ms();
  steady_ms_ = steady_ms();
  shard_->now(router_ == nullptr ? now_ms_ : router_->clock(now_ms_));
  park_if_wanted();
  if (inbox_.waiting() || !backlog_.empty()) take_posts();
  for (int i = 0; i < count; ++i) {
    const std::uint64_t tag = events[i].data.u64;
    if (tag == kWakeTag) {
      std::uint64_t drained;  // one read takes all that was written
      [[maybe_unused]] const ssize_t got = read(wake_fd_, &drained, sizeof drained);
      continue;
    }
    if (tag == kListenTag || tag == kTlsListenTag) {
      // Draining has closed it, perhaps a moment ago.
      const int listener = tag == kListenTag ? listener_ : tls_listener_;
      if (listener >= 0) accept_clients(listener);
      continue;
    }
    ready(*static_cast<Session*>(events[i].data.ptr), events[i].events);
  }
  if (!thirsty_.empty()) look_for_room();
  if (steady_ms_ >= next_tick_ms_) tick();
  if (router_ != nullptr) router_->turn();
  server_.tracking().send_broadcasts(*this);
  while (!dirty_.empty()) {
    std::vector<std::uint64_t> dirty;
    dirty.swap(dirty_);
    for (const std::uint64_t id : dirty) {
      const auto found = sessions_.find(id);
      if (found == sessions_.end()) continue;
      found->second->dirty = false;
      if (!found->second->dead) flush(*found->second);
    }
  }
  if (outboxes_.size() > 1 || !errands_done_.empty()) send_posts();
  if (!dead_.empty()) close_dead();
  more_steps_ |= server_.budget().is_asked(static_cast<int>(index_));
  if (more_steps_) more_steps_ = step(count > 0 ? kStepBusy : kStepIdle);
}

bool Worker::step(std::chrono::nanoseconds time) {
  return shard_->step(time, server_.active_expire.load(std::memory_order_relaxed));
}

void Worker::ready(Session& session, std::uint32_t events) {
  if (session.dead) return;
  if (session.handshaking) return shake(session);
  if (events & EPOLLOUT) flush(session);
  // An error or a hang-up shows as the end of what can be read. What TLS reads may wait for room to
  // write.
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || session.tls) readable(session);
}

void Worker::accept_clients(int listener) {
  for (int i = 0; i < kAcceptsMax; ++i) {
    sockaddr_storage peer{}, local{};
    socklen_t size = sizeof peer;
    const int fd =
        accept4(listener, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;  // none is waiting
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (turn_away(listener)) continue;
      return;
    }
    stats_.connections.add();
    if (server_.client_count() >= server_.config().max_clients) {
      constexpr std::string_view kFull = "-ERR max number of clients reached\r\n";
      (void)!send(fd, kFull.data(), kFull.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      ::close(fd);
      stats_.rejected_connections.add();
      server_.log().warning("clients_full", "a connection beyond server.max_clients was refused",
                            {{"client", address_text(peer)}});
      continue;
    }
    const int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    auto session = std::make_unique<Session>();
    session->fd = fd;
    session->id = server_.add_client(index_);
    session->created_ms = session->active_ms = steady_ms_;
    session->peer = address_text(peer);
    size = sizeof local;
    getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size);
    session->local = address_text(local);
    session->authenticated = server_.users().admit(*session);
    if (!may_come(*session, comes_from_here(fd))) {
      ::close(fd);
      server_.remove_client(session->id);
      continue;
    }
    limit_words(*session);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = session.get();
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
    Session& taken = *sessions_.emplace(session->id, std::move(session)).first->second;
    stats_.clients.set(sessions_.size());
    if (listener == tls_listener_) begin_tls(taken);
  }
}

// No descriptor, or no memory of the kernel's, for whoever waits. Told so rather than left hanging:
// the spare descriptor is given up for that. Where not even that helps, asking again at once would
// only turn the loop. False: nobody waits any more, or it has to be later.
bool Worker::turn_away(int listener) {
  const int why = errno;
  if (spare_fd_ >= 0) ::close(spare_fd_);
  const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  // The kernel looks for a descriptor first: there may have been nobody.
  const bool nobody = fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  if (fd >= 0) {
    constexpr std::string_view kFull = "-ERR max number of clients reached\r\n";
    if (listener == listener_) (void)!send(fd, kFull.data(), kFull.size(), MSG_NOSIGNAL);
    ::close(fd);
  }
  spare_fd_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nobody) return false;
  stats_.no_descriptor.add();
  server_.log().error(
      "no_descriptor", "a connection was refused: the system says no",
      {{"problem", std::strerror(why)}, {"clients", std::to_string(server_.client_count())}});
  if (fd < 0) listen(false);
  return fd >= 0;
}

void Worker::listen(bool on) {
  if (listening_ == on) return;
  listening_ = on;
  for (const auto& [fd, tag] :
       {std::pair{listener_, kListenTag}, std::pair{tls_listener_, kTlsListenTag}}) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = tag;
    if (fd >= 0) epoll_ctl(epoll_, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &event);
  }
}

// Without a password, and with no word that this is meant, only this machine is let in.
bool Worker::may_come(const Session& session, bool from_here) {
  if (from_here || !server_.config().protected_mode || server_.users().password_needed()) {
    return true;
  }
  stats_.protected_refusals.add();
  server_.log().warning("protected_mode", "a connection from elsewhere was refused: no password",
                        {{"client", session.peer}});
  constexpr std::string_view kWhy =
      "-DENIED this store is in protected mode: it has no password, so it takes connections from "
      "its "
      "own machine only. To be let in: give it a password (server.requirepass, or CONFIG SET "
      "requirepass from its machine), or users (server.acl_file); or say server.protected_mode = "
      "\"no\" where the network is safe.\r\n";
  (void)!send(session.fd, kWhy.data(), kWhy.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return false;
}

// Whoever has not said who it is may not make us keep much.
void Worker::limit_words(Session& session) {
  wire::RequestLimits limits{.word_bytes_max = server_.config().max_value_bytes};
  if (!session.authenticated && session.guarded) {
    limits = {.words_max = kStrangerWordsMax, .word_bytes_max = kStrangerWordBytesMax};
  }
  session.parser.set_limits(limits);
}

void Worker::tick() {
  next_tick_ms_ = steady_ms_ + kTickMs;
  if (spare_fd_ < 0) spare_fd_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
  listen(true);
  if (step(kStepIdle)) more_steps_ = true;
  if (router_ != nullptr) router_->tick();
  if (!waiting_.empty()) resume_waiting();
  if (handshakes_ > 0) cut_handshakes();
  if (!unfinished_.empty()) cut_unfinished();
  if (steady_ms_ >= buffers_until_ms_) {
    buffers_until_ms_ = steady_ms_ + kBuffersMs;
    stats_.buffer_in_max.set(0);
    stats_.buffer_out_max.set(0);
    for (const auto& [id, session] : sessions_) note_buffers(*session);
  }
  const std::uint64_t timeout_ms = server_.config().timeout_ns / 1'000'000;
  if (timeout_ms > 0) {
    for (auto& [id, session] : sessions_) {
      if (session->dead || may_be_silent(*session)) continue;
      if (steady_ms_ - session->active_ms > timeout_ms) {
        stats_.idle_cuts.add();
        kill(*session);
      }
    }
  }
}

// Who listens has nothing to say, and who is kept waiting can't be blamed for it.
bool Worker::may_be_silent(const Session& session) {
  return session.subscriptions() > 0 || session.monitors || session.waiting ||
         session.parked != nullptr || !session.slots.empty();
}

void Worker::resume_waiting() {
  std::vector<Session*> waiting;
  waiting.swap(waiting_);
  for (Session* session : waiting) {
    session->waiting = false;
    if (session->dead) continue;
    session->active_ms = steady_ms_;
    process_held(*session);
    if (session->tls && !session->dead && session->tls->pending()) readable(*session);
  }
}

void Worker::watch_events(Session& session) {
  const bool write = session.handshaking
                         ? session.tls->wants_write()
                         : !session.out.empty() || (session.tls && session.tls->wants_write());
  const bool read = !session.waiting && !session.close_after_reply;
  if (write == session.want_write && read == session.want_read) return;
  session.want_write = write;
  session.want_read = read;
  epoll_event event{};
  event.events = (read ? EPOLLIN : 0U) | (write ? EPOLLOUT : 0U);
  event.data.ptr = &session;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, session.fd, &event);
}

void Worker::kill(Session& session) {
  if (session.dead) return;
  session.dead = true;
  dead_.push_back(session.id);
}

void Worker::close_dead() {
  std::vector<std::uint64_t> dead;
  dead.swap(dead_);
  for (const std::uint64_t id : dead) {
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) continue;
    close(*found->second);
    sessions_.erase(found);
  }
  stats_.clients.set(sessions_.size());
}

void Worker::close(Session& session) {
  if (session.known_extras() != nullptr) {
    SessionExtras& extras = session.extras();
    for (const std::string& channel : extras.channels) {
      server_.pubsub().unsubscribe(channel, false, {index_, session.id});
    }
    for (const std::string& pattern : extras.patterns) {
      server_.pubsub().unsubscribe(pattern, true, {index_, session.id});
    }
    if (session.subscriptions() > 0) stats_.subscribed.sub();
    if (extras.tracking.on) server_.tracking().stop(session.id);
    forget_watches(session);
  }
  if (session.multi) stats_.in_multi.sub();
  if (session.monitors) server_.monitors().remove({index_, session.id});
  for (const Slot& slot : session.slots) session.granted_bytes += slot.granted_bytes;
  server_.budget().give_back(tier::Component::kClients, session.granted_bytes,
                             static_cast<int>(index_));
  std::erase(waiting_, &session);
  std::erase(thirsty_, &session);
  if (session.parked != nullptr) router_->abandon(session);
  if (session.handshaking) end_handshake(session);
  if (session.tls) session.tls->say_goodbye();
  ::close(session.fd);
  server_.remove_client(session.id);
}

void Worker::reset_stats() {
  for (CommandStats& stats : stats_.commands) {
    for (Tally* tally : {&stats.calls, &stats.ns, &stats.rejected, &stats.failed}) tally->set(0);
    for (Tally& bucket : stats.durations.buckets) bucket.set(0);
  }
  for (Tally* tally :
       {&stats_.processed, &stats_.connections, &stats_.rejected_connections, &stats_.no_descriptor,
        &stats_.bytes_in, &stats_.bytes_out, &stats_.output_limit_cuts, &stats_.query_limit_cuts,
        &stats_.idle_cuts, &stats_.unfinished_cuts, &stats_.denied_buffers, &stats_.protocol_errors,
        &stats_.errors, &stats_.command_ns_max, &stats_.command_cpu_ns_max}) {
    tally->set(0);
  }
  {
    const std::lock_guard lock(stats_.errors_mutex);
    stats_.error_codes.clear();
  }
  const tier::Counters& counters = shard_->counters();
  stats_.expired_keys_base.set(counters.expired.value());
  stats_.evicted_keys_base.set(counters.evicted.value());
  stats_.hits_base.set(counters.hits.value());
  stats_.misses_base.set(counters.misses.value());
}

void Worker::on_removed(unsigned db, std::string_view key, tier::Removal why) noexcept {
  const bool expired = why == tier::Removal::kExpired;
  if (expired && router_ != nullptr) router_->expired({db, key});
  if (server_.notify_flags.load(std::memory_order_relaxed) != 0) {
    notify_keyspace(*this, expired ? kNotifyExpired : kNotifyEvicted,
                    expired ? "expired" : "evicted", db, key);
  }
  if (server_.tracking().any()) server_.tracking().invalidate(key, 0, *this);
}

}  // namespace ullage::server
