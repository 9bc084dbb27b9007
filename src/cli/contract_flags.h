// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the verbs that take a contract share: a flag for every key, by its path in the file
// (--allocation.growth_stall=5ms), which wins over the file.

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cli/command.h"
#include "contract/contract.h"

namespace ullage::cli {

class ContractFlags {
 public:
  // One option per key. `hidden`: parsed, not in the verb's help, where they would drown the rest.
  void describe(Command& command, bool hidden = false);
  bool any() const { return !given_.empty(); }
  // The file (empty: the defaults) with the flags on top.
  Result<contract::Contract> read(const std::string& path) const;

 private:
  std::vector<std::pair<std::string, std::string>> given_;  // path, value
};

}  // namespace ullage::cli
