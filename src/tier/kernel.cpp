// SPDX-License-Identifier: Apache-2.0
#include "tier/kernel.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

namespace ullage::tier::kernel {
namespace {

// What is read of one file; these files are shorter.
constexpr std::size_t kTextBytesMax = 16384;

struct Text {
  std::array<char, kTextBytesMax> bytes;
  std::size_t size = 0;
  std::string_view view() const { return {bytes.data(), size}; }
};

bool read(const std::string& path, Text& text) {
  text.size = 0;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const ssize_t got = ::read(file, text.bytes.data(), text.bytes.size());
  ::close(file);
  if (got > 0) text.size = static_cast<std::size_t>(got);
  return got > 0;
}

std::optional<std::uint64_t> number_after(std::string_view text, std::string_view label) {
  std::size_t at = text.find(label);
  if (at == std::string_view::npos) return std::nullopt;
  at += label.size();
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
  std::uint64_t value = 0;
  const auto read = std::from_chars(text.data() + at, text.data() + text.size(), value);
  if (read.ec != std::errc{}) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> number_in(const std::string& path) {
  Text text;
  if (!read(path, text)) return std::nullopt;
  return number_after(text.view(), "");
}

// The folder of this process in one hierarchy: "0::/a/b" (v2), "4:memory:/a/b" (v1).
std::optional<std::string> folder(std::string_view cgroups, std::string_view marker) {
  const std::size_t at = cgroups.find(marker);
  if (at == std::string_view::npos) return std::nullopt;
  const std::size_t from = at + marker.size();
  return std::string(cgroups.substr(from, cgroups.find('\n', from) - from));
}

void take_least(std::uint64_t& limit, std::optional<std::uint64_t> other) {
  // v1 says "no limit" by a number near 2^63.
  if (!other || *other >= (std::uint64_t{1} << 60) || *other == 0) return;
  if (limit == 0 || *other < limit) limit = *other;
}

}  // namespace

Resident resident(const std::string& proc) {
  Resident result;
  Text text;
  if (!read(proc + "/self/status", text)) return result;
  const std::string_view status = text.view();
  result.resident_bytes = number_after(status, "VmRSS:").value_or(0) * 1024;
  result.peak_bytes = number_after(status, "VmHWM:").value_or(0) * 1024;
  result.shared_bytes = (number_after(status, "RssFile:").value_or(0) +
                         number_after(status, "RssShmem:").value_or(0)) *
                        1024;
  return result;
}

CgroupMemory cgroup_memory(const std::string& proc, const std::string& mount) {
  CgroupMemory result;
  Text text;
  if (!read(proc + "/self/cgroup", text)) return result;
  const std::string_view cgroups = text.view();
  std::optional<std::string> at = folder(cgroups, ":memory:");
  const bool first = at.has_value();
  if (!at && cgroups.starts_with("0::")) at = folder(cgroups, "0::");
  if (!at) return result;
  const std::string root = first ? mount + "/memory" : mount;
  std::string here = root + *at;
  while (here.size() > root.size() && here.back() == '/') here.pop_back();
  // A container often sees its own folder as the root.
  if (::access(here.c_str(), R_OK) != 0) here = root;
  const auto used = number_in(here + (first ? "/memory.usage_in_bytes" : "/memory.current"));
  if (!used) return result;
  std::uint64_t droppable = 0;
  if (read(here + "/memory.stat", text)) {
    droppable =
        number_after(text.view(), first ? "total_inactive_file" : "\ninactive_file").value_or(0);
  }
  result.used_bytes = *used - std::min(*used, droppable);
  for (;;) {
    take_least(result.limit_bytes,
               number_in(here + (first ? "/memory.limit_in_bytes" : "/memory.max")));
    if (!first) take_least(result.limit_bytes, number_in(here + "/memory.high"));
    if (here.size() <= root.size()) break;
    here.resize(std::max(root.size(), here.rfind('/')));
  }
  return result;
}

double memory_stalled_percent(const std::string& proc) {
  Text text;
  if (!read(proc + "/pressure/memory", text)) return -1;
  const std::string_view line = text.view();
  constexpr std::string_view kLabel = "some avg10=";
  const std::size_t at = line.find(kLabel);
  if (at == std::string_view::npos) return -1;
  double percent = -1;
  const char* from = line.data() + at + kLabel.size();
  std::from_chars(from, line.data() + line.size(), percent);
  return percent;
}

}  // namespace ullage::tier::kernel
