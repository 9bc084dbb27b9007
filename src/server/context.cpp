// SPDX-License-Identifier: Apache-2.0
#include "server/context.h"

#include "server/keys_of.h"
#include "server/numbers.h"
#include "server/server.h"
#include "server/worker.h"
#include "wire/request_parser.h"

namespace ullage::server {
namespace {

// "CLIENT", of client and of its subcommands.
std::string container_name(const Command& command) {
  std::string name(command.name);
  name = name.substr(0, name.find('|'));
  for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return name;
}

}  // namespace

bool Context::is(std::size_t i, std::string_view name) const {
  return equals_ignoring_case(words[i], name);
}

tier::Key Context::key(std::size_t i) {
  if (hashed && static_cast<int>(i) == command->first_key) {
    return hashed_key(caller.db, words[i], first_hash);
  }
  return {caller.db, words[i]};
}

tier::Shard& Context::shard(const tier::Key& key) {
  const auto& workers = server.workers();
  if (workers.size() == 1) return worker.shard();
  return workers[key.shard(static_cast<unsigned>(workers.size()))]->shard();
}

std::uint64_t Context::now_ms() const { return worker.now_ms(); }
const Config& Context::config() const { return server.config(); }

void Context::error(std::string_view text) {
  failed = true;
  worker.stats().errors.add();
  worker.stats().add_error(std::string(text.substr(0, text.find(' '))));
  out.error(text);
}

void Context::out_of_memory() {
  if (!may_ask_others) return error(kOutOfMemory);
  failed = asks_others = true;
}

void Context::wrong_arity() {
  error("ERR wrong number of arguments for '" + std::string(command->name) + "' command");
}

void Context::unknown_subcommand() {
  error("ERR unknown subcommand '" + std::string(words[1].substr(0, 128)) + "'. Try " +
        container_name(*command) + " HELP.");
}

void Context::wrong_subcommand_words() {
  error("ERR unknown subcommand or wrong number of arguments for '" +
        std::string(words[1].substr(0, 128)) + "'. Try " + container_name(*command) + " HELP.");
}

bool Context::wrote(tier::Status status) {
  switch (status) {
    case tier::Status::kOk:
      return true;
    case tier::Status::kDenied:
      out_of_memory();
      return false;
    case tier::Status::kTooLong:
      error("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
      return false;
    case tier::Status::kMissing:
      error("ERR no such key");
      return false;
  }
  return false;
}

bool Context::integer(std::size_t i, std::int64_t& value, const char* message) {
  if (wire::parse_integer(words[i], value)) return true;
  if (message != nullptr) {
    error(message);
  } else {
    not_an_integer();
  }
  return false;
}

void Context::help(std::span<const char* const> lines) {
  out.array(lines.size() + 3);
  out.simple(container_name(*command) +
             " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
  for (const char* line : lines) out.simple(line);
  out.simple("HELP");
  out.simple("    Prints this help.");
}

void Context::changed(const tier::Key& key, NotifyClass type, std::string_view event) {
  notify(type, event, key);
  invalidate(key);
}

void Context::notify(NotifyClass type, std::string_view event, const tier::Key& key) {
  if (server.notify_flags.load(std::memory_order_relaxed) == 0) return;
  notify_keyspace(worker, type, event, key.db, key.text);
}

void Context::invalidate(const tier::Key& key) {
  if (server.tracking().any()) server.tracking().invalidate(key.text, caller.id, worker);
}

bool Context::to_be_refreshed(const tier::Key& k, const tier::Found& found) {
  const std::uint64_t early_ms = config().persistence.early_ms;
  if (early_ms == 0 || found.expires_ms == tier::kNoExpiry || queued) return false;
  const std::uint64_t now = now_ms();
  if (found.expires_ms <= now || found.expires_ms - now > early_ms) return false;
  const auto about = shard(k).about(k);
  if (!about || about->frequency < EarlyRefresh::kHotFrequency) return false;
  const std::uint64_t hash = k.hash ^ (k.db * std::uint64_t{0x9e3779b97f4a7c15});
  if (!worker.early_refresh().take(hash, found.expires_ms, now)) return false;
  worker.stats().early_refreshes.add();
  return true;
}

}  // namespace ullage::server
