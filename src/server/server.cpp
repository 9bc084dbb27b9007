// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "server/clock.h"
#include "server/cold_tier.h"
#include "server/listen.h"
#include "server/scheduling.h"
#include "server/standstill.h"
#include "server/warmer.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

// Larger blocks of the C library are mappings of their own: growing them moves pages, not bytes.
constexpr int kMappedBytesMin = 256 * 1024;
// Descriptors besides clients: listeners, epoll, event descriptors, files; connections of HTTP.
constexpr std::uint64_t kDescriptorsSpare = 256, kHttpDescriptors = 512;

std::string random_id() {
  std::random_device random;
  std::string id;
  while (id.size() < 40) id += "0123456789abcdef"[random() % 16];
  return id;
}

}  // namespace

std::uint64_t Server::clients_possible(const Config& config) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return config.max_clients;
  const std::uint64_t spare = kDescriptorsSpare + (config.http_on ? kHttpDescriptors : 0);
  const std::uint64_t wanted = config.max_clients + spare;
  if (limit.rlim_cur < wanted) {
    limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur >= wanted || limit.rlim_cur <= spare) return config.max_clients;
  return limit.rlim_cur - spare;
}

Server::Server(const Config& config, std::unique_ptr<ColdTier> cold, const MoreMetrics& more)
    : config_(config), cold_(std::move(cold)) {
  mallopt(M_MMAP_THRESHOLD, kMappedBytesMin);
  tier::BudgetOptions options;
  options.limit_bytes = config_.hot_bytes;
  options.shards = static_cast<unsigned>(config_.threads);
  budget_ = std::make_unique<tier::Budget>(options);
  started_ms_ = unix_ms();
  started_steady_ms_ = steady_ms();
  run_id_ = random_id();
  for (unsigned i = 0; i < config_.threads; ++i) {
    workers_.push_back(std::make_unique<Worker>(*this, i));
  }
  register_metrics(more);
  apply_config();
  if (cold_ != nullptr) begin_cold();
}

Result<std::unique_ptr<Server>> Server::start(const Config& config) {
  std::unique_ptr<ColdTier> cold;
  if (!config.persistence.directory.empty()) {
    Result<std::unique_ptr<ColdTier>> opened = ColdTier::open(config);
    if (!opened.ok()) return opened.error();
    cold = std::move(opened.value());
  }
  return start(config, std::move(cold));
}

Result<std::unique_ptr<Server>> Server::start(const Config& config, std::unique_ptr<ColdTier> cold,
                                              const MoreMetrics& more) {
  std::unique_ptr<Server> server(new Server(config, std::move(cold), more));
  const auto listen = [&config](std::uint64_t port, const char* key) {
    return listen_shared(config.bind, static_cast<std::uint16_t>(port), config.threads, key);
  };
  if (config.resp_on) {
    Result<std::vector<int>> plain = listen(config.resp_port, "server.resp_port");
    if (!plain.ok()) return plain.error();
    server->listeners_ = std::move(plain.value());
    server->port_ = listening_port(server->listeners_.front());
  }
  if (Result<void> done = server->renew_tls(config, true); !done.ok()) return done.error();
  if (config.tls_on) {
    Result<std::vector<int>> secure = listen(config.tls_port, "server.tls_port");
    if (!secure.ok()) return secure.error();
    server->tls_listeners_ = std::move(secure.value());
    server->tls_port_ = listening_port(server->tls_listeners_.front());
  }
  if (!config.contract.text("server.acl_file").empty()) {
    Result<void> users = server->load_users(nullptr);
    if (!users.ok()) return users.error();
  }
  return server;
}

void Server::launch() {
  budget_->tick();  // before anything is stored: what the process takes itself
  live_workers_ = static_cast<unsigned>(workers_.size());
  if (warmer_ != nullptr) warmer_->begin();
  for (unsigned i = 0; i < workers_.size(); ++i) {
    const int listener = listeners_.empty() ? -1 : listeners_[i];
    const int tls_listener = tls_listeners_.empty() ? -1 : tls_listeners_[i];
    threads_.emplace_back([this, i, listener, tls_listener] {
      run_soon_after_waking();
      workers_[i]->run(listener, tls_listener);
      workers_[i]->gone.store(true, std::memory_order_release);
      live_workers_.fetch_sub(1, std::memory_order_release);
    });
  }
  listeners_.clear();  // theirs now
  tls_listeners_.clear();
}

Server::~Server() {
  stop();
  join();
  close_cold();
  for (const int fd : listeners_) ::close(fd);
  for (const int fd : tls_listeners_) ::close(fd);
}

void Server::stop() noexcept {
  stopping_.store(true, std::memory_order_release);
  for (const auto& worker : workers_) worker->drain();
}

void Server::join() {
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

std::uint64_t Server::add_client(unsigned worker) {
  const std::lock_guard lock(clients_mutex_);
  clients_.emplace(++next_client_, worker);
  client_count_.store(clients_.size(), std::memory_order_relaxed);
  return next_client_;
}

void Server::remove_client(std::uint64_t id) {
  const std::lock_guard lock(clients_mutex_);
  clients_.erase(id);
  client_count_.store(clients_.size(), std::memory_order_relaxed);
}

int Server::worker_of(std::uint64_t id) const {
  const std::lock_guard lock(clients_mutex_);
  const auto found = clients_.find(id);
  return found == clients_.end() ? -1 : static_cast<int>(found->second);
}

void Server::apply_config() {
  log_.configure(config_.log_format, config_.log_level);
  // What the contract says may be more, at every reload.
  if (const std::uint64_t possible = clients_possible(config_); possible < config_.max_clients) {
    log_.warning("max_clients", "the limit of open files allows fewer clients",
                 {{"wanted", std::to_string(config_.max_clients)},
                  {"max_clients", std::to_string(possible)}});
    config_.max_clients = possible;
  }
  protected_mode_.store(config_.protected_mode, std::memory_order_relaxed);
  if (cold_ != nullptr && config_.cold_bytes != 0) cold_->store().budget_bytes(config_.cold_bytes);
  // One total: where the cold tier can't keep to its part, the hot tier gives way.
  budget_->process_bytes(
      config_.process_bound(cold_ != nullptr ? cold_->store().budget_bytes() : 0));
  budget_->limit_bytes(config_.hot_bytes);
  notify_flags.store(config_.notify_flags, std::memory_order_relaxed);
  active_expire.store(config_.active_expire, std::memory_order_relaxed);
  max_key_bytes.store(config_.max_key_bytes, std::memory_order_relaxed);
  max_value_bytes.store(config_.max_value_bytes, std::memory_order_relaxed);
  warm_keys.store(config_.persistence.warm_keys, std::memory_order_relaxed);
  tier::Eviction policy = tier::Eviction::kAll;
  if (config_.maxmemory_policy == "noeviction") policy = tier::Eviction::kNone;
  if (config_.maxmemory_policy.starts_with("volatile-")) policy = tier::Eviction::kVolatile;
  for (const auto& worker : workers_) {
    worker->shard().eviction(policy);
    for (auto& [id, session] : worker->sessions()) {
      if (session->authenticated) {
        session->parser.set_limits({.word_bytes_max = config_.max_value_bytes});
      }
    }
  }
  if (config_.requirepass == password_in_force_) return;
  password_in_force_ = config_.requirepass;
  {
    const auto lock = users_.changing();
    users_.require_password(password_in_force_);
  }
  settle_clients(*this, nullptr);
}

Result<void> Server::renew_tls(const Config& next, bool anyway) {
  if (!(next.tls_on || next.https_on) || (!anyway && next.tls == config_.tls)) return {};
  Result<tls::ContextPtr> context = tls::make_context(next.tls);
  if (!context.ok()) return context.error();
  const std::lock_guard lock(tls_mutex_);
  tls_ = std::move(context.value());
  return {};
}

tls::ContextPtr Server::tls_context() const {
  const std::lock_guard lock(tls_mutex_);
  return tls_;
}

Result<void> Server::load_users(const Session* myself) {
  const std::string path = config_.contract.text("server.acl_file");
  const Result<std::string> text = read_acl_file(path);
  if (!text.ok()) return text.error();
  {
    const auto lock = users_.changing();
    Result<void> done = users_.load(text.value(), path);
    if (!done.ok()) return done;
  }
  settle_clients(*this, myself);
  return {};
}

Result<void> Server::reload(const contract::Contract& contract) {
  const Standstill still(*this, nullptr);
  Config next = config_;
  Result<void> done = next.reload_file(contract);
  if (done.ok()) done = renew_tls(next, true);  // files of the same names may hold others by now
  if (!done.ok()) return done;
  config_ = std::move(next);
  apply_config();
  return {};
}

std::uint64_t Server::up_ms() const { return steady_ms() - started_steady_ms_; }

void Server::tick() {
  budget_->tick();
  if (cold_ != nullptr) tick_cold();
  if (const tier::Pressure pressure = budget_->pressure(); pressure != pressure_told_) {
    pressure_told_ = pressure;
    log_.warning("memory_pressure", "what presses on memory has changed",
                 {{"pressure", tier::to_string(pressure)},
                  {"granted_bytes", std::to_string(budget_->granted_bytes())},
                  {"limit_bytes", std::to_string(budget_->limit_bytes())}});
  }
  std::uint64_t commands = 0, in = 0, out = 0;
  for (const auto& worker : workers_) {
    commands += worker->stats().processed.value();
    in += worker->stats().bytes_in.value();
    out += worker->stats().bytes_out.value();
  }
  const std::uint64_t now = steady_ms();
  if (now - rate_since_ms_ < 1000) return;
  // CONFIG RESETSTAT makes them less.
  const auto rate = [&](std::atomic<std::uint64_t>& told, std::uint64_t& before,
                        std::uint64_t count) {
    const std::uint64_t done = count < before ? 0 : count - before;
    told.store(done * 1000 / (now - rate_since_ms_), std::memory_order_relaxed);
    before = count;
  };
  rate(commands_per_second_, rate_commands_, commands);
  rate(in_bytes_per_second_, rate_in_, in);
  rate(out_bytes_per_second_, rate_out_, out);
  rate_since_ms_ = now;
}

}  // namespace ullage::server
