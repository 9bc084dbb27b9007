// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include "cli/help.h"
#include "cli/verb.h"

namespace ullage::cli {

namespace {

class Man : public Verb {
 public:
  void describe(Command& command) override {
    command.summary = "print the man page";
    command.description =
        "Prints a page for man(1), made from the same descriptions as --help, to standard output.";
    command.example("ullage man | man -l -", "Read it.");
    command.example("ullage man > /usr/local/share/man/man1/ullage.1", "Install it by hand.");
  }
  int run() override {
    std::cout << man_page(describe_all());
    return kExitOk;
  }
};

}  // namespace

std::unique_ptr<Verb> make_man() { return std::make_unique<Man>(); }

}  // namespace ullage::cli
