// SPDX-License-Identifier: Apache-2.0
#include "guest.h"

namespace {
ullage::growth_site own{"the guest's"};
}

shared_map* guest_makes(std::uint64_t entries) {
  auto* map = new shared_map;
  for (std::uint64_t i = 0; i < entries; ++i) map->try_emplace(i, i);
  return map;
}

std::uint64_t guest_uses(shared_map& map, std::uint64_t from, std::uint64_t to) {
  for (std::uint64_t i = from; i < to; ++i) map.try_emplace(i, i);
  for (std::uint64_t i = from; i < to; i += 4) map.erase(i);
  std::uint64_t right = 0;
  for (const auto& [key, value] : map) right += key == value && map.contains(key) ? 1 : 0;
  return right;
}

void guest_ends(shared_map* map) { delete map; }

void guest_grows_at_its_site() {
  shared_map map(own);
  for (std::uint64_t i = 0; i < 100; ++i) map.try_emplace(i, i);
}

std::uint32_t guest_thread() { return ullage::growth_thread(); }
