// SPDX-License-Identifier: Apache-2.0
#include "tls/tls.h"

#include <dlfcn.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "tls/client.h"

namespace ullage::tls {
namespace {

// The largest record: what one call of write() takes.
constexpr std::size_t kRecordBytes = 16 * 1024;

// OpenSSL 3, loaded when the first context is made: it takes some milliseconds and megabytes.
struct OpenSsl {
  void* ssl = ::dlopen("libssl.so.3", RTLD_NOW | RTLD_LOCAL);
  void* crypto = ::dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
  bool whole = ssl != nullptr && crypto != nullptr;
#define ULLAGE_SYMBOL(library, name) \
  decltype(&::name) name = symbol<decltype(&::name)>(library, #name)
  ULLAGE_SYMBOL(ssl, TLS_server_method);
  ULLAGE_SYMBOL(ssl, TLS_client_method);
  ULLAGE_SYMBOL(ssl, SSL_CTX_new);
  ULLAGE_SYMBOL(ssl, SSL_CTX_free);
  ULLAGE_SYMBOL(ssl, SSL_CTX_ctrl);
  ULLAGE_SYMBOL(ssl, SSL_CTX_set_options);
  ULLAGE_SYMBOL(ssl, SSL_CTX_use_certificate_chain_file);
  ULLAGE_SYMBOL(ssl, SSL_CTX_use_PrivateKey_file);
  ULLAGE_SYMBOL(ssl, SSL_CTX_check_private_key);
  ULLAGE_SYMBOL(ssl, SSL_CTX_load_verify_locations);
  ULLAGE_SYMBOL(ssl, SSL_CTX_set_default_verify_paths);
  ULLAGE_SYMBOL(ssl, SSL_CTX_set_verify);
  ULLAGE_SYMBOL(ssl, SSL_CTX_set_session_id_context);
  ULLAGE_SYMBOL(ssl, SSL_CTX_set_client_CA_list);
  ULLAGE_SYMBOL(ssl, SSL_load_client_CA_file);
  ULLAGE_SYMBOL(ssl, SSL_new);
  ULLAGE_SYMBOL(ssl, SSL_free);
  ULLAGE_SYMBOL(ssl, SSL_set_fd);
  ULLAGE_SYMBOL(ssl, SSL_set_accept_state);
  ULLAGE_SYMBOL(ssl, SSL_set_connect_state);
  ULLAGE_SYMBOL(ssl, SSL_set1_host);
  ULLAGE_SYMBOL(ssl, SSL_ctrl);
  ULLAGE_SYMBOL(ssl, SSL_do_handshake);
  ULLAGE_SYMBOL(ssl, SSL_is_init_finished);
  ULLAGE_SYMBOL(ssl, SSL_read);
  ULLAGE_SYMBOL(ssl, SSL_write);
  ULLAGE_SYMBOL(ssl, SSL_pending);
  ULLAGE_SYMBOL(ssl, SSL_get_error);
  ULLAGE_SYMBOL(ssl, SSL_shutdown);
  ULLAGE_SYMBOL(crypto, ERR_get_error);
  ULLAGE_SYMBOL(crypto, ERR_reason_error_string);
  ULLAGE_SYMBOL(crypto, ERR_clear_error);
#undef ULLAGE_SYMBOL

  static const OpenSsl& get() {
    static const OpenSsl library;
    return library;
  }

 private:
  template <class Function>
  Function symbol(void* library, const char* name) {
    void* found = library == nullptr ? nullptr : ::dlsym(library, name);
    whole = whole && found != nullptr;
    return reinterpret_cast<Function>(found);
  }
};

std::string last_problem() {
  const OpenSsl& lib = OpenSsl::get();
  std::string text;
  while (const unsigned long code = lib.ERR_get_error()) {
    // The first is the cause; what follows says where it was noticed.
    const char* reason = lib.ERR_reason_error_string(code);
    if (text.empty() && reason != nullptr) text = reason;
  }
  return text.empty() ? "no reason given" : text;
}

Error error_of(const char* key, const std::string& path, const std::string& why, const char* todo) {
  return Error{Code::kInvalid, std::string(key) + " = \"" + path + "\": " + why + ".\n  " + todo +
                                   " See: ullage contract explain " + key};
}

// A file that the system does not let us read says so itself; OpenSSL would say less.
std::string unreadable(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rbe");
  if (file == nullptr) return std::strerror(errno);
  std::fclose(file);
  return {};
}

}  // namespace

struct Context {
  SSL_CTX* ctx = nullptr;
  bool client = false;
  std::string host;  // of a client
  Context() = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() {
    if (ctx != nullptr) OpenSsl::get().SSL_CTX_free(ctx);
  }
};

namespace {

Error no_openssl() {
  return Error{Code::kUnsupported,
               "TLS needs OpenSSL 3 (libssl.so.3), which can't be loaded.\n  On Debian: apt-get "
               "install libssl3"};
}

// What both sides keep to.
Result<std::shared_ptr<Context>> new_context(bool client) {
  const OpenSsl& lib = OpenSsl::get();
  lib.ERR_clear_error();
  auto context = std::make_shared<Context>();
  context->client = client;
  context->ctx = lib.SSL_CTX_new(client ? lib.TLS_client_method() : lib.TLS_server_method());
  if (context->ctx == nullptr) return Error{Code::kExhausted, "OpenSSL: " + last_problem()};
  lib.SSL_CTX_ctrl(context->ctx, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, nullptr);
  lib.SSL_CTX_ctrl(context->ctx, SSL_CTRL_MODE,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
                   nullptr);
  lib.SSL_CTX_set_options(context->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  return context;
}

Error bad_file(const std::string& path, const std::string& why) {
  return Error{Code::kInvalid, path + ": " + why + ".\n  Expected a PEM file."};
}

}  // namespace

Result<ContextPtr> make_client_context(const ClientOptions& options) {
  const OpenSsl& lib = OpenSsl::get();
  if (!lib.whole) return no_openssl();
  for (const std::string* path : {&options.ca, &options.certificate, &options.key}) {
    const std::string why = path->empty() ? "" : unreadable(*path);
    if (!why.empty()) return bad_file(*path, "can't be read: " + why);
  }
  Result<std::shared_ptr<Context>> made = new_context(true);
  if (!made.ok()) return made.error();
  made.value()->host = options.host;
  SSL_CTX* ctx = made.value()->ctx;
  lib.SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
  if (options.ca.empty()) {
    lib.SSL_CTX_set_default_verify_paths(ctx);
  } else if (lib.SSL_CTX_load_verify_locations(ctx, options.ca.c_str(), nullptr) != 1) {
    return bad_file(options.ca, "no certificates: " + last_problem());
  }
  if (options.certificate.empty()) return ContextPtr(std::move(made).value());
  const std::string& key = options.key.empty() ? options.certificate : options.key;
  if (lib.SSL_CTX_use_certificate_chain_file(ctx, options.certificate.c_str()) != 1) {
    return bad_file(options.certificate, "no certificate: " + last_problem());
  }
  if (lib.SSL_CTX_use_PrivateKey_file(ctx, key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      lib.SSL_CTX_check_private_key(ctx) != 1) {
    return bad_file(key, "no key for " + options.certificate + ": " + last_problem());
  }
  return ContextPtr(std::move(made).value());
}

Result<ContextPtr> make_context(const Options& options) {
  const OpenSsl& lib = OpenSsl::get();
  if (!lib.whole) return no_openssl();
  const std::pair<const char*, const std::string*> files[] = {
      {"server.tls_cert", &options.certificate},
      {"server.tls_key", &options.key},
      {"server.tls_ca", &options.ca}};
  for (const auto& [key, path] : files) {
    if (path->empty() && path == &options.ca && options.clients == ClientCertificates::kNo)
      continue;
    if (path->empty()) {
      return Error{Code::kInvalid,
                   std::string(key) +
                       " is unset, and TLS is asked for.\n  Name the PEM file. See: "
                       "ullage contract explain " +
                       key};
    }
    const std::string why = unreadable(*path);
    if (!why.empty()) return error_of(key, *path, "can't be read: " + why, "It is a PEM file.");
  }
  Result<std::shared_ptr<Context>> made = new_context(false);
  if (!made.ok()) return made.error();
  const std::shared_ptr<Context> context = std::move(made).value();
  SSL_CTX* ctx = context->ctx;
  lib.SSL_CTX_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, nullptr);
  lib.SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
  constexpr unsigned char kId[] = "ullage";
  lib.SSL_CTX_set_session_id_context(ctx, kId, sizeof kId);
  if (lib.SSL_CTX_use_certificate_chain_file(ctx, options.certificate.c_str()) != 1) {
    return error_of("server.tls_cert", options.certificate, "no certificate: " + last_problem(),
                    "Expected PEM, the server's own certificate first.");
  }
  if (lib.SSL_CTX_use_PrivateKey_file(ctx, options.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      lib.SSL_CTX_check_private_key(ctx) != 1) {
    return error_of("server.tls_key", options.key,
                    "no key for " + options.certificate + ": " + last_problem(),
                    "Expected the PEM key that the certificate was made with, without a password.");
  }
  if (options.clients == ClientCertificates::kNo) return ContextPtr(context);
  auto* names = lib.SSL_load_client_CA_file(options.ca.c_str());
  if (names == nullptr ||
      lib.SSL_CTX_load_verify_locations(ctx, options.ca.c_str(), nullptr) != 1) {
    return error_of("server.tls_ca", options.ca, "no certificates: " + last_problem(),
                    "Expected PEM: the authorities that clients' certificates come from.");
  }
  lib.SSL_CTX_set_client_CA_list(ctx, names);
  const bool must = options.clients == ClientCertificates::kYes;
  lib.SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (must ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                         nullptr);
  return ContextPtr(context);
}

struct Stream::State {
  ContextPtr context;
  SSL* ssl = nullptr;
};

Stream::Stream(ContextPtr context, int fd) : state_(std::make_unique<State>()) {
  const OpenSsl& lib = OpenSsl::get();
  state_->context = std::move(context);
  state_->ssl = lib.SSL_new(state_->context->ctx);
  if (state_->ssl == nullptr) return;  // the handshake says that it is broken
  lib.SSL_set_fd(state_->ssl, fd);
  if (!state_->context->client) {
    lib.SSL_set_accept_state(state_->ssl);
    return;
  }
  lib.SSL_set_connect_state(state_->ssl);
  const std::string& host = state_->context->host;
  // A name is told to the server as well, which may have several; an address is not one.
  if (host.find_first_not_of("0123456789.:") != std::string::npos) {
    lib.SSL_ctrl(state_->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 const_cast<char*>(host.c_str()));
  }
  if (lib.SSL_set1_host(state_->ssl, host.c_str()) != 1) {
    lib.SSL_free(state_->ssl);
    state_->ssl = nullptr;
  }
}

Stream::~Stream() {
  if (state_->ssl != nullptr) OpenSsl::get().SSL_free(state_->ssl);
}

ssize_t Stream::failed(int returned) {
  const OpenSsl& lib = OpenSsl::get();
  const int why = lib.SSL_get_error(state_->ssl, returned);
  wants_write_ = why == SSL_ERROR_WANT_WRITE;
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
    errno = EAGAIN;
    return -1;
  }
  if (why == SSL_ERROR_ZERO_RETURN) return 0;
  problem_ = why == SSL_ERROR_SYSCALL ? "the connection ended" : last_problem();
  lib.ERR_clear_error();
  errno = EPROTO;
  return -1;
}

Stream::Shake Stream::handshake() {
  const OpenSsl& lib = OpenSsl::get();
  if (state_->ssl == nullptr) return Shake::kBroken;
  lib.ERR_clear_error();
  const int returned = lib.SSL_do_handshake(state_->ssl);
  if (returned == 1) {
    wants_write_ = false;
    return Shake::kDone;
  }
  return failed(returned) < 0 && errno == EAGAIN ? Shake::kAgain : Shake::kBroken;
}

ssize_t Stream::read(char* into, std::size_t count) {
  const OpenSsl& lib = OpenSsl::get();
  lib.ERR_clear_error();
  const int room = static_cast<int>(std::min<std::size_t>(count, INT_MAX));
  const int got = lib.SSL_read(state_->ssl, into, room);
  if (got <= 0) return failed(got);
  return got;
}

ssize_t Stream::write(const char* bytes, std::size_t count) {
  const OpenSsl& lib = OpenSsl::get();
  lib.ERR_clear_error();
  const int sent =
      lib.SSL_write(state_->ssl, bytes, static_cast<int>(std::min(count, kRecordBytes)));
  if (sent <= 0) return failed(sent);
  wants_write_ = false;
  return sent;
}

bool Stream::pending() const { return OpenSsl::get().SSL_pending(state_->ssl) > 0; }

void Stream::say_goodbye() {
  const OpenSsl& lib = OpenSsl::get();
  if (state_->ssl == nullptr || !problem_.empty()) return;
  if (!lib.SSL_is_init_finished(state_->ssl)) return;
  lib.ERR_clear_error();
  (void)lib.SSL_shutdown(state_->ssl);
  lib.ERR_clear_error();
}

}  // namespace ullage::tls
