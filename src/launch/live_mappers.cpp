// SPDX-License-Identifier: Apache-2.0
#include "launch/live_mappers.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>

namespace ullage::launch {
namespace {

constexpr char kLive[] = ".live";

// Calls `mapped` with the mark of each live file that a process has mapped. False: its maps can't
// be read, and errno says why.
bool each_live_file(const std::string& pid, const std::function<void(const std::string&)>& mapped) {
  FILE* maps = ::fopen(("/proc/" + pid + "/maps").c_str(), "re");
  if (maps == nullptr) return false;
  char* line = nullptr;
  size_t room = 0;
  while (::getline(&line, &room, maps) > 0) {
    // A name that is gone is followed by " (deleted)".
    const char* path = ::strchr(line, '/');
    const char* end = path != nullptr ? ::strstr(path, kLive) : nullptr;
    for (const char* next = end; next != nullptr; next = ::strstr(next + 1, kLive)) end = next;
    if (end != nullptr) mapped(live_mark(std::string(path, end + sizeof kLive - 1)));
  }
  ::free(line);
  ::fclose(maps);
  return true;
}

// The number that a process has for itself: in the innermost of its pid namespaces.
std::string own_number(const std::string& pid) {
  FILE* status = ::fopen(("/proc/" + pid + "/status").c_str(), "re");
  if (status == nullptr) return {};
  char line[512];
  std::string number;
  while (number.empty() && ::fgets(line, sizeof line, status) != nullptr) {
    if (::strncmp(line, "NSpid:", 6) != 0) continue;
    number = line;
    number.erase(number.find_last_not_of(" \n") + 1);
    number.erase(0, number.find_last_of("\t ") + 1);
  }
  ::fclose(status);
  return number;
}

// RUN.PID. of RUN.PID.IMAGE.live
std::string without_image(const std::string& mark) {
  const size_t dot = mark.find('.');
  return dot == std::string::npos ? mark : mark.substr(0, mark.find('.', dot + 1) + 1);
}

}  // namespace

std::string live_mark(const std::string& path) {
  size_t at = path.size();
  for (int parts = 0; parts < 4; ++parts) {
    if (at == 0) return {};
    at = path.rfind('.', at - 1);
    if (at == std::string::npos) return {};
  }
  return path.substr(at + 1);
}

LiveMappers live_mappers(const std::string& run) {
  LiveMappers found;
  DIR* processes = ::opendir("/proc");
  if (processes == nullptr) return found;
  while (const dirent* entry = ::readdir(processes)) {
    const std::string name = entry->d_name;
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const auto pid = static_cast<uint32_t>(::strtoul(name.c_str(), nullptr, 10));
    if (pid == static_cast<uint32_t>(::getpid())) continue;
    bool others = false, own = false;
    each_live_file(name, [&](const std::string& mark) {
      if (mark.compare(0, run.size() + 1, run + ".") != 0) return;
      const bool writes = without_image(mark) == run + "." + own_number(name) + ".";
      if (writes) found.written.insert(mark);
      (writes ? own : others) = true;
    });
    if (others && !own) found.silent.insert(pid);
  }
  ::closedir(processes);
  return found;
}

bool maps_live_file(uint32_t pid, const std::string& path) {
  const std::string mark = live_mark(path);
  bool found = false;
  const bool read = each_live_file(
      std::to_string(pid), [&](const std::string& mapped) { found = found || mapped == mark; });
  return read ? found : errno != ENOENT && errno != ESRCH;
}

bool counts_elsewhere(uint64_t pid_namespace) {
  struct stat ours {};
  return pid_namespace != 0 && ::stat("/proc/self/ns/pid", &ours) == 0 &&
         ours.st_ino != pid_namespace;
}

}  // namespace ullage::launch
