// SPDX-License-Identifier: Apache-2.0
#include "server/control.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/listen.h"
#include "server/worker.h"

namespace ullage::server {
namespace {

// Ten times a second the budget looks at the kernel's figures.
constexpr long kTickNs = 100'000'000;
constexpr int kEventsMax = 32;

sigset_t handled() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  return set;
}

}  // namespace

void Control::block_signals() {
  const sigset_t set = handled();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of the cold tier's, not the end
}

Control::Control(Server& server, Reload reload) : server_(server), reload_(std::move(reload)) {
  const sigset_t set = handled();
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  signals_ = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  const itimerspec every{{0, kTickNs}, {0, kTickNs}};
  timerfd_settime(timer_, 0, &every, nullptr);
  for (const int fd : {signals_, timer_}) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
}

Result<std::unique_ptr<Control>> Control::make(Server& server, Reload reload) {
  std::unique_ptr<Control> control(new Control(server, std::move(reload)));
  const Config& config = server.config();
  if (!config.http_on && !config.https_on) return control;
  const auto listener = [&config](bool on, std::uint64_t port, const char* key) {
    return on ? listen_on(config.bind, static_cast<std::uint16_t>(port), key) : Result<int>(-1);
  };
  const Result<int> plain = listener(config.http_on, config.http_port, "server.http_port");
  if (!plain.ok()) return plain.error();
  const Result<int> secure = listener(config.https_on, config.https_port, "server.https_port");
  if (!secure.ok()) {
    if (plain.value() >= 0) ::close(plain.value());
    return secure.error();
  }
  control->http_ = std::make_unique<Http>(server, plain.value(), secure.value());
  return control;
}

Control::~Control() {
  http_.reset();
  for (const int fd : {signals_, timer_, epoll_}) ::close(fd);
}

void Control::on_signal() {
  signalfd_siginfo info;
  while (read(signals_, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGHUP) {
      reload();
      continue;
    }
    if (!told_to_stop_) {
      server_.log().info("stopping", "stopping: replies under way go out first",
                         {{"clients", std::to_string(server_.client_count())}});
      supervisor_.stopping();
    }
    told_to_stop_ = true;
    server_.stop();
  }
}

void Control::reload() {
  supervisor_.reloading();
  Result<contract::Contract> contract = reload_();
  Result<void> done =
      contract.ok() ? server_.reload(contract.value()) : Result<void>(contract.error());
  if (done.ok()) {
    server_.log().info("reloaded", "reloaded: what may change while the server runs is in force");
  } else {
    server_.log().error("reload_refused",
                        "not reloaded, all stays as it was: " + done.error().message);
  }
  supervisor_.ready();
}

// Has every worker turned since it was last asked? They do ten times a second at least, unless one
// hangs.
bool Control::workers_turn() {
  const auto& workers = server_.workers();
  turns_.resize(workers.size());
  bool all = true;
  for (std::size_t i = 0; i < workers.size(); ++i) {
    const std::uint64_t turns = workers[i]->stats().turns.value();
    all = all && (turns != turns_[i] || workers[i]->gone.load(std::memory_order_acquire));
  }
  if (!all) return false;
  for (std::size_t i = 0; i < workers.size(); ++i) turns_[i] = workers[i]->stats().turns.value();
  return true;
}

// Threads end with the drain, unless one waits for a disk.
bool Control::stops_too_long() {
  if (!server_.stopping()) return false;
  const std::uint64_t now = steady_ms();
  if (stop_until_ms_ == 0) {
    stop_until_ms_ = now + server_.config().drain_ns / 1'000'000 +
                     static_cast<std::uint64_t>(Server::kCloseWait.count());
  }
  if (now < stop_until_ms_) return false;
  server_.log().error("disk_hangs", "the cold tier's disk does not answer: it is left as it is");
  return true;
}

bool Control::run() {
  if (http_) http_->start();
  server_.log().info("started", "started",
                     {{"port", std::to_string(server_.port())},
                      {"threads", std::to_string(server_.workers().size())},
                      {"pid", std::to_string(::getpid())}});
  if (::geteuid() == 0) {
    server_.log().warning("root",
                          "it runs as root, which it needs for nothing: start it as a user of its "
                          "own (User= of its unit, or: setpriv --reuid ullage --regid ullage "
                          "--clear-groups ullage serve)");
  }
  supervisor_.ready();
  while (server_.running()) {
    epoll_event events[kEventsMax];
    const int count = epoll_wait(epoll_, events, kEventsMax, -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == signals_) {
        on_signal();
      } else if (fd == timer_) {
        std::uint64_t ticks;
        if (read(timer_, &ticks, sizeof ticks) < 0) continue;
        server_.tick();
        supervisor_.tick(steady_ms(), workers_turn());
        if (stops_too_long()) return false;
      }
    }
  }
  if (http_) http_->stop();
  server_.join();
  const bool closed = server_.close();
  server_.log().info("stopped", "stopped");
  return closed;
}

}  // namespace ullage::server
