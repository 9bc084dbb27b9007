// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sites: from places (addresses) to sites (names): what the linker summed per calling context is
// merged by the growth function and the user's function that called it, and judged.
//
//   fill_growth_sites(linker, frames, symbolizer_or_null, evidence);
//   fill_allocation_sites(linker, frames, evidence);
//
// Both only read the linker, which must have finished. `contexts_of_interest` names the addresses
// to resolve before.

#include <cstdint>
#include <vector>

#include "evidence/evidence.h"
#include "trace/native/frames.h"
#include "trace/native/linker.h"
#include "trace/native/symbols.h"

namespace ullage::trace {

// Places that get names. Smaller ones are left out of the sites (the process's totals have them).
inline constexpr std::size_t kGrowthPlacesNamed = 20000;
inline constexpr std::size_t kAllocationPlacesNamed = 6000;

// Every address on the way from a named place to its root, sorted, each once.
std::vector<std::uint64_t> addresses_of_interest(const Linker& linker);

void fill_growth_sites(const Linker& linker, Frames& frames, const Symbolizer* symbols,
                       evidence::Evidence& out);
// What containers told; after fill_growth_sites, which it adds to where no allocation stands for a
// growth.
void fill_container_sites(const Linker& linker, Frames& frames, evidence::Evidence& out);
void fill_allocation_sites(const Linker& linker, Frames& frames, evidence::Evidence& out);

// What a container that tells of itself is called, and the size of its elements.
void describe_container(const ContainerTotals& told, evidence::GrowthSite& out);

// The frame of `frames` that stands for the growth: a known growth function among the innermost
// ones, else the innermost one that is more than a wrapper around malloc. `name` as growth_name().
struct GrowthName;
struct GrowthFrame {
  std::size_t index = 0;
  const GrowthName* name = nullptr;
};
GrowthFrame find_growth_frame(const std::vector<Unfolded>& frames);
// The first frame from `from` on that is the user's; `from` when there is none. Of a stripped
// library, the nearest function on the way that has a name.
std::size_t find_user_frame(const std::vector<Unfolded>& frames, std::size_t from);
// Whether a function only passes an allocation on: zmalloc, xrealloc, std::allocator<T>::allocate.
bool allocator_wrapper(const std::string& function);

}  // namespace ullage::trace
