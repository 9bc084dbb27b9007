// SPDX-License-Identifier: Apache-2.0
#include "cli/completion.h"

namespace ullage::cli {

namespace {

// Single quotes for a shell: the text cannot end the string, whatever it holds.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::string first_sentence(const std::string& text) {
  const std::size_t end = text.find(". ");
  std::string sentence = text.substr(0, end);
  if (sentence.ends_with('.')) sentence.pop_back();
  return sentence;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

std::vector<std::string> visible_options(const Command& command, bool with_value_only) {
  std::vector<std::string> names;
  for (const Option& option : command.options) {
    if (option.hidden) continue;
    if (with_value_only && (option.placeholder.empty() || option.implied)) continue;
    for (const std::string& name : option.spellings()) names.push_back(name);
  }
  if (!with_value_only) names.emplace_back("--help");
  return names;
}

std::string bash(const std::vector<DescribedVerb>& verbs) {
  std::string names, cases;
  for (const DescribedVerb& verb : verbs) {
    const Command& command = verb.command;
    names += (names.empty() ? "" : " ") + command.name;
    cases += "    " + command.name + ")\n";
    const std::vector<std::string> valued = visible_options(command, true);
    if (!valued.empty()) {
      std::string pattern;
      for (const std::string& name : valued) pattern += (pattern.empty() ? "" : "|") + name;
      cases += "      case $before in " + pattern +
               ") COMPREPLY=($(compgen -f -- \"$word\")); return;; esac\n";
    }
    if (command.wrapped) {
      cases +=
          "      for ((i = 2; i < COMP_CWORD; i++)); do\n"
          "        if [[ ${COMP_WORDS[i]} == -- ]]; then\n"
          "          if ((i + 1 == COMP_CWORD)); then COMPREPLY=($(compgen -c -f -- \"$word\"))\n"
          "          else COMPREPLY=($(compgen -f -- \"$word\")); fi\n"
          "          return\n"
          "        fi\n"
          "      done\n";
    }
    cases += "      if [[ $word == -* ]]; then COMPREPLY=($(compgen -W " +
             quoted(joined(visible_options(command, false))) + " -- \"$word\"))\n";
    if (command.wrapped) {
      cases += "      else COMPREPLY=($(compgen -c -f -- \"$word\")); fi;;\n";
    } else if (!command.positional.choices.empty()) {
      cases += "      else COMPREPLY=($(compgen -W " + quoted(joined(command.positional.choices)) +
               " -- \"$word\")); fi;;\n";
    } else if (command.positional.completes == Completes::kFiles) {
      cases += "      else COMPREPLY=($(compgen -f -- \"$word\")); fi;;\n";
    } else {
      cases += "      fi;;\n";
    }
  }
  return "# bash completion for ullage, written by `ullage completion bash`.\n"
         "_ullage() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} i\n"
         "  COMPREPLY=()\n"
         "  if ((COMP_CWORD == 1)); then\n"
         "    COMPREPLY=($(compgen -W " +
         quoted(names + " --help --version") + " -- \"$word\"))\n    return\n  fi\n" +
         "  case ${COMP_WORDS[1]} in\n" + cases +
         "  esac\n}\ncomplete -o filenames -F _ullage ullage\n";
}

// In _arguments, brackets and colons part the fields of a specification.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_value(const Option& option) {
  if (option.placeholder.empty()) return "";
  const char* what = option.completes == Completes::kFolders ? "_files -/"
                     : option.completes == Completes::kFiles ? "_files"
                                                             : " ";
  return std::string(option.implied ? "::" : ":") + zsh_text(option.placeholder) + ":" + what;
}

std::string zsh(const std::vector<DescribedVerb>& verbs) {
  std::string names, cases;
  for (const DescribedVerb& verb : verbs) {
    const Command& command = verb.command;
    names += "    " + quoted(command.name + ":" + zsh_text(command.summary)) + "\n";
    cases += "    " + command.name + ") _arguments -s";
    for (const Option& option : command.options) {
      if (option.hidden) continue;
      for (const std::string& spelling : option.spellings()) {
        const bool is_long = spelling.starts_with("--");
        const std::string joint = option.placeholder.empty() ? ""
                                  : option.implied           ? "=-"
                                  : is_long                  ? "="
                                                             : "";
        cases +=
            " \\\n      " + quoted("*" + spelling + joint + "[" +
                                   zsh_text(first_sentence(option.help)) + "]" + zsh_value(option));
      }
    }
    cases += " \\\n      '(- *)'{-h,--help}'[Show help]'";
    if (command.wrapped) {
      cases += " \\\n      '*::command: _normal'";
    } else if (!command.positional.choices.empty()) {
      cases += " \\\n      " + quoted("1:" + command.positional.name + ":(" +
                                      joined(command.positional.choices) + ")");
    } else if (command.positional.completes == Completes::kFiles) {
      cases += " \\\n      " + quoted("*:" + zsh_text(command.positional.name) + ":_files");
    }
    cases += " ;;\n";
  }
  return "#compdef ullage\n# zsh completion for ullage, written by `ullage completion zsh`.\n"
         "_ullage() {\n  local -a verbs=(\n" +
         names +
         "  )\n  if ((CURRENT == 2)); then _describe verb verbs; return; fi\n"
         "  local verb=$words[2]\n  shift words\n  ((CURRENT--))\n  case $verb in\n" +
         cases + "  esac\n}\n_ullage \"$@\"\n";
}

std::string fish(const std::vector<DescribedVerb>& verbs) {
  std::string out =
      "# fish completion for ullage, written by `ullage completion fish`.\n"
      "complete -c ullage -f\n";
  for (const DescribedVerb& verb : verbs) {
    const Command& command = verb.command;
    out += "complete -c ullage -n __fish_use_subcommand -a " + command.name + " -d " +
           quoted(command.summary) + "\n";
    const std::string start =
        "complete -c ullage -n " + quoted("__fish_seen_subcommand_from " + command.name);
    for (const Option& option : command.options) {
      if (option.hidden) continue;
      out += start;
      for (const std::string& spelling : option.spellings()) {
        const bool is_long = spelling.starts_with("--");
        out += is_long ? " -l " + spelling.substr(2) : " -s " + spelling.substr(1);
      }
      if (!option.placeholder.empty() && !option.implied) out += " -r";
      if (option.completes == Completes::kFiles || option.completes == Completes::kFolders) {
        out += " -F";
      }
      out += " -d " + quoted(first_sentence(option.help)) + "\n";
    }
    if (!command.positional.choices.empty()) {
      out += start + " -a " + quoted(joined(command.positional.choices)) + "\n";
    } else if (command.wrapped) {
      out += start + " -a '(__fish_complete_subcommand)'\n";
    } else if (command.positional.completes == Completes::kFiles) {
      out += start + " -F\n";
    }
  }
  return out;
}

}  // namespace

Result<std::string> completion_script(std::string_view shell,
                                      const std::vector<DescribedVerb>& verbs) {
  if (shell == "bash") return bash(verbs);
  if (shell == "zsh") return zsh(verbs);
  if (shell == "fish") return fish(verbs);
  return Error{Code::kInvalid, "ullage completion: there is no script for '" + std::string(shell) +
                                   "'; it may be bash, zsh or fish."};
}

}  // namespace ullage::cli
