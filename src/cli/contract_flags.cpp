// SPDX-License-Identifier: Apache-2.0
#include "cli/contract_flags.h"

namespace ullage::cli {

void ContractFlags::describe(Command& command, bool hidden) {
  for (const contract::Key& key : contract::keys()) {
    Option option;
    option.names = std::string("--") + key.path;
    option.placeholder = "VALUE";
    option.help = key.summary;
    option.hidden = hidden;
    option.set = [this, path = std::string(key.path)](const std::string& value) -> Result<void> {
      contract::Contract scratch;  // a mistake is told where the command line is read
      const std::string flag = "--" + path;
      Result<void> fine = scratch.set(path, value, flag);
      if (fine.ok()) {
        given_.emplace_back(path, value);
        return fine;
      }
      Error error = fine.error();  // the command line says itself which flag it was
      if (error.message.starts_with(flag + ": ")) error.message.erase(0, flag.size() + 2);
      return error;
    };
    command.options.push_back(std::move(option));
  }
}

Result<contract::Contract> ContractFlags::read(const std::string& path) const {
  Result<contract::Contract> contract = path.empty()
                                            ? Result<contract::Contract>(contract::Contract{})
                                            : contract::Contract::read(path);
  if (!contract.ok()) return contract;
  for (const auto& [key, value] : given_) {
    Result<void> done = contract->set(key, value, "--" + key);
    if (!done.ok()) return done.error();
  }
  return contract;
}

}  // namespace ullage::cli
