// SPDX-License-Identifier: Apache-2.0
#include "trace/input_open.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/format.h"
#include "trace/input_unpack.h"

namespace ullage::trace {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Any part of a path that begins with a dot: ".git/config", "logs/._gc.log".
bool hidden(std::string_view path) {
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.starts_with('.') && part != "." && part != "..") return true;
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return false;
}

class Walk {
 public:
  explicit Walk(const InputLimits& limits) { budget_.limits = limits; }

  void named(const std::string& path);
  void given(const Input& input);

  std::vector<Input> inputs;
  std::vector<InputProblem> problems;

 private:
  using Identity = std::pair<dev_t, ino_t>;

  void path(const std::string& path, unsigned depth);
  void folder(const std::string& path, const Identity& self, unsigned depth);
  void spool(const std::string& name, int descriptor);
  void unpack(const Input& input, unsigned depth);
  void archive(const Input& input, unsigned depth);
  bool full(const std::string& where);
  void problem(const std::string& name, Error error);
  void problem(const std::string& name, Code code, const std::string& text) {
    problem(name, Error{code, name + ": " + text});
  }

  InputBudget budget_;
  std::vector<Identity> above_;  // folders that we are in
  bool told_full_ = false;
};

void Walk::problem(const std::string& name, Error error) {
  if (problems.size() + 1 < kInputProblemsMax) {
    problems.push_back({name, std::move(error)});
  } else if (problems.size() < kInputProblemsMax) {
    problems.push_back(
        {name, {Code::kExhausted, name + ": and more like it, which are not listed."}});
  }
}

// True when no further file may be taken; says so once.
bool Walk::full(const std::string& where) {
  if (budget_.files < budget_.limits.files_max) return false;
  if (!std::exchange(told_full_, true)) {
    problem(where, Code::kExhausted,
            "left out, and what follows: " + format_counted(budget_.limits.files_max, "file") +
                " are read at once.\n  Give fewer of them.");
  }
  return true;
}

void Walk::named(const std::string& name) {
  if (name == "-") {
    spool("-", dup(STDIN_FILENO));
  } else {
    path(name, 0);
  }
}

void Walk::path(const std::string& name, unsigned depth) {
  if (full(name)) return;
  struct stat status {};
  if (stat(name.c_str(), &status) != 0) {
    const Code code = errno == ENOENT ? Code::kNotFound : Code::kIo;
    problem(name, code, std::string("can't be opened: ") + std::strerror(errno) + ".");
  } else if (S_ISDIR(status.st_mode)) {
    folder(name, {status.st_dev, status.st_ino}, depth);
  } else if (S_ISREG(status.st_mode)) {
    ++budget_.files;
    Result<Input> input = Input::map(name);
    if (input.ok()) {
      given(*input);
    } else {
      problem(name, input.error());
    }
  } else if (depth == 0 && S_ISFIFO(status.st_mode)) {  // a device may never end
    ++budget_.files;
    spool(name, open(name.c_str(), O_RDONLY | O_CLOEXEC));
  } else {
    problem(name, Code::kUnsupported, "left out: neither a file nor a folder.");
  }
}

void Walk::folder(const std::string& name, const Identity& self, unsigned depth) {
  if (std::find(above_.begin(), above_.end(), self) != above_.end()) return;  // a link upwards
  if (depth >= budget_.limits.folder_depth_max) {
    problem(name, Code::kExhausted,
            "left out: deeper than " + std::to_string(budget_.limits.folder_depth_max) +
                " folders.\n  Give it by itself.");
    return;
  }
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator i(name, error), end;
  for (; !error && i != end; i.increment(error)) {
    std::string entry = i->path().filename().string();
    if (!entry.starts_with('.')) names.push_back(std::move(entry));
    if (names.size() > budget_.limits.files_max) break;
  }
  if (error) problem(name, Code::kIo, "can't be listed: " + error.message() + ".");
  std::sort(names.begin(), names.end(), name_before);
  above_.push_back(self);
  const std::string prefix = name.ends_with('/') ? name : name + "/";
  for (const std::string& entry : names) {
    if (full(prefix + entry)) break;
    path(prefix + entry, depth + 1);
  }
  above_.pop_back();
}

// What has no size to map: standard input, pipes.
void Walk::spool(const std::string& name, int descriptor) {
  if (descriptor < 0) {
    problem(name, Code::kIo, std::string("can't be opened: ") + std::strerror(errno) + ".");
    return;
  }
  Spool spooled(name);
  std::vector<std::uint8_t> buffer(std::size_t{1} << 16);
  Result<void> result;
  while (result.ok()) {
    const ssize_t count = read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      result = Error{Code::kIo, name + ": can't be read: " + std::strerror(errno) + "."};
    }
    if (count <= 0) break;
    const auto bytes = static_cast<std::size_t>(count);
    budget_.given_bytes += bytes;  // a pipe is no larger than itself
    result = budget_.take(name, bytes, UINT64_MAX, spooled.size());
    if (result.ok()) result = spooled.append({buffer.data(), bytes});
  }
  close(descriptor);
  Result<Input> input = result.ok() ? spooled.finish() : Result<Input>(result.error());
  if (input.ok()) {
    unpack(*input, 0);
  } else {
    problem(name, input.error());
  }
}

void Walk::given(const Input& input) {
  budget_.given_bytes += input.bytes().size();
  unpack(input, 0);
}

void Walk::unpack(const Input& input, unsigned depth) {
  const Packaging packaging = packaging_of(input.bytes());
  if (packaging == Packaging::kNone) {
    inputs.push_back(input);
    return;
  }
  if (depth >= budget_.limits.pack_depth_max) {
    problem(input.name(), Code::kExhausted,
            "left out: packed more than " + std::to_string(budget_.limits.pack_depth_max) +
                " times over.\n  Unpack it first.");
    return;
  }
  if (packaging == Packaging::kArchive) {
    archive(input, depth);
    return;
  }
  Result<Input> plain = decompress(input, budget_);
  if (!plain.ok()) {
    problem(input.name(), plain.error());
    return;
  }
  if (plain->loss().empty()) plain->set_loss(input.loss());
  unpack(*plain, depth + 1);
}

void Walk::archive(const Input& input, unsigned depth) {
  std::vector<Input> members;
  const std::size_t name_bytes = input.name().size() + 1;
  for_each_member(input, budget_, [&](const std::string& name, Result<Input> member) {
    if (full(name)) return false;
    if (!member.ok()) {
      problem(name, member.error());
    } else if (!hidden(std::string_view(name).substr(name_bytes))) {
      ++budget_.files;
      members.push_back(std::move(*member));
    }
    return true;
  });
  if (!input.loss().empty()) problem(input.name(), Code::kInvalid, input.loss());
  std::stable_sort(members.begin(), members.end(),
                   [](const Input& a, const Input& b) { return name_before(a.name(), b.name()); });
  for (const Input& member : members) unpack(member, depth + 1);
}

}  // namespace

bool name_before(const std::string& a, const std::string& b) {
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (!is_digit(a[i]) || !is_digit(b[j])) {
      if (a[i] != b[j]) return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]);
      ++i, ++j;
      continue;
    }
    // Two numbers: without leading zeros the longer one is larger.
    while (i < a.size() && a[i] == '0') ++i;
    while (j < b.size() && b[j] == '0') ++j;
    std::size_t m = i, n = j;
    while (m < a.size() && is_digit(a[m])) ++m;
    while (n < b.size() && is_digit(b[n])) ++n;
    if (m - i != n - j) return m - i < n - j;
    if (const int order = a.compare(i, m - i, b, j, n - j); order != 0) return order < 0;
    i = m, j = n;
  }
  if (i == a.size() && j == b.size()) return a < b;  // "7" and "07"
  return i == a.size();
}

Result<std::vector<Input>> open_inputs(const std::string& path, const InputLimits& limits,
                                       std::vector<InputProblem>* problems) {
  Walk walk(limits);
  walk.named(path);
  if (walk.inputs.empty()) {
    if (!walk.problems.empty()) return walk.problems.front().error;
    return Error{Code::kNotFound, path +
                                      ": holds no files.\n  Expected the artefacts of an "
                                      "incident: traces, profiles, logs, dumps."};
  }
  if (problems != nullptr) {
    problems->insert(problems->end(), walk.problems.begin(), walk.problems.end());
  }
  return std::move(walk.inputs);
}

std::vector<Input> unpack_inputs(const Input& input, const InputLimits& limits,
                                 std::vector<InputProblem>* problems) {
  Walk walk(limits);
  walk.given(input);
  if (problems != nullptr) {
    problems->insert(problems->end(), walk.problems.begin(), walk.problems.end());
  }
  return std::move(walk.inputs);
}

}  // namespace ullage::trace
