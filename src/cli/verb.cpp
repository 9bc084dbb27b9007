// SPDX-License-Identifier: Apache-2.0
#include "cli/verb.h"

#include <iostream>

namespace ullage::cli {

#define ULLAGE_VERB(name) std::unique_ptr<Verb> make_##name();
#include "cli/verbs.def"
#undef ULLAGE_VERB

const std::vector<VerbEntry>& verbs() {
  static const std::vector<VerbEntry> entries = {
#define ULLAGE_VERB(name) {#name, make_##name},
#include "cli/verbs.def"
#undef ULLAGE_VERB
  };
  return entries;
}

DescribedVerb describe(const VerbEntry& entry) {
  DescribedVerb described{entry.make(), {}};
  described.command.name = entry.name;
  described.verb->describe(described.command);
  return described;
}

std::vector<DescribedVerb> describe_all() {
  std::vector<DescribedVerb> all;
  for (const VerbEntry& entry : verbs()) all.push_back(describe(entry));
  return all;
}

int fail(const Error& error, int code) {
  std::cerr << error.message << '\n';
  return code;
}

}  // namespace ullage::cli
