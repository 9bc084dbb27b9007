// SPDX-License-Identifier: Apache-2.0
#pragma once

// One line of GODEBUG=gctrace=1, found and read wherever it stands in a text.
//
// A line is written in pieces, so that other output to the same descriptor may split it between two
// numbers. That much is repaired: what stands between the pieces, up to the end of its line, is
// passed over.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ullage::trace::gctrace {

// Lines of others within one of ours before we give it up.
inline constexpr int kSplitsMax = 4;
// Bytes from the beginning of a line within which it must end, splits included.
inline constexpr std::size_t kLineBytesMax = 4096;

struct Line {
  std::uint64_t ordinal = 0;
  std::uint64_t at_ns = 0;  // since the runtime's start; told in milliseconds
  std::uint64_t cpu_percent = 0;
  // Wall: stop for sweep termination, concurrent mark, stop for mark termination.
  std::uint64_t stop_first_ns = 0, mark_ns = 0, stop_last_ns = 0;
  // CPU of the mark: assists, dedicated and fractional workers, idle workers.
  std::uint64_t assist_ns = 0, worker_ns = 0, idle_ns = 0;
  std::uint64_t start_bytes = 0, end_bytes = 0, live_bytes = 0, goal_bytes = 0;  // whole MiB
  std::uint64_t stacks_bytes = 0, globals_bytes = 0;
  std::uint64_t processors = 0;
  bool forced = false;      // runtime.GC(), debug.FreeOSMemory; the timer's have no mark
  bool leak_check = false;  // "(checking for goroutine leaks)", Go 1.26
  std::size_t size = 0;     // bytes from its beginning to its end, splits included
  bool split = false;       // something stood within it
};

// Where the next line may begin in `text`, from `from` on: "gc N @". npos: nowhere.
std::size_t find_line(std::string_view text, std::size_t from);
// Reads the line at the beginning of `text`. Empty: it is none, or damaged.
std::optional<Line> parse_line(std::string_view text);

}  // namespace ullage::trace::gctrace
