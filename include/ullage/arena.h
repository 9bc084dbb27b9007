// SPDX-License-Identifier: Apache-2.0
//
// arena: how maps with the default allocator (hash_map.h) take memory from the system. Each form of
// slot has an arena, one for all maps of the process; what is asked for here goes for all of them,
// those to come included.
//
//   ullage::configure_arena({.huge_pages = true, .ahead_bytes = std::size_t{64} << 20});
//
// Threads   Any thread, any time; of several calls at once the last one counts.
#pragma once

#include <cstddef>

namespace ullage {

struct arena_options {
  bool huge_pages = false;  ///< ask for 2 MiB pages (madvise); the kernel may say no
  /// A helper thread touches so many bytes ahead of use, but never more than are in use: maps then
  /// seldom wait for the kernel to find and clear a page. Costs that memory and part of a core
  /// while maps grow. 0: no helper. A child process has none until it asks again.
  std::size_t ahead_bytes = 0;
};
struct arena_usage {
  std::size_t used_bytes = 0;  ///< what maps hold, and held
  std::size_t free_bytes = 0;  ///< of those, what no map holds: the next ones take it
};

/// What is left out is as by default; configure_arena({}) goes back to that. False: the helper
/// thread could not be started.
bool configure_arena(const arena_options& options) noexcept;
/// What the arenas hold now.
arena_usage usage_of_arenas() noexcept;
/// Gives the pages of what no map holds back to the system: about `bytes` of them, and one step's
/// (256 KiB, or a huge page). True: there is more to do. Maps that grow meanwhile wait for one step
/// at most; what they take again is touched anew. hash_map::compact does it for the map's arena.
bool trim_arenas(std::size_t bytes = ~std::size_t{0}) noexcept;

}  // namespace ullage

#include <ullage/detail/segment_arena.h>
