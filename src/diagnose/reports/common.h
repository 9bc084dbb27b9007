// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sentences that more than one report prints.

#include <string>

#include "diagnose/finding.h"
#include "evidence/evidence.h"

namespace ullage::diagnose {

// "orders.cpp:88 in load_orders", or the shortest true name when there is no source line.
// Empty for a finding about the whole process.
std::string place_text(const evidence::Frame& frame);
// "412 ms of stalls, worst 97 ms; 30.6 MB copied"; empty when it cost nothing we can count.
std::string cost_text(const Cost& cost);
// "all of 25.2 MB understood", or how much and what was lost.
std::string understood_text(const evidence::Understood& understood);
// Everything but notes.
std::size_t count_findings(const std::vector<Finding>& findings);
// `path` relative to `root` when it lies below it, else unchanged. No file system is asked.
std::string below_root(const std::string& path, const std::string& root);

}  // namespace ullage::diagnose
