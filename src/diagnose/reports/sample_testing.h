// SPDX-License-Identifier: Apache-2.0
#pragma once

// The evidence that the report tests print: one growing vector, one string place below it, and
// lifetimes. Tests only.

#include "diagnose/detectors/case_file.h"

namespace ullage::diagnose {

inline evidence::Evidence sample_evidence() {
  Result<Case> sample = read_case(R"(
process program=shop duration=58.2s events=4200000 allocations=2000000 live_max=412MB
growth
  at load_orders /src/shop/orders.cpp:88
  by std::vector<Order>::_M_realloc_insert /usr/include/c++/12/bits/vector.tcc:440
  container std::vector<Order>
  kind vector
  reserve orders.reserve({N})
  verdict structure named
  law geometric 2
  element 32B dwarf
  chains 1
  links 20 same_stack 20
  when 120ms 910ms
  copied 33554400B
  stall 122ms max 46.7ms
  overlap 16.8MB
  first 32B
  final 33554432B
growth
  at render /src/shop/page.cpp:7
  by std::string::_M_append
  container std::string
  kind string
  verdict content named
  law geometric 2
  element 1B dwarf
  chains 100
  links 400 content 390
  copied 800kB
  stall 300us max 20us
  first 31B
  final 7681B
lifetimes 10000 600000 1000000 0 0 0 390000
)");
  evidence::Evidence evidence = sample.value().evidence;
  evidence.process.source = "shop.ulg";
  evidence.process.format = "ULG1";
  evidence.process.command = {"shop", "--load", "orders.csv"};
  evidence.process.ended = "normally";
  evidence.understood.bytes_total = evidence.understood.bytes_used = 25'200'000;
  for (evidence::GrowthSite& site : evidence.growth_sites) {
    evidence::Frame main;
    main.function = "main";
    main.file = "/src/shop/main.cpp";
    main.line = 12;
    site.growth.library = true;
    site.stack = {site.growth, site.user, main};
  }
  return evidence;
}

}  // namespace ullage::diagnose
