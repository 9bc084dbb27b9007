// SPDX-License-Identifier: Apache-2.0
#include "contract/contract.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>

#include "base/format.h"
#include "base/text.h"
#include "contract/durability.h"

namespace ullage::contract {
namespace {

// The share of the machine, or of its cgroup, that may be promised: the kernel, and what is in no
// budget, needs the rest.
constexpr std::uint64_t kUsableTenths = 9;

struct Amount {
  std::uint64_t number = 0;
  double ratio = 0;
};

Result<Amount> amount(KeyType type, std::string_view text) {
  Amount result;
  if (type == KeyType::kRatio) {
    const auto [end, problem] =
        std::from_chars(text.data(), text.data() + text.size(), result.ratio);
    if (problem != std::errc() || end != text.data() + text.size() ||
        !std::isfinite(result.ratio)) {
      return Error{Code::kInvalid, "it is no number"};
    }
    return result;
  }
  if (type == KeyType::kText) return result;
  if (type == KeyType::kDurability) {
    const Result<Durability> durability = parse_durability(text);
    if (!durability.ok()) return durability.error();
    return result;
  }
  if (type == KeyType::kPrefixes) {
    const Result<Prefixes> prefixes = parse_prefixes(text);
    if (!prefixes.ok()) return prefixes.error();
    return result;
  }
  if (type == KeyType::kPort && text == kPortOff) return result;
  if (type == KeyType::kCount || type == KeyType::kPort) {
    const auto [end, problem] =
        std::from_chars(text.data(), text.data() + text.size(), result.number);
    if (problem != std::errc() || end != text.data() + text.size()) {
      return Error{Code::kInvalid, "it is no whole number"};
    }
    return result;
  }
  const Result<std::uint64_t> number =
      type == KeyType::kBytes ? parse_bytes(text) : parse_duration_ns(text);
  if (!number.ok()) return number.error();
  result.number = number.value();
  return result;
}

Amount known_amount(KeyType type, const char* text) {
  const Result<Amount> result = amount(type, text);
  assert(result.ok() && "keys.def holds a value that its own type can't read");
  return result.value();
}

bool has_number(KeyType type) {
  return type == KeyType::kBytes || type == KeyType::kDuration || type == KeyType::kCount ||
         type == KeyType::kPort;
}

// As it can be written into a contract.
std::string kib(std::uint64_t bytes) { return std::to_string(bytes / 1024) + "KiB"; }

std::string quoted(std::string_view text) { return "\"" + shorten(clean_utf8(text), 60) + "\""; }

}  // namespace

Contract::Contract() {
  for (const Key& key : keys()) {
    Setting setting;
    setting.key = &key;
    if (*key.default_text != 0) {
      const Amount standard = known_amount(key.type, key.default_text);
      setting.set = true;
      setting.number = standard.number;
      setting.ratio = standard.ratio;
      setting.written = key.default_text;
    }
    settings_.push_back(std::move(setting));
  }
}

Result<void> Contract::set(std::string_view path, std::string_view value,
                           const std::string& origin) {
  const Key* key = find_key(path);
  if (key == nullptr) {
    const std::string close = nearest_path(path);
    return Error{Code::kInvalid,
                 origin + ": " + quoted(path) + " is no key of a contract." +
                     (close.empty() ? "\n  All of them: ullage contract explain"
                                    : "\n  Did you mean " + close +
                                          "? See: ullage contract explain " + close)};
  }
  const auto refuse = [&](const std::string& why) {
    return Error{Code::kInvalid, origin + ": " + key->path + " = " + quoted(value) + ": " + why +
                                     "\n  See: ullage contract explain " + key->path};
  };
  const Result<Amount> read = amount(key->type, value);
  if (!read.ok() && key->type == KeyType::kPrefixes) return refuse(read.error().message + ".");
  if (!read.ok()) return refuse(std::string("expected ") + expected(key->type) + ".");
  const bool bounded = *key->least != 0;
  const Amount least = bounded ? known_amount(key->type, key->least) : Amount{};
  const Amount most = bounded ? known_amount(key->type, key->most) : Amount{};
  const Amount got = read.value();
  const bool ratio = key->type == KeyType::kRatio;
  const bool small = ratio ? got.ratio < least.ratio : got.number < least.number;
  const bool large = ratio ? got.ratio > most.ratio : got.number > most.number;
  if (small) return refuse(std::string("the least that is allowed is ") + key->least + ".");
  if (large) return refuse(std::string("the most that is allowed is ") + key->most + ".");
  Setting& setting = settings_[static_cast<std::size_t>(key - keys().data())];
  setting.set = key->type != KeyType::kPort || value != kPortOff;
  setting.number = got.number;
  setting.ratio = got.ratio;
  setting.written = value;
  setting.origin = origin;
  return {};
}

void Contract::unset(std::string_view path, const std::string& origin) {
  const Key* key = find_key(path);
  assert(key != nullptr && "a path that keys.def does not have");
  Setting& setting = settings_[static_cast<std::size_t>(key - keys().data())];
  setting = {};
  setting.key = key;
  setting.origin = origin;
}

const Setting& Contract::setting(std::string_view path) const {
  const Key* key = find_key(path);
  assert(key != nullptr && "a path that keys.def does not have");
  return settings_[static_cast<std::size_t>(key - keys().data())];
}

std::optional<std::uint64_t> Contract::number(std::string_view path) const {
  const Setting& found = setting(path);
  assert(has_number(found.key->type));
  return found.set ? std::optional(found.number) : std::nullopt;
}

const std::string& Contract::text(std::string_view path) const {
  const Setting& found = setting(path);
  assert(!has_number(found.key->type));
  return found.written;
}

std::optional<double> Contract::ratio(std::string_view path) const {
  const Setting& found = setting(path);
  assert(found.key->type == KeyType::kRatio);
  return found.set ? std::optional(found.ratio) : std::nullopt;
}

std::vector<std::string> Contract::impossible(const Machine& machine) const {
  std::vector<std::string> problems;
  const Setting &hot = setting("residency.hot"), &process = setting("residency.process");
  const Setting& threads = setting("server.threads");
  if (hot.set && threads.set && hot.number < threads.number * kHotPerThreadMin) {
    problems.push_back(hot.origin + ": residency.hot = " + quoted(hot.written) +
                       " is too little for " + threads.written + " threads: each needs " +
                       kib(kHotPerThreadMin) + ".\n  Raise it to at least " +
                       kib(threads.number * kHotPerThreadMin) +
                       ", or lower server.threads. See: ullage contract explain server.threads");
  }
  const std::uint64_t usable = machine.usable_bytes() / 10 * kUsableTenths;
  if (usable == 0) return problems;
  const bool by_cgroup = machine.limit_bytes != 0 && machine.limit_bytes == machine.usable_bytes();
  for (const Setting& budget : settings_) {
    if (!budget.set || budget.key->section() != "residency" ||
        budget.key->type != KeyType::kBytes || budget.number <= usable) {
      continue;
    }
    problems.push_back(budget.origin + ": " + budget.key->path + " = " + quoted(budget.written) +
                       " is more than nine tenths of " +
                       (by_cgroup ? "the cgroup's limit (" : "the machine's memory (") +
                       format_bytes(machine.usable_bytes()) + ").\n  Lower it to at most " +
                       format_bytes(usable) + (by_cgroup ? ", or raise memory.max" : "") +
                       ". See: ullage contract explain " + budget.key->path);
  }
  // The cold tier is there only with a directory of its own.
  const Setting& cold = setting("residency.cold");
  const bool tiered = !setting("persistence.directory").written.empty();
  const std::uint64_t hot_bytes = hot.set ? hot.number : machine.usable_bytes() / 2;
  const std::uint64_t together = hot_bytes + cold.number;
  const std::string sum =
      cold.origin + ": residency.cold = " + quoted(cold.written) + " and residency.hot = " +
      (hot.set ? quoted(hot.written) + " (" + hot.origin + ")" : "half of the machine (unset)") +
      " together are more than ";
  if (tiered && hot_bytes <= usable && cold.number <= usable && together > usable) {
    problems.push_back(
        sum + "nine tenths of " + (by_cgroup ? "the cgroup's limit (" : "the machine's memory (") +
        format_bytes(machine.usable_bytes()) + ").\n  Lower one of them, to " +
        format_bytes(usable) + " in all" + (by_cgroup ? ", or raise memory.max" : "") +
        ". See: ullage contract explain residency.cold");
  }
  if (tiered && process.set && hot_bytes <= process.number && together > process.number) {
    problems.push_back(sum + "the whole process may take (residency.process = " +
                       quoted(process.written) + ", " + process.origin +
                       ").\n  Lower one of them or raise that. See: ullage contract explain "
                       "residency.process");
  }
  if (hot.set && process.set && hot.number > process.number) {
    problems.push_back(hot.origin + ": residency.hot = " + quoted(hot.written) +
                       " is more than the whole process may take (residency.process = " +
                       quoted(process.written) + ", " + process.origin +
                       ").\n  Lower the one or raise the other. See: ullage contract explain "
                       "residency.hot");
  }
  return problems;
}

std::string table(const Contract& contract, std::size_t width) {
  std::size_t path_columns = 0, value_columns = 0;
  const auto shown = [](const Setting& s) {
    if (!s.set) return s.written.empty() ? std::string("unset") : s.written;
    // A screen, or a build's log, is no place for a password.
    return s.key->name() == "requirepass" ? std::string("(not shown)") : s.written;
  };
  for (const Setting& setting : contract.settings()) {
    path_columns = std::max(path_columns, columns(setting.key->path));
    value_columns = std::max(value_columns, columns(shown(setting)));
  }
  std::string text;
  for (const Setting& setting : contract.settings()) {
    std::string line = setting.key->path;
    line += std::string(path_columns - columns(line) + 2, ' ');
    const std::string value = shown(setting);
    line += value + std::string(value_columns - columns(value) + 2, ' ') + setting.origin;
    text += shorten(line, width) + "\n";
  }
  return text;
}

}  // namespace ullage::contract
