// SPDX-License-Identifier: Apache-2.0
#pragma once

// States by id: a vector of T, each with a member `id`, and an index over it. A state keeps its
// place while it lives; places of those that were erased are used again.
//
// Open addressing with linear probing, at most half full, no tombstones. Threads: one.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ullage::trace::go {

template <class T>
class IdTable {
 public:
  static constexpr std::uint32_t kAbsent = UINT32_MAX;

  std::uint32_t find(std::uint64_t id) const {
    const std::uint32_t* const slots = slots_.data();
    const T* const states = states_.data();
    for (std::size_t i = home(id);; i = (i + 1) & mask_) {
      const std::uint32_t slot = slots[i];
      if (slot == 0) return kAbsent;
      if (states[slot - 1].id == id) return slot - 1;
    }
  }
  // The id must be absent.
  std::uint32_t add(std::uint64_t id) {
    if ((used_ + 1) * 2 > slots_.size()) grow();
    std::uint32_t place = static_cast<std::uint32_t>(states_.size());
    if (free_.empty()) {
      states_.emplace_back();
    } else {
      place = free_.back();
      free_.pop_back();
    }
    states_[place].id = id;
    slots_[empty_for(id)] = place + 1;
    ++used_;
    return place;
  }
  void erase(std::uint32_t place) {
    std::size_t hole = home(states_[place].id);
    while (slots_[hole] != place + 1) hole = (hole + 1) & mask_;
    for (std::size_t i = (hole + 1) & mask_; slots_[i] != 0; i = (i + 1) & mask_) {
      // What probed past the hole to lie here moves into it.
      const std::size_t its = home(states_[slots_[i] - 1].id);
      if (((i - its) & mask_) >= ((i - hole) & mask_)) {
        slots_[hole] = slots_[i];
        hole = i;
      }
    }
    slots_[hole] = 0;
    states_[place] = T{};
    free_.push_back(place);
    --used_;
  }

  T& operator[](std::uint32_t place) { return states_[place]; }
  const T& operator[](std::uint32_t place) const { return states_[place]; }
  std::size_t used() const { return used_; }
  std::size_t places() const { return states_.size(); }  // the erased ones hold a T{}

 private:
  std::size_t home(std::uint64_t id) const { return (id * 0x9e3779b97f4a7c15u >> 20) & mask_; }
  std::size_t empty_for(std::uint64_t id) const {
    std::size_t i = home(id);
    while (slots_[i] != 0) i = (i + 1) & mask_;
    return i;
  }
  void grow() {
    std::vector<std::uint32_t> old(slots_.size() * 2);
    old.swap(slots_);
    mask_ = slots_.size() - 1;
    for (const std::uint32_t slot : old) {
      if (slot != 0) slots_[empty_for(states_[slot - 1].id)] = slot;
    }
  }

  std::vector<T> states_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> slots_ = std::vector<std::uint32_t>(64);  // place + 1; 0 = empty
  std::size_t mask_ = slots_.size() - 1;
  std::size_t used_ = 0;
};

}  // namespace ullage::trace::go
