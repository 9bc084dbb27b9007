// SPDX-License-Identifier: Apache-2.0
#include "contract/contract.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <string_view>

#include "base/terminal.h"
#include "cli/contract_flags.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "server/config.h"

namespace ullage::cli {

namespace {

class ContractVerb : public Verb {
 public:
  void describe(Command& command) override {
    command.summary = "check ullage.toml, and explain its keys";
    command.description =
        "ullage.toml is the memory contract: how much growth, stall and memory a program may have. "
        "The same file judges recordings (`ullage diagnose --contract`) and builds.\n\n"
        "`check FILE` reads it, tells every mistake with its line, refuses budgets that this "
        "machine "
        "or its cgroup can't keep, and prints the values in force with their origin. `explain` "
        "lists "
        "the keys; `explain KEY` says what one means, its default and its bounds.";
    command.positional = {.name = "check FILE | explain [KEY]",
                          .help = "What to do.",
                          .count_min = 1,
                          .count_max = 2,
                          .choices = {},
                          .completes = Completes::kFiles,
                          .words = &words_};
    command.example("ullage contract check ullage.toml", "Is it right, and what is in force?");
    command.example("ullage contract explain allocation.growth_stall", "What does this key bound?");
    command.example("ullage contract check ullage.toml --residency.process=2GiB",
                    "The same with one value changed for now.");
    flags_.describe(command);
    command.exit_codes = {"0  done", "2  the command line was not understood",
                          "3  the contract has mistakes, or can't be kept on this machine"};
  }

  int run() override {
    const std::string& what = words_[0];
    if (what == "explain") return explain();
    if (what == "check" && words_.size() == 2) return check(words_[1]);
    return fail(
        Error{Code::kInvalid,
              what == "check" ? "ullage contract check: which file?\n  Example: ullage contract "
                                "check ullage.toml"
                              : "ullage contract: \"" + what +
                                    "\" is not known here.\n  Use: ullage contract check FILE, or "
                                    "ullage contract explain [KEY]"},
        kExitUsage);
  }

 private:
  // Whether it says anything about a server.
  static bool serves(const contract::Contract& contract) {
    const auto& settings = contract.settings();
    return std::any_of(settings.begin(), settings.end(), [](const contract::Setting& setting) {
      const std::string_view section = setting.key->section();
      const bool ours = section == "server" || section == "persistence" ||
                        std::string_view(setting.key->path) == "residency.hot";
      return ours && setting.origin != "default";
    });
  }

  int explain() const {
    const std::size_t width = terminal_width(STDOUT_FILENO);
    if (words_.size() == 1) {
      for (const contract::Key& key : contract::keys()) {
        std::cout << key.path << "\n    " << key.summary << '\n';
      }
    } else if (const contract::Key* key = contract::find_key(words_[1]); key != nullptr) {
      std::cout << contract::explain(*key, width);
    } else {
      const std::string close = contract::nearest_path(words_[1]);
      return fail(
          Error{Code::kNotFound, "ullage contract explain: \"" + words_[1] + "\" is no key.\n  " +
                                     (close.empty() ? "All of them: ullage contract explain"
                                                    : "Did you mean " + close + "?")},
          kExitUsage);
    }
    Result<void> done = flush_output();
    return done.ok() ? kExitOk : fail(done.error());
  }

  int check(const std::string& path) {
    Result<contract::Contract> contract = flags_.read(path);
    if (!contract.ok()) return fail(contract.error());
    std::vector<std::string> problems = contract->impossible(this_machine());
    if (problems.empty() && serves(contract.value())) {
      // What a server would refuse it for, beyond what any program's budgets must keep to.
      if (const auto config = server::Config::from(contract.value()); !config.ok()) {
        problems.push_back(config.error().message);
      }
    }
    for (const std::string& problem : problems) std::cerr << problem << '\n';
    std::cout << contract::table(contract.value(), terminal_width(STDOUT_FILENO));
    Result<void> done = flush_output();
    if (!done.ok()) return fail(done.error());
    return problems.empty() ? kExitOk : kExitCannot;
  }

  std::vector<std::string> words_;
  ContractFlags flags_;
};

}  // namespace

std::unique_ptr<Verb> make_contract() { return std::make_unique<ContractVerb>(); }

}  // namespace ullage::cli
