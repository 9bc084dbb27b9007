// SPDX-License-Identifier: Apache-2.0
#include "trace/input.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace ullage::trace {

struct Input::Storage {
  Storage() = default;
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  ~Storage() {
    if (mapped != nullptr) munmap(mapped, mapped_bytes);
    if (descriptor >= 0) close(descriptor);
  }
  std::vector<std::uint8_t> bytes;
  void* mapped = nullptr;
  std::size_t mapped_bytes = 0;
  int descriptor = -1;
};

Input Input::from_bytes(std::string name, std::vector<std::uint8_t> bytes) {
  auto storage = std::make_shared<Storage>();
  storage->bytes = std::move(bytes);
  Input input;
  input.name_ = std::move(name);
  input.bytes_ = storage->bytes;
  input.storage_ = std::move(storage);
  return input;
}

Input Input::from_text(std::string name, std::string_view text) {
  return from_bytes(std::move(name), {text.begin(), text.end()});
}

// Takes the descriptor, also when it fails.
Result<Input> Input::map_descriptor(std::string name, int descriptor) {
  const auto failed = [&name](const char* what) {
    return Error{Code::kIo, name + ": can't be " + what + ": " + std::strerror(errno) + "."};
  };
  auto storage = std::make_shared<Storage>();
  storage->descriptor = descriptor;
  struct stat status {};
  if (fstat(descriptor, &status) != 0) return failed("read");
  if (S_ISDIR(status.st_mode)) return errno = EISDIR, failed("read");
  Input input;
  if (status.st_size > 0) {
    storage->mapped_bytes = static_cast<std::size_t>(status.st_size);
    void* mapped = mmap(nullptr, storage->mapped_bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (mapped == MAP_FAILED) return failed("mapped");
    storage->mapped = mapped;
    input.bytes_ = {static_cast<const std::uint8_t*>(mapped), storage->mapped_bytes};
  }
  input.name_ = std::move(name);
  input.storage_ = std::move(storage);
  return input;
}

Result<Input> Input::map(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return Error{errno == ENOENT ? Code::kNotFound : Code::kIo,
                 path + ": can't be opened: " + std::strerror(errno) + "."};
  }
  Result<Input> input = map_descriptor(path, descriptor);
  if (!input.ok()) return input;
  // Its path opens it again: a folder of many files takes no descriptor for each.
  close(std::exchange(input->storage_->descriptor, -1));
  input->path_ = path;
  return input;
}

Result<Input> Input::adopt(std::string name, int descriptor) {
  Result<Input> input = map_descriptor(std::move(name), descriptor);
  if (input.ok()) input->path_ = "/proc/self/fd/" + std::to_string(descriptor);
  return input;
}

Input Input::part(std::string name, std::size_t offset, std::size_t size) const {
  Input input;
  input.name_ = std::move(name);
  input.bytes_ = bytes_.subspan(offset, size);
  input.storage_ = storage_;
  return input;
}

void Input::drop(std::size_t offset, std::size_t size) const {
  if (storage_ == nullptr || storage_->mapped == nullptr) return;
  const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  // A part begins somewhere within its mapping.
  offset +=
      static_cast<std::size_t>(bytes_.data() - static_cast<const std::uint8_t*>(storage_->mapped));
  const std::size_t begin = (offset + page - 1) / page * page;
  const std::size_t end = (offset + size) / page * page;
  if (end > begin) {
    madvise(static_cast<char*>(storage_->mapped) + begin, end - begin, MADV_DONTNEED);
  }
}

}  // namespace ullage::trace
