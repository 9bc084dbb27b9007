// SPDX-License-Identifier: Apache-2.0
#include "launch/live_hold.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace ullage::launch {
namespace {

bool names(const std::string& path, int fd) {
  struct stat at_path {
  }, open{};
  return ::lstat(path.c_str(), &at_path) == 0 && ::fstat(fd, &open) == 0 &&
         at_path.st_dev == open.st_dev && at_path.st_ino == open.st_ino;
}

// A name without a file: it is free again when the last descriptor is closed. 0: no recorder's.
socklen_t mark_name(uint64_t run_id, sockaddr_un& name) {
  if (run_id == 0) return 0;
  name = {};
  name.sun_family = AF_UNIX;
  const int length = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "ullage-record-%llx",
                              static_cast<unsigned long long>(run_id));
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + static_cast<size_t>(length));
}

}  // namespace

LiveHold::LiveHold(const std::string& path) {
  // For writing, though finish() only reads: over NFS an exclusive lock is refused otherwise.
  fd_ = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd_ < 0 && (errno == EACCES || errno == EROFS)) {
    fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  }
  if (fd_ < 0) {
    error_ = errno;
    got_ = errno == ENOENT ? Got::kGone : Got::kRefused;
  } else if (::flock(fd_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    got_ = Got::kOthers;
  } else {
    // Whoever had it a moment ago may have completed and removed it.
    const bool still = names(path, fd_);
    got_ = still ? Got::kMine : Got::kGone;
    error_ = still ? 0 : ENOENT;
  }
}

LiveHold::~LiveHold() {
  if (fd_ >= 0) ::close(fd_);
}

int LiveHold::release() {
  const int fd = fd_;
  fd_ = -1;
  return fd;
}

record::FileHeader LiveHold::read_header() const {
  record::FileHeader header{};
  if (fd_ < 0 || ::pread(fd_, &header, sizeof header, 0) != sizeof header) header = {};
  return header;
}

RunMark::RunMark(uint64_t run_id) {
  sockaddr_un name;
  const socklen_t bytes = mark_name(run_id, name);
  if (bytes == 0) return;
  fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd_ >= 0 && ::bind(fd_, reinterpret_cast<const sockaddr*>(&name), bytes) != 0) {
    ::close(fd_);
    fd_ = -1;
  }
}

RunMark::~RunMark() {
  if (fd_ >= 0) ::close(fd_);
}

bool RunMark::exists(uint64_t run_id) {
  sockaddr_un name;
  const socklen_t bytes = mark_name(run_id, name);
  if (bytes == 0) return false;
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool answered = ::connect(fd, reinterpret_cast<const sockaddr*>(&name), bytes) == 0;
  ::close(fd);
  return answered;
}

}  // namespace ullage::launch
