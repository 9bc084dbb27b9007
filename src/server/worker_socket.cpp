// SPDX-License-Identifier: Apache-2.0
//
// What goes over a client's socket: as it is, or over TLS.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

#include "server/server.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

// Bytes, none for now (0), or it is broken (-1).
ssize_t sent_or_broken(ssize_t sent) {
  if (sent >= 0) return sent;
  return errno == EAGAIN ? 0 : -1;
}

ssize_t send_vectors(int fd, const OutQueue& queue, std::size_t most) {
  iovec vectors[OutQueue::kVectors];
  msghdr message{};
  message.msg_iov = vectors;
  message.msg_iovlen = queue.vectors(vectors, most);
  return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

ssize_t Worker::receive(Session& session, char* into, std::size_t room) {
  if (session.tls) return session.tls->read(into, room);
  return recv(session.fd, into, room, MSG_DONTWAIT);
}

ssize_t Worker::transmit(Session& session, std::string_view bytes) {
  if (session.tls) {
    if (session.handshaking) return 0;
    return sent_or_broken(session.tls->write(bytes.data(), bytes.size()));
  }
  for (;;) {
    const ssize_t sent = send(session.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    return sent_or_broken(sent);
  }
}

ssize_t Worker::transmit_queue(Session& session, std::size_t most) {
  if (session.tls) {
    // A record that was begun goes on with the same bytes: those at the front, which stay there.
    iovec vectors[OutQueue::kVectors];
    session.out.vectors(vectors, most);
    return transmit(session, {static_cast<const char*>(vectors[0].iov_base), vectors[0].iov_len});
  }
  for (;;) {
    const ssize_t sent = send_vectors(session.fd, session.out, most);
    if (sent < 0 && errno == EINTR) continue;
    return sent_or_broken(sent);
  }
}

void Worker::begin_tls(Session& session) {
  if (handshakes_ >= kHandshakesMax) {
    stats_.tls_failures.add();
    return kill(session);
  }
  ++handshakes_;
  session.handshaking = true;
  session.tls = std::make_unique<tls::Stream>(server_.tls_context(), session.fd);
}

void Worker::end_handshake(Session& session) {
  session.handshaking = false;
  --handshakes_;
}

void Worker::shake(Session& session) {
  switch (session.tls->handshake()) {
    case tls::Stream::Shake::kAgain:
      return watch_events(session);
    case tls::Stream::Shake::kBroken:
      stats_.tls_failures.add();
      server_.log().warning("tls_failed", "a TLS handshake failed",
                            {{"client", session.peer}, {"why", session.tls->problem()}});
      return kill(session);
    case tls::Stream::Shake::kDone:
      break;
  }
  end_handshake(session);
  stats_.tls_connections.add();
  watch_events(session);
  readable(session);  // its first command may have come with the last of the handshake
}

void Worker::cut_handshakes() {
  for (auto& [id, session] : sessions_) {
    if (!session->handshaking || session->dead) continue;
    if (steady_ms_ - session->created_ms < kHandshakeMs) continue;
    stats_.tls_failures.add();
    kill(*session);
  }
}

}  // namespace ullage::server
