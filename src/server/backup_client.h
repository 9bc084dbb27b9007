// SPDX-License-Identifier: Apache-2.0
#pragma once

// Asks a running server to make a backup, and waits until it is made: what `ullage backup` does.

#include <cstdint>
#include <string>

#include "base/result.h"

namespace ullage::server {

struct BackupRequest {
  std::string host = "127.0.0.1";
  std::string port = "6379";
  std::string user, password;  // both empty: none is needed
  std::string directory;       // the server's to write: an absolute path
  bool tls = false;
  std::string ca, certificate, key;  // of TLS: PEM files; empty: the system's, none
};

// How long it took there, in milliseconds. Errors: no server, no right, and what the server says.
Result<std::uint64_t> request_backup(const BackupRequest& request);

}  // namespace ullage::server
