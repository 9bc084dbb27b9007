// SPDX-License-Identifier: Apache-2.0
#include "launch/elf_facts.h"

#include <elf.h>
#include <string.h>

#include <algorithm>
#include <memory>

#include "record/byte_source.h"

namespace ullage::launch {
namespace {

using record::ByteSource;

// Program or section headers of one file; no linker makes more than a few dozen.
constexpr size_t kHeadersMax = 4096;
// Entries of .dynamic that are looked at.
constexpr size_t kDynamicMax = 4096;

template <class T>
std::vector<T> read_table(const ByteSource& file, uint64_t at, uint64_t count, uint64_t max) {
  std::vector<T> table(std::min({count, max, file.bytes() / sizeof(T)}));
  table.resize(file.read(at, table.data(), table.size() * sizeof(T)) / sizeof(T));
  return table;
}

std::string read_string(const ByteSource& file, uint64_t at) {
  char text[4096];
  const size_t got = file.read(at, text, sizeof text);
  return std::string(text, strnlen(text, got));
}

class Reader64 {
 public:
  Reader64(const ByteSource& file, const Elf64_Ehdr& header, ElfFacts& facts)
      : file_(file), header_(header), facts_(facts) {}

  void read() {
    if (header_.e_phentsize == sizeof(Elf64_Phdr)) {
      segments_ = read_table<Elf64_Phdr>(file_, header_.e_phoff, header_.e_phnum, kHeadersMax);
    }
    for (const Elf64_Phdr& p : segments_) {
      if (p.p_type == PT_INTERP) facts_.interpreter = read_string(file_, p.p_offset);
      if (p.p_type == PT_DYNAMIC) read_dynamic(p);
    }
    if (header_.e_shentsize != sizeof(Elf64_Shdr)) return;
    const auto sections =
        read_table<Elf64_Shdr>(file_, header_.e_shoff, header_.e_shnum, kHeadersMax);
    for (const Elf64_Shdr& s : sections) {
      if ((s.sh_type == SHT_SYMTAB || s.sh_type == SHT_DYNSYM) && s.sh_link < sections.size()) {
        read_symbols(s, sections[s.sh_link]);
      }
      if (header_.e_shstrndx < sections.size()) {
        const std::string name =
            read_string(file_, sections[header_.e_shstrndx].sh_offset + s.sh_name);
        if (name == ".go.buildinfo" || name == ".gopclntab") facts_.go = true;
      }
    }
  }

 private:
  uint64_t file_offset(uint64_t address) const {
    for (const Elf64_Phdr& p : segments_) {
      if (p.p_type == PT_LOAD && address >= p.p_vaddr && address - p.p_vaddr < p.p_filesz) {
        return p.p_offset + (address - p.p_vaddr);
      }
    }
    return ~uint64_t{0};
  }

  void read_dynamic(const Elf64_Phdr& segment) {
    const auto entries = read_table<Elf64_Dyn>(file_, segment.p_offset,
                                               segment.p_filesz / sizeof(Elf64_Dyn), kDynamicMax);
    uint64_t strings = ~uint64_t{0};
    for (const Elf64_Dyn& d : entries) {
      if (d.d_tag == DT_STRTAB) strings = file_offset(d.d_un.d_ptr);
    }
    if (strings == ~uint64_t{0}) return;
    for (const Elf64_Dyn& d : entries) {
      if (d.d_tag == DT_NULL) break;
      if (d.d_tag == DT_NEEDED) facts_.needed.push_back(read_string(file_, strings + d.d_un.d_val));
    }
  }

  void read_symbols(const Elf64_Shdr& table, const Elf64_Shdr& strings) {
    if (table.sh_size > kSymbolBytesMax || strings.sh_size > kSymbolBytesMax) return;
    const auto symbols = read_table<Elf64_Sym>(file_, table.sh_offset,
                                               table.sh_size / sizeof(Elf64_Sym), kSymbolBytesMax);
    std::vector<char> names =
        read_table<char>(file_, strings.sh_offset, strings.sh_size, kSymbolBytesMax);
    names.push_back(0);
    for (const Elf64_Sym& s : symbols) {
      if (s.st_shndx == SHN_UNDEF || ELF64_ST_BIND(s.st_info) == STB_LOCAL ||
          s.st_name >= names.size()) {
        continue;
      }
      const char* name = &names[s.st_name];
      for (const char* telling : kTellingSymbols) {
        if (name[0] == telling[0] && strcmp(name, telling) == 0) facts_.symbols.insert(name);
      }
    }
  }

  const ByteSource& file_;
  const Elf64_Ehdr& header_;
  ElfFacts& facts_;
  std::vector<Elf64_Phdr> segments_;
};

}  // namespace

ElfFacts read_elf(const std::string& path) {
  ElfFacts facts;
  std::string error;
  const std::unique_ptr<ByteSource> file = record::open_file_source(path, error);
  if (file == nullptr) return facts;
  facts.readable = true;
  Elf64_Ehdr header{};
  const size_t got = file->read(0, &header, sizeof header);
  if (got < EI_NIDENT || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    char line[256];
    const size_t bytes = file->read(0, line, sizeof line);
    facts.first_line.assign(line, std::find(line, line + bytes, '\n'));
    return facts;
  }
  facts.elf = true;
  facts.is_64 = header.e_ident[EI_CLASS] == ELFCLASS64;
  facts.little_endian = header.e_ident[EI_DATA] == ELFDATA2LSB;
  facts.type = header.e_type;  // the same place in both classes
  facts.machine = header.e_machine;
  if (facts.is_64 && facts.little_endian && got == sizeof header) {
    Reader64(*file, header, facts).read();
  }
  return facts;
}

}  // namespace ullage::launch
