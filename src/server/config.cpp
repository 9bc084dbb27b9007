// SPDX-License-Identifier: Apache-2.0
#include "server/config.h"

#include <algorithm>

#include "base/machine.h"

namespace ullage::server {
namespace {

// What a store without a budget of its own takes of the machine, or of its cgroup.
constexpr std::uint64_t kHotShare = 2;

constexpr const char* kHalf = "half of the machine";
// The origin of what CONFIG SET has changed.
constexpr const char* kBySetting = "CONFIG SET";

// What holds when nobody says how much.
Result<void> take_share(contract::Contract& contract, const Machine& machine) {
  const contract::Setting& hot = contract.setting("residency.hot");
  if (hot.set || hot.origin == kBySetting || machine.usable_bytes() == 0) return {};
  return contract.set("residency.hot", std::to_string(machine.usable_bytes() / kHotShare), kHalf);
}

void take_live(Config& config, const contract::Contract& contract) {
  const auto number = [&contract](const char* path) { return contract.number(path).value_or(0); };
  config.hot_bytes = number("residency.hot");
  config.max_clients = number("server.max_clients");
  config.query_buffer_bytes = number("server.query_buffer");
  config.output_buffer_bytes = number("server.output_buffer");
  config.max_key_bytes = number("server.max_key");
  config.max_value_bytes = number("server.max_value");
  config.timeout_ns = number("server.timeout");
  config.command_timeout_ns = number("server.command_timeout");
  take_live(config.persistence, contract);
  config.cold_bytes = number("residency.cold");
  config.requirepass = contract.text("server.requirepass");
  config.drain_ns = number("server.drain");
  const bool json = contract.text("server.log_format") == "json";
  config.log_format = json ? Log::Format::kJson : Log::Format::kText;
  const std::string& level = contract.text("server.log_level");
  config.log_level = level == "error"     ? Log::Level::kError
                     : level == "warning" ? Log::Level::kWarning
                                          : Log::Level::kInfo;
  config.protected_mode = contract.text("server.protected_mode") != "no";
  config.tls.certificate = contract.text("server.tls_cert");
  config.tls.key = contract.text("server.tls_key");
  config.tls.ca = contract.text("server.tls_ca");
  const std::string& clients = contract.text("server.tls_auth_clients");
  config.tls.clients = clients == "yes"        ? tls::ClientCertificates::kYes
                       : clients == "optional" ? tls::ClientCertificates::kOptional
                                               : tls::ClientCertificates::kNo;
}

// CONFIG SET changes these, too: what it said stays in force until the contract says otherwise.
void take_slowlog(Config& config, const contract::Contract& contract) {
  config.slowlog_log_slower_than_us =
      static_cast<std::int64_t>(contract.number("server.slowlog_slower_than").value_or(0) / 1000);
  config.slowlog_max_len = contract.number("server.slowlog_max_len").value_or(0);
}

bool same(const contract::Contract& one, const contract::Contract& other, const char* path) {
  return one.setting(path).written == other.setting(path).written;
}

// Texts that are one of a few.
struct Choice {
  const char* path;
  std::initializer_list<std::string_view> words;
};
constexpr std::string_view kYes = "yes", kNo = "no";
const Choice kChoices[] = {
    {"server.protected_mode", {kYes, kNo}},
    {"server.tls_auth_clients", {kNo, "optional", kYes}},
    {"server.log_format", {"text", "json"}},
    {"server.log_level", {"info", "warning", "error"}},
};

Result<void> check_choices(const contract::Contract& contract) {
  for (const Choice& choice : kChoices) {
    const contract::Setting& setting = contract.setting(choice.path);
    const auto& words = choice.words;
    if (std::find(words.begin(), words.end(), setting.written) != words.end()) continue;
    std::string all;
    for (const std::string_view word : words) all += (all.empty() ? "" : ", ") + std::string(word);
    return Error{Code::kInvalid, setting.origin + ": " + choice.path + " = \"" + setting.written +
                                     "\" is none of " + all + ".\n  See: ullage contract explain " +
                                     choice.path};
  }
  return {};
}

// What the process takes itself has to fit in, and something beside it.
Result<void> check_room(const Config& config) {
  const std::uint64_t bound = config.process_bound(0);
  if (!config.persistence.directory.empty() || bound == 0 || bound >= kProcessBytesMin) return {};
  const bool whole = config.process_bytes != 0;
  const contract::Setting& set =
      config.contract.setting(whole ? "residency.process" : "residency.hot");
  return Error{Code::kInvalid,
               set.origin + ": " + set.key->path + " = \"" + set.written +
                   "\" is less than a server can do with: the whole process is held to it, and "
                   "takes some 9 MiB itself.\n  Raise it to 16MiB at least" +
                   (whole ? "" : ", or set residency.process for the whole") +
                   ". See: ullage contract explain " + set.key->path};
}

// Whoever can't be reached can't be stopped by SHUTDOWN either, nor be of any use.
Result<void> check_doors(const Config& config) {
  if (config.resp_on || config.tls_on || config.http_on || config.https_on) return {};
  const contract::Setting& resp = config.contract.setting("server.resp_port");
  return Error{Code::kInvalid,
               resp.origin + ": server.resp_port = \"" + resp.written +
                   "\", and there is no other way in.\n  Set server.tls_port, server.http_port "
                   "or server.https_port as well, or take it back. See: ullage contract explain "
                   "server.resp_port"};
}

}  // namespace

Result<Config> Config::from(const contract::Contract& contract) {
  Config config;
  config.contract = config.loaded = contract;
  const Machine machine = this_machine();
  const std::vector<std::string> problems = contract.impossible(machine);
  if (!problems.empty()) return Error{Code::kInvalid, problems.front()};
  if (Result<void> done = check_choices(contract); !done.ok()) return done.error();
  if (Result<void> done = take_share(config.contract, machine); !done.ok()) return done.error();
  take_live(config, config.contract);
  take_slowlog(config, config.contract);
  Result<Persistence> persistence = read_persistence(contract);
  if (!persistence.ok()) return persistence.error();
  config.persistence = persistence.value();
  config.process_bytes = contract.number("residency.process").value_or(0);
  config.bind = contract.text("server.bind");
  config.resp_port = contract.number("server.resp_port").value_or(0);
  config.resp_on = contract.setting("server.resp_port").set;
  config.http_port = contract.number("server.http_port").value_or(0);
  config.http_on = contract.setting("server.http_port").set;
  config.https_port = contract.number("server.https_port").value_or(0);
  config.https_on = contract.setting("server.https_port").set;
  config.tls_port = contract.number("server.tls_port").value_or(0);
  config.tls_on = contract.setting("server.tls_port").set;
  config.threads = contract.number("server.threads").value_or(machine.processors);
  config.threads = std::min<std::uint64_t>(config.threads, kThreadsMax);
  if (!contract.setting("server.threads").set && config.hot_bytes != 0) {
    const std::uint64_t fed = config.hot_bytes / contract::kHotPerThreadMin;
    config.threads = std::max<std::uint64_t>(1, std::min(config.threads, fed));
  }
  if (Result<void> done = check_room(config); !done.ok()) return done.error();
  if (Result<void> done = check_doors(config); !done.ok()) return done.error();
  return config;
}

Result<void> Config::reload(const contract::Contract& changed) {
  for (const contract::Setting& next : changed.settings()) {
    const contract::Setting& now = contract.setting(next.key->path);
    const std::string_view section = next.key->section();
    const bool ours = section == "server" || section == "residency" || section == "persistence";
    const bool as_it_was = next.set == now.set && (!next.set || next.written == now.written);
    if (!ours || next.key->live || as_it_was) continue;
    return Error{Code::kInvalid, next.origin + ": " + next.key->path + " can't change while the " +
                                     "server runs: it is " +
                                     (now.written.empty() ? "unset" : now.written) +
                                     " since the start.\n  Restart it, or take the change back. " +
                                     "See: ullage contract explain " + next.key->path};
  }
  const std::vector<std::string> problems = changed.impossible(this_machine());
  if (!problems.empty()) return Error{Code::kInvalid, problems.front()};
  if (Result<void> done = check_choices(changed); !done.ok()) return done;
  const contract::Setting& wanted = changed.setting("residency.hot");
  if (wanted.set && wanted.number < threads * contract::kHotPerThreadMin) {
    return Error{Code::kInvalid, wanted.origin + ": residency.hot = \"" + wanted.written +
                                     "\" is too little for the " + std::to_string(threads) +
                                     " threads that run: each needs 256 KiB.\n  See: ullage "
                                     "contract explain server.threads"};
  }
  Config next = *this;
  next.contract = changed;
  next.hot_bytes = changed.number("residency.hot").value_or(0);
  if (Result<void> done = check_room(next); !done.ok()) return done;
  const bool slowlog = !same(contract, changed, "server.slowlog_slower_than") ||
                       !same(contract, changed, "server.slowlog_max_len");
  contract = changed;
  take_live(*this, contract);
  if (slowlog) take_slowlog(*this, contract);
  return {};
}

Result<void> Config::reload_file(const contract::Contract& changed) {
  contract::Contract next = changed;
  for (const contract::Setting& now : contract.settings()) {
    const std::string path = now.key->path;
    if (now.origin != kBySetting || !same(loaded, changed, path.c_str())) continue;
    if (now.set) {
      if (Result<void> done = next.set(path, now.written, kBySetting); !done.ok()) return done;
    } else {
      next.unset(path, kBySetting);
    }
  }
  Result<void> done = take_share(next, this_machine());
  if (done.ok()) done = reload(next);
  if (done.ok()) loaded = changed;
  return done;
}

}  // namespace ullage::server
