// SPDX-License-Identifier: Apache-2.0
#pragma once

// The decorations before a message of a unified log: any subset of them, or none.
//
//   [2022-11-10T03:37:29.443-0800][0.017s][info][gc,heap] Heap region size: 2M

#include <cstdint>
#include <string_view>

namespace ullage::trace::jvm {

struct Decorations {
  std::size_t count = 0;
  bool has_uptime = false, has_wall = false;
  std::int64_t uptime_ns = 0, wall_ns = 0;
  std::uint64_t tick_ns = 1'000'000;  // of the finest time that is used
  bool has_level = false;
  std::string_view tags;     // "gc,start"; without a level, whatever stood last in brackets
  std::string_view message;  // what follows, without the one blank before it
};
Decorations parse_decorations(std::string_view line);

}  // namespace ullage::trace::jvm
