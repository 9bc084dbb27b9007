// SPDX-License-Identifier: Apache-2.0
#pragma once

// Parts of evidence and findings that several JSON documents hold: the JSON report, the data of the
// HTML page, and the diff. One name for one thing in all of them; each writes into an open object.

#include <cstdint>
#include <string_view>

#include "base/json.h"
#include "diagnose/finding.h"
#include "evidence/evidence.h"

namespace ullage::diagnose {

// "name": {"count", "min", "p50", "p95", "max"}
void write_sizes(JsonWriter& json, std::string_view name, const evidence::SizeSummary& sizes);
// A number that is never 0 where it is known: else null.
void write_known(JsonWriter& json, std::string_view name, std::uint64_t number);
// "cost": {...}
void write_cost(JsonWriter& json, const Cost& cost);
// The numbers of a process and of how much of it was understood; texts are the reports' own.
void write_process_numbers(JsonWriter& json, const evidence::ProcessFacts& process);
void write_understood_numbers(JsonWriter& json, const evidence::Understood& understood);
// What a place counted: verdict, law, chains, links, copies, sizes; not its stalls and frames.
void write_growth_numbers(JsonWriter& json, const evidence::GrowthSite& site);

}  // namespace ullage::diagnose
