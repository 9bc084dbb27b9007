// SPDX-License-Identifier: Apache-2.0
#include "launch/incident/managed.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "launch/elf_facts.h"
#include "launch/preflight.h"

namespace ullage::launch {
namespace {

std::string base_name(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

// The entry of `name`, made when there is none.
std::string& entry(std::vector<std::string>& environment, const std::string& name) {
  const auto found =
      std::find_if(environment.begin(), environment.end(), [&name](const std::string& one) {
        return one.size() > name.size() && one.starts_with(name) && one[name.size()] == '=';
      });
  return found != environment.end() ? *found : environment.emplace_back(name + "=");
}

void append(std::string& variable, char between, const std::string& value) {
  if (!variable.ends_with('=')) variable += between;
  variable += value;
}

}  // namespace

const char* to_string(Managed managed) {
  switch (managed) {
    case Managed::kNo:
      return "native";
    case Managed::kGo:
      return "Go";
    case Managed::kJvm:
      return "JVM";
  }
  return "native";
}

Managed managed_program(const std::vector<std::string>& command, const std::string& search) {
  if (command.empty()) return Managed::kNo;
  const std::string path = find_program(command.front(), search);
  if (path.empty()) return Managed::kNo;
  if (base_name(command.front()) == "java") return Managed::kJvm;
  return read_elf(path).go ? Managed::kGo : Managed::kNo;
}

std::string java_program(const std::vector<std::string>& command) {
  // Options of the launcher whose value is a word of its own.
  static constexpr std::string_view kWithValue[] = {"-cp",
                                                    "-classpath",
                                                    "--class-path",
                                                    "-p",
                                                    "--module-path",
                                                    "--add-modules",
                                                    "--upgrade-module-path",
                                                    "--add-reads",
                                                    "--add-exports",
                                                    "--add-opens",
                                                    "--limit-modules",
                                                    "--patch-module",
                                                    "--source",
                                                    "--enable-native-access"};
  for (std::size_t i = 1; i < command.size(); ++i) {
    const std::string& word = command[i];
    const bool names = word == "-jar" || word == "-m" || word == "--module";
    if (names && i + 1 < command.size()) return base_name(command[i + 1]);
    if (word.starts_with("--module=")) return base_name(word.substr(9));
    if (std::find(std::begin(kWithValue), std::end(kWithValue), word) != std::end(kWithValue)) {
      ++i;
    } else if (!word.starts_with('-') && !word.starts_with('@')) {
      return base_name(word);
    }
  }
  return command.empty() ? std::string("java") : base_name(command.front());
}

bool asks_for_gctrace(const std::vector<std::string>& base) {
  std::vector<std::string> copy = base;
  const std::string all = "," + entry(copy, "GODEBUG").substr(std::string_view("GODEBUG=").size());
  // The last of several counts.
  const std::size_t last = all.rfind(",gctrace=");
  return last != std::string::npos && all.compare(last, 10, ",gctrace=0") != 0;
}

std::vector<std::string> with_gctrace(std::vector<std::string> base) {
  if (!asks_for_gctrace(base)) append(entry(base, "GODEBUG"), ',', "gctrace=1");
  return base;
}

std::vector<std::string> with_jvm_log(std::vector<std::string> base, const JvmLog& log) {
  const std::string file = log.folder + "/gc.%p.log";
  std::string options =
      log.jdk8 ? "-XX:+PrintGCDetails -XX:+PrintGCTimeStamps -XX:+PrintGCDateStamps "
                 "-XX:+PrintGCApplicationStoppedTime -Xloggc:" +
                     file
               : "-Xlog:gc*,safepoint:file=" + file + ":time,uptime,level,tags:filecount=0";
  if (log.heap_dump) {
    options += " -XX:+HeapDumpOnOutOfMemoryError -XX:HeapDumpPath=" + log.folder;
  }
  append(entry(base, "JAVA_TOOL_OPTIONS"), ' ', options);
  return base;
}

bool fits_jvm_option(const std::string& folder) {
  return folder.find_first_of(" \t\n:,\"'%") == std::string::npos;
}

bool is_jdk8(const std::string& version_output) {
  return version_output.find("version \"1.") != std::string::npos;
}

}  // namespace ullage::launch
