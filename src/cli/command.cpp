// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"

#include <charconv>
#include <string_view>

#include "base/format.h"

namespace ullage::cli {

std::vector<std::string> Option::spellings() const {
  std::vector<std::string> result;
  std::size_t start = 0;
  while (start <= names.size()) {
    std::size_t comma = names.find(',', start);
    if (comma == std::string::npos) comma = names.size();
    result.push_back(names.substr(start, comma - start));
    start = comma + 1;
  }
  return result;
}

std::string Option::long_name() const { return spellings().back(); }

std::string Option::shown() const {
  std::string text;
  for (const std::string& spelling : spellings()) text += (text.empty() ? "" : ", ") + spelling;
  if (placeholder.empty()) return text;
  if (implied) return text + "[=" + placeholder + "]";
  return text + (spellings().back().starts_with("--") ? "=" : " ") + placeholder;
}

namespace {

Option& add(Command& command, std::string names, std::string placeholder, std::string help) {
  Option option;
  option.names = std::move(names);
  option.placeholder = std::move(placeholder);
  option.help = std::move(help);
  return command.options.emplace_back(std::move(option));
}

template <class Parse>
Option& add_number(Command& command, std::string names, std::string placeholder, std::string help,
                   Parse parse, std::uint64_t& target) {
  Option& option = add(command, std::move(names), std::move(placeholder), std::move(help));
  option.set = [parse, &target](const std::string& value) -> Result<void> {
    Result<std::uint64_t> number = parse(value);
    if (!number.ok()) return number.error();
    target = number.value();
    return {};
  };
  return option;
}

}  // namespace

Option& Command::flag(std::string names, std::string help, bool& target) {
  Option& option = add(*this, std::move(names), "", std::move(help));
  option.set = [&target](const std::string&) -> Result<void> {
    target = true;
    return {};
  };
  return option;
}

Option& Command::option(std::string names, std::string placeholder, std::string help,
                        std::string& target) {
  Option& option = add(*this, std::move(names), std::move(placeholder), std::move(help));
  option.set = [&target](const std::string& value) -> Result<void> {
    target = value;
    return {};
  };
  return option;
}

Option& Command::option(std::string names, std::string placeholder, std::string help,
                        std::vector<std::string>& target) {
  Option& option = add(*this, std::move(names), std::move(placeholder), std::move(help));
  option.set = [&target](const std::string& value) -> Result<void> {
    target.push_back(value);
    return {};
  };
  return option;
}

Option& Command::size_option(std::string names, std::string help, std::uint64_t& target) {
  return add_number(*this, std::move(names), "SIZE", std::move(help), parse_size, target);
}

Option& Command::count_option(std::string names, std::string help, std::uint64_t& target) {
  return add_number(*this, std::move(names), "N", std::move(help), parse_count, target);
}

Option& Command::duration_option(std::string names, std::string help, std::uint64_t& target_ns) {
  auto parse = [](const std::string& text) { return parse_duration_ns(text); };
  return add_number(*this, std::move(names), "TIME", std::move(help), parse, target_ns);
}

Option& Command::output_option(std::string names, std::string help,
                               std::optional<std::string>& target) {
  Option& option = add(*this, std::move(names), "PATH", std::move(help));
  option.implied = "-";
  option.completes = Completes::kFiles;
  option.set = [&target](const std::string& value) -> Result<void> {
    target = value;
    return {};
  };
  return option;
}

std::string Command::usage() const {
  std::string text = "ullage " + name;
  if (!options.empty()) text += " [options]";
  if (wrapped) text += " -- COMMAND [ARGUMENT...]";
  if (!positional.name.empty()) {
    const std::string word = positional.name;
    if (positional.count_min == 2) {
      text += " A B";
    } else {
      text += positional.count_min ? " " + word : " [" + word + "]";
      if (positional.count_max > positional.count_min) text += "...";
    }
  }
  return text;
}

Result<std::uint64_t> parse_size(const std::string& text) {
  const bool bare_unit =
      !text.empty() && std::string_view("KMGTkmgt").find(text.back()) != std::string_view::npos;
  std::string full = text;
  if (bare_unit) {
    if (full.back() >= 'a') full.back() = static_cast<char>(full.back() - 'a' + 'A');
    full += "iB";
  }
  Result<std::uint64_t> bytes = parse_bytes(full);
  if (bytes.ok()) return bytes;
  return Error{Code::kInvalid,
               "'" + text + "' is not a size. Write a number and a unit: 512K, 10MiB, 2GB, 4096."};
}

Result<std::uint64_t> parse_count(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Error{Code::kInvalid, "'" + text + "' is not a whole number such as 0, 10 or 97."};
  }
  return number;
}

}  // namespace ullage::cli
