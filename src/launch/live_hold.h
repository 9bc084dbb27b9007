// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who has a live file: at most one recorder that follows it, or one finish() that completes it.
//
//   LiveHold   one of them has this very file (flock). What follows a file keeps its hold.
//   RunMark    the recorder of this run lives on this machine: also what it has not opened yet (a
//              grandchild's file, a moment old) is its own.
//
// Promises     Both end with their process, however that ends. Where the system has no such locks
//              or sockets, nobody is found.

#include <cstdint>
#include <string>

#include "record/layout.h"

namespace ullage::launch {

class LiveHold {
 public:
  // kGone: there is no such file (any more): who had it has completed it.
  enum class Got { kMine, kOthers, kGone, kRefused };

  explicit LiveHold(const std::string& path);
  LiveHold(const LiveHold&) = delete;
  LiveHold& operator=(const LiveHold&) = delete;
  ~LiveHold();

  Got got() const { return got_; }
  int error() const { return error_; }  // errno of kGone and kRefused, or 0
  // Open for reading, and for writing where that is allowed; -1 where nothing could be opened.
  int fd() const { return fd_; }
  int release();                           // the descriptor, and with it the hold, are the caller's
  record::FileHeader read_header() const;  // zeroes where there is none

 private:
  int fd_ = -1;
  int error_ = 0;
  Got got_ = Got::kRefused;
};

class RunMark {
 public:
  explicit RunMark(uint64_t run_id);
  RunMark(const RunMark&) = delete;
  RunMark& operator=(const RunMark&) = delete;
  ~RunMark();
  static bool exists(uint64_t run_id);

 private:
  int fd_ = -1;
};

}  // namespace ullage::launch
