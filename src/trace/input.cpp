// SPDX-License-Identifier: Apache-2.0
#include "trace/input.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

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

Result<Input> Input::map(const std::string& path) {
  const auto failed = [&path](const char* what) {
    return Error{errno == ENOENT ? Code::kNotFound : Code::kIo,
                 path + ": can't be " + what + ": " + std::strerror(errno) + "."};
  };
  auto storage = std::make_shared<Storage>();
  storage->descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (storage->descriptor < 0) return failed("opened");
  struct stat status {};
  if (fstat(storage->descriptor, &status) != 0) return failed("read");
  Input input;
  input.name_ = input.path_ = path;
  if (status.st_size > 0) {
    storage->mapped_bytes = static_cast<std::size_t>(status.st_size);
    void* mapped =
        mmap(nullptr, storage->mapped_bytes, PROT_READ, MAP_PRIVATE, storage->descriptor, 0);
    if (mapped == MAP_FAILED) return failed("mapped");
    storage->mapped = mapped;
    input.bytes_ = {static_cast<const std::uint8_t*>(mapped), storage->mapped_bytes};
  }
  input.storage_ = std::move(storage);
  return input;
}

void Input::drop(std::size_t offset, std::size_t size) const {
  if (storage_->mapped == nullptr) return;
  const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t begin = (offset + page - 1) / page * page;
  const std::size_t end = (offset + size) / page * page;
  if (end > begin) {
    madvise(static_cast<char*>(storage_->mapped) + begin, end - begin, MADV_DONTNEED);
  }
}

}  // namespace ullage::trace
