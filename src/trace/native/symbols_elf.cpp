// SPDX-License-Identifier: Apache-2.0
#include "trace/native/symbols_elf.h"

#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <gelf.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <optional>

namespace ullage::trace {
namespace {

namespace fs = std::filesystem;

// A symbol without a size (assembly) is believed for this many bytes, at most to the next symbol.
constexpr std::uint64_t kUnsizedReachBytes = 4096;
// Symbols looked at before an address for one that covers it: nested ones are rare.
constexpr int kCoveringStepsMax = 16;
// ModuleRecord keeps this many bytes of a build-id at most; longer ones are compared as prefixes.
constexpr std::size_t kRecordedIdBytesMax = 31;

struct Descriptor {
  int fd = -1;
  explicit Descriptor(int descriptor) : fd(descriptor) {}
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

std::string hex(const void* bytes, std::size_t count) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    const auto byte = static_cast<const unsigned char*>(bytes)[i];
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

// The build-id of an ELF file in hex, "" if it has none; nothing if it is no ELF file.
std::optional<std::string> build_id_of(int fd) {
  elf_version(EV_CURRENT);
  Elf* elf = elf_begin(fd, ELF_C_READ_MMAP, nullptr);
  if (elf == nullptr) return std::nullopt;
  std::optional<std::string> id;
  if (elf_kind(elf) == ELF_K_ELF) {
    const void* bytes = nullptr;
    const ssize_t count = dwelf_elf_gnu_build_id(elf, &bytes);
    id = count > 0 ? hex(bytes, static_cast<std::size_t>(count)) : std::string{};
  }
  elf_end(elf);
  return id;
}

bool same_id(const std::string& recorded, const std::string& found) {
  if (recorded.size() == 2 * kRecordedIdBytesMax) return found.starts_with(recorded);
  return recorded == found;
}

std::vector<std::string> debug_folders(const SymbolOptions& options) {
  std::vector<std::string> folders;
  for (const std::string& dir : options.debug_dirs) {
    std::error_code error;
    fs::path path = fs::absolute(dir, error);
    if (!error) folders.push_back(path.string());
  }
  folders.emplace_back("/usr/lib/debug");
  return folders;
}

// FOLDER/.build-id/ab/cdef….debug (or without .debug: the whole file), if it exists.
std::string by_build_id(const std::string& id, const SymbolOptions& options) {
  if (id.size() < 6) return {};
  for (const std::string& folder : debug_folders(options)) {
    const std::string stem = folder + "/.build-id/" + id.substr(0, 2) + "/" + id.substr(2);
    for (const char* suffix : {"", ".debug"})
      if (access((stem + suffix).c_str(), R_OK) == 0) return stem + suffix;
  }
  return {};
}

bool crc_matches(int fd, std::uint32_t wanted) {
  std::array<unsigned char, 64 * 1024> buffer;
  std::uint32_t crc = 0;
  off_t at = 0;
  for (ssize_t count; (count = pread(fd, buffer.data(), buffer.size(), at)) > 0; at += count)
    crc = static_cast<std::uint32_t>(crc32(crc, buffer.data(), static_cast<unsigned>(count)));
  return crc == wanted;
}

// What dwfl_standard_find_debuginfo does, up to the point where it would ask the network.
int find_debug_file(Dwfl_Module* module, void** user, const char* name, Dwarf_Addr base,
                    const char* file_name, const char* link, GElf_Word crc, char** found_name) {
  const auto* options = static_cast<const SymbolOptions*>(*user);
  if (options->debuginfod)
    return dwfl_standard_find_debuginfo(module, user, name, base, file_name, link, crc, found_name);
  const int by_id =
      dwfl_build_id_find_debuginfo(module, user, name, base, file_name, link, crc, found_name);
  if (by_id >= 0 || link == nullptr || file_name == nullptr) return by_id;

  std::error_code error;
  const fs::path real = fs::canonical(file_name, error);
  const std::string folder = (error ? fs::path(file_name) : real).parent_path().string();
  std::vector<std::string> candidates = {folder + "/" + link, folder + "/.debug/" + link};
  for (const std::string& dir : debug_folders(*options)) {
    candidates.push_back(dir + folder + "/" + link);
    candidates.push_back(dir + "/" + link);
  }
  for (const std::string& path : candidates) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    // A link to the file itself would shadow its own sections with stripped ones.
    const bool itself = !error && fs::equivalent(path, real, error);
    error.clear();
    if (!itself && crc_matches(fd, crc)) {
      *found_name = strdup(path.c_str());
      return fd;
    }
    close(fd);
  }
  return -1;
}

int find_no_elf(Dwfl_Module*, void**, const char*, Dwarf_Addr, char**, Elf**) { return -1; }

}  // namespace

struct ElfModule::Handles {
  SymbolOptions options;
  std::string debug_path;
  char* debug_path_text = nullptr;
  Dwfl_Callbacks callbacks{};
  Dwfl* dwfl = nullptr;
  Dwfl_Module* module = nullptr;

  ~Handles() {
    if (dwfl != nullptr) dwfl_end(dwfl);
  }
};

ElfModule::ElfModule(const std::string& path, const std::string& build_id_hex,
                     const SymbolOptions& options)
    : handles_(std::make_unique<Handles>()) {
  std::string file = path;
  {
    const Descriptor main(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    std::optional<std::string> id;
    if (main.fd >= 0) id = build_id_of(main.fd);
    if (main.fd < 0)
      status_ = Status::kMissing;
    else if (!id)
      status_ = Status::kDamaged;
    else if (!build_id_hex.empty() && !same_id(build_id_hex, *id))
      status_ = Status::kChanged;
    else
      status_ = Status::kOpen;
  }
  if (status_ != Status::kOpen) {
    file = by_build_id(build_id_hex, options);
    if (file.empty()) return;
    const Descriptor substitute(open(file.c_str(), O_RDONLY | O_CLOEXEC));
    const auto id = build_id_of(substitute.fd);
    if (!id || !same_id(build_id_hex, *id)) return;
  }

  Handles& h = *handles_;
  h.options = options;
  h.debug_path = ":.debug";
  for (const std::string& folder : debug_folders(options)) h.debug_path += ":" + folder;
  h.debug_path_text = h.debug_path.data();
  h.callbacks.find_elf = find_no_elf;
  h.callbacks.find_debuginfo = find_debug_file;
  h.callbacks.section_address = dwfl_offline_section_address;
  h.callbacks.debuginfo_path = &h.debug_path_text;

  status_ = Status::kDamaged;
  h.dwfl = dwfl_begin(&h.callbacks);
  if (h.dwfl == nullptr) return;
  dwfl_report_begin(h.dwfl);
  h.module = dwfl_report_elf(h.dwfl, "module", file.c_str(), -1, 0, true);
  dwfl_report_end(h.dwfl, nullptr, nullptr);
  if (h.module == nullptr) return;
  void** user = nullptr;
  dwfl_module_info(h.module, &user, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
  *user = &h.options;
  status_ = Status::kOpen;
}

ElfModule::~ElfModule() = default;

Dwarf* ElfModule::dwarf(std::uint64_t* bias) {
  if (status_ != Status::kOpen) return nullptr;
  Dwarf_Addr found = 0;
  Dwarf* dwarf = dwfl_module_getdwarf(handles_->module, &found);
  *bias = found;
  return dwarf;
}

Elf* ElfModule::file() {
  GElf_Addr bias = 0;
  return status_ == Status::kOpen ? dwfl_module_getelf(handles_->module, &bias) : nullptr;
}

void ElfModule::load_symbols() {
  symbols_loaded_ = true;
  Dwfl_Module* module = handles_->module;
  const int count = dwfl_module_getsymtab(module);
  for (int i = 0; i < count; ++i) {
    GElf_Sym symbol;
    GElf_Addr address = 0;
    GElf_Word section = 0;
    const char* name =
        dwfl_module_getsym_info(module, i, &symbol, &address, &section, nullptr, nullptr);
    if (name == nullptr || name[0] == '\0' || section == SHN_UNDEF || section == SHN_ABS) continue;
    const int type = GELF_ST_TYPE(symbol.st_info);
    if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE) continue;
    if (address == 0) continue;
    symbols_.push_back({address, symbol.st_size, name});
  }
  // Among names of one address the sized, then the public one (fewest leading underscores).
  const auto underscores = [](const char* name) { return std::strspn(name, "_"); };
  std::stable_sort(symbols_.begin(), symbols_.end(), [&](const Entry& a, const Entry& b) {
    if (a.address != b.address) return a.address < b.address;
    if ((a.size == 0) != (b.size == 0)) return a.size == 0;
    return underscores(a.name) > underscores(b.name);
  });
}

ElfModule::Symbol ElfModule::symbol(std::uint64_t address) {
  if (status_ != Status::kOpen) return {};
  if (!symbols_loaded_) load_symbols();
  const auto after = std::upper_bound(
      symbols_.begin(), symbols_.end(), address,
      [](std::uint64_t wanted, const Entry& entry) { return wanted < entry.address; });
  if (after == symbols_.begin()) return {};
  const Entry& nearest = *(after - 1);
  auto at = after;
  for (int step = 0; step < kCoveringStepsMax && at != symbols_.begin(); ++step) {
    --at;
    if (address - at->address < at->size) return {at->name, address - at->address, true};
  }
  const std::uint64_t offset = address - nearest.address;
  return {nearest.name, offset, nearest.size == 0 && offset < kUnsizedReachBytes};
}

}  // namespace ullage::trace
