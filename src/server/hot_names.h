// SPDX-License-Identifier: Apache-2.0
#pragma once

// HotNames: the names of the most used keys of one thread, as lines of the list that is saved for
// the next start: how often, which database, how many bytes, the key.
//
//   HotNames names(100'000, 512 << 10);
//   names.add(7, 0, "user:1");                  // in the place of one that is used less, if full
//   for (unsigned f = HotNames::kMost + 1; f-- > 0;) write(names.lines(f));
//
// Memory: bytes_max at most, names and what finds them; up to twice that while it grows.
// Threads: one.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ullage::server {

class HotNames {
 public:
  static constexpr unsigned kMost = 15;  // frequencies above count as this

  HotNames(std::size_t names_max, std::size_t bytes_max)
      : names_max_(names_max), bytes_max_(bytes_max) {}

  bool empty() const { return names_ == 0; }
  std::size_t size() const { return names_; }
  const std::string& lines(unsigned frequency) const { return levels_[frequency].lines; }

  void add(unsigned frequency, unsigned db, std::string_view name) {
    if (frequency > kMost) frequency = kMost;
    const std::string head = std::to_string(frequency) + " " + std::to_string(db) + " " +
                             std::to_string(name.size()) + " ";
    const std::size_t bytes = head.size() + name.size() + 1 + sizeof(std::uint32_t);
    while (names_ >= names_max_ || bytes_ + bytes > bytes_max_) {
      if (!drop_one_below(frequency)) return;
    }
    Level& level = levels_[frequency];
    level.starts.push_back(static_cast<std::uint32_t>(level.lines.size()));
    level.lines.append(head).append(name).append("\n");
    ++names_;
    bytes_ += bytes;
  }

 private:
  struct Level {
    std::string lines;
    std::vector<std::uint32_t> starts;
  };

  bool drop_one_below(unsigned frequency) {
    for (unsigned f = 0; f < frequency; ++f) {
      Level& level = levels_[f];
      if (level.starts.empty()) continue;
      bytes_ -= level.lines.size() - level.starts.back() + sizeof(std::uint32_t);
      level.lines.resize(level.starts.back());
      level.starts.pop_back();
      --names_;
      return true;
    }
    return false;
  }

  std::size_t names_max_, bytes_max_, names_ = 0, bytes_ = 0;
  std::array<Level, kMost + 1> levels_;
};

}  // namespace ullage::server
