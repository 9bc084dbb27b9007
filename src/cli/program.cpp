// SPDX-License-Identifier: Apache-2.0
#include "cli/program.h"

#include <unistd.h>

#include <iostream>

#include "base/nearest.h"
#include "base/terminal.h"
#include "cli/command_line.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/verb.h"

namespace ullage::cli {

namespace {

// What a verb printed has to arrive, else it has not done what it was asked for.
int printed(int code) {
  if (code != kExitOk) return code;
  Result<void> done = flush_output();
  return done.ok() ? code : fail(done.error());
}

int show_front_page(std::ostream& out, int fd, int code) {
  out << front_page(describe_all(), terminal_width(fd));
  return printed(code);
}

int unknown_verb(const std::string& word) {
  std::vector<std::string> names;
  for (const VerbEntry& entry : verbs()) names.emplace_back(entry.name);
  const std::string near = nearest(word, names);
  std::string message = "ullage: there is no verb '" + word + "'.";
  if (!near.empty()) message += " Did you mean " + near + "?";
  return fail({Code::kInvalid, message + "\n  See: ullage --help"}, kExitUsage);
}

int run_verb(const VerbEntry& entry, std::vector<std::string> words) {
  DescribedVerb described = describe(entry);
  Result<Parsed> parsed = parse_command_line(described.command, std::move(words));
  if (!parsed.ok()) return fail(parsed.error(), kExitUsage);
  if (parsed.value() == Parsed::kHelp) {
    std::cout << verb_page(described.command, terminal_width(STDOUT_FILENO));
    return printed(kExitOk);
  }
  return printed(described.verb->run());
}

}  // namespace

int run_program(std::vector<std::string> words) {
  if (words.empty()) return show_front_page(std::cerr, STDERR_FILENO, kExitUsage);
  std::string verb = words.front();
  words.erase(words.begin());
  if (verb == "help" && !words.empty()) {  // `ullage help record` is `ullage record --help`
    verb = words.front();
    words = {"--help"};
  }
  if (verb == "-h" || verb == "--help" || verb == "help") {
    return show_front_page(std::cout, STDOUT_FILENO, kExitOk);
  }
  if (verb == "--version" || verb == "-V") verb = "version";
  for (const VerbEntry& entry : verbs()) {
    if (verb == entry.name) return run_verb(entry, std::move(words));
  }
  return unknown_verb(verb);
}

}  // namespace ullage::cli
