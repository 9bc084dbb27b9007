// SPDX-License-Identifier: Apache-2.0
#include "trace/go_binary/reader.h"

#include <cstring>

#include "trace/go_binary/go_binary.h"

namespace ullage::trace {

bool sniff_go_binary(std::span<const std::uint8_t> bytes) {
  const View view{bytes};
  const auto type = view.get<std::uint16_t>(16);  // 2: executable, 3: shared or independent
  return view.has(0, 64) &&
         std::memcmp(bytes.data(),
                     "\x7f"
                     "ELF\x02\x01",
                     6) == 0 &&
         (type == 2 || type == 3);
}

evidence::Evidence describe_go_binary(const GoBinary& binary, const Input& input) {
  evidence::Evidence evidence;
  evidence::Incident& incident = evidence.incident;
  evidence::Artefact& artefact = incident.artefacts.emplace_back();
  artefact.name = input.name();
  artefact.format = "Go binary";
  artefact.version = binary.build_info().version;
  artefact.bytes = input.bytes().size();
  artefact.unit = "functions";
  artefact.records = binary.functions();
  artefact.build_id = binary.gnu_build_id().empty() ? binary.go_build_id() : binary.gnu_build_id();
  if (!binary.decodes_calls()) {
    artefact.notes.push_back(
        "Built for a machine whose calls are not decoded here: amd64 and arm64 "
        "are. Names and lines are used.");
  }
  if (!binary.tells_inlining()) {
    artefact.notes.push_back(
        "Its tables of inlined calls were not found: addresses are named by "
        "the function that holds them.");
  }
  evidence::RuntimeFacts& facts = incident.facts;
  facts.runtime = evidence::Runtime::kGo;
  facts.version = binary.build_info().version;
  facts.program = binary.build_info().path;
  for (const std::string* id : {&binary.gnu_build_id(), &binary.go_build_id()}) {
    if (!id->empty()) facts.build_ids.push_back(*id);
  }
  evidence.process.source = input.name();
  evidence.process.format = artefact.format;
  evidence.process.program = facts.program;
  evidence.understood.bytes_total = evidence.understood.bytes_used = artefact.bytes;
  evidence.understood.notes = artefact.notes;
  return evidence;
}

}  // namespace ullage::trace
