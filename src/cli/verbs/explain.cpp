// SPDX-License-Identifier: Apache-2.0
#include "diagnose/explain.h"

#include <unistd.h>

#include <iostream>

#include "base/terminal.h"
#include "cli/output.h"
#include "cli/verb.h"

namespace ullage::cli {

namespace {

class Explain : public Verb {
 public:
  void describe(Command& command) override {
    command.summary = "say what a finding means, and what to do about it";
    command.description =
        "Prints a page per detector: what happens inside the runtime, how to see it yourself with "
        "stock tools, how to fix it, and when to ignore it. Without a name it lists them all.";
    command.positional = {.name = "NAME",
                          .help = "A detector, as `ullage diagnose` names it.",
                          .count_min = 0,
                          .count_max = 1,
                          .choices = {},
                          .completes = Completes::kNothing,
                          .words = &names_};
    command.example("ullage explain", "All pages, a line each.");
    command.example("ullage explain go-append-without-capacity", "One of them.");
    command.exit_codes = {"0  done", "2  there is no such page"};
  }
  int run() override {
    const int width = terminal_width(STDOUT_FILENO);
    if (names_.empty()) {
      std::cout << diagnose::page_list(width) << "\nOne of them: ullage explain NAME\n";
    } else {
      const Result<diagnose::Page> page = diagnose::page_of(names_.front());
      if (!page.ok()) {
        return fail({page.error().code, "ullage explain: " + page.error().message}, kExitUsage);
      }
      std::cout << diagnose::page_text(page.value(), width, terminal_colour(STDOUT_FILENO));
    }
    if (Result<void> done = flush_output(); !done.ok()) return fail(done.error());
    return kExitOk;
  }

 private:
  std::vector<std::string> names_;
};

}  // namespace

std::unique_ptr<Verb> make_explain() { return std::make_unique<Explain>(); }

}  // namespace ullage::cli
