// SPDX-License-Identifier: Apache-2.0
//
// The file itself: TOML to settings. The only place that knows toml++.
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/text.h"
#include "contract/contract.h"
#include "contract/durability.h"

// Its headers alone: the distribution's library has exceptions instead of results.
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <toml++/impl/preprocessor.h>
// Its assertions speak of bytes from outside, and in optimised builds become assumptions. Without
// them its parser goes on to its own error (found by contract_fuzz).
#undef TOML_ASSERT
#undef TOML_ASSERT_ASSUME
#define TOML_ASSERT(expression) static_cast<void>(0)
#define TOML_ASSERT_ASSUME(expression) static_cast<void>(0)
#include <toml++/toml.h>

namespace ullage::contract {
namespace {

class Mistakes {
 public:
  void add(std::string mistake) {
    if (count_++ < kProblemsMax) text_ += (text_.empty() ? "" : "\n") + std::move(mistake);
  }
  bool any() const { return count_ > 0; }
  Error error() const {
    std::string text = text_;
    if (count_ > kProblemsMax) {
      text += "\n... and " + std::to_string(count_ - kProblemsMax) + " more.";
    }
    return {Code::kInvalid, text};
  }

 private:
  std::string text_;
  std::size_t count_ = 0;
};

std::string at(const std::string& name, const toml::source_region& source) {
  return name + ":" + std::to_string(source.begin.line);
}

// What was written, as the key's type reads it; nullopt when the TOML type can't be right.
std::optional<std::string> plain(KeyType type, const toml::node& node) {
  if (type == KeyType::kRatio) {
    std::ostringstream text;
    if (const auto number = node.value_exact<double>()) {
      text << *number;
      return text.str();
    }
    if (const auto number = node.value_exact<std::int64_t>()) return std::to_string(*number);
    return std::nullopt;
  }
  if (type == KeyType::kPort && node.value_exact<std::string>() == kPortOff) {
    return std::string(kPortOff);
  }
  if (type == KeyType::kCount || type == KeyType::kPort) {
    const auto number = node.value_exact<std::int64_t>();
    if (!number || *number < 0) return std::nullopt;
    return std::to_string(*number);
  }
  if (const auto text = node.value_exact<std::string>()) return *text;
  // A bare number of bytes is clear; a duration needs its unit.
  if (const auto number = node.value_exact<std::int64_t>()) {
    if (type == KeyType::kBytes && *number >= 0) return std::to_string(*number);
  }
  return std::nullopt;
}

std::string unknown(const std::string& where, const std::string& path, bool section) {
  const std::string close = nearest_path(path);
  return where + ": " + (section ? "[" : "") + shorten(clean_utf8(path), 60) +
         (section ? "] is no section" : " is no key") + " of a contract.\n  " +
         (close.empty() ? "All of them: ullage contract explain"
                        : "Did you mean " + close + "? See: ullage contract explain " + close);
}

bool is_section(std::string_view name) {
  for (const Key& key : keys()) {
    if (key.section() == name) return true;
  }
  return false;
}

// A table with names of its own: each mistake at its own line.
void read_prefixes(const std::string& name, const Key& key, const toml::table& table,
                   const std::string& where, Contract& contract, Mistakes& mistakes) {
  std::string text;
  bool good = true;
  for (const auto& [prefix, node] : table) {
    const auto durability = node.value_exact<std::string>();
    const Result<Durability> read = parse_durability(durability.value_or(""));
    if (!read.ok()) {
      good = false;
      mistakes.add(at(name, prefix.source()) + ": " + key.path + ".\"" +
                   shorten(clean_utf8(prefix.str()), 40) + "\": " + read.error().message +
                   ".\n  See: ullage contract explain " + key.path);
      continue;
    }
    text += (text.empty() ? "" : ",") + escape_prefix(prefix.str()) + "=" + *durability;
  }
  if (!good) return;
  const Result<void> done = contract.set(key.path, text, where);
  if (!done.ok()) mistakes.add(done.error().message);
}

void read_section(const std::string& name, const std::string& section, const toml::table& table,
                  Contract& contract, Mistakes& mistakes) {
  for (const auto& [key_name, node] : table) {
    const std::string path = section + "." + std::string(key_name.str());
    const std::string where = at(name, key_name.source());
    const Key* key = find_key(path);
    if (key == nullptr) {
      mistakes.add(unknown(where, path, node.is_table()));
      continue;
    }
    if (key->type == KeyType::kPrefixes && node.is_table()) {
      read_prefixes(name, *key, *node.as_table(), where, contract, mistakes);
      continue;
    }
    const std::optional<std::string> text = plain(key->type, node);
    if (!text) {
      mistakes.add(where + ": " + path + ": expected " + expected(key->type) +
                   ".\n  See: ullage contract explain " + path);
      continue;
    }
    const Result<void> done = contract.set(path, *text, where);
    if (!done.ok()) mistakes.add(done.error().message);
  }
}

}  // namespace

Result<Contract> Contract::parse(std::string_view text, const std::string& name) {
  if (text.size() > kContractBytesMax) {
    return Error{Code::kInvalid, name + ": is larger than 1 MiB, which no contract is."};
  }
  const toml::parse_result parsed = toml::parse(text, name);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return Error{Code::kInvalid, at(name, error.source()) +
                                     ": is not TOML: " + clean_utf8(error.description()) +
                                     ".\n  What a contract looks like: ullage contract explain"};
  }
  Contract contract;
  Mistakes mistakes;
  for (const auto& [key, node] : parsed.table()) {
    const std::string section(key.str());
    const std::string where = at(name, key.source());
    if (!is_section(section)) {
      mistakes.add(unknown(where, section, node.is_table()));
    } else if (!node.is_table()) {
      mistakes.add(where + ": " + section + " is a section: write [" + section +
                   "] and its keys below.");
    } else {
      read_section(name, section, *node.as_table(), contract, mistakes);
    }
  }
  if (mistakes.any()) return mistakes.error();
  return contract;
}

Result<Contract> Contract::read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kContractBytesMax + 1, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {
    return Error{errno == ENOENT ? Code::kNotFound : Code::kIo,
                 path + ": can't be read: " + std::strerror(errno) +
                     ".\n  Expected a contract, ullage.toml. Its keys: ullage contract explain"};
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  return parse(text, path);
}

}  // namespace ullage::contract
