// SPDX-License-Identifier: Apache-2.0
#pragma once

// Command: what one verb says about itself. The one description feeds the parser, --help, the man
// page and the shell completions, so they cannot disagree.
//
//   void describe(Command& c) override {
//     c.summary = "run a program and record how its memory grows";
//     c.example("ullage record -- ./server", "record it; the findings are one command away");
//     c.option("-o,--output", "FILE", "Write the recording here.", output_);
//     c.flag("--no-follow", "Record the first process only.", no_follow_);
//   }
//
// A Command refers to the variables of its verb: it must not outlive it. CLI11 stays behind
// command_line.cpp, because including it costs six seconds per file.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace ullage::cli {

// What a shell should offer after an option or as an argument.
enum class Completes { kNothing, kFiles, kFolders, kCommands, kChoices };

struct Option {
  std::string names;        // "-o,--output": short form first
  std::string placeholder;  // "FILE"; empty: a flag without a value
  std::string help;         // one or more sentences
  // The value when written without one. Such an option takes its value only as --x=VALUE, so that
  // in `--json app.ulg` app.ulg stays a file to be read.
  std::optional<std::string> implied;
  bool hidden = false;  // for tests and helpers: parsed, not shown
  Completes completes = Completes::kNothing;
  std::function<Result<void>(const std::string& value)> set;

  std::vector<std::string> spellings() const;  // {"-o", "--output"}
  std::string long_name() const;               // "--output"
  std::string shown() const;                   // "-o, --output FILE", "--json[=PATH]"
};

struct Positional {
  std::string name;  // "FILE"; empty: the verb takes none
  std::string help;
  std::size_t count_min = 0, count_max = 0;
  std::vector<std::string> choices;  // the only words accepted, when not empty
  Completes completes = Completes::kNothing;
  std::vector<std::string>* words = nullptr;
};

struct Example {
  std::string command, comment;
};

struct Command {
  std::string name;
  std::string summary;      // lower case, no full stop: a line in the list of verbs
  std::string description;  // paragraphs, parted by an empty line
  std::vector<Option> options;
  Positional positional;
  // Where the command line of another program goes: everything from the first word that is neither
  // an option nor its value, or all that follows `--`.
  std::vector<std::string>* wrapped = nullptr;
  std::vector<Example> examples;
  std::vector<std::string> exit_codes;  // "1  a condition of --fail-on holds"

  void example(std::string command, std::string comment) {
    examples.push_back({std::move(command), std::move(comment)});
  }
  Option& flag(std::string names, std::string help, bool& target);
  Option& option(std::string names, std::string placeholder, std::string help, std::string& target);
  Option& option(std::string names, std::string placeholder, std::string help,
                 std::vector<std::string>& target);  // may be given again and again
  // Sizes as people write them: 512K, 10MiB, 2GB, 4096.
  Option& size_option(std::string names, std::string help, std::uint64_t& target);
  Option& count_option(std::string names, std::string help, std::uint64_t& target);
  Option& duration_option(std::string names, std::string help, std::uint64_t& target_ns);
  // --json[=PATH]: unset, "-" for standard output, or a path.
  Option& output_option(std::string names, std::string help, std::optional<std::string>& target);

  // "ullage diagnose [options] FILE..."
  std::string usage() const;
};

// "64K" is 65536, "10MiB", "2GB", "4096"; the units of base/format.h, and K M G T for KiB to TiB.
Result<std::uint64_t> parse_size(const std::string& text);
Result<std::uint64_t> parse_count(const std::string& text);

}  // namespace ullage::cli
