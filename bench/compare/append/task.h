// SPDX-License-Identifier: Apache-2.0
// append: what growing costs a std::vector that was not told its final size.
//
// Everything here is counted, not timed, so the numbers are the same on every machine. A contender
// is a struct with `static void make_room(Vector&, std::size_t final_size)`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "driver.h"

namespace append {

inline std::uint64_t g_moves = 0;

// 16 bytes whose moves are counted: growing copies them, appending does not.
struct Element {
  std::uint64_t key = 0;
  std::uint64_t value = 0;

  Element(std::uint64_t k, std::uint64_t v) : key(k), value(v) {}
  Element(const Element& other) = default;
  Element& operator=(const Element&) = default;
  Element(Element&& other) noexcept : key(other.key), value(other.value) { ++g_moves; }
  Element& operator=(Element&&) noexcept = default;
  ~Element() = default;
};

using Vector = std::vector<Element>;

}  // namespace append

struct Task {
  static std::size_t count_of(std::string_view case_name) {
    return case_name == "thousand" ? 1000 : 1'000'000;
  }

  template <class Contender>
  static void run(std::string_view case_name, bench::Report& report) {
    const std::size_t count = count_of(case_name);
    const auto before = bench::allocations();
    append::Vector vector;
    Contender::make_room(vector, count);
    for (std::size_t i = 0; i < count; ++i) vector.emplace_back(i, i);
    bench::keep(vector);
    const auto spent = bench::allocations() - before;
    report.add("allocations", static_cast<double>(spent.count), "count");
    report.add("allocated_bytes", static_cast<double>(spent.bytes), "B");
    report.add("moves", static_cast<double>(append::g_moves), "count");
  }
};
