// SPDX-License-Identifier: Apache-2.0
#pragma once

// Case files: evidence written by hand, and what diagnose() must say about it. Tests only.
//
//   # A vector of orders, filled one by one.
//   process duration=58.2s live_max=412MB
//   growth                                      allocation
//     at load_orders orders.cpp:88                at handle server.cpp:12
//     by std::vector<Order>::_M_realloc_insert    by operator new
//     container std::vector<Order>                blocks 1000000 alive 12
//     kind vector                                 bytes 64MB live_max 2MB
//     reserve orders.reserve({N})                 sizes 64B 64B
//     verdict structure named                     lifetimes 900000 90000 0 0 0 0 10000
//     law geometric 2                             live ramp 0 100MB
//     element 32B dwarf                           grows
//     chains 1 alive 0 presized 0
//     links 15 in_place 0 same_stack 15 content 0 steps 0 by 0B
//     copied 30.6MB
//     stall 122ms max 46.7ms
//     overlap 16MB peak 16MB
//     first 32B                                   one size, or: p50 p95 max
//     final 33.5MB
//     slack 512 30MB 12MB                         blocks, painted, unused
//   container orders.by_id                        what a container of the library told
//     at load_orders orders.cpp:88
//     type hash_map
//     told growths 12 moved 4096 bytes_max 64MB denied 3 degraded 1 poor_hash 0
//   lifetimes 10 20 30 0 0 0 5                    of the process
//   contract allocation.growth_stall 2ms          judged by it, with the defaults of the rest
//   speaks repeated-growth warning
//     says orders.reserve(1'100'000)              in title, evidence or remedy
//     advises 1100000
//     confidence 0.6
//     at orders.cpp:88 load_orders            the place, as reports print it, and the function
//     costs stall 122ms copied 30.6MB         exactly: stall, copied, wasted, events, cpu
//     joins growth-stall                      what was folded into it
//   silent growth-stall
//   notes lifetime-classes
//
// Incidents of managed programs have blocks of their own: case_incident_testing.h.
//
// Series: `live` flat X | ramp FROM TO | plateau FROM TO SHARE (rises for that share of the run) |
// saw FROM TO TEETH | stairs FROM TO (doubling). A finding that no `speaks` line expects fails.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "contract/contract.h"
#include "evidence/evidence.h"

namespace ullage::diagnose {

struct Expectation {
  std::string detector;
  std::string severity;             // "silent" = it must not speak
  std::vector<std::string> says{};  // each somewhere in what it says
  std::uint64_t advises = 0;        // 0 = anything
  double confidence = 0;            // 0 = any
  std::string at{};                 // "main.go:26 main.load"; empty = anywhere
  std::map<std::string, std::uint64_t> costs{};
  std::vector<std::string> joins{};  // detectors whose findings are folded into it
};

struct Case {
  evidence::Evidence evidence;
  std::vector<Expectation> expected;
  std::optional<contract::Contract> contract;
};

Result<Case> read_case(const std::string& text);

}  // namespace ullage::diagnose
