// SPDX-License-Identifier: Apache-2.0
#pragma once

// Config: what a running server goes by. Made from the contract at start; what is live may change
// while every thread stands still (CONFIG SET, SIGHUP).

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "contract/contract.h"
#include "server/log.h"
#include "server/persistence.h"
#include "tls/tls.h"

namespace ullage::server {

// Threads of one server; the budget keeps a share for each.
inline constexpr std::uint64_t kThreadsMax = 64;

// A process without a cold tier may not be held to less: it takes some 9 MiB itself.
inline constexpr std::uint64_t kProcessBytesMin = 16u << 20;

struct Config {
  contract::Contract contract;  // what the figures below were made from
  contract::Contract loaded;    // as the file and the flags had it last, without CONFIG SET
  std::string file;             // of the contract; empty: there is none
  // [residency]
  std::uint64_t hot_bytes = 0;      // 0: no bound
  std::uint64_t process_bytes = 0;  // 0: hot_bytes, and what a cold tier may take
  std::uint64_t cold_bytes = 0;     // 0: what the store takes by itself
  // [server], at start only
  std::string bind = "127.0.0.1";
  std::uint64_t resp_port = 6379;  // 0: any that is free
  bool resp_on = true;
  std::uint64_t http_port = 0;  // 0: any that is free
  bool http_on = false;
  std::uint64_t https_port = 0;  // 0: any that is free
  bool https_on = false;
  std::uint64_t tls_port = 0;  // 0: any that is free
  bool tls_on = false;
  std::uint64_t threads = 1;
  // [server], live
  std::uint64_t max_clients = 10'000;
  std::uint64_t query_buffer_bytes = 1u << 30;
  std::uint64_t output_buffer_bytes = 256u << 20;
  std::uint64_t max_key_bytes = 16000;
  std::uint64_t max_value_bytes = 512u << 20;
  std::uint64_t timeout_ns = 0;                        // 0: idle clients stay
  std::uint64_t command_timeout_ns = 300'000'000'000;  // 0: half a command stays
  std::string requirepass;                             // of the default user; empty: none
  Persistence persistence;
  bool protected_mode = true;
  std::uint64_t drain_ns = 5'000'000'000;
  Log::Format log_format = Log::Format::kText;
  Log::Level log_level = Log::Level::kInfo;
  tls::Options tls;
  // By CONFIG SET alone, as Redis's tools expect them.
  std::uint32_t notify_flags = 0;
  std::string maxmemory_policy = "allkeys-lfu";
  std::int64_t slowlog_log_slower_than_us = 10'000;
  std::uint64_t slowlog_max_len = 128;
  std::uint64_t latency_monitor_threshold_ms = 0;
  std::uint64_t tracking_table_max_keys = 1'000'000;
  bool active_expire = true;

  // What the whole process may take, 0: no bound. `cold`: of the cold tier's budget; 0: none.
  std::uint64_t process_bound(std::uint64_t cold) const {
    return process_bytes != 0 || hot_bytes == 0 ? process_bytes : hot_bytes + cold;
  }

  static Result<Config> from(const contract::Contract& contract);
  // Takes over what may change while running. Errors name what may not, and why.
  Result<void> reload(const contract::Contract& contract);
  // The same for a contract that was read again: what is in it as it was stays as CONFIG SET may
  // have changed it meanwhile.
  Result<void> reload_file(const contract::Contract& contract);
};

}  // namespace ullage::server
