// SPDX-License-Identifier: Apache-2.0
//
// The file of users: server.acl_file.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "server/acl/users.h"

namespace ullage::server {
namespace {

Error file_error(const char* what, const std::string& path) {
  return Error{Code::kIo, std::string("can't ") + what + " " + path + ": " + std::strerror(errno) +
                              ".\n  See: ullage contract explain server.acl_file"};
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

Result<std::string> read_acl_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return file_error("read", path);
  std::string text;
  char part[16 * 1024];
  for (;;) {
    const ssize_t got = ::read(fd, part, sizeof part);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const Error error = file_error("read", path);
      ::close(fd);
      return error;
    }
    if (got == 0) break;
    text.append(part, static_cast<std::size_t>(got));
    if (text.size() > kAclFileBytesMax) {
      ::close(fd);
      return Error{Code::kExhausted, path + " is larger than 16 MiB; is it a file of users?"};
    }
  }
  ::close(fd);
  return text;
}

Result<void> write_acl_file(const std::string& path, const std::string& text) {
  // A name of its own in the same folder, so that putting it in place is one step.
  const std::string beside = path + ".tmp-" + std::to_string(::getpid());
  constexpr mode_t kOwnerOnly = 0600;
  const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kOwnerOnly);
  if (fd < 0) return file_error("write", beside);
  struct stat now {};
  if (::stat(path.c_str(), &now) == 0) (void)!::fchmod(fd, now.st_mode & 07777);
  bool done = write_all(fd, text) && ::fsync(fd) == 0;
  done = ::close(fd) == 0 && done;
  done = done && ::rename(beside.c_str(), path.c_str()) == 0;
  if (!done) {
    const Error error = file_error("write", path);
    ::unlink(beside.c_str());
    return error;
  }
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  const int directory = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY);
  if (directory >= 0) {
    (void)::fsync(directory);
    ::close(directory);
  }
  return {};
}

}  // namespace ullage::server
