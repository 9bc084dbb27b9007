// SPDX-License-Identifier: Apache-2.0
#include "record/byte_source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace ullage::record {
namespace {

class FileSource : public ByteSource {
 public:
  FileSource(int fd, uint64_t bytes) : fd_(fd), bytes_(bytes) {}
  ~FileSource() override { ::close(fd_); }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  uint64_t bytes() const override { return bytes_; }

  size_t read(uint64_t offset, void* out, size_t count) const override {
    size_t done = 0;
    while (done < count && offset + done < bytes_) {
      const ssize_t n = ::pread(fd_, static_cast<char*>(out) + done, count - done,
                                static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  uint64_t next_data(uint64_t offset) const override {
    const off_t at = ::lseek(fd_, static_cast<off_t>(offset), SEEK_DATA);
    if (at >= 0) return std::min(static_cast<uint64_t>(at), bytes_);
    return errno == ENXIO ? bytes_ : offset;  // ENXIO: nothing but a hole up to the end
  }

 private:
  int fd_;
  uint64_t bytes_;
};

class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::vector<uint8_t> bytes) : bytes_(std::move(bytes)) {}
  uint64_t bytes() const override { return bytes_.size(); }
  size_t read(uint64_t offset, void* out, size_t count) const override {
    if (offset >= bytes_.size()) return 0;
    const size_t n = std::min<uint64_t>(count, bytes_.size() - offset);
    if (n > 0) memcpy(out, bytes_.data() + offset, n);  // out may be null when nothing is wanted
    return n;
  }
  uint64_t next_data(uint64_t offset) const override { return offset; }

 private:
  std::vector<uint8_t> bytes_;
};

}  // namespace

std::unique_ptr<ByteSource> open_file_source(const std::string& path, std::string& error) {
  // O_NONBLOCK: a FIFO without a writer must not hold us up; it is refused below.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat st {};
  if (fd < 0 || ::fstat(fd, &st) != 0) {
    error = strerror(errno);
    if (fd >= 0) ::close(fd);
    return nullptr;
  }
  if (!S_ISREG(st.st_mode)) {
    error = "not a regular file";
    ::close(fd);
    return nullptr;
  }
  return std::make_unique<FileSource>(fd, static_cast<uint64_t>(st.st_size));
}

std::unique_ptr<ByteSource> memory_source(std::vector<uint8_t> bytes) {
  return std::make_unique<MemorySource>(std::move(bytes));
}

}  // namespace ullage::record
