// SPDX-License-Identifier: Apache-2.0
#include "base/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

namespace ullage {
namespace {

// Narrower than this nothing reads well, wider than that the eye loses its line.
constexpr int kColumnsMin = 40;
constexpr int kColumnsMax = 160;

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

}  // namespace

bool is_terminal(int fd) { return isatty(fd) == 1; }

int terminal_width(int fd, int fallback) {
  int width = 0;
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) == 0) width = size.ws_col;
  if (width <= 0) width = std::atoi(std::string(environment("COLUMNS")).c_str());
  if (width <= 0) width = fallback;
  return std::clamp(width, kColumnsMin, kColumnsMax);
}

bool terminal_colour(int fd) {
  return is_terminal(fd) && environment("NO_COLOR").empty() && environment("TERM") != "dumb";
}

}  // namespace ullage
