// SPDX-License-Identifier: Apache-2.0
#pragma once

// Contract: what ullage.toml declares, the one vocabulary for how much growth is allowed.
//
//   Result<Contract> contract = Contract::read("ullage.toml");
//   if (!contract.ok()) return contract.error();    // every mistake, with file:line and what to do
//   contract->set("residency.process", "2GiB", "--residency.process");
//   contract->number("allocation.growth_stall")     // nanoseconds; nullopt = unset
//
// Every value has an origin: "default", "ullage.toml:12", "--allocation.growth_stall". Later ones
// win. Plain value type; threads: as std::vector.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/machine.h"
#include "base/result.h"
#include "contract/key.h"

namespace ullage::contract {

// A larger file is refused: a contract is a page.
inline constexpr std::size_t kContractBytesMax = 1u << 20;
// Mistakes told at once; more are counted.
inline constexpr std::size_t kProblemsMax = 20;

struct Setting {
  const Key* key = nullptr;
  bool set = false;
  std::uint64_t number = 0;  // bytes, nanoseconds, or a count
  double ratio = 0;
  std::string written;             // "1ms", "0.05"; empty when unset
  std::string origin = "default";  // "ullage.toml:12"
};

// What residency.hot must have for each of server.threads: four slabs. With less a shard refuses
// writes although nothing is stored.
inline constexpr std::uint64_t kHotPerThreadMin = 256 * 1024;

class Contract {
 public:
  Contract();  // the defaults
  // Errors: kNotFound, kIo, kInvalid (a message of one paragraph per mistake).
  static Result<Contract> read(const std::string& path);
  static Result<Contract> parse(std::string_view text, const std::string& name);

  // One value from outside the file. Error: unknown path (with the nearest), wrong type, beyond the
  // bounds.
  Result<void> set(std::string_view path, std::string_view value, const std::string& origin);

  // Back to unset, which allows anything. The path must be a key (asserted).
  void unset(std::string_view path, const std::string& origin);

  // Bytes, nanoseconds, or a count; nullopt = unset. The path must be a key of that kind
  // (asserted).
  std::optional<std::uint64_t> number(std::string_view path) const;
  std::optional<double> ratio(std::string_view path) const;
  const std::string& text(std::string_view path) const;  // of a text; empty = unset
  const Setting& setting(std::string_view path) const;
  const std::vector<Setting>& settings() const { return settings_; }

  // What can't be kept on this machine, each with its origin and what to do; empty = possible.
  std::vector<std::string> impossible(const Machine& machine) const;

 private:
  std::vector<Setting> settings_;  // as keys()
};

// The effective values as a table, with their origin; `width` columns.
std::string table(const Contract& contract, std::size_t width);

}  // namespace ullage::contract
