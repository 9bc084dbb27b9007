// SPDX-License-Identifier: Apache-2.0
#pragma once

// TLS for sockets that don't block: a context per pair of certificate and key, a stream per
// connection. The only home of OpenSSL, which is loaded when a context is first made: programs that
// serve without TLS do not pay for it.
//
//   Result<ContextPtr> context = make_context({.certificate = "cert.pem", .key = "key.pem"});
//   Stream stream(context.value(), fd);
//   switch (stream.handshake()) ...        // again whenever the socket is ready, until kDone
//   stream.read(buffer, sizeof buffer);    // as recv(), write() as send()
//
// Memory  a stream at rest keeps no buffers for records (SSL_MODE_RELEASE_BUFFERS)
// Keeps   TLS 1.2 and newer; no renegotiation, no compression, no table of sessions: a client that
//         resumes brings its ticket
// Threads a context: any; a stream: one at a time

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>

#include "base/result.h"

namespace ullage::tls {

enum class ClientCertificates {
  kNo,        // not asked for
  kOptional,  // asked for; one that is sent must be good
  kYes,       // without one the handshake fails
};

struct Options {
  std::string certificate;  // PEM; the chain's others behind it
  std::string key;          // PEM
  std::string ca;           // PEM: whose client certificates are good; empty: none are asked for
  ClientCertificates clients = ClientCertificates::kNo;
  bool operator==(const Options&) const = default;
};

struct Context;
using ContextPtr = std::shared_ptr<const Context>;

// Errors: OpenSSL is not there, a file can't be read, key and certificate don't belong together.
// Each names its file and says what to do.
Result<ContextPtr> make_context(const Options& options);

class Stream {
 public:
  Stream(ContextPtr context, int fd);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  enum class Shake { kDone, kAgain, kBroken };
  Shake handshake();
  // As recv() and send(): bytes; 0: the other side has ended; -1 with EAGAIN or EPROTO in errno.
  ssize_t read(char* into, std::size_t count);
  ssize_t write(const char* bytes, std::size_t count);
  // To go on it must be possible to write, whatever was called last.
  bool wants_write() const { return wants_write_; }
  // Bytes that were received and decrypted, and that no poll tells of.
  bool pending() const;
  // Tells the other side that this is the end, if that takes no waiting.
  void say_goodbye();
  // Why it broke: "http request", "unknown ca"; for a log.
  const std::string& problem() const { return problem_; }

 private:
  ssize_t failed(int returned);

  struct State;
  std::unique_ptr<State> state_;
  bool wants_write_ = false;
  std::string problem_;
};

}  // namespace ullage::tls
