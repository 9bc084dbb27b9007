// SPDX-License-Identifier: Apache-2.0
#include "launch/incident/jvm_collector.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <utility>
#include <vector>

extern char** environ;

namespace ullage::launch {
namespace {

using Clock = std::chrono::steady_clock;

// A JVM that does not answer for so long is stuck, or gone.
constexpr std::chrono::seconds kAnswerMax{20};

// The environment without what would make the tool a recorded JVM itself.
std::vector<char*> plain_environment() {
  std::vector<char*> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
  environment.push_back(nullptr);
  return environment;
}

// Starts it with both streams going to `output`; -1 when it can't be started.
pid_t start_tool(const std::vector<std::string>& command, int output) {
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  // In a group of its own: Ctrl-C is for the program, not for its tools.
  ::posix_spawnattr_setpgroup(&attributes, 0);
  sigset_t none;
  sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  pid_t pid = -1;
  std::vector<char*> environment = plain_environment();
  if (::posix_spawnp(&pid, words[0], &files, &attributes, words.data(), environment.data()) != 0) {
    pid = -1;
  }
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  return pid;
}

// True when it ended well within its time; ends it otherwise.
bool await(pid_t pid, const std::atomic<bool>* stopped) {
  const auto until = Clock::now() + kAnswerMax;
  for (;;) {
    int status = 0;
    const pid_t got = ::waitpid(pid, &status, WNOHANG);
    if (got == pid) return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (got < 0 && errno != EINTR) return false;
    if (Clock::now() > until || (stopped != nullptr && stopped->load())) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace

std::string real_path(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  const std::string result = real != nullptr ? real : path;
  std::free(real);
  return result;
}

std::string output_of(const std::vector<std::string>& command) {
  std::FILE* file = std::tmpfile();
  if (file == nullptr) return {};
  std::string text;
  const pid_t pid = start_tool(command, ::fileno(file));
  if (pid > 0) {
    await(pid, nullptr);
    std::rewind(file);
    text.resize(64 << 10);
    text.resize(std::fread(text.data(), 1, text.size(), file));
  }
  std::fclose(file);
  return text;
}

JvmCollector::JvmCollector(IncidentFolder& folder, std::string java, std::uint32_t pid)
    : folder_(folder), java_(std::move(java)), pid_(pid) {
  const std::string real = real_path(java_);
  jcmd_ = real.substr(0, real.rfind('/') + 1) + "jcmd";
  if (::access(jcmd_.c_str(), X_OK) != 0) jcmd_ = "jcmd";
}

JvmCollector::~JvmCollector() { stop(); }

void JvmCollector::start() {
  thread_ = std::thread([this] { run(); });
}

void JvmCollector::stop() {
  stopped_ = true;
  if (thread_.joinable()) thread_.join();
}

// Into a file beside the one before, which it replaces when it is whole.
bool JvmCollector::jcmd(const char* command, const std::string& name) {
  const std::string fresh = folder_.file("." + name);
  const int out = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (out < 0) return false;
  const pid_t pid = start_tool({jcmd_, std::to_string(pid_), command}, out);
  ::close(out);
  const bool good = pid > 0 && await(pid, &stopped_);
  if (good) {
    std::error_code error;
    std::filesystem::rename(fresh, folder_.file(name), error);
  } else {
    ::unlink(fresh.c_str());
  }
  return good;
}

void JvmCollector::run() {
  const auto begin = Clock::now();
  auto next = std::chrono::milliseconds(1000);
  bool first = false;
  while (!stopped_) {
    if (Clock::now() - begin < next) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      continue;
    }
    next *= 2;
    const bool good = jcmd("GC.class_histogram", first ? "histogram.last.txt" : "histogram.1.txt");
    if (good) {
      folder_.add({first ? "histogram.last.txt" : "histogram.1.txt",
                   first ? "classes by size, the last time" : "classes by size, early",
                   0,
                   {}});
      first = true;
    }
    if (jcmd("Thread.print", "threads.txt")) {
      folder_.add({"threads.txt", "dump of all threads", 0, {}});
    }
  }
  if (!first) {
    folder_.add({"histogram.1.txt", "classes by size", 0,
                 "jcmd gave none: the program ended within a second or so, or there is no jcmd "
                 "beside its java"});
  }
}

}  // namespace ullage::launch
