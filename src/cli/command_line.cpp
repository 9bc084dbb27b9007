// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <utility>

#include "base/nearest.h"

namespace ullage::cli {

namespace {

Error usage_error(const Command& command, const std::string& what) {
  return {Code::kInvalid,
          "ullage " + command.name + ": " + what + "\n  See: ullage " + command.name + " --help"};
}

bool takes_next_word(const Option& option) {
  return !option.placeholder.empty() && !option.implied;
}

const Option* find(const Command& command, const std::string& spelling) {
  for (const Option& option : command.options) {
    for (const std::string& name : option.spellings()) {
      if (name == spelling) return &option;
    }
  }
  return nullptr;
}

// Where the wrapped command begins: CLI11 would otherwise take that command's options for ours.
std::vector<std::string> split_wrapped(const Command& command, std::vector<std::string>& words) {
  std::size_t at = 0;
  for (; at < words.size(); ++at) {
    if (words[at] == "--" || words[at].empty() || words[at][0] != '-') break;
    const Option* option = find(command, words[at]);
    if (option && takes_next_word(*option)) ++at;
  }
  if (at >= words.size()) return {};
  const auto begin = words.begin() + static_cast<std::ptrdiff_t>(at);
  std::vector<std::string> rest(begin + (words[at] == "--" ? 1 : 0), words.end());
  words.erase(begin, words.end());
  return rest;
}

Result<void> check_positional(const Command& command, const std::vector<std::string>& words) {
  const Positional& wanted = command.positional;
  if (words.size() > wanted.count_max) {
    return usage_error(command, "'" + words[wanted.count_max] +
                                    "' is one word too many. Usage: " + command.usage());
  }
  if (words.size() < wanted.count_min) {
    return usage_error(command, std::string(words.empty() ? "no " : "one more ") + wanted.name +
                                    " was given. Usage: " + command.usage());
  }
  for (const std::string& word : words) {
    if (wanted.choices.empty()) break;
    if (std::find(wanted.choices.begin(), wanted.choices.end(), word) != wanted.choices.end()) {
      continue;
    }
    std::string all;
    for (const std::string& choice : wanted.choices) all += (all.empty() ? "" : ", ") + choice;
    return usage_error(command, "'" + word + "' is unknown; it may be " + all + ".");
  }
  return {};
}

Error unknown_option(const Command& command, const std::string& word) {
  const std::string name = word.substr(0, word.find('='));
  std::vector<std::string> known = {"--help"};
  for (const Option& option : command.options) {
    if (!option.hidden) known.push_back(option.long_name());
  }
  const std::string near = nearest(name, known);
  return usage_error(command, "there is no option " + name + "." +
                                  (near.empty() ? "" : " Did you mean " + near + "?"));
}

}  // namespace

Result<Parsed> parse_command_line(const Command& command, std::vector<std::string> words) {
  std::vector<std::string> wrapped;
  if (command.wrapped) wrapped = split_wrapped(command, words);

  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  bool help = false;
  app.add_flag("-h,--help", help);
  std::vector<std::pair<const Option*, CLI::Option*>> bound;
  for (const Option& option : command.options) {
    CLI::Option* parsed = nullptr;
    if (option.placeholder.empty()) {
      parsed = app.add_flag(option.names);
    } else if (option.implied) {
      parsed = app.add_flag(option.names + "{" + *option.implied + "}");
    } else {
      parsed = app.add_option(option.names)->expected(1);
    }
    parsed->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    bound.emplace_back(&option, parsed);
  }

  std::reverse(words.begin(), words.end());  // as CLI11 wants them
  try {
    app.parse(std::move(words));
  } catch (const CLI::ArgumentMismatch& error) {
    const std::string name =
        std::string(error.what()).substr(0, std::string(error.what()).find(':'));
    return usage_error(command, name + " needs a value.");
  } catch (const CLI::ParseError& error) {
    return usage_error(command, error.what());
  }
  if (help) return Parsed::kHelp;

  std::vector<std::string> positional;
  bool options_end = false;
  for (const std::string& word : app.remaining()) {
    if (!options_end && word == "--") {
      options_end = true;
    } else if (!options_end && word.size() > 1 && word[0] == '-') {
      return unknown_option(command, word);
    } else {
      positional.push_back(word);
    }
  }
  for (const auto& [option, parsed] : bound) {
    for (const std::string& value : parsed->results()) {
      if (Result<void> set = option->set(value); !set.ok()) {
        return usage_error(command, option->long_name() + ": " + set.error().message);
      }
    }
  }
  if (Result<void> fits = check_positional(command, positional); !fits.ok()) return fits.error();
  if (command.positional.words) *command.positional.words = std::move(positional);
  if (command.wrapped) *command.wrapped = std::move(wrapped);
  return Parsed::kRun;
}

}  // namespace ullage::cli
