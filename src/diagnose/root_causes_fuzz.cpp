// SPDX-License-Identifier: Apache-2.0
//
// A table of causes is written by hand: any bytes. It is read within its limits or refused with its
// name and line, and what was read can be asked.
#include <cstdlib>
#include <string_view>

#include "diagnose/root_causes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using ullage::diagnose::RootCauses;
  const auto table = RootCauses::parse({reinterpret_cast<const char*>(data), size}, "fuzzed.table");
  if (!table.ok()) {
    if (!table.error().message.starts_with("fuzzed.table:")) std::abort();
    return 0;
  }
  ullage::diagnose::Finding finding;
  finding.detector = "go-forced-gc";
  finding.where.file = "main.go";
  for (const auto& row : table->rows()) {
    if (row.cause.empty() || row.cause.size() > RootCauses::kValueMax + 3 * 4000) std::abort();
  }
  if (const auto* row = table->row_for(finding); row && row->title.empty()) std::abort();
  return 0;
}
