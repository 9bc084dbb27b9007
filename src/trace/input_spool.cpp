// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/format.h"
#include "trace/input_unpack.h"

namespace ullage::trace {
namespace {

// A file without a name: it goes with its last descriptor, however the program ends.
int unnamed_file(const std::string& folder) {
  int descriptor = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) return descriptor;
  // File systems without O_TMPFILE: a name, for a moment.
  std::string path = folder + "/ullage-XXXXXX";
  descriptor = mkostemp(path.data(), O_CLOEXEC);
  if (descriptor >= 0) unlink(path.c_str());
  return descriptor;
}

}  // namespace

Spool::~Spool() {
  if (descriptor_ >= 0) close(descriptor_);
}

Error Spool::failed(const char* what) const {
  const bool room = errno == ENOSPC || errno == EDQUOT;
  return {room ? Code::kExhausted : Code::kIo,
          name_ + ": " + what + " in " + folder_ + ": " + std::strerror(errno) + ".\n  " +
              (room ? "It was " + format_bytes(size_) +
                          " so far. Make room, or set TMPDIR to a folder that has more."
                    : "Set TMPDIR to a folder that can be written to.")};
}

Result<void> Spool::append(std::span<const std::uint8_t> bytes) {
  if (descriptor_ < 0) {
    if (memory_.size() + bytes.size() <= kInMemoryBytesMax) {
      memory_.insert(memory_.end(), bytes.begin(), bytes.end());
      size_ += bytes.size();
      return {};
    }
    const char* folder = std::getenv("TMPDIR");
    folder_ = folder != nullptr && *folder != '\0' ? folder : "/tmp";
    descriptor_ = unnamed_file(folder_);
    if (descriptor_ < 0) return failed("no temporary file can be made");
    if (Result<void> r = write_out(memory_); !r.ok()) return r;
    memory_ = {};
  }
  Result<void> written = write_out(bytes);
  if (written.ok()) size_ += bytes.size();
  return written;
}

Result<void> Spool::write_out(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(descriptor_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed("the temporary file can't be written");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

Result<Input> Spool::finish() {
  if (descriptor_ < 0) return Input::from_bytes(name_, std::move(memory_));
  const int descriptor = descriptor_;
  descriptor_ = -1;
  return Input::adopt(name_, descriptor);
}

}  // namespace ullage::trace
