// SPDX-License-Identifier: Apache-2.0
#include "launch/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

namespace ullage::launch {
namespace {

static_assert(sizeof(sigset_t) <= 128, "before_ holds one");

constexpr int kBorrowed[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> p;
  p.reserve(strings.size() + 1);
  for (const std::string& s : strings) p.push_back(const_cast<char*>(s.c_str()));
  p.push_back(nullptr);
  return p;
}

uint64_t microseconds(const timeval& t) {
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000u + static_cast<uint64_t>(t.tv_usec);
}

}  // namespace

BorrowedSignals::BorrowedSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int s : kBorrowed) sigaddset(&set, s);
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &set, &before);
  memset(before_, 0, sizeof before_);
  memcpy(before_, &before, sizeof before);
  fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  // Who ignores SIGCHLD never learns how a child ended. The command gets back what its caller
  // chose.
  child_ignored_ = ::signal(SIGCHLD, SIG_DFL) == SIG_IGN;
}

BorrowedSignals::~BorrowedSignals() {
  // What arrived since the last look was meant for the command, which has ended.
  while (next() != 0) {
  }
  if (fd_ >= 0) ::close(fd_);
  if (child_ignored_) ::signal(SIGCHLD, SIG_IGN);
  sigset_t before;
  memcpy(&before, before_, sizeof before);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

int BorrowedSignals::next() {
  signalfd_siginfo info{};
  if (fd_ < 0 || ::read(fd_, &info, sizeof info) != sizeof info) return 0;
  return static_cast<int>(info.ssi_signo);
}

bool BorrowedSignals::from_terminal(int signal) { return signal == SIGINT || signal == SIGQUIT; }

ProcessWatch::ProcessWatch(uint32_t pid) : pid_(pid) {
  fd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  seen_ = fd_ >= 0 || (errno != ESRCH && ::kill(static_cast<pid_t>(pid), 0) == 0);
}

ProcessWatch::ProcessWatch(ProcessWatch&& other) noexcept
    : fd_(other.fd_), pid_(other.pid_), seen_(other.seen_) {
  other.fd_ = -1;
}

ProcessWatch& ProcessWatch::operator=(ProcessWatch&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(pid_, other.pid_);
  std::swap(seen_, other.seen_);
  return *this;
}

ProcessWatch::~ProcessWatch() {
  if (fd_ >= 0) ::close(fd_);
}

ProcessWatch::Now ProcessWatch::look() const {
  if (!seen_) return Now::kNeverSeen;
  if (fd_ < 0) {  // a kernel without pidfds, or no descriptors left
    return ::kill(static_cast<pid_t>(pid_), 0) == 0 || errno == EPERM ? Now::kRunning : Now::kEnded;
  }
  pollfd p{fd_, POLLIN, 0};
  return ::poll(&p, 1, 0) > 0 ? Now::kEnded : Now::kRunning;
}

namespace {

// What is ignored stays ignored in the command, and posix_spawn can't say so. The child says it
// itself: were it this process, for a moment, a command that ends in that moment would be reaped by
// the kernel, and its exit code lost. Returns errno of what failed, or 0.
int spawn_ignoring_children(pid_t* pid, const char* path, const sigset_t* mask, char* const* argv,
                            char* const* env, int error_fd) {
  volatile int error = 0;  // the child writes it: it runs in this memory until it executes
  const pid_t child = ::vfork();
  if (child == 0) {
    ::signal(SIGCHLD, SIG_IGN);
    ::pthread_sigmask(SIG_SETMASK, mask, nullptr);
    if (error_fd >= 0) ::dup2(error_fd, STDERR_FILENO);
    ::execve(path, argv, env);
    error = errno;
    ::_exit(127);
  }
  if (child < 0) return errno;
  if (error != 0) {
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    return error;
  }
  *pid = child;
  return 0;
}

}  // namespace

Result<uint32_t> spawn(const std::string& path, const std::vector<std::string>& argv,
                       const std::vector<std::string>& env, const BorrowedSignals& signals,
                       int error_fd) {
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  if (error_fd >= 0) ::posix_spawn_file_actions_adddup2(&files, error_fd, STDERR_FILENO);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t mask;
  memcpy(&mask, signals.original_mask(), sizeof mask);
  ::posix_spawnattr_setsigmask(&attributes, &mask);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  const int error = signals.child_ignored()
                        ? spawn_ignoring_children(&pid, path.c_str(), &mask, pointers(argv).data(),
                                                  pointers(env).data(), error_fd)
                        : ::posix_spawn(&pid, path.c_str(), &files, &attributes,
                                        pointers(argv).data(), pointers(env).data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  if (error != 0) {
    return Error{Code::kIo, path + ": can't be started: " + strerror(error) +
                                ".\n  Try it without ullage record first."};
  }
  return static_cast<uint32_t>(pid);
}

Subreaper::Subreaper(bool wanted) : wanted_(wanted) {
  if (!wanted_) return;
  ::prctl(PR_GET_CHILD_SUBREAPER, &before_, 0, 0, 0);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

Subreaper::~Subreaper() {
  if (wanted_) ::prctl(PR_SET_CHILD_SUBREAPER, before_, 0, 0, 0);
}

bool Subreaper::descendants_running() const {
  if (!wanted_) return false;
  for (;;) {
    const pid_t got = ::waitpid(-1, nullptr, WNOHANG);
    if (got == 0) return true;
    if (got < 0 && errno != EINTR) return false;
  }
}

bool reap(uint32_t pid, Exit& exit) {
  int status = 0;
  rusage usage{};
  pid_t got = 0;
  do {
    got = ::wait4(static_cast<pid_t>(pid), &status, WNOHANG, &usage);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return false;
  if (got > 0) {
    exit.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    exit.code = exit.signal != 0 ? 128 + exit.signal : WEXITSTATUS(status);
    exit.user_us = microseconds(usage.ru_utime);
    exit.system_us = microseconds(usage.ru_stime);
  }
  return true;  // also when someone else has reaped it: then its code is unknown, 0
}

}  // namespace ullage::launch
