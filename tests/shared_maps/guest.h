// SPDX-License-Identifier: Apache-2.0
//
// What the host of this test and the library beside it say to each other.
#pragma once

#include <ullage/hash_map.h>

#include <cstdint>

using shared_map = ullage::hash_map<std::uint64_t, std::uint64_t>;

#define GUEST extern "C" __attribute__((visibility("default")))

GUEST shared_map* guest_makes(std::uint64_t entries);
/// Grows the map by [from, to), erases every fourth of them, walks it; how many it met that are
/// right.
GUEST std::uint64_t guest_uses(shared_map& map, std::uint64_t from, std::uint64_t to);
GUEST void guest_ends(shared_map* map);
/// Grows a map of a site of its own, "the guest's".
GUEST void guest_grows_at_its_site();
GUEST std::uint32_t guest_thread();
