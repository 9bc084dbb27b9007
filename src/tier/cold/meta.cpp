// SPDX-License-Identifier: Apache-2.0
#include "tier/cold/meta.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace ullage::tier::cold {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "ullage cold store\n";
// Longer files are none of ours.
constexpr std::size_t kMetaBytesMax = 4096;

Error system_error(const std::string& what, int number) {
  return {Code::kIo, what + ": " + std::strerror(number)};
}

// FNV-1a: it tells a record that was cut or edited, not one that was forged.
std::uint32_t checksum(std::string_view text) noexcept {
  std::uint32_t sum = 2166136261u;
  for (const char c : text) sum = (sum ^ static_cast<std::uint8_t>(c)) * 16777619u;
  return sum;
}

std::string hex(std::uint64_t number, std::size_t digits) {
  std::string text(digits, '0');
  for (std::size_t i = digits; i > 0; --i, number >>= 4)
    text[i - 1] = "0123456789abcdef"[number & 15];
  return text;
}

// "name value\n" off the front of `text`; empty: there is none of that name.
std::string_view take_line(std::string_view& text, std::string_view name) {
  if (!text.starts_with(name) || text.size() <= name.size() || text[name.size()] != ' ') return {};
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return {};
  const std::string_view value = text.substr(name.size() + 1, end - name.size() - 1);
  text.remove_prefix(end + 1);
  return value;
}

template <class Number>
bool to_number(std::string_view text, int base, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return error == std::errc{} && end == text.data() + text.size();
}

Result<void> write_whole(const std::string& path, std::string_view text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return system_error(path, errno);
  const ssize_t wrote = ::write(file, text.data(), text.size());
  const bool done = wrote == static_cast<ssize_t>(text.size()) && ::fsync(file) == 0;
  const int error = done ? 0 : wrote >= 0 && errno == 0 ? ENOSPC : errno;
  ::close(file);
  if (!done) return system_error(path, error);
  return {};
}

void sync_directory(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  ::fsync(file);
  ::close(file);
}

std::uint64_t random_seed() {
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, GRND_NONBLOCK) == sizeof seed) return seed;
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

}  // namespace

std::string to_text(const Meta& meta) {
  std::string text(kMagic);
  text += "format " + std::to_string(meta.format) + "\n";
  text += "seed " + hex(meta.seed, 16) + "\n";
  text += "sum " + hex(checksum(text), 8) + "\n";
  return text;
}

Result<Meta> parse_meta(std::string_view text, const std::string& where) {
  const std::string_view whole = text;
  const auto damaged = [&](const char* what) {
    return Error{
        Code::kInvalid,
        where + ": " + what + ".\n  Restore a backup (ullage restore), or name another directory."};
  };
  if (!text.starts_with(kMagic)) return damaged("is no record of a cold store");
  text.remove_prefix(kMagic.size());
  Meta meta;
  if (!to_number(take_line(text, "format"), 10, meta.format) || meta.format == 0) {
    return damaged("says no format");
  }
  // First of all, since what follows may be anything then.
  if (meta.format > kDirectoryFormat) {
    return Error{Code::kUnsupported,
                 where + ": the directory has format " + std::to_string(meta.format) +
                     ", this version reads up to " + std::to_string(kDirectoryFormat) +
                     ". Nothing was changed.\n  Use the version that wrote it or a newer one, or "
                     "name another directory."};
  }
  const std::string_view seed = take_line(text, "seed");
  if (seed.size() != 16 || !to_number(seed, 16, meta.seed)) return damaged("says no seed");
  const std::string_view before = whole.substr(0, whole.size() - text.size());
  std::uint32_t sum = 0;
  if (!to_number(take_line(text, "sum"), 16, sum) || sum != checksum(before) || !text.empty()) {
    return damaged("was cut or changed: its sum differs");
  }
  return meta;
}

Result<Meta> read_meta(const std::string& directory) {
  const std::string path = directory + "/" + kMetaName;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    if (errno != ENOENT) return system_error(path, errno);
    return Error{Code::kNotFound,
                 directory + " is no directory of a cold store: it has no file " + kMetaName + "."};
  }
  std::array<char, kMetaBytesMax> bytes;
  const ssize_t got = ::read(file, bytes.data(), bytes.size());
  const int error = errno;
  ::close(file);
  if (got < 0) return system_error(path, error);
  return parse_meta({bytes.data(), static_cast<std::size_t>(got)}, path);
}

Result<void> write_meta(const std::string& directory, const Meta& meta) {
  const std::string path = directory + "/" + kMetaName;
  const std::string fresh = path + ".new";
  if (Result<void> written = write_whole(fresh, to_text(meta)); !written.ok()) return written;
  if (::rename(fresh.c_str(), path.c_str()) != 0) return system_error(path, errno);
  sync_directory(directory);
  return {};
}

Result<Meta> open_directory(const std::string& directory) {
  std::error_code error;
  const bool made = fs::create_directories(directory, error);
  if (error) {
    return Error{Code::kIo, directory + ": can't be made: " + error.message() +
                                ".\n  Make it, or name one that this user may write."};
  }
  if (made) fs::permissions(directory, fs::perms::owner_all, error);
  Result<Meta> read = read_meta(directory);
  if (read.ok() || read.error().code != Code::kNotFound) return read;
  // What was begun and not finished may be begun again; anything else is not ours to write to.
  const std::string fresh = std::string(kMetaName) + ".new";
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    if (name == fresh || name == "lost+found") continue;
    return Error{Code::kInvalid, directory + " holds something else (" + name +
                                     ").\n  Name an empty directory, or one that does not exist."};
  }
  if (error) return Error{Code::kIo, directory + ": " + error.message()};
  Meta meta;
  meta.seed = random_seed();
  if (Result<void> written = write_meta(directory, meta); !written.ok()) {
    return Error{written.error().code, written.error().message +
                                           ".\n  Let this user write there, and see that there is "
                                           "room, or name another directory."};
  }
  return meta;
}

}  // namespace ullage::tier::cold
