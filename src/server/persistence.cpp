// SPDX-License-Identifier: Apache-2.0
#include "server/persistence.h"

#include <algorithm>

namespace ullage::server {
namespace {

constexpr std::uint64_t kNsPerMs = 1'000'000;

}  // namespace

std::uint64_t Persistence::window_ms() const {
  std::uint64_t shortest = 0;
  const auto take = [&shortest](const contract::Durability& each) {
    if (each.kind != contract::Durability::Kind::kWindow) return;
    shortest = shortest == 0 ? each.window_ms : std::min(shortest, each.window_ms);
  };
  take(durability);
  for (const auto& [prefix, each] : prefixes) take(each);
  return shortest;
}

void take_live(Persistence& persistence, const contract::Contract& contract) {
  const auto ms = [&contract](const char* path) {
    return (contract.number(path).value_or(0) + kNsPerMs - 1) / kNsPerMs;
  };
  persistence.negative_ms = ms("persistence.negative_ttl");
  persistence.stale_ms = ms("persistence.stale_window");
  persistence.early_ms = ms("persistence.early_refresh");
  persistence.ttl_jitter = contract.ratio("persistence.ttl_jitter").value_or(0);
  persistence.warm_keys = contract.number("persistence.warm_keys").value_or(0);
}

Result<Persistence> read_persistence(const contract::Contract& contract) {
  Persistence persistence;
  take_live(persistence, contract);
  persistence.directory = contract.text("persistence.directory");
  const auto durability = contract::parse_durability(contract.text("persistence.durability"));
  if (!durability.ok()) return durability.error();
  persistence.durability = durability.value();
  const auto prefixes = contract::parse_prefixes(contract.text("persistence.prefixes"));
  if (!prefixes.ok()) return prefixes.error();
  persistence.prefixes = prefixes.value();
  if (!persistence.directory.empty()) return persistence;
  for (const char* path : {"persistence.prefixes", "persistence.durability"}) {
    const contract::Setting& setting = contract.setting(path);
    if (setting.origin == "default" || setting.written.empty() || setting.written == "off")
      continue;
    return Error{Code::kInvalid,
                 setting.origin + ": " + path + " says how durable writes are, but there is no " +
                     "persistence.directory to keep them in.\n  Name one, or take this out. See: " +
                     "ullage contract explain persistence.directory"};
  }
  return persistence;
}

}  // namespace ullage::server
