// SPDX-License-Identifier: Apache-2.0
#include "server/backup_client.h"

#include <netdb.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <thread>

#include "tls/client.h"
#include "wire/reply_parser.h"

namespace ullage::server {
namespace {

// How often it is asked how far it is.
constexpr std::chrono::milliseconds kEvery{50};
// A server that says nothing for so long is given up.
constexpr int kSilenceSeconds = 30;

class Connection {
 public:
  Connection() = default;
  ~Connection() {
    if (socket_ >= 0) ::close(socket_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Result<void> open(const std::string& host, const std::string& port) {
    where_ = host + ":" + port;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    if (const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &list); error != 0) {
      return Error{Code::kInvalid, where_ + ": " + ::gai_strerror(error)};
    }
    int number = 0;
    for (const addrinfo* at = list; at != nullptr && socket_ < 0; at = at->ai_next) {
      socket_ = ::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
      if (socket_ >= 0 && ::connect(socket_, at->ai_addr, at->ai_addrlen) == 0) break;
      number = errno;
      if (socket_ >= 0) ::close(socket_);
      socket_ = -1;
    }
    ::freeaddrinfo(list);
    if (socket_ < 0) {
      return Error{Code::kIo, "no server at " + where_ + ": " + std::strerror(number) +
                                  "\n  Name the one to ask: --host, --port."};
    }
    const timeval silence{kSilenceSeconds, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
    return {};
  }

  Result<void> begin_tls(const BackupRequest& request) {
    const Result<tls::ContextPtr> context =
        tls::make_client_context({request.host, request.ca, request.certificate, request.key});
    if (!context.ok()) return context.error();
    ::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes as to a file; the error says the same
    tls_.emplace(context.value(), socket_);
    if (tls_->handshake() == tls::Stream::Shake::kDone) return {};
    const std::string& why = tls_->problem();
    return Error{Code::kIo,
                 where_ + ": TLS failed: " + (why.empty() ? "no answer" : why) +
                     ".\n  Is this its TLS port (server.tls_port), and its certificate's authority "
                     "the one of --cacert, for this --host?"};
  }

  Result<wire::Reply> ask(std::initializer_list<std::string_view> words) {
    std::string text = "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string_view word : words) {
      text += "$" + std::to_string(word.size()) + "\r\n";
      text += word;
      text += "\r\n";
    }
    for (std::size_t sent = 0; sent < text.size();) {
      const ssize_t n = tls_
                            ? tls_->write(text.data() + sent, text.size() - sent)
                            : ::send(socket_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return lost();
      sent += static_cast<std::size_t>(n);
    }
    for (;;) {
      wire::Reply reply;
      const wire::ReplyParse got = wire::parse_reply(bytes_, {}, reply);
      if (got.status == wire::Parsed::kCommand) {
        bytes_.erase(0, got.consumed);
        if (reply.is_error()) return Error{Code::kIo, "the server says: " + reply.text};
        return reply;
      }
      if (got.status == wire::Parsed::kError) {
        return Error{Code::kInvalid, where_ + " is no server of ours: " + got.error};
      }
      std::array<char, 4096> some;
      const ssize_t n = tls_ ? tls_->read(some.data(), some.size())
                             : ::recv(socket_, some.data(), some.size(), 0);
      if (n <= 0) return lost();
      bytes_.append(some.data(), static_cast<std::size_t>(n));
    }
  }

 private:
  Error lost() const {
    return {Code::kIo, where_ +
                           ": the connection was lost. Whether the backup is whole is not "
                           "known; don't use it."};
  }

  int socket_ = -1;
  std::optional<tls::Stream> tls_;
  std::string where_, bytes_;
};

std::string_view field(const wire::Reply& reply, std::string_view name) {
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    if (reply.elements[i].text == name) return reply.elements[i + 1].text;
  }
  return {};
}

}  // namespace

Result<std::uint64_t> request_backup(const BackupRequest& request) {
  Connection server;
  if (const Result<void> opened = server.open(request.host, request.port); !opened.ok()) {
    return opened.error();
  }
  if (request.tls) {
    if (const Result<void> begun = server.begin_tls(request); !begun.ok()) return begun.error();
  }
  if (!request.password.empty()) {
    const std::string user = request.user.empty() ? "default" : request.user;
    const Result<wire::Reply> known = server.ask({"AUTH", user, request.password});
    if (!known.ok()) return known.error();
  }
  const Result<wire::Reply> begun = server.ask({"ULLAGE.BACKUP", "START", request.directory});
  if (!begun.ok()) return begun.error();
  for (;;) {
    const Result<wire::Reply> status = server.ask({"ULLAGE.BACKUP", "STATUS"});
    if (!status.ok()) return status.error();
    if (field(status.value(), "directory") != request.directory) {
      return Error{Code::kIo, "the server began another backup meanwhile; ask it for STATUS."};
    }
    const std::string_view state = field(status.value(), "state");
    if (state == "failed") {
      return Error{Code::kIo, std::string(field(status.value(), "message"))};
    }
    if (state == "done") {
      std::uint64_t took = 0;
      for (const char c : field(status.value(), "took_ms")) {
        took = took * 10 + static_cast<std::uint64_t>(c - '0');
      }
      return took;
    }
    std::this_thread::sleep_for(kEvery);
  }
}

}  // namespace ullage::server
