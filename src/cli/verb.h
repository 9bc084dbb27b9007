// SPDX-License-Identifier: Apache-2.0
#pragma once

// Verb: one thing `ullage` does. A verb is a file in verbs/ and a line in verbs.def.

#include <memory>
#include <vector>

#include "cli/command.h"

namespace ullage::cli {

// What `ullage` exits with. `record` passes on the exit code of the program it ran instead.
inline constexpr int kExitOk = 0;
inline constexpr int kExitGate = 1;    // a condition of --fail-on holds
inline constexpr int kExitUsage = 2;   // the command line was not understood
inline constexpr int kExitCannot = 3;  // could not be done; the message says why and what to do

class Verb {
 public:
  Verb() = default;
  Verb(const Verb&) = delete;
  Verb& operator=(const Verb&) = delete;
  virtual ~Verb() = default;
  // Called once, before run(). The command refers to members of the verb.
  virtual void describe(Command& command) = 0;
  virtual int run() = 0;
};

struct VerbEntry {
  const char* name;
  std::unique_ptr<Verb> (*make)();
};
// In the order of verbs.def, which is the order of the help.
const std::vector<VerbEntry>& verbs();

// A verb together with its description.
struct DescribedVerb {
  std::unique_ptr<Verb> verb;
  Command command;
};
DescribedVerb describe(const VerbEntry& entry);
std::vector<DescribedVerb> describe_all();

// Prints an error to standard error and returns `code`.
int fail(const Error& error, int code = kExitCannot);

}  // namespace ullage::cli
