// SPDX-License-Identifier: Apache-2.0
#include "cli/completion.h"

#include <iostream>

#include "cli/verb.h"

namespace ullage::cli {

namespace {

class Completion : public Verb {
 public:
  void describe(Command& command) override {
    command.summary = "print a completion script for bash, zsh or fish";
    command.description =
        "Prints the script to standard output. It is made from the same descriptions as --help.";
    command.positional = {.name = "SHELL",
                          .help = "bash, zsh or fish.",
                          .count_min = 1,
                          .count_max = 1,
                          .choices = {std::begin(kShells), std::end(kShells)},
                          .completes = Completes::kChoices,
                          .words = &shell_};
    command.example("source <(ullage completion bash)", "For this shell only.");
    command.example("ullage completion fish > ~/.config/fish/completions/ullage.fish",
                    "For every fish to come.");
  }
  int run() override {
    Result<std::string> script = completion_script(shell_.front(), describe_all());
    if (!script.ok()) return fail(script.error(), kExitUsage);
    std::cout << script.value();
    return kExitOk;
  }

 private:
  std::vector<std::string> shell_;
};

}  // namespace

std::unique_ptr<Verb> make_completion() { return std::make_unique<Completion>(); }

}  // namespace ullage::cli
