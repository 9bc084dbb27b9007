// SPDX-License-Identifier: Apache-2.0
#pragma once

// managed: whether a command is a Go or JVM program, and what its environment must say for its
// runtime to tell of itself.

#include <string>
#include <vector>

namespace ullage::launch {

enum class Managed { kNo, kGo, kJvm };
const char* to_string(Managed managed);

// Go by the build information in the file, a JVM by the name of the launcher. What a script starts
// is not looked into.
Managed managed_program(const std::vector<std::string>& command, const std::string& search);

// What a command that runs `java` runs: its main class, or the file name of its archive, module or
// source. "java" when there is none (java -version).
std::string java_program(const std::vector<std::string>& command);

// `base` (NAME=VALUE...) with gctrace=1 in GODEBUG, behind what the user has there.
std::vector<std::string> with_gctrace(std::vector<std::string> base);
// True when GODEBUG asks for gctrace already: its lines are the user's then.
bool asks_for_gctrace(const std::vector<std::string>& base);

struct JvmLog {
  std::string folder;      // absolute; without what the option's grammar needs for itself
  bool jdk8 = false;       // before unified logging
  bool heap_dump = false;  // on OutOfMemoryError
};
// `base` with the log's options in JAVA_TOOL_OPTIONS, behind what the user has there. Each JVM that
// inherits them writes a file of its own: gc.PID.log.
std::vector<std::string> with_jvm_log(std::vector<std::string> base, const JvmLog& log);
// True for paths that such an option can name.
bool fits_jvm_option(const std::string& folder);
// From what `java -version` prints: "1.8.0_292" is before unified logging, "17.0.15" is not.
bool is_jdk8(const std::string& version_output);

}  // namespace ullage::launch
