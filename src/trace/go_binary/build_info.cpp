// SPDX-License-Identifier: Apache-2.0
#include "trace/go_binary/build_info.h"

#include <cstring>

namespace ullage::trace {
namespace {

constexpr char kMagic[] = "\xff Go buildinf:";
constexpr std::size_t kMagicBytes = 14, kHeaderBytes = 32;
constexpr unsigned kInline = 2;  // flag: the strings follow the header (since Go 1.18)
// Text that is accepted: a module list of thousands of lines is a few hundred kB.
constexpr std::uint64_t kTextMax = 4 << 20;
constexpr std::size_t kSettingsMax = 256;
constexpr std::size_t kSentinelBytes = 16;  // around the module text

std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string_view string_at(const ElfImage& image, std::uint64_t header) {
  const std::uint64_t data = image.pointer(header);
  const std::uint64_t size = View{image.at(header + 8, 8)}.u64(0);
  return size > kTextMax ? std::string_view{} : as_text(image.at(data, size));
}

std::string_view field(std::string_view& line) {
  const std::size_t tab = line.find('\t');
  const std::string_view found = line.substr(0, tab);
  line = tab == std::string_view::npos ? std::string_view{} : line.substr(tab + 1);
  return found;
}

void read_module_text(std::string_view text, GoBuildInfo& info) {
  if (text.size() >= 2 * kSentinelBytes + 1 && text[text.size() - kSentinelBytes - 1] == '\n') {
    text = text.substr(kSentinelBytes, text.size() - 2 * kSentinelBytes);
  }
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    const std::string_view kind = field(line);
    if (kind == "path") {
      info.path = line;
    } else if (kind == "mod") {
      info.main_module = field(line);
      info.main_version = field(line);
    } else if (kind == "build" && info.settings.size() < kSettingsMax) {
      const std::size_t equal = line.find('=');
      if (equal == std::string_view::npos) continue;
      info.settings.emplace_back(line.substr(0, equal), line.substr(equal + 1));
    }
  }
}

// Where the header is: in its own section, or at a multiple of 16 in data that is loaded.
std::uint64_t find_header(const ElfImage& image) {
  if (const auto* section = image.section(".go.buildinfo")) return section->address;
  for (const auto& segment : image.segments()) {
    if (segment.executable) continue;
    const std::string_view text = as_text(segment.bytes);
    for (std::size_t at = text.find({kMagic, kMagicBytes}); at != std::string_view::npos;
         at = text.find({kMagic, kMagicBytes}, at + 1)) {
      if ((segment.address + at) % 16 == 0) return segment.address + at;
    }
  }
  return UINT64_MAX;
}

}  // namespace

std::string_view GoBuildInfo::setting(std::string_view key) const {
  for (const auto& [name, value] : settings) {
    if (name == key) return value;
  }
  return {};
}

GoBuildInfo read_build_info(const ElfImage& image) {
  GoBuildInfo info;
  const std::uint64_t header = find_header(image);
  if (header == UINT64_MAX) return info;
  const View view{image.at(header, kTextMax)};
  if (!view.has(0, kHeaderBytes) || std::memcmp(view.bytes.data(), kMagic, kMagicBytes) != 0) {
    return info;
  }
  if ((view.u8(15) & kInline) == 0) {
    info.version = string_at(image, image.pointer(header + 16));
    read_module_text(string_at(image, image.pointer(header + 24)), info);
  } else {
    std::uint64_t at = kHeaderBytes;
    const std::uint64_t version = view.varint(at);
    info.version = as_text(view.part(at, version));
    if (!view.has(at, version)) return {};
    at += version;
    const std::uint64_t modules = view.varint(at);
    read_module_text(as_text(view.part(at, modules)), info);
  }
  constexpr std::size_t kVersionMax = 200;
  if (info.version.size() > kVersionMax) info.version.resize(kVersionMax);
  return info;
}

}  // namespace ullage::trace
