// SPDX-License-Identifier: Apache-2.0
#include "server/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace ullage::server {
namespace {

Error failed(const std::string& path, const char* what) {
  const int why = errno;
  return {why == ENOENT ? Code::kNotFound : Code::kIo,
          path + ": " + what + ": " + std::strerror(why)};
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(fd, text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return true;
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::uint64_t bytes_max) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failed(path, "can't be opened");
  std::string text;
  char part[64 * 1024];
  ssize_t got;
  while ((got = ::read(fd, part, sizeof part)) > 0) {
    text.append(part, static_cast<std::size_t>(got));
    if (text.size() <= bytes_max) continue;
    ::close(fd);
    return Error{Code::kInvalid, path + ": is larger than " + std::to_string(bytes_max) + " B"};
  }
  if (got < 0) {
    Error error = failed(path, "can't be read");
    ::close(fd);
    return error;
  }
  ::close(fd);
  return text;
}

Result<void> replace_file(const std::string& path, std::string_view text) {
  return replace_file(path, std::span(&text, 1));
}

Result<void> replace_file(const std::string& path, std::span<const std::string_view> parts) {
  const std::string fresh = path + ".new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return failed(fresh, "can't be made");
  bool good = true;
  for (const std::string_view part : parts) good = good && write_all(fd, part);
  good = good && ::fsync(fd) == 0;
  if (!good) {
    Error error = failed(fresh, "can't be written");
    ::close(fd);
    ::unlink(fresh.c_str());
    return error;
  }
  ::close(fd);
  if (::rename(fresh.c_str(), path.c_str()) != 0) return failed(path, "can't be replaced");
  const std::string folder = path.substr(0, path.rfind('/'));
  const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    (void)::fsync(directory);
    ::close(directory);
  }
  return {};
}

}  // namespace ullage::server
