// SPDX-License-Identifier: Apache-2.0
#pragma once

// Server: an in-memory store in RESP, one thread per core, within one budget.
//
//   Result<std::unique_ptr<Server>> server = Server::start(config);   // listens when it returns
//   server.value()->launch();                                          // its threads serve
//   control.run();                                                     // until SIGTERM
//
// What threads share lives here; what one of them owns is its Worker's.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "metrics/growth_metrics.h"
#include "metrics/registry.h"
#include "server/acl/door.h"
#include "server/backup_job.h"
#include "server/config.h"
#include "server/errand.h"
#include "server/growth_feed.h"
#include "server/latency.h"
#include "server/monitors.h"
#include "server/pubsub.h"
#include "server/tracking.h"
#include "tier/budget.h"

namespace ullage::server {

class ColdTier;
class Warmer;
class Worker;

class Server {
 public:
  // Errors: a port that is taken, an address that is none; limits of the system.
  static Result<std::unique_ptr<Server>> start(const Config& config);
  // The same, with a cold tier and metrics of the caller's, for tests.
  using MoreMetrics = std::function<void(metrics::Registry&)>;
  static Result<std::unique_ptr<Server>> start(const Config& config, std::unique_ptr<ColdTier> cold,
                                               const MoreMetrics& more = nullptr);
  // Starts the threads. From then on config() may change: read it before, or where they stand
  // still.
  void launch();
  ~Server();

  // 0: there is none.
  std::uint16_t port() const { return port_; }
  const Config& config() const { return config_; }
  // To be changed while everything stands still.
  Config& mutable_config() { return config_; }
  tier::Budget& budget() { return *budget_; }
  ColdTier* cold() { return cold_.get(); }    // null: everything is in memory only
  Warmer* warmer() { return warmer_.get(); }  // null: likewise
  BackupJob& backup() { return backup_; }
  const std::vector<std::unique_ptr<Worker>>& workers() const { return workers_; }
  PubSub& pubsub() { return pubsub_; }
  Tracking& tracking() { return tracking_; }
  Monitors& monitors() { return monitors_; }
  Latency& latency() { return latency_; }
  ErrandBox& errand_box() { return errand_box_; }
  GrowthFeed& growth_feed() { return growth_feed_; }
  Users& users() { return users_; }
  const Users& users() const { return users_; }
  AclLog& acl_log() { return acl_log_; }
  Log& log() { return log_; }
  // Those who do not come from this machine are refused: there is no password. Any thread but
  // workers.
  bool locked() const {
    const auto lock = users_.reading();
    return protected_mode_.load(std::memory_order_relaxed) && !users_.password_needed();
  }
  metrics::Registry& registry() { return registry_; }

  // Clients' numbers, and which thread has each.
  std::uint64_t add_client(unsigned worker);
  void remove_client(std::uint64_t id);
  int worker_of(std::uint64_t id) const;  // -1: gone
  std::size_t client_count() const { return client_count_.load(std::memory_order_relaxed); }

  // Applies what a new contract changes, everything standing still.
  Result<void> reload(const contract::Contract& contract);
  // What TLS connections begin with from now on; read from the files that `next` names, when they
  // are others than now or `anyway`. Errors: it stays as it was.
  Result<void> renew_tls(const Config& next, bool anyway = false);
  tls::ContextPtr tls_context() const;
  std::uint16_t tls_port() const { return tls_port_; }
  // Users as server.acl_file has them, everything standing still; `myself` asked for it (or null).
  Result<void> load_users(const Session* myself);
  // What config() says now holds for shards and budget, too.
  void apply_config();
  // As many clients as it wants, or as many as the limit of open files allows once it was raised as
  // far as it goes.
  static std::uint64_t clients_possible(const Config& config);
  // Called again and again, ten times a second.
  void tick();
  // Stops accepting; replies under way go out; then the threads end. From any thread.
  void stop() noexcept;
  bool running() const { return live_workers_.load(std::memory_order_acquire) > 0; }
  bool stopping() const { return stopping_.load(std::memory_order_acquire); }
  void join();
  // Once the threads have ended: what they changed lies on the disk. False: the disk did not answer
  // within kCloseWait, which was told; this can't be taken apart, the process ends as it is.
  static constexpr std::chrono::milliseconds kCloseWait{10'000};
  [[nodiscard]] bool close();

  std::uint64_t in_bytes_per_second() const {
    return in_bytes_per_second_.load(std::memory_order_relaxed);
  }
  std::uint64_t out_bytes_per_second() const {
    return out_bytes_per_second_.load(std::memory_order_relaxed);
  }
  std::uint64_t commands_per_second() const {
    return commands_per_second_.load(std::memory_order_relaxed);
  }
  std::uint64_t started_ms() const { return started_ms_; }  // Unix time
  std::uint64_t up_ms() const;
  const std::string& run_id() const { return run_id_; }

  // CLIENT PAUSE: until then (steady_ms()), writes only or everything.
  std::atomic<std::uint64_t> paused_until_ms{0};
  std::atomic<bool> paused_all{false};
  std::atomic<bool> active_expire{true};
  std::atomic<std::uint32_t> notify_flags{0};
  // As config() has them, for threads that serve no clients of RESP.
  std::atomic<std::uint64_t> max_key_bytes{0}, max_value_bytes{0}, warm_keys{0};
  // For Standstill.
  std::atomic<bool> standing{false};
  std::atomic<std::uint64_t> standstills{0};
  // Those in which keys of several threads may have changed at once.
  std::atomic<std::uint64_t> joint_changes{0};

 private:
  Server(const Config& config, std::unique_ptr<ColdTier> cold, const MoreMetrics& more);
  void register_metrics(const MoreMetrics& more);
  // server_cold.cpp
  void begin_cold();
  void register_cold_metrics();
  void register_topology_metrics();
  void tick_cold();
  void close_cold();

  Config config_;
  std::uint16_t port_ = 0, tls_port_ = 0;
  mutable std::mutex tls_mutex_;
  tls::ContextPtr tls_;
  std::unique_ptr<tier::Budget> budget_;
  PubSub pubsub_;
  Tracking tracking_;
  Monitors monitors_;
  Latency latency_;
  ErrandBox errand_box_;
  GrowthFeed growth_feed_{config_.threads};
  Users users_;
  AclLog acl_log_;
  Log log_;
  std::atomic<bool> protected_mode_{true};
  std::string password_in_force_;  // server.requirepass, as it was applied last
  metrics::Registry registry_;
  std::unique_ptr<metrics::GrowthMetrics> growth_metrics_;
  std::unique_ptr<ColdTier> cold_;
  std::unique_ptr<Warmer> warmer_;
  bool closed_ = false;
  BackupJob backup_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<int> listeners_, tls_listeners_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stopping_{false};
  std::atomic<unsigned> live_workers_{0};
  mutable std::mutex clients_mutex_;
  std::unordered_map<std::uint64_t, unsigned> clients_;
  std::uint64_t next_client_ = 0;
  std::atomic<std::size_t> client_count_{0};
  std::uint64_t started_ms_ = 0, started_steady_ms_ = 0;
  std::atomic<std::uint64_t> commands_per_second_{0};
  std::atomic<std::uint64_t> in_bytes_per_second_{0}, out_bytes_per_second_{0};
  std::uint64_t rate_commands_ = 0, rate_in_ = 0, rate_out_ = 0, rate_since_ms_ = 0;
  tier::Pressure pressure_told_{};
  std::string run_id_;
};

}  // namespace ullage::server
