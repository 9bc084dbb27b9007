// SPDX-License-Identifier: Apache-2.0
#include "server/names_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "tier/key.h"

namespace ullage::server {

Result<std::unique_ptr<NamesFile>> NamesFile::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return Error{Code::kIo, path + ": can't be opened: " + std::strerror(errno)};
  std::unique_ptr<NamesFile> file(new NamesFile(path, fd));
  struct stat what {};
  if (::fstat(fd, &what) != 0 || !S_ISREG(what.st_mode)) {
    return Error{Code::kInvalid, path + ": is no regular file"};
  }
  return file;
}

NamesFile::~NamesFile() { ::close(fd_); }

void NamesFile::take(std::string_view line, std::vector<std::string>& names) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (!line.empty() && line.size() <= tier::kKeyBytesMax) names.emplace_back(line);
}

Result<bool> NamesFile::next(std::vector<std::string>& names) {
  names.clear();
  part_.resize(kPartBytes);
  ssize_t got;
  do {
    got = ::read(fd_, part_.data(), part_.size());
  } while (got < 0 && errno == EINTR);
  if (got < 0) return Error{Code::kIo, path_ + ": can't be read: " + std::strerror(errno)};
  if (got == 0) {
    if (!too_long_) take(rest_, names);
    rest_.clear();
    return false;
  }
  std::string_view bytes(part_.data(), static_cast<std::size_t>(got));
  for (std::size_t end; (end = bytes.find('\n')) != std::string_view::npos;) {
    rest_.append(bytes.substr(0, end));
    bytes.remove_prefix(end + 1);
    if (!too_long_) take(rest_, names);
    rest_.clear();
    too_long_ = false;
  }
  // One byte more than a key has may be the line's '\r'.
  if (rest_.size() + bytes.size() > tier::kKeyBytesMax + 1) too_long_ = true;
  if (too_long_) {
    rest_.clear();
  } else {
    rest_.append(bytes);
  }
  return true;
}

}  // namespace ullage::server
