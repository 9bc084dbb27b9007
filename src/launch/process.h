// SPDX-License-Identifier: Apache-2.0
#pragma once

// Processes: starting the command, watching others, passing signals on.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace ullage::launch {

// Holds back SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 while it lives, so that the
// command decides what they do. next() takes the ones that came in.
class BorrowedSignals {
 public:
  BorrowedSignals();
  ~BorrowedSignals();
  BorrowedSignals(const BorrowedSignals&) = delete;
  BorrowedSignals& operator=(const BorrowedSignals&) = delete;

  int fd() const { return fd_; }  // readable when next() has something
  int next();                     // 0: nothing
  // The signal mask from before, for children.
  const void* original_mask() const { return before_; }
  bool child_ignored() const { return child_ignored_; }  // SIGCHLD, before
  // Signals that the terminal sends to the whole foreground group: the command has them already.
  static bool from_terminal(int signal);

 private:
  int fd_ = -1;
  bool child_ignored_ = false;
  alignas(8) unsigned char before_[128];  // sigset_t
};

// A process that can be asked whether it ended, safe against reuse of its pid.
class ProcessWatch {
 public:
  enum class Now { kRunning, kEnded, kNeverSeen };

  ProcessWatch() = default;  // of a process that is never seen
  explicit ProcessWatch(uint32_t pid);
  ProcessWatch(ProcessWatch&& other) noexcept;
  ProcessWatch& operator=(ProcessWatch&& other) noexcept;
  ~ProcessWatch();
  // kNeverSeen: there was no such process when the watch began. It ended before, or lives under
  // another number (a pid namespace).
  Now look() const;
  int fd() const { return fd_; }  // readable when it ends; -1 without pidfd

 private:
  int fd_ = -1;
  uint32_t pid_ = 0;
  bool seen_ = false;
};

// Starts `path` with the caller's terminal and `signals`' original mask. The child's pid.
// `error_fd`, when not -1, becomes its standard error.
Result<uint32_t> spawn(const std::string& path, const std::vector<std::string>& argv,
                       const std::vector<std::string>& env, const BorrowedSignals& signals,
                       int error_fd = -1);

// Makes orphaned descendants children of this process while it lives, so that they can be waited
// for.
class Subreaper {
 public:
  explicit Subreaper(bool wanted);
  ~Subreaper();
  Subreaper(const Subreaper&) = delete;
  Subreaper& operator=(const Subreaper&) = delete;

  // Reaps those that ended; true while some still run. Never true when not wanted.
  bool descendants_running() const;

 private:
  bool wanted_ = false;
  int before_ = 0;
};

struct Exit {
  int code = 0;    // as a shell reports it
  int signal = 0;  // that ended it, or 0
  uint64_t user_us = 0, system_us = 0;
};
// True when the child has ended; does not wait.
bool reap(uint32_t pid, Exit& exit);

}  // namespace ullage::launch
