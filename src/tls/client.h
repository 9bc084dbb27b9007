// SPDX-License-Identifier: Apache-2.0
#pragma once

// The other side of a TLS connection: a Stream (tls.h) over such a context speaks as a client, and
// its handshake is broken unless the server is the one that was meant.

#include <string>

#include "base/result.h"
#include "tls/tls.h"

namespace ullage::tls {

struct ClientOptions {
  std::string host;         // name or address that the server's certificate must have
  std::string ca;           // PEM: who may vouch for servers; empty: whom the system trusts
  std::string certificate;  // PEM, to show; empty: none
  std::string key;          // PEM; empty: it is in the file of the certificate
};

// Errors: OpenSSL is not there, a file can't be read, key and certificate don't belong together.
Result<ContextPtr> make_client_context(const ClientOptions& options);

}  // namespace ullage::tls
