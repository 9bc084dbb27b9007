// SPDX-License-Identifier: Apache-2.0
#include <ullage/version.h>

#include <iostream>

#include "cli/verb.h"
#include "record/layout.h"

namespace ullage::cli {

namespace {

class Version : public Verb {
 public:
  void describe(Command& command) override {
    command.summary = "say which version this is";
    command.example("ullage version", "The version, and the recordings it reads.");
  }
  int run() override {
    std::cout << "ullage " << kVersionString
              << " (reads and writes recordings of format ULG1 version " << record::kVersionMajor
              << '.' << record::kVersionMinor << ")\n";
    return kExitOk;
  }
};

}  // namespace

std::unique_ptr<Verb> make_version() { return std::make_unique<Version>(); }

}  // namespace ullage::cli
