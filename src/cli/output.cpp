// SPDX-License-Identifier: Apache-2.0
#include "cli/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace ullage::cli {

namespace {

Error cannot_write(const std::string& path, int error) {
  return {Code::kIo, "ullage: " + path + " can't be written: " + std::strerror(error) +
                         ".\n  Name another file, or - for standard output."};
}

// 0, or the error number.
int write_all(int fd, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t written = ::write(fd, text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    done += static_cast<std::size_t>(written);
  }
  return 0;
}

bool is_regular_or_new(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) != 0 || S_ISREG(status.st_mode);
}

Result<void> write_in_place(const std::string& path, const std::string& text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);  // /dev/fd/3, a named pipe
  if (fd < 0) return cannot_write(path, errno);
  const int error = write_all(fd, text);
  ::close(fd);
  if (error) return cannot_write(path, error);
  return {};
}

}  // namespace

Result<void> write_output(const std::string& path, const std::string& text) {
  if (path == "-") {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return {};
  }
  if (!is_regular_or_new(path)) return write_in_place(path, text);
  std::string beside = path + ".XXXXXX";
  const int fd = ::mkostemp(beside.data(), O_CLOEXEC);
  if (fd < 0) return cannot_write(path, errno);
  int error = write_all(fd, text);
  if (::close(fd) != 0 && !error) error = errno;
  if (!error && ::rename(beside.c_str(), path.c_str()) != 0) error = errno;
  if (error) {
    ::unlink(beside.c_str());
    return cannot_write(path, error);
  }
  return {};
}

Result<void> keep_apart(const std::string& verb, const std::vector<Target>& targets,
                        std::vector<std::string> taken) {
  for (const auto& [option, path] : targets) {
    if (path == "-") continue;
    for (const std::string& other : taken) {
      std::error_code ignored;  // most often the target is not there yet
      const bool regular = std::filesystem::is_regular_file(path, ignored);
      const bool same = regular && std::filesystem::equivalent(path, other, ignored);
      if (path != other && !same) continue;
      if (!is_regular_or_new(path)) continue;  // /dev/null
      return Error{Code::kInvalid, "ullage " + verb + ": " + option + "=" + path +
                                       " would replace " + other +
                                       ", which this command reads or writes, too.\n  Give it a "
                                       "path of its own."};
    }
    taken.push_back(path);
  }
  return {};
}

std::string path_per_recording(const std::string& path, const std::string& recording) {
  const std::filesystem::path target(path);
  std::string name = std::filesystem::path(recording).filename().string();
  if (name.ends_with(".ulg")) name.resize(name.size() - 4);
  return (target.parent_path() /
          (target.stem().string() + "." + name + target.extension().string()))
      .string();
}

std::string short_path(const std::string& path) {
  std::error_code error;
  const std::string here = std::filesystem::current_path(error).string() + "/";
  std::string shorter = !error && path.starts_with(here) ? path.substr(here.size()) : path;
  return shorter.starts_with('-') ? "./" + shorter : shorter;
}

Result<void> flush_output() {
  if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return {};
  return cannot_write("standard output", errno);
}

}  // namespace ullage::cli
