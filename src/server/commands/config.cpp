// SPDX-License-Identifier: Apache-2.0
//
// CONFIG: Redis's names for what the contract declares, and the contract's own paths.
#include <algorithm>
#include <array>
#include <map>

#include "server/commands/handlers.h"
#include "server/context.h"
#include "server/glob.h"
#include "server/numbers.h"
#include "server/server.h"
#include "server/worker.h"
#include "wire/request_parser.h"

namespace ullage::server {
namespace {

// Redis's own names for keys of the contract.
struct Alias {
  const char* name;
  const char* path;
};
constexpr Alias kAliases[] = {
    {"maxmemory", "residency.hot"},
    {"maxclients", "server.max_clients"},
    {"timeout", "server.timeout"},
    {"proto-max-bulk-len", "server.max_value"},
    {"client-query-buffer-limit", "server.query_buffer"},
    {"port", "server.resp_port"},
    {"bind", "server.bind"},
    {"io-threads", "server.threads"},
    {"requirepass", "server.requirepass"},
    {"aclfile", "server.acl_file"},
    {"protected-mode", "server.protected_mode"},
    {"tls-port", "server.tls_port"},
    {"tls-cert-file", "server.tls_cert"},
    {"tls-key-file", "server.tls_key"},
    {"tls-ca-cert-file", "server.tls_ca"},
    {"tls-auth-clients", "server.tls_auth_clients"},
};

// What tools ask for and what here is always so.
struct Fixed {
  const char* name;
  const char* value;
  const char* why;
};
constexpr const char* kNoDisk = "the store is in memory only";
constexpr Fixed kFixed[] = {
    {"save", "", kNoDisk},
    {"appendonly", "no", kNoDisk},
    {"appendfsync", "everysec", kNoDisk},
    {"dir", "/", kNoDisk},
    {"dbfilename", "", kNoDisk},
    {"databases", "16", "there are 16 databases"},
    {"cluster-enabled", "no", "one server is no cluster"},
    {"activedefrag", "no", "sparse pages are packed all the time, within the budget"},
    {"lazyfree-lazy-user-del", "yes", "large values are always freed in steps"},
    {"lazyfree-lazy-user-flush", "yes", "what is flushed is always freed in steps"},
    {"hz", "10", "background work is done in slices of 200 us, ten times a second"},
    {"tcp-keepalive", "300", "the system's own"},
    {"maxmemory-samples", "5", "eviction does not sample"},
    {"lfu-log-factor", "10", "frequencies are those of a sketch"},
    {"lfu-decay-time", "1", "frequencies are those of a sketch"},
    {"list-max-listpack-size", "-2", "there are no lists"},
    {"set-max-intset-entries", "512", "there are no sets"},
    {"hash-max-listpack-entries", "128", "there are no hashes"},
    {"zset-max-listpack-entries", "128", "there are no sorted sets"},
};

constexpr const char* kPolicies[] = {"noeviction",      "allkeys-lfu",  "allkeys-lru",
                                     "allkeys-random",  "volatile-lfu", "volatile-lru",
                                     "volatile-random", "volatile-ttl"};

using Settings = std::map<std::string, std::string>;

// "1gb" is 2^30, "1g" is 10^9, "1GiB" is ours.
bool parse_memory(std::string_view text, std::string& bytes) {
  static constexpr std::pair<const char*, std::uint64_t> kUnits[] = {
      {"kb", 1u << 10}, {"mb", 1u << 20},     {"gb", 1u << 30}, {"k", 1000},
      {"m", 1'000'000}, {"g", 1'000'000'000}, {"b", 1}};
  const std::string lower = lower_case(text);
  std::string_view number = lower;
  std::uint64_t unit = 1;
  for (const auto& [name, factor] : kUnits) {
    if (!number.ends_with(name)) continue;
    number.remove_suffix(std::string_view(name).size());
    unit = factor;
    break;
  }
  std::int64_t value = 0;
  if (!wire::parse_integer(number, value) || value < 0) {
    bytes = text;  // perhaps as the contract writes it
    return true;
  }
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(value), unit, &product)) return false;
  bytes = std::to_string(product);
  return true;
}

std::string value_of_path(const Config& config, const std::string& path) {
  if (path == "residency.hot") return std::to_string(config.hot_bytes);
  if (path == "server.max_clients") return std::to_string(config.max_clients);
  if (path == "server.timeout") return std::to_string(config.timeout_ns / 1'000'000'000);
  if (path == "server.max_value") return std::to_string(config.max_value_bytes);
  if (path == "server.query_buffer") return std::to_string(config.query_buffer_bytes);
  if (path == "server.resp_port") return std::to_string(config.resp_on ? config.resp_port : 0);
  if (path == "server.bind") return config.bind;
  if (path == "server.requirepass") return config.requirepass;
  if (path == "server.tls_port") return std::to_string(config.tls_on ? config.tls_port : 0);
  if (contract::find_key(path)->type == contract::KeyType::kText) return config.contract.text(path);
  return std::to_string(config.threads);
}

Settings all_settings(const Context& c) {
  const Config& config = c.config();
  Settings all;
  for (const Alias& alias : kAliases) all[alias.name] = value_of_path(config, alias.path);
  for (const Fixed& fixed : kFixed) all[fixed.name] = fixed.value;
  for (const contract::Setting& setting : config.contract.settings()) {
    all[setting.key->path] = setting.written;
  }
  const std::string output = std::to_string(config.output_buffer_bytes);
  all["client-output-buffer-limit"] =
      "normal " + output + " 0 0 slave " + output + " 0 0 pubsub " + output + " 0 0";
  all["notify-keyspace-events"] = write_notify_flags(config.notify_flags);
  all["maxmemory-policy"] = config.maxmemory_policy;
  all["slowlog-log-slower-than"] = std::to_string(config.slowlog_log_slower_than_us);
  all["slowlog-max-len"] = std::to_string(config.slowlog_max_len);
  all["latency-monitor-threshold"] = std::to_string(config.latency_monitor_threshold_ms);
  all["tracking-table-max-keys"] = std::to_string(config.tracking_table_max_keys);
  all["active-expire"] = config.active_expire ? "yes" : "no";
  return all;
}

// An empty text: done; else why not.
std::string set_number(std::string_view value, std::int64_t least, std::int64_t& into) {
  std::int64_t number = 0;
  if (!wire::parse_integer(value, number)) return "argument couldn't be parsed into an integer";
  if (number < least) {
    return "argument must be between " + std::to_string(least) +
           " and 9223372036854775807 inclusive";
  }
  into = number;
  return {};
}

std::string set_unsigned(std::string_view value, std::uint64_t& into) {
  std::int64_t number = 0;
  std::string problem = set_number(value, 0, number);
  if (problem.empty()) into = static_cast<std::uint64_t>(number);
  return problem;
}

std::string set_path(Config& config, const std::string& path, std::string_view value) {
  std::string written(value);
  const contract::Key* key = contract::find_key(path);
  if (key->type == contract::KeyType::kBytes && !parse_memory(value, written)) {
    return "argument must be a memory value";
  }
  if (path == "server.timeout") {
    std::int64_t seconds = 0;
    if (wire::parse_integer(value, seconds)) written = std::to_string(seconds) + "s";
  }
  contract::Contract changed = config.contract;
  // Redis's zero is "no bound", which in a contract is a key that is not there.
  const bool none = written == "0" || written == "0s";
  const bool password = path == "server.requirepass";
  if ((none && (path == "residency.hot" || path == "server.timeout")) ||
      (password && value.empty())) {
    changed.unset(path, "CONFIG SET");
  } else if (Result<void> done = changed.set(path, written, "CONFIG SET"); !done.ok()) {
    return done.error().message;
  }
  Result<void> done = config.reload(changed);
  return done.ok() ? std::string() : done.error().message;
}

// False: there is no such setting. `problem`: why it can't have this value.
bool set_one(Config& config, const std::string& name, std::string_view value,
             std::string& problem) {
  for (const Alias& alias : kAliases) {
    if (name == alias.name) {
      problem = set_path(config, alias.path, value);
      return true;
    }
  }
  for (const Fixed& fixed : kFixed) {
    if (name != fixed.name) continue;
    if (!equals_ignoring_case(value, fixed.value)) problem = fixed.why;
    return true;
  }
  if (contract::find_key(name) != nullptr) {
    problem = set_path(config, name, value);
  } else if (name == "notify-keyspace-events") {
    if (!parse_notify_flags(value, config.notify_flags)) {
      problem = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
    }
  } else if (name == "maxmemory-policy") {
    const auto known = std::find(std::begin(kPolicies), std::end(kPolicies), lower_case(value));
    if (known == std::end(kPolicies)) {
      problem =
          "argument(s) must be one of the following: volatile-lru, volatile-lfu, "
          "volatile-random, volatile-ttl, allkeys-lru, allkeys-lfu, allkeys-random, "
          "noeviction";
    } else {
      config.maxmemory_policy = *known;
    }
  } else if (name == "slowlog-log-slower-than") {
    problem = set_number(value, -1, config.slowlog_log_slower_than_us);
  } else if (name == "slowlog-max-len") {
    problem = set_unsigned(value, config.slowlog_max_len);
  } else if (name == "latency-monitor-threshold") {
    problem = set_unsigned(value, config.latency_monitor_threshold_ms);
  } else if (name == "tracking-table-max-keys") {
    problem = set_unsigned(value, config.tracking_table_max_keys);
  } else if (name == "active-expire") {
    if (!equals_ignoring_case(value, "yes") && !equals_ignoring_case(value, "no")) {
      problem = "argument must be 'yes' or 'no'";
    }
    config.active_expire = equals_ignoring_case(value, "yes");
  } else if (name == "client-output-buffer-limit") {
    problem = "set server.output_buffer";
  } else {
    return false;
  }
  return true;
}

}  // namespace

void config_get_command(Context& c) {
  const Settings all = all_settings(c);
  std::map<std::string, std::string> told;
  for (std::size_t i = 2; i < c.words.size(); ++i) {
    const std::string pattern = lower_case(c.word(i));
    for (const auto& [name, value] : all) {
      if (glob_match(pattern, name)) told.emplace(name, value);
    }
  }
  c.out.map(told.size());
  for (const auto& [name, value] : told) {
    c.out.bulk(name);
    c.out.bulk(value);
  }
}

void config_set_command(Context& c) {
  if (c.words.size() % 2 != 0) return c.wrong_arity();
  // All or nothing: on a copy.
  Config changed = c.config();
  std::vector<std::string> names;
  for (std::size_t i = 2; i < c.words.size(); i += 2) {
    const std::string name = lower_case(c.word(i));
    std::string problem;
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      problem = "duplicate parameter";
    } else if (!set_one(changed, name, c.word(i + 1), problem)) {
      return c.error("ERR Unknown option or number of arguments for CONFIG SET - '" +
                     std::string(c.word(i)) + "'");
    }
    if (!problem.empty()) {
      return c.error("ERR CONFIG SET failed (possibly related to argument '" +
                     std::string(c.word(i)) + "') - " + problem);
    }
    names.push_back(name);
    const bool clients = name == "maxclients" || name == "server.max_clients";
    if (!clients) continue;
    if (const auto possible = Server::clients_possible(changed); possible < changed.max_clients) {
      return c.error("ERR CONFIG SET failed (possibly related to argument '" +
                     std::string(c.word(i)) +
                     "') - The operating system is not able to handle the specified number of "
                     "clients, try with " +
                     std::to_string(possible));
    }
  }
  if (Result<void> done = c.server.renew_tls(changed); !done.ok()) {
    return c.error("ERR CONFIG SET failed - " + done.error().message);
  }
  c.server.mutable_config() = std::move(changed);
  c.server.apply_config();
  c.out.ok();
}

void config_resetstat_command(Context& c) {
  for (const auto& worker : c.server.workers()) worker->reset_stats();
  c.out.ok();
}

void config_rewrite_command(Context& c) {
  const std::string& file = c.config().file;
  if (file.empty()) return c.error("ERR The server is running without a config file");
  c.error("ERR Rewriting config file: " + file +
          " belongs to its author. Write there what CONFIG GET tells and shall stay");
}

void config_help_command(Context& c) {
  static constexpr const char* kLines[] = {
      "GET <pattern>",
      "    Return parameters matching the glob-like <pattern> and their values.",
      "SET <directive> <value>",
      "    Set the configuration <directive> to <value>.",
      "RESETSTAT",
      "    Reset statistics reported by the INFO command.",
      "REWRITE",
      "    Rewrite the configuration file: not here, ullage.toml belongs to its author.",
  };
  c.help(kLines);
}

}  // namespace ullage::server
