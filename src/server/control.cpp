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

Control::Control(Server& server, Reload reload, Say say)
    : server_(server), reload_(std::move(reload)), say_(std::move(say)) {
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

Result<std::unique_ptr<Control>> Control::make(Server& server, Reload reload, Say say) {
  std::unique_ptr<Control> control(new Control(server, std::move(reload), std::move(say)));
  if (server.config().http_on) {
    Result<int> fd =
        listen_on(server.config().bind, static_cast<std::uint16_t>(server.config().http_port),
                  false, "server.http_port");
    if (!fd.ok()) return fd.error();
    control->http_ = std::make_unique<Http>(server, fd.value());
  }
  return control;
}

Control::~Control() {
  http_.reset();
  for (const int fd : {signals_, timer_, epoll_}) ::close(fd);
}

void Control::on_signal() {
  signalfd_siginfo info;
  while (read(signals_, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo != SIGHUP) {
      say_("stopping: replies under way go out first");
      server_.stop();
      continue;
    }
    Result<contract::Contract> contract = reload_();
    Result<void> done =
        contract.ok() ? server_.reload(contract.value()) : Result<void>(contract.error());
    say_(done.ok() ? "reloaded: what may change while the server runs is in force"
                   : "not reloaded, all stays as it was.\n" + done.error().message);
  }
}

void Control::run() {
  if (http_) http_->start();
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
      }
    }
  }
  if (http_) http_->stop();
  server_.join();
}

}  // namespace ullage::server
