// SPDX-License-Identifier: Apache-2.0
#include "cli/help.h"

#include <algorithm>
#include <string_view>

#include "base/text.h"

namespace ullage::cli {

namespace {

// Column where the explanations of a list begin.
constexpr std::size_t kHelpColumn = 26;

std::string list_item(const std::string& name, const std::string& text, std::size_t column,
                      int width) {
  std::string first = "  " + name;
  const std::string rest(column, ' ');
  std::string out;
  if (first.size() + 2 > column) {
    out = first + "\n";
    first = rest;
  } else {
    first.resize(column, ' ');
  }
  out += wrap(text, static_cast<std::size_t>(width), first, rest);
  if (!out.ends_with('\n')) out += '\n';
  return out;
}

std::string paragraphs(const std::string& text, int width) {
  std::string out;
  std::size_t start = 0;
  while (start < text.size()) {
    std::size_t end = text.find("\n\n", start);
    if (end == std::string::npos) end = text.size();
    out += wrap(text.substr(start, end - start), static_cast<std::size_t>(width), "", "");
    if (!out.ends_with('\n')) out += '\n';
    start = end + 2;
    if (start < text.size()) out += '\n';
  }
  return out;
}

std::string capitalised(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 32);
  return text;
}

// roff gives meaning to backslashes everywhere, to '-' (a hyphen, not to be pasted) and to a
// leading dot or quote.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) {
      out += "\\&";
      out += c;
    } else {
      out += c;
    }
  }
  return out;
}

std::string roff_paragraphs(const std::string& text) {
  std::string out = roff(text);
  for (std::size_t at = 0; (at = out.find("\n\n", at)) != std::string::npos;) {
    out.replace(at, 2, "\n.PP\n");
  }
  return out + "\n";
}

}  // namespace

std::string front_page(const std::vector<DescribedVerb>& verbs, int width) {
  std::string out = std::string("ullage: ") + kOneSentence + ".\n\n";
  out +=
      "  ullage record -- ./server --port 8080    run it unmodified; record every allocation\n"
      "  ullage diagnose server.ulg               what grew, what it cost, what to write "
      "instead\n\n"
      "Verbs:\n";
  for (const DescribedVerb& verb : verbs) {
    out += list_item(verb.command.name, verb.command.summary, 14, width);
  }
  return out + "\nOne verb in full: ullage record --help     All of it: ullage man | man -l -\n";
}

std::string verb_page(const Command& command, int width) {
  std::string out = "ullage " + command.name + ": " + command.summary + ".\n\n";
  out += "Usage: " + command.usage() + "\n";
  for (const Example& example : command.examples) {
    out += "\n  " + example.command + "\n" +
           wrap(example.comment, static_cast<std::size_t>(width), "      ", "      ");
    if (!out.ends_with('\n')) out += '\n';
  }
  if (!command.description.empty()) out += "\n" + paragraphs(command.description, width);
  if (!command.positional.name.empty()) {
    out += "\nArguments:\n" +
           list_item(command.positional.name, command.positional.help, kHelpColumn, width);
  }
  out += "\nOptions:\n";
  for (const Option& option : command.options) {
    if (!option.hidden) out += list_item(option.shown(), option.help, kHelpColumn, width);
  }
  out += list_item("-h, --help", "Show this.", kHelpColumn, width);
  if (!command.exit_codes.empty()) {
    out += "\nExit code:\n";
    for (const std::string& line : command.exit_codes)
      out += wrap(line, static_cast<std::size_t>(width), "  ", "     ") + "\n";
  }
  // Wrapped lines may or may not end with a newline; one is enough.
  for (std::size_t at; (at = out.find("\n\n\n")) != std::string::npos;) out.erase(at, 1);
  return out;
}

std::string man_page(const std::vector<DescribedVerb>& verbs) {
  std::string out =
      ".\\\" SPDX-License-Identifier: Apache-2.0\n"
      ".\\\" Written by `ullage man` from the descriptions that --help prints.\n"
      ".TH ULLAGE 1\n.SH NAME\nullage \\- " +
      roff(kOneSentence) + "\n.SH SYNOPSIS\n";
  for (const DescribedVerb& verb : verbs) out += ".B " + roff(verb.command.usage()) + "\n.br\n";
  for (const DescribedVerb& verb : verbs) {
    const Command& command = verb.command;
    std::string title = command.name;
    std::transform(title.begin(), title.end(), title.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    out += ".SH " + title + "\n" + roff(capitalised(command.summary)) + ".\n";
    if (!command.description.empty()) out += ".PP\n" + roff_paragraphs(command.description);
    if (!command.positional.name.empty()) {
      out +=
          ".TP\n.I " + roff(command.positional.name) + "\n" + roff(command.positional.help) + "\n";
    }
    for (const Option& option : command.options) {
      if (option.hidden) continue;
      out += ".TP\n.B " + roff(option.shown()) + "\n" + roff(option.help) + "\n";
    }
    out += ".TP\n.B \\-h, \\-\\-help\nShow help on this verb.\n";
    for (const Example& example : command.examples) {
      out += ".PP\n.B " + roff(example.command) + "\n.br\n" + roff(example.comment) + "\n";
    }
    if (!command.exit_codes.empty()) {
      out += ".PP\nExit code:\n";
      for (const std::string& line : command.exit_codes) out += ".br\n" + roff(line) + "\n";
    }
  }
  return out +
         ".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nNo colour in reports, as with \\-\\-no\\-colour.\n"
         ".TP\n.B DEBUGINFOD_URLS\nServers that \\-\\-debuginfod asks for debug information.\n";
}

}  // namespace ullage::cli
