// SPDX-License-Identifier: Apache-2.0
#pragma once

// How INFO writes: sections, fields, and figures for people.

#include <cstdint>
#include <cstdio>
#include <string>
#include <type_traits>
#include <utility>

namespace ullage::server {

class InfoText {
 public:
  void section(const char* title) {
    if (!text_.empty()) text_ += "\r\n";
    text_ += "# " + std::string(title) + "\r\n";
  }
  template <class T>
  void field(const std::string& name, const T& value) {
    text_ += name + ":";
    if constexpr (std::is_floating_point_v<T>) {
      char number[64];
      std::snprintf(number, sizeof number, "%.2f", static_cast<double>(value));
      text_ += number;
    } else if constexpr (std::is_arithmetic_v<T>) {
      text_ += std::to_string(value);
    } else {
      text_ += value;
    }
    text_ += "\r\n";
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

inline std::string human(std::uint64_t bytes) {
  char text[32];
  const double value = static_cast<double>(bytes);
  if (bytes < 1024) return std::to_string(bytes) + "B";
  if (bytes < 1024 * 1024) {
    std::snprintf(text, sizeof text, "%.2fK", value / 1024);
  } else if (bytes < 1024ULL * 1024 * 1024) {
    std::snprintf(text, sizeof text, "%.2fM", value / (1024 * 1024));
  } else {
    std::snprintf(text, sizeof text, "%.2fG", value / (1024.0 * 1024 * 1024));
  }
  return text;
}

inline double ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 1 : static_cast<double>(part) / static_cast<double>(whole);
}

inline std::string percent(std::uint64_t part, std::uint64_t whole) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f%%", whole == 0 ? 0 : 100 * ratio(part, whole));
  return text;
}

}  // namespace ullage::server
