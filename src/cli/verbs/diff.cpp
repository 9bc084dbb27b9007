// SPDX-License-Identifier: Apache-2.0
#include "diagnose/diff.h"

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <optional>

#include "base/terminal.h"
#include "cli/load.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "diagnose/fail_on.h"

namespace ullage::cli {

namespace {

class Diff : public Verb {
 public:
  void describe(Command& command) override {
    command.summary = "compare two recordings: what got better, what got worse";
    command.description =
        "Places are matched by the names of functions, so the two may come from different builds "
        "or "
        "machines. Counts (growths, bytes copied) decide; clocks only where counts agree.";
    command.positional = {.name = "RECORDING",
                          .help = "A is before, B is after.",
                          .count_min = 2,
                          .count_max = 2,
                          .choices = {},
                          .completes = Completes::kFiles,
                          .words = &files_};
    command.example("ullage diff before.ulg after.ulg", "Did the reserve() help?");
    command.example("ullage diff main.ulg branch.ulg --fail-on=worse,new",
                    "A gate for CI: exits with 1 when a place became worse or a new one grows.");
    command.output_option("--json", "The comparison as JSON (docs/formats/findings-json.md).",
                          json_);
    command.option(
        "--fail-on", "CONDITIONS",
        "Exit with 1 when one of these holds, parted by commas: worse, new, or a limit that "
        "the later run breaks at such a place, as in stall>5ms or copied>10MB.",
        gates_);
    command.count_option("--top", "Places to print; 0 for all. Default: 10.", top_);
    loader_.describe(command);
    command.flag("--color,--colour", "Colour the text even when it goes to a file.", colour_);
    command.flag("--no-color,--no-colour", "Never colour it. Default: on a terminal only.",
                 no_colour_);
    command.exit_codes = {"0  done", "1  a condition of --fail-on holds",
                          "2  the command line was not understood",
                          "3  a recording could not be read"};
  }

  int run() override {
    std::optional<diagnose::FailOn> gate;
    if (json_) {
      Result<void> apart = keep_apart("diff", {{"--json", *json_}}, files_);
      if (!apart.ok()) return fail(apart.error(), kExitUsage);
    }
    if (!gates_.empty()) {
      Result<diagnose::FailOn> parsed = diagnose::FailOn::parse(gates_);
      if (!parsed.ok()) return fail(parsed.error(), kExitUsage);
      gate = std::move(parsed).value();
    }
    Result<evidence::Evidence> before = loader_.load(files_[0]);
    if (!before.ok()) return fail(before.error());
    Result<evidence::Evidence> after = loader_.load(files_[1]);
    if (!after.ok()) return fail(after.error());
    const diagnose::Difference difference = diagnose::diff(before.value(), after.value());
    if (Result<void> done = report(difference); !done.ok()) return fail(done.error());
    bool judged = true;
    const evidence::Evidence* const sides[] = {&before.value(), &after.value()};
    for (std::size_t i = 0; i < files_.size() && i < 2; ++i) {
      const std::string why = diagnose::not_judgeable(*sides[i]);
      if (!why.empty()) std::cerr << "  ! " << files_[i] << ": " << why << '\n', judged = false;
    }
    if (!gate) return kExitOk;
    const std::vector<std::string> failures = gate->failures(difference);
    for (const std::string& failure : failures) std::cerr << "failed: " << failure << '\n';
    if (!judged) std::cerr << "ullage diff: --fail-on could not judge.\n";
    if (!judged) return kExitCannot;
    return failures.empty() ? kExitOk : kExitGate;
  }

 private:
  Result<void> report(const diagnose::Difference& difference) {
    if (json_) {
      Result<void> written = write_output(*json_, diagnose::diff_json(difference));
      if (!written.ok()) return written;
    }
    if (json_ != "-") {
      diagnose::ReportOptions options;
      options.top = static_cast<std::size_t>(top_);
      options.width = terminal_width(STDOUT_FILENO);
      options.colour = colour_ || (!no_colour_ && terminal_colour(STDOUT_FILENO));
      const std::string text = diagnose::diff_text(difference, options);
      std::fwrite(text.data(), 1, text.size(), stdout);
    }
    return flush_output();
  }

  std::vector<std::string> files_;
  std::optional<std::string> json_;
  std::vector<std::string> gates_;  // each --fail-on
  std::uint64_t top_ = 10;
  bool colour_ = false, no_colour_ = false;
  Loader loader_;
};

}  // namespace

std::unique_ptr<Verb> make_diff() { return std::make_unique<Diff>(); }

}  // namespace ullage::cli
