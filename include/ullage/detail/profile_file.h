// SPDX-License-Identifier: Apache-2.0
//
// profile_file: a size_profile on disk. Read whole; changed under an exclusive lock and replaced by
// rename, so that a reader sees the old profile or the new one, and several processes can add to
// one file. A file that can't be understood is left as it is.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <ullage/detail/size_profile.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

namespace ullage::detail {

/// Longest wait for other processes that add to the same profile; then this one gives up.
inline constexpr unsigned kProfileLockMsMax = 5000;
/// Neither waits for somebody at the other end of a pipe nor becomes a terminal of this process.
inline constexpr int kProfileOpenFlags = O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

class owned_fd {
 public:
  explicit owned_fd(int fd = -1) noexcept : fd_(fd) {}
  ~owned_fd() { reset(); }
  owned_fd(const owned_fd&) = delete;
  owned_fd& operator=(const owned_fd&) = delete;
  int get() const noexcept { return fd_; }
  void reset(int fd = -1) noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_;
};

inline std::string cause_of(int error) { return std::strerror(error); }

// Reads all of a regular file. False: `why`.
inline bool read_all(int fd, std::string& text, std::string& why) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    why = cause_of(errno);
    return false;
  }
  if (!S_ISREG(info.st_mode)) {
    why = "not a regular file";
    return false;
  }
  text.clear();
  char buffer[16384];
  for (off_t at = 0;;) {
    const ssize_t n = ::pread(fd, buffer, sizeof buffer, at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      why = cause_of(errno);
      return false;
    }
    if (n == 0) return true;
    text.append(buffer, static_cast<std::size_t>(n));
    at += n;
    if (text.size() > kProfileBytesMax) return true;  // parse() says so
  }
}

inline std::string bad_profile(const std::string& path, const profile_error& error) {
  return path + ":" + std::to_string(error.line) + ": " + error.text +
         ".\n  The file is left as it is and no container is sized from it. Delete it to start "
         "anew; the next run writes it again.";
}

// Reads `path` into `profile`; a file that is not there or empty is an empty profile.
inline bool load_profile(const std::string& path, size_profile& profile, std::string& why) {
  profile = {};
  const owned_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) {
    if (errno == ENOENT) return true;
    why = path + ": the profile can't be read: " + cause_of(errno) +
          ".\n  Expected a file that earlier runs wrote. Check its path and permissions.";
    return false;
  }
  std::string text, cause;
  if (!read_all(file.get(), text, cause)) {
    why = path + ": the profile can't be read: " + cause +
          ".\n  Expected a file that earlier runs wrote. Check the path.";
    return false;
  }
  profile_error error;
  if (text.empty() || profile.parse(text, error)) return true;
  why = bad_profile(path, error);
  return false;
}

// Opens `path` (making it if need be) and locks it. The file under the lock is the one that bears
// the name: another process may have replaced it while this one waited.
inline bool open_locked(const std::string& path, owned_fd& file, std::string& cause) {
  for (unsigned waited_ms = 0; waited_ms <= kProfileLockMsMax; ++waited_ms) {
    file.reset(::open(path.c_str(), kProfileOpenFlags, 0666));
    if (file.get() < 0) {
      cause = cause_of(errno);
      return false;
    }
    if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
      struct stat mine {
      }, named{};
      if (::fstat(file.get(), &mine) == 0 && ::stat(path.c_str(), &named) == 0 &&
          mine.st_dev == named.st_dev && mine.st_ino == named.st_ino) {
        return true;
      }
    } else if (errno != EWOULDBLOCK && errno != EINTR) {
      cause = "it can't be locked: " + cause_of(errno);
      return false;
    }
    const timespec millisecond{0, 1'000'000};
    ::nanosleep(&millisecond, nullptr);
  }
  cause = "other processes held its lock for " + std::to_string(kProfileLockMsMax / 1000) + " s";
  return false;
}

inline bool write_new(const std::string& path, const std::string& text, mode_t mode,
                      std::string& cause) {
  // What bears the name was left by a process that ended in here, or is a link of somebody else's,
  // which is not to be followed.
  ::unlink(path.c_str());
  const owned_fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (file.get() < 0) {
    cause = cause_of(errno);
    return false;
  }
  ::fchmod(file.get(), mode);  // whatever the umask: as the file it replaces
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(file.get(), text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      cause = cause_of(n == 0 ? ENOSPC : errno);
      return false;
    }
    done += static_cast<std::size_t>(n);
  }
  return true;
}

// Reads the profile at `path`, lets change(profile) add to it, and replaces it. False: `why`, and
// the file is as it was.
template <class Change>
bool update_profile(const std::string& given_path, Change change, std::string& why) {
  std::string path = given_path;
  owned_fd file;
  std::string text, cause;
  const auto failed = [&] {
    why = path + ": the sizes of this run were not saved: " + cause +
          ".\n  Expected a file that this process may write, in a folder where it may make one. "
          "Check them; with ULLAGE_PROFILE_SAVE=0 a program only reads its profile.";
    return false;
  };
  // A symbolic link stays one: what it names is replaced, or made.
  const owned_fd made(::open(path.c_str(), kProfileOpenFlags, 0666));
  if (char* real = ::realpath(given_path.c_str(), nullptr)) {
    path = real;
    ::free(real);
  }
  if (!open_locked(path, file, cause)) return failed();
  struct stat info {};
  if (::fstat(file.get(), &info) != 0 || !read_all(file.get(), text, cause)) return failed();
  size_profile profile;
  profile_error error;
  if (!text.empty() && !profile.parse(text, error)) {
    why = bad_profile(path, error);
    return false;
  }
  change(profile);
  std::size_t sites_max = kProfileSitesMax;
  do {
    profile.drop_oldest(sites_max);
    text = profile.print();
    sites_max /= 2;
  } while (text.size() > kProfileBytesMax);
  // The name is ours alone: whoever else wants to replace the profile waits for the lock.
  const std::string fresh = path + ".new";
  if (!write_new(fresh, text, info.st_mode & 07777, cause)) {
    ::unlink(fresh.c_str());
    return failed();
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) {
    cause = cause_of(errno);
    ::unlink(fresh.c_str());
    return failed();
  }
  return true;
}

}  // namespace ullage::detail
